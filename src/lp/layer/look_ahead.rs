//! Looking ahead on a ladder: the steps that follow a solved one are climbed from vertex to vertex
//! ([`crate::lp::climb`]), which shows their losses at a fraction of the cost. Only the step that
//! turns out to be the best is then solved, finished and certified like any other.
//!
//! A loss is believed where it is clearly above or below the one to beat. Otherwise, and where an
//! optimum is not shown to be the only one, the look ahead ends before the step, which is solved.
//! If the solved step does not have the loss that was seen, the ladder is searched step by step
//! from where the look ahead began.

use nalgebra::DMatrix;

use super::super::basis::Basis;
use super::super::climb::{Climb, Optimum};
use super::super::formulation::ladder::{LadderPoint, LadderSearch, Rank};
use super::super::formulation::target::Target;
use super::super::formulation::{LayerwiseMethod, relaxed};
use super::super::problem::{Objective, Problem};
use super::context::LayerContext;
use super::options::RelaxedWeights;

/// What was seen.
pub(super) struct Seen {
    /// The search after the last step seen, as if all of them had been solved.
    pub search: LadderSearch,
    /// The best step, if one is better than what was known, with its loss and vertex.
    pub best: Option<(usize, LadderPoint, Basis)>,
    /// The vertex of the first step seen.
    pub first: Option<Basis>,
    /// Number of steps.
    pub steps: usize,
    /// Number of pivots.
    pub pivots: u64,
    /// The step at which the look ahead ended without an answer.
    pub unsolved: Option<usize>,
}

/// Looks ahead from the vertex of a solved step.
pub(super) fn look_ahead(context: &LayerContext<'_>, target: Target<'_>, search: &LadderSearch, from: &Basis) -> Seen {
    let context = LayerContext { device: None, ..*context };
    let observed = target.finite().map(f64::abs).sum();
    let seen = Seen { search: search.clone(), best: None, first: None, steps: 0, pivots: 0, unsolved: None };
    let (solver, system) = (context.solver, context.system);
    let mut ladder = Ladder { context, target, observed, objective: None, step: None, seen };
    solver.climb(system, from, &mut ladder);
    Seen { unsolved: ladder.step, ..ladder.seen }
}

struct Ladder<'a> {
    context: LayerContext<'a>,
    target: Target<'a>,
    /// `Σ |t|`.
    observed: f64,
    /// The objective of every step, where it is the same.
    objective: Option<Objective>,
    /// The step that is being solved.
    step: Option<usize>,
    seen: Seen,
}

impl Ladder<'_> {
    fn problem(&mut self, step: usize) -> Option<Problem> {
        let LayerContext { system, options, .. } = self.context;
        if options.method == LayerwiseMethod::Relaxed && options.relaxed_weights == RelaxedWeights::Positive {
            let rule = (system, self.context.shape());
            let rows = relaxed::rows(rule, self.target, self.context.tolerances(self.target).at(step));
            let objective = match self.objective.take() {
                Some(objective) => objective,
                None => self.context.problem_of(self.target, step)?.objective,
            };
            self.objective = Some(objective.clone());
            return Some(Problem { rows, objective });
        }
        self.context.problem_of(self.target, step)
    }
}

impl Climb for Ladder<'_> {
    fn next(&mut self) -> Option<Problem> {
        self.step = self.seen.search.next_step();
        self.problem(self.step?)
    }

    fn found(&mut self, optimum: Optimum<'_>) -> bool {
        let Some(step) = self.step else { return false };
        let LayerContext { system, .. } = self.context;
        let scale = system.absolute_total(optimum.z) + self.observed;
        let pre_activation = |unit: usize| (optimum.product)(unit) + system.bias[unit];
        let loss = self.target.loss(self.context.shape(), pre_activation);
        let point = LadderPoint { loss: Some(loss), scale, objective: optimum.gain };
        let seen = &mut self.seen;
        match seen.search.rank(&point) {
            Rank::Unclear => return false,
            Rank::Better => seen.best = Some((step, point, optimum.basis.clone())),
            Rank::NotBetter => {}
        }
        seen.first.get_or_insert_with(|| optimum.basis.clone());
        seen.search.record(step, Some(point));
        seen.steps += 1;
        seen.pivots += u64::from(optimum.pivots);
        self.step = None;
        true
    }
}

impl LayerContext<'_> {
    /// The program of one target at one step, classified on this processor.
    pub(super) fn problem_of(&self, target: Target<'_>, step: usize) -> Option<Problem> {
        let values = DMatrix::from_column_slice(target.values.len(), 1, target.values);
        let masks = LayerContext { device: None, ..*self }.masks(&values, &[(target, step)]).ok()?;
        Some(self.problem(target, &masks, 0, step))
    }
}
