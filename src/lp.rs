//! Layer-wise inversion of a batch: from the observations inwards, each layer's recovered input is
//! the target of the layer before it. What a layer's LP leaves undetermined is handed on as
//! unobserved.
//!
//! From the bottom up: [`problem`] is the form of a linear program, [`solver`] solves a batch of
//! them, [`certificate`] checks an answer from itself, [`face`] reads off what is determined and
//! finishes, [`certified`] joins these, in better units where a layer's own are bad;
//! [`formulation`] says which rows and which ε, [`layer`] runs one layer's searches in rounds, and
//! this file chains the layers.

pub mod basis;
pub mod certificate;
pub mod certified;
pub mod face;
pub mod formulation;
pub mod layer;
pub mod problem;
pub mod solution;
pub mod solver;

use nalgebra::DMatrix;

use crate::device::Device;
use crate::error::Result;
use crate::network::Network;
use crate::observation::unusable;
use crate::outcome::{Failure, LayerFailure, LayerRow};
use crate::precision::Precision;
use formulation::target::Targets;
use layer::{LayerAnswer, LayerContext, LayerwiseOptions, StageTimes};
use problem::LayerSystem;
use solver::Solver;

/// A network prepared for inversion: one [`LayerSystem`] per layer, made once.
#[derive(Debug)]
pub struct LayerSystems {
    systems: Vec<LayerSystem>,
}

impl LayerSystems {
    /// Copies the weights into the layout that the LPs use.
    pub fn new(network: &Network) -> Self {
        let system = |(index, layer): (usize, &crate::network::DenseLayer)| {
            LayerSystem::new(layer.weight.clone(), layer.bias.clone(), network.input_is_nonnegative(index))
        };
        LayerSystems { systems: network.layers().iter().enumerate().map(system).collect() }
    }
}

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
}

/// Inverts a batch of observations layer by layer. One answer per column, in order.
///
/// `observations`: `n` × count, `NaN` where unobserved. Columns with `±∞` or nothing observed fail;
/// the others are not affected. `stored_as`: the precision of their array; the numbers of an
/// observation may show that its own is coarser.
///
/// # Errors
/// Those of the device. Failures of single observations are in the answers.
pub fn invert_batch(
    network: &Network,
    systems: &LayerSystems,
    device: &dyn Device,
    solver: &dyn Solver,
    options: &LayerwiseOptions,
    observations: &DMatrix<f64>,
    stored_as: Precision,
) -> Result<(Vec<Inversion>, StageTimes)> {
    let mut times = StageTimes::default();
    let mut inversions: Vec<Inversion> = observations
        .column_iter()
        .map(|observation| Inversion {
            code: vec![f64::NAN; network.code_length()],
            failure: unusable(observation.as_slice()),
            layers: Vec::with_capacity(network.depth()),
            saturated: 0,
        })
        .collect();
    let mut members: Vec<usize> = (0..inversions.len()).filter(|&i| inversions[i].failure.is_none()).collect();
    let output = network.layers()[network.depth() - 1].activation;
    let mut targets = Targets::from_observations(&observations.select_columns(&members), output, stored_as);
    for (&member, &saturated) in members.iter().zip(&targets.saturated) {
        inversions[member].saturated = saturated;
    }
    for index in (0..network.depth()).rev() {
        let activation = network.layers()[index].activation;
        let system = &systems.systems[index];
        let context = LayerContext { index, system, activation, device, solver, options };
        let answers = context.invert(&targets, &mut times)?;
        let mut found = Vec::with_capacity(members.len());
        let mut precisions = Vec::with_capacity(members.len());
        let mut inputs = Vec::with_capacity(members.len() * system.columns());
        for ((&member, answer), accuracy) in members.iter().zip(&answers).zip(&targets.accuracy) {
            let inversion = &mut inversions[member];
            let open_above = inversion.layers.iter().rev().find(|layer| !layer.determined).map(|layer| layer.layer);
            inversion.layers.push(summary(index, answer));
            if let Some(why) = answer.failure {
                inversion.failure = Some(failure(index, why, open_above));
                continue;
            }
            found.push(member);
            precisions.push(accuracy.precision);
            inputs.extend(next_target(answer, index));
            if index == 0 {
                inversion.code.copy_from_slice(&answer.z);
            }
        }
        members = found;
        let inputs = DMatrix::from_vec(system.columns(), members.len(), inputs);
        targets = Targets::from_hidden(inputs).of_precisions(precisions);
    }
    Ok((inversions, times))
}

/// The layer's input as the target of the layer before it: undetermined entries as unobserved. At
/// the code, nothing follows.
fn next_target(answer: &LayerAnswer, index: usize) -> impl Iterator<Item = f64> + '_ {
    let keep_all = index == 0;
    answer
        .z
        .iter()
        .zip(&answer.determined)
        .map(move |(&z, &determined)| if determined || keep_all { z } else { f64::NAN })
}

fn summary(index: usize, answer: &LayerAnswer) -> LayerRow {
    let undetermined_entries = answer.determined.iter().filter(|determined| !**determined).count();
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
