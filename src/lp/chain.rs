//! The layers of a network, inverted one after another for a batch: the input that a layer recovers
//! is the target of the layer before it.

use std::sync::Arc;

use nalgebra::DMatrix;
use rayon::prelude::*;

use super::bases::Bases;
use super::formulation::LayerwiseMethod;
use super::formulation::target::{Target, Targets};
use super::inversion::Inversion;
use super::layer::{
    HiddenEpsilon, HiddenSign, LayerAnswer, LayerContext, LayerwiseOptions, RowTolerances, StageTimes, timed,
};
use super::own_layer::OwnLayer;
use super::problem::LayerSystem;
use super::solver::Solver;
use crate::device::Device;
use crate::error::Result;
use crate::network::Network;
use crate::observation::unusable;
use crate::precision::Precision;
use crate::statistics::median;

/// A network prepared for inversion: one [`LayerSystem`] per layer, made once.
#[derive(Debug)]
pub struct LayerSystems {
    pub(super) systems: Vec<LayerSystem>,
}

impl LayerSystems {
    /// Copies the weights into the layout that the LPs use.
    pub fn new(network: &Network, hidden_sign: HiddenSign) -> Self {
        let system = |(index, layer): (usize, &crate::network::Layer)| {
            let nonnegative = hidden_sign == HiddenSign::Nonnegative && network.input_is_nonnegative(index);
            LayerSystem::new(layer.weight().clone(), layer.bias.clone(), nonnegative)
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

/// How the layers are run.
#[derive(Debug, Clone, Copy)]
pub(super) struct Way<'a> {
    /// What is handed on for entries that are left open.
    pub hand_on: HandOn,
    /// For each member of the inversions, which inputs of each layer are fixed at 0; `None`: no
    /// input.
    pub off: Option<&'a [Vec<Vec<bool>>]>,
    /// Where the programs of similar observations ended, one set for each of the inversions;
    /// `None`: no bases are asked for, and none are left.
    pub starts: Option<&'a Bases>,
}

impl Way<'_> {
    /// No input is fixed.
    pub fn handing_on(hand_on: HandOn) -> Self {
        Way { hand_on, off: None, starts: None }
    }
}

/// What inverting the layers leaves besides the inversions.
pub(super) struct Ran {
    /// The layers that were the first to leave entries open.
    pub open: Vec<OpenLayer>,
    /// Where the programs ended, one set for each of the inversions; empty without
    /// [`Way::starts`].
    pub bases: Bases,
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
    /// Inverts a batch of observations, with open entries handed on as unobserved. `starts`: where
    /// the programs of similar observations ended.
    pub(super) fn first_way(
        &self,
        observations: &DMatrix<f64>,
        stored_as: Precision,
        starts: Option<&Bases>,
        times: &mut StageTimes,
    ) -> Result<(Vec<Inversion>, Ran)> {
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
        let way = Way { starts, ..Way::handing_on(HandOn::Unobserved) };
        let ran = self.run(last, targets, (members, &mut inversions), way, times)?;
        Ok((inversions, ran))
    }

    /// For which of the usable columns `columns` of `observations` the `bases` prove that no code
    /// has an image within `within` of it, in every entry. `false` where they do not.
    pub(crate) fn out_of_reach(
        &self,
        (observations, columns): (&DMatrix<f64>, &[usize]),
        stored_as: Precision,
        bases: &Bases,
        within: &[f64],
    ) -> Vec<bool> {
        let context = self.layer(self.network.depth() - 1);
        let targets = Targets::from_observations(&observations.select_columns(columns), context.activation, stored_as);
        let is_out = |(place, &column): (usize, &usize)| {
            let basis = bases.at(column, context.index);
            basis.is_some_and(|basis| context.is_out_of_reach(targets.column(place), basis, within[place]))
        };
        columns.par_iter().enumerate().map(is_out).collect()
    }

    /// Inverts the layers from `last` down to the first, for the `members` of the `inversions`.
    /// `targets`: one column per member.
    pub(super) fn run(
        &self,
        last: usize,
        mut targets: Targets,
        (mut members, inversions): (Vec<usize>, &mut [Inversion]),
        way: Way<'_>,
        times: &mut StageTimes,
    ) -> Result<Ran> {
        let mut opened: Vec<OpenLayer> = Vec::new();
        let mut bases = Bases::none(inversions.len());
        for index in (0..=last).rev() {
            let context = self.layer(index);
            let answers = self.answers(&context, &targets, (&members, way), times)?;
            if index > 0 {
                opened.extend(first_open(index, &targets, &answers, &members, &opened));
            }
            for (&member, answer) in members.iter().zip(&answers) {
                inversions[member].record(index, answer);
                if let Some(basis) = &answer.basis {
                    bases.set(member, (index, self.network.depth()), Arc::clone(basis));
                }
            }
            if index == 0 {
                break;
            }
            let points = points(&context, &targets, &answers, way.hand_on)?;
            let found: Vec<usize> = (0..answers.len()).filter(|&place| answers[place].failure.is_none()).collect();
            let handed_on = found.iter().map(|&place| (&points[place], &answers[place], targets.column(place)));
            targets = targets_below(&context, handed_on.collect());
            members = found.iter().map(|&place| members[place]).collect();
        }
        Ok(Ran { open: opened, bases })
    }

    /// The answers of one layer. Where an observation has a layer of its own, it is inverted by
    /// itself.
    fn answers(
        &self,
        context: &LayerContext<'_>,
        targets: &Targets,
        (members, way): (&[usize], Way<'_>),
        times: &mut StageTimes,
    ) -> Result<Vec<LayerAnswer>> {
        let off = |place: usize| way.off.map(|off| off[members[place]][context.index].as_slice());
        let with_spreads = |context: &LayerContext<'_>, targets: &Targets, mut answers: Vec<LayerAnswer>| {
            if context.index > 0 && context.options.heeds_spread() {
                let add = |(place, answer): (usize, &mut LayerAnswer)| {
                    answer.spread = context.spread(targets.column(place), answer.epsilon);
                };
                answers.par_iter_mut().enumerate().filter(|(_, answer)| answer.failure.is_none()).for_each(add);
            }
            answers
        };
        if targets.spread.is_none() && way.off.is_none() {
            let answers = match way.starts {
                Some(starts) => {
                    context.invert_from(targets, &|place| starts.at(members[place], context.index), times)?
                }
                None => context.invert(targets, times)?,
            };
            return Ok(timed(&mut times.solve, || with_spreads(context, targets, answers)));
        }
        let answer = |place: usize| {
            let spread =
                targets.spread.as_ref().map(|spread| spread.column(place).iter().copied().collect::<Vec<f64>>());
            let own = OwnLayer::of(context.system, off(place), spread.as_deref());
            let context = LayerContext { system: &own.system, device: None, ..*context };
            let targets = own.targets(targets, place);
            let answers = context.invert(&targets, &mut StageTimes::default())?;
            Ok(with_spreads(&context, &targets, answers)
                .into_iter()
                .map(|answer| own.restored(answer))
                .collect::<Vec<_>>())
        };
        let answers: Result<Vec<_>> =
            timed(&mut times.solve, || (0..members.len()).into_par_iter().map(answer).collect());
        Ok(answers?.into_iter().flatten().collect())
    }

    pub(super) fn layer(&self, index: usize) -> LayerContext<'a> {
        LayerContext {
            index,
            system: &self.systems.systems[index],
            activation: self.network.layers()[index].activation,
            device: Some(self.device),
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

/// The targets of the layer before `context`'s: what was handed on, the answer that it comes from,
/// and the target of that.
pub(super) fn targets_below(
    context: &LayerContext<'_>,
    handed_on: Vec<(&Vec<f64>, &LayerAnswer, Target<'_>)>,
) -> Targets {
    let (units, count, options) = (context.system.columns(), handed_on.len(), context.options);
    let matrix = |entries: Vec<Vec<f64>>| DMatrix::from_iterator(units, count, entries.into_iter().flatten());
    let values = matrix(handed_on.iter().map(|(point, ..)| point.to_vec()).collect());
    let precisions = handed_on.iter().map(|(.., target)| target.accuracy.precision);
    let mut targets = Targets::from_hidden(values).of_precisions(precisions);
    let has_spread = options.row_tolerances == RowTolerances::Proportional;
    let carried = || handed_on.iter().map(|(_, answer, _)| answer.epsilon);
    targets.epsilon = match options.hidden_epsilon {
        HiddenEpsilon::Restart => Vec::new(),
        HiddenEpsilon::Carried => carried().collect(),
        HiddenEpsilon::Enlarged => {
            handed_on.iter().map(|(_, answer, _)| enlarged(answer.epsilon, &answer.spread, has_spread)).collect()
        }
    };
    targets.spread = has_spread.then(|| matrix(handed_on.iter().map(|(_, answer, _)| answer.spread.clone()).collect()));
    if matches!(options.method, LayerwiseMethod::Linf | LayerwiseMethod::Exact) {
        return targets;
    }
    // Of an answer of which nothing else is said, nothing is known.
    let of = |answer: &LayerAnswer| answer.errors().unwrap_or_else(|| vec![f64::INFINITY; units]);
    targets.with_errors(matrix(handed_on.iter().map(|(_, answer, _)| of(answer)).collect()))
}

/// How many typical errors the initial tolerance of a hidden layer is, where each row has its own.
const TYPICAL_ERRORS: f64 = 2.0;

/// The tolerance that covers the errors of the entries: `epsilon` times the largest spread. Where
/// rows follow their spreads, all are alike. `epsilon` itself where there is no finite spread.
fn enlarged(epsilon: f64, spread: &[f64], has_spread: bool) -> f64 {
    let finite = || spread.iter().copied().filter(|spread| spread.is_finite());
    let factor = if has_spread { TYPICAL_ERRORS * median(finite().collect()) } else { finite().fold(0.0, f64::max) };
    let larger = epsilon * factor;
    if larger > 0.0 && larger.is_finite() { larger } else { epsilon }
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
