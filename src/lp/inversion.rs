//! What becomes of one observation in the layer-wise methods.

use super::layer::LayerAnswer;
use crate::outcome::{Failure, LayerFailure, LayerRow};

/// The result of one observation in the layer-wise methods.
#[derive(Debug, Clone, PartialEq)]
pub struct Inversion {
    /// The latent code, `k` entries. Only meaningful where `failure` is `None`.
    pub code: Vec<f64>,
    /// Why there is no code.
    pub failure: Option<Failure>,
    /// One entry per layer, in the order they were solved: the last layer first.
    pub layers: Vec<LayerRow>,
    /// Saturated entries of the observation.
    pub saturated: usize,
}

impl Inversion {
    /// Whether every LP passed the certificate.
    pub fn is_certified(&self) -> bool {
        self.failure.is_none() && self.layers.iter().all(|layer| layer.certified)
    }

    /// Whether every layer determined its input.
    pub fn is_determined(&self) -> bool {
        self.failure.is_none() && self.layers.iter().all(|layer| layer.determined)
    }

    /// Adds the answer of the layer `index`.
    pub(super) fn record(&mut self, index: usize, answer: &LayerAnswer) {
        let open_above = self.layers.iter().rev().find(|layer| !layer.determined).map(|layer| layer.layer);
        self.layers.push(summary(index, answer));
        self.failure = answer.failure.map(|why| failure(index, why, open_above));
        if index == 0 && self.failure.is_none() {
            self.code.copy_from_slice(&answer.z);
        }
    }
}

fn summary(index: usize, answer: &LayerAnswer) -> LayerRow {
    let undetermined_entries = answer.undetermined_entries();
    LayerRow {
        layer: index + 1,
        epsilon: answer.epsilon,
        objective: answer.objective,
        active_rows: answer.active_rows,
        determined: undetermined_entries == 0,
        undetermined_entries,
        solves: answer.solves,
        iterations: answer.iterations,
        pivots: answer.pivots,
        warm_started: answer.warm_started,
        retries: answer.retries,
        certified: answer.certified,
    }
}

/// The failure of an observation at the layer `index`. `open_above` is the closest later layer that
/// did not determine its input, so that another target of this layer may have a pre-image.
fn failure(index: usize, why: LayerFailure, open_above: Option<usize>) -> Failure {
    let why = match (why, open_above) {
        (LayerFailure::NoExactPreImage { violation, tolerance }, Some(undetermined)) => {
            LayerFailure::UndeterminedTarget { violation, tolerance, undetermined }
        }
        (why, _) => why,
    };
    Failure::Layer { layer: index + 1, why }
}
