//! Condition constants of a matrix: `m_i(A) = min { |Av| : v_i = 1 }` in the maximum and in the sum
//! norm, by one linear program per column, and from them `c(A) = min |Av| / |v|`.
//!
//! - Maximum norm: `c_∞ = min_i m_i`, exactly. A minimiser of `c_∞`, divided by its largest entry,
//!   is a candidate for that entry's `m_i`. And the minimiser of the least `m_i` has no entry above
//!   1, because dividing by a larger entry would give a smaller `m_j`.
//! - Sum norm: `|v_i| ≤ |Av|₁ / m_i` for every `i`, so `|v|₁ ≤ |Av|₁ Σ 1/m_i`. So `1 / Σ 1/m_i` is
//!   a *lower bound* of `c_1`. `c_1` itself is a minimum of a norm over the facets of a
//!   cross-polytope, `2^(k−1)` of them.
//!
//! All `k` programs are one batch for the public call, on the network `v ↦ (A; M·I) v` without
//! activation. Observation `i` is 0 on the rows of `A`, `M` at its pin `i`, and unobserved at the
//! other pins. `linf` gives `δ = min_s max(s·m_i, M(1 − s))`, hence `m_i = δ / (1 − δ/M)`. `l1`
//! gives `min_s s·m_i + M(1 − s) = m_i`, because `M` is at least `|A e_i|₁ ≥ m_i`.

use nalgebra::{DMatrix, DVector};

use super::contender::{Contender, descent_on_random};
use crate::batch::Inverter;
use crate::error::Result;
use crate::network::{Activation, DenseLayer, Network};
use crate::outcome::Status;

/// Condition constants of a layer's active rows, in one of the two norms.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Conditioning {
    /// `m_i`, one per column; 0 if a program was not certified.
    least: Vec<f64>,
    /// `|Av| / |v|` in the method's norm, for the best of the minimisers.
    attained: f64,
}

impl Conditioning {
    /// Computes the constants of `matrix`, which has full column rank, in the maximum norm (`linf`)
    /// or the sum norm (`l1`), on `threads` threads.
    ///
    /// # Errors
    /// Those of [`Inverter`].
    pub fn new(matrix: &DMatrix<f64>, method: Contender, threads: usize) -> Result<Self> {
        let (rows, columns) = matrix.shape();
        let size = |column: usize| match method {
            Contender::Linf => matrix.column(column).amax(),
            _ => 1.01 * matrix.column(column).lp_norm(1),
        };
        let pin = (0..columns).map(size).fold(0.0, f64::max);
        let weight = DMatrix::from_fn(rows + columns, columns, |row, column| match row.checked_sub(rows) {
            None => matrix[(row, column)],
            Some(pinned) if pinned == column => pin,
            Some(_) => 0.0,
        });
        let observations = DMatrix::from_fn(rows + columns, columns, |row, column| match row.checked_sub(rows) {
            None => 0.0,
            Some(pinned) if pinned == column => pin,
            Some(_) => f64::NAN,
        });
        let layer = DenseLayer { bias: DVector::zeros(rows + columns), weight, activation: Activation::Identity };
        let network = Network::new(vec![layer], "the pinned rows")?;
        // No violation exceeds the first tolerance, because `v = 0` has this violation.
        let options = method.options(pin, descent_on_random(0), threads);
        let answers = Inverter::new(network, options)?.invert(&observations)?;
        let least = answers.rows.iter().map(|row| match (&row.status, row.layers.first()) {
            (Status::Solved, Some(layer)) if method == Contender::Linf => {
                layer.objective / (1.0 - layer.objective / pin)
            }
            (Status::Solved, Some(layer)) => layer.objective,
            _ => 0.0,
        });
        let norm = |vector: &DVector<f64>| if method == Contender::Linf { vector.amax() } else { vector.lp_norm(1) };
        let minimisers = answers.codes.column_iter().map(|v| v.into_owned());
        let ratios = minimisers.map(|v| norm(&(matrix * &v)) / norm(&v));
        Ok(Conditioning { least: least.collect(), attained: ratios.fold(f64::INFINITY, f64::min) })
    }

    /// `min_i m_i`: `|v|_∞` is at most `|Av|` divided by this. In the maximum norm it is `c_∞`.
    pub fn largest_entry(&self) -> f64 {
        self.least.iter().copied().fold(f64::INFINITY, f64::min)
    }

    /// `1 / Σ 1/m_i`: `|v|₁` is at most `|Av|` divided by this. In the sum norm it is the lower
    /// bound of `c_1`.
    pub fn sum_of_entries(&self) -> f64 {
        1.0 / self.least.iter().map(|least| 1.0 / least).sum::<f64>()
    }

    /// An upper bound of `c` that some vector attains. In the maximum norm it is `c_∞` again.
    pub fn attained(&self) -> f64 {
        self.attained
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::{Domain, normal_vector};

    fn random(rows: usize, columns: usize, seed: u64) -> DMatrix<f64> {
        DMatrix::from_vec(rows, columns, normal_vector(seed, Domain::Network, 0, rows * columns))
    }

    /// `c_∞` of two columns: on each edge of the square, `|Av|_∞` is convex and piecewise linear,
    /// with its minimum at an end or where two of `±a_j·v` meet.
    fn by_enumeration(matrix: &DMatrix<f64>) -> f64 {
        let mut least = f64::INFINITY;
        for edge in 0..2 {
            let line = |row: usize| (matrix[(row, edge)], matrix[(row, 1 - edge)]);
            let value =
                |u: f64| (0..matrix.nrows()).map(|row| (line(row).0 + u * line(row).1).abs()).fold(0.0, f64::max);
            let mut places = vec![-1.0, 1.0];
            for (a, b) in (0..matrix.nrows()).flat_map(|a| (0..matrix.nrows()).map(move |b| (a, b))) {
                let ((p, q), (r, s)) = (line(a), line(b));
                places.extend([(r - p) / (q - s), -(r + p) / (q + s)]);
            }
            let inside = places.into_iter().filter(|u| u.abs() <= 1.0);
            least = inside.map(value).fold(least, f64::min);
        }
        least
    }

    #[test]
    fn two_columns_by_enumeration() {
        for seed in 0..30 {
            let matrix = random(2 + seed as usize % 9, 2, seed);
            let (found, expected) = (Conditioning::new(&matrix, Contender::Linf, 1).unwrap(), by_enumeration(&matrix));
            assert!((found.largest_entry() / expected - 1.0).abs() < 1e-7, "{found:?} {expected}");
            assert!((found.attained() / expected - 1.0).abs() < 1e-7, "{found:?} {expected}");
        }
    }

    #[test]
    fn a_diagonal_by_hand() {
        let matrix = DMatrix::from_diagonal(&DVector::from_vec(vec![3.0, -0.5, 2.0]));
        let maximum = Conditioning::new(&matrix, Contender::Linf, 1).unwrap();
        assert!((maximum.largest_entry() - 0.5).abs() < 1e-9);
        let sum = Conditioning::new(&matrix, Contender::L1, 1).unwrap();
        assert!((sum.largest_entry() - 0.5).abs() < 1e-9);
        // c_1 is 0.5 as well; the bound is smaller.
        assert!((sum.sum_of_entries() - 1.0 / (1.0 / 3.0 + 2.0 + 0.5)).abs() < 1e-9);
        assert!((sum.attained() - 0.5).abs() < 1e-9);
    }

    #[test]
    fn no_vector_vanishes_more_than_they_say() {
        for seed in 0..4 {
            let matrix = random(14, 4, 100 + seed);
            let maximum = Conditioning::new(&matrix, Contender::Linf, 1).unwrap();
            let sum = Conditioning::new(&matrix, Contender::L1, 1).unwrap();
            let (mut nearest, mut nearest_sum, mut sum_of_any) = (f64::INFINITY, f64::INFINITY, f64::INFINITY);
            for index in 0..40_000 {
                let v = DVector::from_vec(normal_vector(seed, Domain::Code, index, 4));
                let image = &matrix * &v;
                assert!(v.amax() <= image.amax() / maximum.largest_entry() * (1.0 + 1e-7));
                assert!(v.lp_norm(1) <= image.amax() / maximum.sum_of_entries() * (1.0 + 1e-7));
                assert!(v.lp_norm(1) <= image.lp_norm(1) / sum.sum_of_entries() * (1.0 + 1e-7));
                sum_of_any = sum_of_any.min(image.lp_norm(1) / v.lp_norm(1));
                nearest = nearest.min(image.amax() / v.amax() / maximum.largest_entry());
                nearest_sum = nearest_sum.min(image.lp_norm(1) / v.amax() / sum.largest_entry());
            }
            // Some vectors come near, so the constants are not just small.
            assert!(sum.sum_of_entries() <= sum.attained() && sum.sum_of_entries() <= sum_of_any);
            assert!(nearest < 1.25 && nearest_sum < 1.25, "{nearest} {nearest_sum}");
        }
    }
}
