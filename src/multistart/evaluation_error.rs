//! What the error of a map's products does to the numbers of a search.
//!
//! The tolerances of the search are for products that are exact up to rounding in f64. A map's
//! products may be less accurate, such as those of a function in single precision. Their relative
//! error `ε` is measured ([`PackedNetwork::product_error`]). Evaluations of `G(z)` then differ by
//! about `δ = ε‖x‖` near a minimum, also for the same `z`. So a loss differs by about
//! `δ(‖G(z) − x‖ + δ)`, and a Newton step from the minimum, which should be 0, predicts a decrease
//! of about `½δ²`. Such differences mean nothing. Without a map all values here are 0.

use super::minimum::Minimum;
use super::objective::Objective;
use super::packed_network::PackedNetwork;

/// How many times the measured error still counts as error: the measure is that of a few vectors.
const MARGIN: f64 = 4.0;

/// The errors of the evaluations for one observation.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct EvaluationError {
    /// Of `G(z) − x`, in the Euclidean norm, with the margin.
    residual: f64,
    /// Of `‖G(z) − x‖` in the norm of `l1` or `linf`.
    misfit: f64,
}

impl EvaluationError {
    /// `observation`: `NaN` where unobserved.
    pub fn of(network: &PackedNetwork, objective: Objective, observation: &[f64]) -> Self {
        let error = MARGIN * network.product_error();
        if error == 0.0 {
            return EvaluationError { residual: 0.0, misfit: 0.0 };
        }
        let sizes = || observation.iter().filter(|x| !x.is_nan()).map(|x| x.abs());
        let squares: f64 = sizes().map(|x| x * x).sum();
        EvaluationError { residual: error * squares.sqrt(), misfit: error * objective.gathered(sizes()) }
    }

    /// A loss of squares up to this is only the error of the residual.
    pub fn least_loss(&self) -> f64 {
        0.5 * self.residual * self.residual
    }

    /// The error of a loss of squares.
    pub fn of_loss(&self, loss: f64) -> f64 {
        if self.residual == 0.0 {
            return 0.0;
        }
        self.residual * ((2.0 * loss).sqrt() + self.residual)
    }

    /// The error of `‖G(z) − x‖₁` or `‖G(z) − x‖_∞`.
    pub fn of_misfit(&self) -> f64 {
        self.misfit
    }

    /// The errors of a minimum of this objective: of its loss, and of its squares.
    pub fn of_minimum(&self, objective: Objective, minimum: &Minimum) -> [f64; 2] {
        match objective {
            Objective::L2 => [self.of_loss(minimum.loss), 0.0],
            _ => [self.misfit, self.of_loss(minimum.squares)],
        }
    }
}
