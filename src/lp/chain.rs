//! The layers of a network, inverted one after another for a batch: the input that a layer recovers
//! is the target of the layer before it.

use nalgebra::DMatrix;

use super::formulation::LayerwiseMethod;
use super::formulation::target::{Accuracy, Targets};
use super::inversion::Inversion;
use super::layer::{LayerAnswer, LayerContext, LayerwiseOptions, StageTimes};
use super::problem::LayerSystem;
use super::solver::Solver;
use crate::device::Device;
use crate::error::Result;
use crate::network::Network;
use crate::observation::unusable;
use crate::precision::Precision;

/// A network prepared for inversion: one [`LayerSystem`] per layer, made once.
#[derive(Debug)]
pub struct LayerSystems {
    pub(super) systems: Vec<LayerSystem>,
}

impl LayerSystems {
    /// Copies the weights into the layout that the LPs use.
    pub fn new(network: &Network) -> Self {
        let system = |(index, layer): (usize, &crate::network::Layer)| {
            LayerSystem::new(layer.weight().clone(), layer.bias.clone(), network.input_is_nonnegative(index))
        };
        LayerSystems { systems: network.layers().iter().enumerate().map(system).collect() }
    }
}

/// The layers of a network, and how they are inverted.
pub struct LayerChain<'a> {
    /// The network.
    pub network: &'a Network,
    /// Its layers, prepared.
    pub systems: &'a LayerSystems,
    /// Where classification and forward passes run.
    pub device: &'a dyn Device,
    /// The solver of the LPs.
    pub solver: &'a dyn Solver,
    /// The method and its parameters.
    pub options: &'a LayerwiseOptions,
}

/// What is handed on for the entries that a layer leaves open.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum HandOn {
    /// Nothing: they are unobserved.
    Unobserved,
    /// The point at which the layer's programs ended.
    Found,
    /// The point of least sum on the optimal face. Where there is none, as `Found`.
    LeastSum,
}

/// The observations for which one layer is the first, from the outputs inwards, that leaves entries
/// open.
pub(super) struct OpenLayer {
    /// The layer, from 0: at least 1.
    pub index: usize,
    /// The observations' places in the batch.
    pub members: Vec<usize>,
    /// Their targets at this layer.
    pub targets: Targets,
    /// The layer's answers.
    pub answers: Vec<LayerAnswer>,
}

impl<'a> LayerChain<'a> {
    /// Inverts a batch of observations, with open entries handed on as unobserved. Also returns the
    /// layers that left entries open.
    pub(super) fn first_way(
        &self,
        observations: &DMatrix<f64>,
        stored_as: Precision,
        times: &mut StageTimes,
    ) -> Result<(Vec<Inversion>, Vec<OpenLayer>)> {
        let inversion = |observation: &[f64]| Inversion {
            code: vec![f64::NAN; self.network.code_length()],
            failure: unusable(observation),
            layers: Vec::with_capacity(self.network.depth()),
            saturated: 0,
        };
        let mut inversions: Vec<Inversion> =
            observations.column_iter().map(|observation| inversion(observation.as_slice())).collect();
        let members: Vec<usize> = (0..inversions.len()).filter(|&i| inversions[i].failure.is_none()).collect();
        let last = self.network.depth() - 1;
        let output = self.network.layers()[last].activation;
        let targets = Targets::from_observations(&observations.select_columns(&members), output, stored_as);
        for (&member, &saturated) in members.iter().zip(&targets.saturated) {
            inversions[member].saturated = saturated;
        }
        let open = self.run(last, targets, (members, &mut inversions), HandOn::Unobserved, times)?;
        Ok((inversions, open))
    }

    /// Inverts the layers from `last` down to the first, for the `members` of the `inversions`.
    /// `targets`: one column per member. Returns the layers that were the first to leave entries
    /// open.
    pub(super) fn run(
        &self,
        last: usize,
        mut targets: Targets,
        (mut members, inversions): (Vec<usize>, &mut [Inversion]),
        hand_on: HandOn,
        times: &mut StageTimes,
    ) -> Result<Vec<OpenLayer>> {
        let mut opened: Vec<OpenLayer> = Vec::new();
        for index in (0..=last).rev() {
            let context = self.layer(index);
            let answers = context.invert(&targets, times)?;
            if index > 0 {
                opened.extend(first_open(index, &targets, &answers, &members, &opened));
            }
            for (&member, answer) in members.iter().zip(&answers) {
                inversions[member].record(index, answer);
            }
            if index == 0 {
                break;
            }
            let points = points(&context, &targets, &answers, hand_on)?;
            let found: Vec<usize> = (0..answers.len()).filter(|&place| answers[place].failure.is_none()).collect();
            let handed_on = found.iter().map(|&place| (&points[place], &answers[place], targets.accuracy[place]));
            targets = targets_below(self.options.method, context.system.columns(), handed_on.collect());
            members = found.iter().map(|&place| members[place]).collect();
        }
        Ok(opened)
    }

    pub(super) fn layer(&self, index: usize) -> LayerContext<'a> {
        LayerContext {
            index,
            system: &self.systems.systems[index],
            activation: self.network.layers()[index].activation,
            device: self.device,
            solver: self.solver,
            options: self.options,
        }
    }
}

/// The members for which this layer is the first that leaves entries open; `None` if there is none.
fn first_open(
    index: usize,
    targets: &Targets,
    answers: &[LayerAnswer],
    members: &[usize],
    opened: &[OpenLayer],
) -> Option<OpenLayer> {
    let is_first = |&place: &usize| {
        answers[place].is_open() && opened.iter().all(|layer| layer.members.binary_search(&members[place]).is_err())
    };
    let places: Vec<usize> = (0..answers.len()).filter(is_first).collect();
    (!places.is_empty()).then(|| OpenLayer {
        index,
        members: places.iter().map(|&place| members[place]).collect(),
        targets: targets.select(&places),
        answers: places.iter().map(|&place| answers[place].clone()).collect(),
    })
}

/// The targets of the layer before: what was handed on, the answer that it comes from, and the
/// accuracy of the observation.
pub(super) fn targets_below(
    method: LayerwiseMethod,
    units: usize,
    handed_on: Vec<(&Vec<f64>, &LayerAnswer, Accuracy)>,
) -> Targets {
    let values = handed_on.iter().flat_map(|(point, ..)| point.iter().copied());
    let values = DMatrix::from_iterator(units, handed_on.len(), values);
    let precisions = handed_on.iter().map(|(.., accuracy)| accuracy.precision);
    let targets = Targets::from_hidden(values).of_precisions(precisions);
    if matches!(method, LayerwiseMethod::Linf | LayerwiseMethod::Exact) {
        return targets;
    }
    // Of an answer of which nothing else is said, nothing is known.
    let of = |answer: &LayerAnswer| answer.errors().unwrap_or_else(|| vec![f64::INFINITY; units]);
    let errors = handed_on.iter().flat_map(|(_, answer, _)| of(answer));
    targets.with_errors(DMatrix::from_iterator(units, handed_on.len(), errors))
}

/// What each answer hands on: its input, with what `hand_on` says in place of open entries. For an
/// answer that failed it means nothing.
///
/// # Errors
/// Those of the device.
pub(super) fn points(
    context: &LayerContext<'_>,
    targets: &Targets,
    answers: &[LayerAnswer],
    hand_on: HandOn,
) -> Result<Vec<Vec<f64>>> {
    let observed = |answer: &LayerAnswer| {
        let entries = answer.z.iter().zip(&answer.determined);
        entries.map(|(&z, &determined)| if determined { z } else { f64::NAN }).collect()
    };
    Ok(match hand_on {
        HandOn::Unobserved => answers.iter().map(observed).collect(),
        HandOn::Found => answers.iter().map(|answer| answer.z.clone()).collect(),
        HandOn::LeastSum => {
            let least = context.least_sums(targets, answers)?;
            answers.iter().zip(least).map(|(answer, point)| point.unwrap_or_else(|| answer.z.clone())).collect()
        }
    })
}
