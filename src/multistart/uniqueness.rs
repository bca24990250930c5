//! Local uniqueness: whether every direction away from a code raises the loss.

use nalgebra::{DMatrix, DVector};

use super::active_set::OF_PRODUCT_ERROR;
use super::local_search::LocalSearch;
use super::sensitivities::gradient_of_unit;

/// A singular value below this share of the largest counts as 0.
pub(super) const RANK_TOLERANCE: f64 = 1e-9;
/// An eigenvalue of `JᵀJ` above this share of the largest is no rounding, and its root is far above
/// [`RANK_TOLERANCE`].
const CLEARLY_ABOVE: f64 = 1e-10;

impl LocalSearch<'_> {
    /// Whether the final code is the only minimiser in its neighbourhood: the Jacobian, together
    /// with the gradients of the units pinned on their kinks, has rank `k`. The rank is read from
    /// the singular values of its triangular factor.
    ///
    /// With a prior, whether the data alone determine it: `J` has rank `k` with the units on kinks
    /// counted as off. Their gradients do not count, since the prior may be what holds them there.
    pub fn is_determined(&mut self, observation: &[f64]) -> bool {
        let k = self.network.code_length();
        if !self.linear.form(self.network, &self.current, &self.region, observation) {
            return false;
        }
        // Gradients of different layers are compared in units in which all are of ordinary size.
        let units = self.network.units();
        if self.is_clearly_determined(units) {
            return true;
        }
        let in_units = |row: &[f64], unit: f64| row.iter().map(|entry| entry * unit).collect();
        let of_output = units.last().copied().unwrap_or(1.0);
        let mut rows: Vec<Vec<f64>> = self.linear.rows().map(|(row, _)| in_units(row, of_output)).collect();
        let has_prior = self.network.prior() > 0.0;
        for (layer, unit) in self.pinned().filter(|_| !has_prior) {
            let mut gradient = vec![0.0; k];
            gradient_of_unit(self.network, &self.linear, layer, unit, &mut gradient);
            rows.push(in_units(&gradient, units[layer]));
        }
        if rows.len() < k {
            return false;
        }
        let matrix = DMatrix::from_fn(rows.len(), k, |i, j| rows[i][j]);
        let triangle = matrix.qr().unpack_r();
        if triangle.iter().any(|entry| !entry.is_finite()) {
            return false;
        }
        let values = triangle.singular_values();
        let tolerance = RANK_TOLERANCE + OF_PRODUCT_ERROR * self.network.product_error();
        values.min() > tolerance * values.max()
    }

    /// Whether `JᵀJ`, with the gradients of the pinned units, is so far from singular that its
    /// rounding does not matter. The triangular factor takes many times as long. Follows
    /// [`Linearisation::form`](super::linearisation::Linearisation::form).
    fn is_clearly_determined(&self, units: &[f64]) -> bool {
        let (k, prior) = (self.network.code_length(), self.network.prior());
        if self.network.product_error() != 0.0 {
            return false;
        }
        let of_output = units.last().copied().unwrap_or(1.0).powi(2);
        let mut matrix = DMatrix::from_fn(k, k, |i, j| {
            let of_prior = if i == j { prior } else { 0.0 };
            of_output * (self.linear.normal(i.min(j), i.max(j)) - of_prior)
        });
        let mut gradient = DVector::zeros(k);
        for (layer, unit) in self.pinned().filter(|_| prior == 0.0) {
            gradient_of_unit(self.network, &self.linear, layer, unit, gradient.as_mut_slice());
            matrix.ger(units[layer].powi(2), &gradient, &gradient, 1.0);
        }
        if matrix.iter().any(|entry| !entry.is_finite()) {
            return false;
        }
        let values = matrix.symmetric_eigenvalues();
        values.min() > CLEARLY_ABOVE * values.max()
    }
}
