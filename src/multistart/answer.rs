//! What the search from many starts returns for one observation.

use super::starts::Start;

/// What came of one observation.
#[derive(Debug, Clone, PartialEq)]
pub struct BestAnswer {
    /// The code of the lowest loss, `k` entries; `NaN` where there is none.
    pub code: Vec<f64>,
    /// That loss, of the objective, over the observed entries: `½‖G(z) − x‖²`, `‖G(z) − x‖₁` or
    /// `‖G(z) − x‖_∞`.
    pub loss: f64,
    /// Where the run began that found it first.
    pub start: Start,
    /// Its number, from 1.
    pub first_found: usize,
    /// How many runs have ended at it.
    pub found: usize,
    /// Runs made.
    pub runs: usize,
    /// Whether the stop rule was met.
    pub converged: bool,
    /// Whether the data determine the code locally (for `l1` and `linf`: within its linear region).
    pub determined: bool,
    /// Whether it is a minimum to first order for certain.
    pub stationary: bool,
    /// Whether what is left of the residual is rounding.
    pub reproduced: bool,
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
        }
    }
}
