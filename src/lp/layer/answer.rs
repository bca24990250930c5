//! What a layer's inversion returns for each observation.

use crate::outcome::LayerFailure;

/// The result of one observation at one layer.
#[derive(Debug, Clone, PartialEq)]
pub struct LayerAnswer {
    /// The layer's input, within its sign. Meaningful only where `failure` is `None`.
    pub z: Vec<f64>,
    /// The multipliers of the LP's rows that prove `z` optimal; empty where no LP was solved.
    pub multipliers: Vec<f64>,
    /// Which entries the layer's LP determines.
    pub determined: Vec<bool>,
    /// Why there is no input, if there is none.
    pub failure: Option<LayerFailure>,
    /// `ε` of the answer (`τ` for `exact`).
    pub epsilon: f64,
    /// `δ`, `Σ e` or the relaxed maximum. `NaN` where nothing was found.
    pub objective: f64,
    /// Number of entries above ε.
    pub active_rows: usize,
    /// Number of LPs solved, without the least squares of `exact`.
    pub solves: usize,
    /// Number of interior-point iterations in all of them.
    pub iterations: u64,
    /// Whether every LP that the answer relies on passed the certificate.
    pub certified: bool,
    /// Number of simplex pivots in all of them.
    pub pivots: u64,
    /// Number of LPs that were warm-started at the optimum of a neighbouring step.
    pub warm_started: usize,
    /// Number of LPs that needed a second attempt.
    pub retries: usize,
}

impl LayerAnswer {
    /// Whether there is an input, but some of its entries are not determined.
    pub fn is_open(&self) -> bool {
        self.failure.is_none() && self.determined.iter().any(|determined| !determined)
    }
}
