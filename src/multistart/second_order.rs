//! Proof of a strict local minimum where the output is curved (sigmoid, tanh).
//!
//! Where no hidden unit switches, `a = J₀ z + c` is affine, and `f = ½ Σ (σ(a_j) − x_j)²` has the
//! Hessian `H = Σ_j (σ'_j² + r_j σ''_j) ∇a_j ∇a_jᵀ`. At a code that is stationary to first order,
//! with the pinned units' multipliers strictly inside their ranges, `f` rises with a slope along
//! every direction that leaves a kink. Along the others it rises if `H` is positive definite: the
//! sufficient condition of second order (Nocedal & Wright, *Numerical Optimization*, theorem 12.6).
//! The whole of `H` is tested, so directions that leave a kink count too: that asks for more than
//! is needed.

use nalgebra::DMatrix;

use super::local_search::LocalSearch;
use crate::network::Activation;

/// The least eigenvalue of a matrix that counts as positive definite, as a share of its mean
/// diagonal.
const DEFINITE: f64 = 1e-8;
/// How far inside its range a multiplier is, as a share of the largest.
const INSIDE: f64 = 1e-8;

impl LocalSearch<'_> {
    /// Whether the end of [`Self::active_set`], which was stationary, is proven to be a strict
    /// minimum. Only for a curved output above piecewise linear layers; otherwise false.
    pub(super) fn is_strict_minimum(&mut self, observation: &[f64]) -> bool {
        let last = self.network.layers().len() - 1;
        let activation = self.network.layers()[last].activation;
        let is_curved = matches!(activation, Activation::Sigmoid | Activation::Tanh);
        let hidden = &self.network.layers()[..last];
        if !is_curved || !hidden.iter().all(|layer| layer.activation.is_piecewise_linear()) {
            return false;
        }
        let is_open = !self.dependent.is_empty() || self.on_kinks(observation).next().is_some();
        if is_open || !self.multipliers_are_inside(observation, INSIDE) {
            return false;
        }
        if !self.linear.form(self.network, &self.current, &self.region, observation) {
            return false;
        }
        let k = self.network.code_length();
        let received = self.current.received(last);
        let outputs = self.linear.active(last).units.iter().map(|unit| activation.apply(received[*unit as usize]));
        // The rows of `J` are `σ' ∇a`, so each counts `1 + r σ''/σ'²` times.
        let times = |output: f64, residual: f64| match activation {
            Activation::Tanh => 1.0 - 2.0 * residual * output / (1.0 - output * output),
            _ => 1.0 + residual * (1.0 - 2.0 * output) / (output * (1.0 - output)),
        };
        let rows: Vec<(&[f64], f64)> =
            self.linear.rows().zip(outputs).map(|((row, residual), output)| (row, times(output, residual))).collect();
        let jacobian = DMatrix::from_fn(k, rows.len(), |i, j| rows[j].0[i]);
        let weighted = DMatrix::from_fn(rows.len(), k, |j, i| rows[j].0[i] * rows[j].1);
        let mut hessian = jacobian * weighted;
        let least = DEFINITE * hessian.trace().abs() / k as f64;
        (0..k).for_each(|i| hessian[(i, i)] += self.network.prior() - least);
        hessian.iter().all(|entry| entry.is_finite()) && hessian.cholesky().is_some()
    }
}
