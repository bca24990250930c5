//! What a layer's inversion returns for each observation.

/// The result of one observation at one layer.
#[derive(Debug, Clone, PartialEq)]
pub struct LayerAnswer {
    /// The layer's input, within its sign. Meaningless where `outcome` is not
    /// [`LayerOutcome::Found`].
    pub z: Vec<f64>,
    /// Which entries the layer's LP determines.
    pub determined: Vec<bool>,
    /// Found, or why not.
    pub outcome: LayerOutcome,
    /// `ε` of the answer (`τ` for `exact`).
    pub epsilon: f64,
    /// `δ`, `Σ e` or the relaxed maximum. `NaN` where nothing was found.
    pub objective: f64,
    /// Entries above ε.
    pub active_rows: usize,
    /// LPs solved, the least squares of `exact` not counted.
    pub solves: usize,
    /// Interior-point iterations in all of them.
    pub iterations: u64,
    /// Whether every LP that the answer rests on passed the certificate.
    pub certified: bool,
    /// Simplex pivots in all of them.
    pub pivots: u64,
    /// LPs solved by a warm start from a neighbouring step's optimum.
    pub warm_started: usize,
    /// LPs that needed a second try.
    pub retries: usize,
}

/// Whether a layer gave an input for the layer before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LayerOutcome {
    /// Yes.
    Found,
    /// No exact pre-image exists, to the tolerance (`exact`).
    Impossible,
    /// No ε of the ladder was feasible (`relaxed`).
    NoFeasibleStep,
    /// The solver came back without a usable point.
    SolverFailed,
}
