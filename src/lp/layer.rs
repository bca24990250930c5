//! One layer's inversion for a batch: the searches over ε of all observations advance in rounds; a
//! round is one classification on the device, one batch of LPs in the solver and, for the ladders,
//! one forward pass on the device.

mod answer;
mod context;
mod exact;
mod guess;
mod least_sum;
mod look_ahead;
mod member;
mod options;
mod resume;

use nalgebra::DMatrix;
use rayon::prelude::*;

use super::bases::LayerBasis;
use super::basis::WarmStart;
use super::certificate::Verdict;
use super::certified::{CertifiedSolution, solve_certified_warm};
use super::formulation::ladder::{LadderPoint, LadderSearch};
use super::formulation::monotone::MonotoneSearch;
use super::formulation::rows::{Masks, holds_down_to, second_threshold, violation_rows};
use super::formulation::target::{Target, Targets};
use super::formulation::{LayerwiseMethod, Stop, relaxed};
use super::problem::{Objective, Problem};
use super::solver::interior_point::fit::ProblemFit;
use crate::device::Device;
use crate::error::Result;
pub use answer::LayerAnswer;
pub(super) use context::timed;
pub use context::{LayerContext, StageTimes};
use guess::Guess;
use member::{Member, Search};
pub use options::{HiddenEpsilon, HiddenSign, LayerwiseOptions, RelaxedWeights, RowTolerances};

impl LayerContext<'_> {
    /// Inverts the layer for every target of the batch. One answer per column.
    ///
    /// # Errors
    /// Only those of the device. A target that cannot be inverted is reported in its answer.
    pub fn invert(&self, targets: &Targets, times: &mut StageTimes) -> Result<Vec<LayerAnswer>> {
        match self.options.method {
            LayerwiseMethod::Exact => self.invert_exactly(targets, times),
            _ => self.search(targets, None, times),
        }
    }

    /// As [`Self::invert`]. `starts` returns, for a column, where the programs of a similar target
    /// ended. That changes the work, not the answer, which has the basis at which its own ended.
    ///
    /// # Errors
    /// As [`Self::invert`].
    pub(super) fn invert_from<'s>(
        &self,
        targets: &Targets,
        starts: &(dyn Fn(usize) -> Option<&'s LayerBasis> + Sync),
        times: &mut StageTimes,
    ) -> Result<Vec<LayerAnswer>> {
        match self.options.method {
            LayerwiseMethod::Exact => self.invert_exactly(targets, times),
            _ => self.search(targets, Some(starts), times),
        }
    }

    fn search<'s>(
        &self,
        targets: &Targets,
        starts: Option<&(dyn Fn(usize) -> Option<&'s LayerBasis> + Sync)>,
        times: &mut StageTimes,
    ) -> Result<Vec<LayerAnswer>> {
        let count = targets.values.ncols();
        let begin = |fit: &mut ProblemFit, index: usize| {
            let target = targets.column(index);
            let Some(starts) = starts else { return self.new_member(target, None, fit) };
            let start = starts(index);
            let resumed = start.and_then(|start| self.resume(target, start));
            resumed.unwrap_or_else(|| self.new_member(target, start, fit).leaving_a_basis())
        };
        let mut members: Vec<Member> =
            timed(&mut times.solve, || (0..count).into_par_iter().map_init(ProblemFit::default, begin).collect());
        loop {
            timed(&mut times.solve, || self.look_ahead(targets, &mut members));
            let pending: Vec<(usize, usize)> = members
                .iter_mut()
                .enumerate()
                .filter_map(|(index, member)| member.next_step().map(|step| (index, step)))
                .collect();
            if pending.is_empty() {
                break;
            }
            let masks = timed(&mut times.classify, || self.classify(targets, &pending))?;
            let (problems, solutions) = timed(&mut times.solve, || {
                let problems: Vec<Problem> = pending
                    .par_iter()
                    .enumerate()
                    .map(|(place, &(index, step))| self.problem(targets.column(index), &masks, place, step))
                    .collect();
                let warm: Vec<WarmStart<'_>> =
                    pending.iter().map(|&(index, step)| members[index].warm_start(step)).collect();
                let solutions = solve_certified_warm(self.system, self.solver, &problems, &warm);
                (problems, solutions)
            });
            let losses = timed(&mut times.forward, || self.losses(targets, &pending, &members, &solutions))?;
            let unchanged = timed(&mut times.solve, || self.unchanged(targets, &pending, &solutions));
            for (place, (solution, point)) in solutions.into_iter().zip(losses).enumerate() {
                let (index, step) = pending[place];
                let active_rows = masks.above.active_count(place);
                members[index].record(step, (&problems[place], solution), point, unchanged[place], active_rows);
            }
        }
        let answer = |(index, member): (usize, Member)| member.answer(self, targets.column(index));
        Ok(timed(&mut times.solve, || members.into_par_iter().enumerate().map(answer).collect()))
    }

    /// Looks ahead on every ladder that has a vertex to start from.
    fn look_ahead(&self, targets: &Targets, members: &mut [Member]) {
        if self.looks_ahead() {
            let of_member = |(index, member): (usize, &mut Member)| member.look_ahead(self, targets.column(index));
            members.par_iter_mut().enumerate().for_each(of_member);
        }
    }

    fn looks_ahead(&self) -> bool {
        let is_possible = self.options.stop == Stop::Lowest && self.system.equilibrated().is_none();
        is_possible && matches!(self.options.method, LayerwiseMethod::L1 | LayerwiseMethod::Relaxed)
    }

    /// The least tolerance at which each optimum of `linf` stays the only one; `None` if it is not
    /// known to be the only one.
    fn unchanged(
        &self,
        targets: &Targets,
        pending: &[(usize, usize)],
        solutions: &[CertifiedSolution],
    ) -> Vec<Option<f64>> {
        let of_solution = |(&(index, step), solution): (&(usize, usize), &CertifiedSolution)| {
            self.unchanged_down_to(targets.column(index), step, solution)
        };
        pending.par_iter().zip(solutions).map(of_solution).collect()
    }

    /// [`Self::unchanged`] of one optimum.
    fn unchanged_down_to(&self, target: Target<'_>, step: usize, solution: &CertifiedSolution) -> Option<f64> {
        let LayerwiseOptions { method, rows, .. } = *self.options;
        let is_unique = method == LayerwiseMethod::Linf && solution.vertex.is_some();
        let (delta, epsilon) = (solution.objective(), self.tolerances(target).at(step));
        is_unique.then(|| holds_down_to(self.system, self.shape(), rows, target, &solution.z, delta, epsilon))?
    }

    /// `start`: where the ladder of a similar target began.
    fn new_member(&self, target: Target<'_>, start: Option<&LayerBasis>, fit: &mut ProblemFit) -> Member {
        let LayerwiseOptions { method, rows, stop, .. } = *self.options;
        let tolerances = self.tolerances(target);
        let search = match method {
            LayerwiseMethod::L1 => Search::Ladder(LadderSearch::distinct(tolerances, stop, self.shape(), rows, target)),
            LayerwiseMethod::Relaxed => {
                let has_all_weights = self.options.relaxed_weights == RelaxedWeights::Positive;
                let gain = has_all_weights.then(|| relaxed::Gain::of(self.system, self.shape(), target));
                let sizes = target.values.iter().zip(&self.system.bias).filter(|(t, _)| !t.is_nan());
                let at_zero = sizes.fold(0.0, |most: f64, (&t, bias)| most.max(target.bounded(t).abs() + bias.abs()));
                Search::Ladder(LadderSearch::bounded(tolerances, stop, gain, target, at_zero))
            }
            LayerwiseMethod::Linf | LayerwiseMethod::Exact => {
                let guess = Guess::of(self.system, self.shape(), target, fit);
                let first = guess.as_ref().map_or(0, |guess| tolerances.first_reaching(guess.tolerance));
                let search = MonotoneSearch::new(tolerances, self.shape(), rows, target, first);
                return Member::new(Search::Monotone(search), tolerances, guess.map(|guess| guess.z));
            }
        };
        let member = Member::new(search, tolerances, None);
        match start.filter(|start| self.looks_ahead() && start.fits(self.system.units(), self.system.columns())) {
            Some(start) => member.starting_at(&start.basis),
            None => member,
        }
    }

    /// The masks of the pending observations, `(column, step)`, each at its own ε.
    pub fn classify(&self, targets: &Targets, pending: &[(usize, usize)]) -> Result<Masks> {
        let values = select_columns(&targets.values, pending);
        let of_each: Vec<_> = pending.iter().map(|&(index, step)| (targets.column(index), step)).collect();
        self.masks(&values, &of_each)
    }

    /// The masks of targets, the columns of `values`, each at its step.
    fn masks(&self, values: &DMatrix<f64>, pending: &[(Target<'_>, usize)]) -> Result<Masks> {
        let epsilon = |&(target, step): &(Target<'_>, usize)| match self.options.method {
            // The rows of `relaxed` have no cases, but its weights need the entries above this.
            LayerwiseMethod::Relaxed => self.least_weight(target, step),
            _ => self.tolerances(target).at(step),
        };
        let thresholds: Vec<f64> = pending.iter().map(epsilon).collect();
        let above = self.above(values, &thresholds)?;
        let second = |epsilon: &f64| second_threshold(self.shape(), self.options.rows, *epsilon);
        let second: Option<Vec<f64>> = match self.options.method {
            LayerwiseMethod::Relaxed => None,
            _ => thresholds.iter().map(second).collect(),
        };
        let above_second = second.map(|thresholds| self.above(values, &thresholds)).transpose()?;
        Ok(Masks { above, above_second })
    }

    /// The targets above it have a weight in `relaxed`.
    fn least_weight(&self, target: Target<'_>, step: usize) -> f64 {
        match self.options.relaxed_weights {
            RelaxedWeights::Positive => 0.0,
            RelaxedWeights::Clear => 2.0 * self.tolerances(target).at(step),
        }
    }

    /// The LP of one target; `place` is its place in the masks.
    pub fn problem(&self, target: Target<'_>, masks: &Masks, place: usize, step: usize) -> Problem {
        let objective = match self.options.method {
            LayerwiseMethod::Relaxed => {
                let (epsilon, least) = (self.tolerances(target).at(step), self.least_weight(target, step));
                let weighted = |unit| masks.above.is_active(place, unit);
                return relaxed::problem((self.system, self.shape()), target, (weighted, least), epsilon);
            }
            LayerwiseMethod::L1 => Objective::SumOfViolations,
            LayerwiseMethod::Linf | LayerwiseMethod::Exact => Objective::LargestViolation,
        };
        let rows = violation_rows(self.system, self.shape(), self.options.rows, target, masks, place);
        Problem { rows, objective }
    }

    /// `‖φ(z) − t‖₁` of each ladder step: screened by the device in f32, decided in f64 wherever
    /// f32 cannot tell it from the best so far, so that the choice does not depend on the device.
    fn losses(
        &self,
        targets: &Targets,
        pending: &[(usize, usize)],
        members: &[Member],
        solutions: &[CertifiedSolution],
    ) -> Result<Vec<Option<LadderPoint>>> {
        if matches!(self.options.method, LayerwiseMethod::Linf) {
            return Ok(vec![None; pending.len()]);
        }
        let screening = self.device.filter(|_| self.activation.has_kink());
        let forward = |device: &dyn Device| {
            let columns = self.system.columns();
            let inputs = DMatrix::from_fn(columns, solutions.len(), |row, column| solutions[column].z[row]);
            device.forward(self.index..self.index + 1, &inputs)
        };
        let outputs = screening.map(forward).transpose()?;
        let point = |place: usize| {
            let (index, _) = pending[place];
            let solution = &solutions[place];
            if solution.verdict == Verdict::Infeasible || solution.z.iter().any(|z| !z.is_finite()) {
                return None;
            }
            let target = targets.column(index);
            let scale = self.system.absolute_total(&solution.z) + target.finite().map(f64::abs).sum::<f64>();
            let best = members[index].best_loss().unwrap_or(f64::INFINITY);
            let hopeless = outputs.as_ref().is_some_and(|outputs| {
                let outputs = outputs.column(place);
                let observed = target.values.iter().zip(outputs.iter()).filter(|(t, _)| !t.is_nan());
                let approximate: f64 = observed.map(|(t, output)| (output - t).abs()).sum();
                approximate - FORWARD_TOLERANCE * scale > best
            });
            let pre_activation = |unit| self.system.product(unit, &solution.z) + self.system.bias[unit];
            let loss = (!hopeless).then(|| target.loss(self.shape(), pre_activation));
            Some(LadderPoint { loss, scale, objective: solution.objective() })
        };
        Ok((0..pending.len()).into_par_iter().map(point).collect())
    }
}

/// The maximum error of f32 forward passes, relative to the sum of absolute terms; the kernels'
/// tests check it.
const FORWARD_TOLERANCE: f64 = 1e-5;

fn select_columns(values: &DMatrix<f64>, pending: &[(usize, usize)]) -> DMatrix<f64> {
    let mut selected = DMatrix::zeros(values.nrows(), pending.len());
    for (place, &(index, _)) in pending.iter().enumerate() {
        selected.column_mut(place).copy_from(&values.column(index));
    }
    selected
}
