//! Other minima that a search has found, within reach of the noise.
//!
//! **Within reach** is a minimum that noise of the named size can leave: `Σr² ≤ σ² χ²₀.₉₉₉(n)`,
//! `Σ|r| ≤ b (n + 4 √n)` or `max|r| ≤ a` over `n` observed entries. Without a size, it is one whose
//! likelihood, with the size that fits it best, is at least a thousandth of that of the lowest: the
//! likelihood is in proportion to `‖r‖₂⁻ⁿ`, `‖r‖₁⁻ⁿ` or `‖r‖_∞⁻ⁿ`. With a prior, its part of the
//! loss is that of the lowest minimum.

use super::objective::Objective;
use crate::statistics::largest_mean_square;

/// The least share of the likelihood of the lowest minimum.
const LEAST_LIKELIHOOD: f64 = 1e-3;
/// The largest number of minima that are kept.
pub const MOST: usize = 64;

/// A minimum that a search has found.
#[derive(Debug, Clone, PartialEq)]
pub struct Alternative {
    /// The code, `k` entries.
    pub code: Vec<f64>,
    /// Its loss, by the objective; see [`BestAnswer::loss`](super::BestAnswer::loss).
    pub loss: f64,
}

/// Which minima are within reach of the noise.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Reach {
    /// The size of the noise, if it is known.
    pub size: Option<f64>,
}

impl Reach {
    /// The largest loss within reach. `lowest`: the lowest loss; `prior`: the part of it that the
    /// prior adds; `observed`: the number of observed entries.
    pub fn limit(self, objective: Objective, lowest: f64, prior: f64, observed: f64) -> f64 {
        let limit = match (self.size, objective) {
            (Some(size), Objective::L2) => 0.5 * size * size * observed * largest_mean_square(observed),
            (Some(size), Objective::L1) => size * (observed + 4.0 * observed.sqrt()),
            (Some(size), Objective::Linf) => size,
            // Half the sum of squares is `‖r‖²/2`.
            (None, Objective::L2) => (lowest - prior) * LEAST_LIKELIHOOD.powf(-2.0 / observed),
            (None, _) => lowest * LEAST_LIKELIHOOD.powf(-1.0 / observed),
        };
        (limit + prior).max(lowest)
    }
}
