//! How much the entries of a code vary with Gaussian noise of size 1, from the Jacobian of its
//! linear region.
//!
//! With `J = Q R` and `R = U S Vᵀ`, `(JᵀJ + λI)⁻¹ = V (S² + λI)⁻¹ Vᵀ`. Without a prior, an entry
//! that has a part in the null space of `J` is not determined: it has no variance.

use nalgebra::DMatrix;

use super::super::active_set::OF_PRODUCT_ERROR;
use super::super::kink::{self, bend};
use super::super::local_search::LocalSearch;
use super::super::uniqueness::RANK_TOLERANCE;

/// An entry whose share of the null space is at most this has no part in it: rounding turns the
/// null vectors by less.
const NO_PART: f64 = 1e-12;
/// Steps of the singular value decomposition before it counts as failed.
const MOST_STEPS: usize = 10_000;

/// The covariance of a code, for noise of size 1.
pub struct Spread {
    /// `V`: one axis per column.
    pub axes: DMatrix<f64>,
    /// The standard deviation along each axis, `1/√(s² + λ)`; infinite in the null space.
    pub lengths: Vec<f64>,
    /// The standard deviation of each entry; infinite where the data do not determine it.
    pub entries: Vec<f64>,
    /// How many numbers the fit has used: `Σ s²/(s² + λ)`, without a prior the rank of `J`.
    pub freedom: f64,
}

impl Spread {
    /// The covariance by the rows of `J`, row after row, `k` entries each, of relative error
    /// `error`. `None` if they are not finite.
    pub fn of(rows: &[f64], k: usize, prior: f64, error: f64) -> Option<Self> {
        let triangle = triangle(rows, k);
        if triangle.iter().any(|entry| !entry.is_finite()) {
            return None;
        }
        let svd = triangle.try_svd(false, true, f64::EPSILON, MOST_STEPS)?;
        let axes = svd.v_t?.transpose();
        let values = svd.singular_values;
        let least = (RANK_TOLERANCE + OF_PRODUCT_ERROR * error) * values.max();
        let length = |s: &f64| match prior > 0.0 || *s > least {
            true => 1.0 / (s * s + prior).sqrt(),
            false => f64::INFINITY,
        };
        let lengths: Vec<f64> = values.iter().map(length).collect();
        let used = values.iter().zip(&lengths).filter(|(_, length)| length.is_finite());
        let freedom = used.map(|(s, length)| (s * length) * (s * length)).sum();
        let entries = (0..k).map(|i| deviation(axes.row(i).iter().copied(), &lengths)).collect();
        Some(Spread { axes, lengths, entries, freedom })
    }
}

impl LocalSearch<'_> {
    /// The covariance at the current code, with the slopes of one side: units on their kinks count
    /// as off, which widens the intervals. `None` if the Jacobian is not finite.
    pub(super) fn spread(&mut self, observation: &[f64]) -> Option<Spread> {
        let k = self.network.code_length();
        self.take_off_side();
        let has_rows = self.linear.form(self.network, &self.current, &self.region, observation);
        let rows: Vec<f64> =
            if has_rows { self.linear.rows().flat_map(|(row, _)| row.iter().copied()).collect() } else { Vec::new() };
        Spread::of(&rows, k, self.network.prior(), self.network.product_error())
    }

    /// Takes the region of the current code, with units on their kinks by the sign that rounding
    /// gave them: the sides of some code nearby. False if these are the sides taken before.
    pub(super) fn take_any_side(&mut self) -> bool {
        let before = self.region.clone();
        self.region.take(self.network, &self.current);
        self.region != before
    }

    /// Takes the region of the current code. Units on their kinks are off.
    pub(super) fn take_off_side(&mut self) {
        self.region.take(self.network, &self.current);
        for (index, layer) in self.network.layers().iter().enumerate() {
            if bend(layer.activation).is_none() {
                continue;
            }
            let received = &self.current.received(index)[..layer.units];
            let tolerance = kink::tolerance(kink::IN_ACTIVE_SET, received);
            for (unit, a) in received.iter().enumerate().filter(|(_, a)| a.abs() <= tolerance) {
                debug_assert!(!a.is_nan(), "filtered");
                self.region.set(index, unit, false);
            }
        }
    }
}

/// The standard deviation of an entry, from its parts along the axes.
fn deviation(parts: impl Iterator<Item = f64> + Clone, lengths: &[f64]) -> f64 {
    let free: f64 = parts.clone().zip(lengths).filter(|(_, length)| length.is_infinite()).map(|(v, _)| v * v).sum();
    if free > NO_PART {
        return f64::INFINITY;
    }
    let finite = parts.zip(lengths).filter(|(_, length)| length.is_finite());
    finite.map(|(v, length)| (v * length) * (v * length)).sum::<f64>().sqrt()
}

/// `R` of the QR decomposition of `rows` (row after row, `k` entries each), `k × k`.
fn triangle(rows: &[f64], k: usize) -> DMatrix<f64> {
    let count = rows.len() / k.max(1);
    if count <= k {
        return DMatrix::from_fn(k, k, |i, j| if i < count { rows[i * k + j] } else { 0.0 });
    }
    DMatrix::from_row_slice(count, k, rows).qr().unpack_r()
}
