//! What the search from many starts returns for one observation.

use super::alternatives::Alternative;
use super::starts::Start;

/// The result of the search for one observation.
#[derive(Debug, Clone, PartialEq)]
pub struct BestAnswer {
    /// The code with the lowest loss, `k` entries; `NaN` if no code was found.
    pub code: Vec<f64>,
    /// The loss of `code`, by the objective, over the observed entries: `½‖G(z) − x‖²` (and
    /// `½λ‖z‖²` with a prior), `‖G(z) − x‖₁` or `‖G(z) − x‖_∞`.
    pub loss: f64,
    /// The kind of start of the run that first found it.
    pub start: Start,
    /// The number of that run, from 1.
    pub first_found: usize,
    /// Number of runs that ended at this minimum. For `l1`, those with a descent of their own.
    pub found: usize,
    /// Number of runs made.
    pub runs: usize,
    /// Whether the stop rule was met, at a code that is proven to be a local minimum or reproduces
    /// the observation. On networks with too many kinks for a proof, the stop rule alone decides.
    pub converged: bool,
    /// Whether the data alone determine the code locally, without a prior (for `l1` and
    /// `linf`: within its linear region).
    pub determined: bool,
    /// Whether the code is proven to be a local minimum (with a curved output: to first order).
    pub stationary: bool,
    /// Whether the remaining residual is only rounding.
    pub reproduced: bool,
    /// Other minima within reach of the noise, the lowest first, if these were asked for.
    pub alternatives: Vec<Alternative>,
}

impl BestAnswer {
    pub(super) fn none(code_length: usize) -> Self {
        BestAnswer {
            code: vec![f64::NAN; code_length],
            loss: f64::INFINITY,
            start: Start::Random,
            first_found: 0,
            found: 0,
            runs: 0,
            converged: false,
            determined: false,
            stationary: false,
            reproduced: false,
            alternatives: Vec::new(),
        }
    }
}
