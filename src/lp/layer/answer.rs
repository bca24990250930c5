//! What a layer's inversion returns for each observation.

use std::sync::Arc;

use super::super::bases::LayerBasis;
use super::super::formulation::open::Known;
use crate::outcome::LayerFailure;

/// The result of one observation at one layer.
#[derive(Debug, Clone, PartialEq)]
pub struct LayerAnswer {
    /// The layer's input, within its sign. Meaningful only where `failure` is `None`.
    pub z: Vec<f64>,
    /// The multipliers of the LP's rows that prove `z` optimal; empty where no LP was solved.
    pub multipliers: Vec<f64>,
    /// Where the programs ended; `None` unless at the only optimum.
    pub(crate) basis: Option<Arc<LayerBasis>>,
    /// Which entries the optimum of the layer's LP determines.
    pub determined: Vec<bool>,
    /// What the target itself tells of the input; `None` where only the optimum says something.
    pub known: Option<Known>,
    /// By how much each entry is off, typically, for errors of size 1 in the layer's target, in the
    /// units of its rows (`lp/spread.rs`). Empty where it is not asked for.
    pub spread: Vec<f64>,
    /// Why there is no input, if there is none.
    pub failure: Option<LayerFailure>,
    /// `ε` of the answer (`τ` for `exact`).
    pub epsilon: f64,
    /// `δ`, `Σ e` or the relaxed maximum. `NaN` where nothing was found.
    pub objective: f64,
    /// Number of entries above ε.
    pub active_rows: usize,
    /// Number of LPs solved, those of a ladder that were only seen ahead among them, without the
    /// least squares of `exact`.
    pub solves: usize,
    /// Number of interior-point iterations in all of them.
    pub iterations: u64,
    /// Whether every LP that was solved for itself passed the certificate, the answer's among them.
    /// Steps of a ladder that were only seen ahead are proven by the simplex alone.
    pub certified: bool,
    /// Number of simplex pivots in all of them.
    pub pivots: u64,
    /// Number of LPs that were warm-started at the optimum of a neighbouring step.
    pub warm_started: usize,
    /// Number of LPs that needed a second attempt.
    pub retries: usize,
}

impl LayerAnswer {
    /// Whether there is an input, but some of its entries are not determined by the optimum.
    pub fn is_open(&self) -> bool {
        self.failure.is_none() && self.determined.iter().any(|determined| !determined)
    }

    /// By how much each entry may be wrong as the target of the layer before; `None` where nothing
    /// is said of that.
    pub fn errors(&self) -> Option<Vec<f64>> {
        let error = |(&determined, &error): (&bool, &f64)| if determined { error } else { f64::INFINITY };
        self.known.as_ref().map(|known| self.determined.iter().zip(&known.uncertainty).map(error).collect())
    }

    /// Number of entries that the optimum does not determine, or the target leaves open.
    pub fn undetermined_entries(&self) -> usize {
        let is_left_open = |entry: usize| {
            self.known.as_ref().is_some_and(|known| !known.by_optimum && known.uncertainty[entry].is_infinite())
        };
        (0..self.determined.len()).filter(|&entry| !self.determined[entry] || is_left_open(entry)).count()
    }
}
