//! One observation in the rounds of a layer: its search, its solved steps, and its answer.

use std::sync::Arc;

use super::super::bases::{LayerBasis, LowerBound};
use super::super::basis::{Basis, WarmStart};
use super::super::certificate::Verdict;
use super::super::certified::CertifiedSolution;
use super::super::formulation::ladder::{LadderPoint, LadderSearch};
use super::super::formulation::monotone::MonotoneSearch;
use super::super::formulation::target::Target;
use super::super::formulation::{EpsilonSteps, LayerwiseMethod};
use super::super::problem::{Objective, Problem};
use super::super::solution::Attempt;
use super::answer::LayerAnswer;
use super::context::LayerContext;
use super::look_ahead::{Seen, look_ahead};
use crate::outcome::LayerFailure;

/// The search over ε of one observation.
pub(super) enum Search {
    Monotone(MonotoneSearch),
    Ladder(LadderSearch),
}

impl Search {
    pub(super) fn next_step(&mut self) -> Option<usize> {
        match self {
            Search::Monotone(search) => search.next_step(),
            Search::Ladder(search) => search.next_step(),
        }
    }
}

/// One observation in the rounds of a layer.
pub(super) struct Member {
    pub(super) search: Search,
    tolerances: EpsilonSteps,
    /// Solved steps that may become the answer: all steps of a monotone search, the best step of a
    /// ladder.
    kept: Vec<(usize, CertifiedSolution, usize)>,
    /// The largest step that was solved.
    largest_step: usize,
    solves: usize,
    iterations: u64,
    retries: usize,
    certified: bool,
    /// A solve failed, so the search cannot continue.
    broken: bool,
    /// The optimal vertex of the last step that had one.
    vertex: Option<Basis>,
    /// What the answer leaves for a similar target, if that is wanted.
    left: Option<Left>,
    pivots: u64,
    warm_started: usize,
    /// A point near the first step's optimum.
    near: Option<Vec<f64>>,
    /// The best step that was seen ahead, until it is solved.
    ahead: Option<Ahead>,
    /// Whether what is ahead is looked at.
    looks_ahead: bool,
    /// The step at which the look ahead ended: its vertex is not the only optimum, so that a start
    /// from a neighbour's would end in the same way.
    unsolved: Option<usize>,
}

/// What a search leaves for that of a similar target.
#[derive(Default)]
struct Left {
    /// The optimal vertex of the first step of a ladder that had one.
    first_vertex: Option<Basis>,
    /// The last lower bound on `δ*` of a monotone search.
    bound: Option<LowerBound>,
}

/// A step that was seen ahead.
struct Ahead {
    step: usize,
    point: LadderPoint,
    vertex: Basis,
    /// The search after the last step seen.
    search: LadderSearch,
}

impl Left {
    fn record(&mut self, problem: &Problem, solution: &CertifiedSolution) {
        if problem.objective != Objective::LargestViolation {
            self.first_vertex = self.first_vertex.take().or_else(|| solution.vertex.clone());
        } else if solution.vertex.is_some() || matches!(solution.verdict, Verdict::AboveCutoff { .. }) {
            self.bound = Some(LowerBound::of(problem, &solution.multipliers));
        }
    }

    /// The basis of an answer; `None` where it is not at a vertex.
    fn basis(self, context: &LayerContext<'_>, solution: &CertifiedSolution) -> Option<LayerBasis> {
        let basis = match context.options.method {
            LayerwiseMethod::Linf => solution.vertex.clone()?,
            _ => self.first_vertex?,
        };
        let (z, objective) = (solution.z.clone(), solution.objective());
        Some(LayerBasis { units: context.system.units(), z, objective, basis, bound: self.bound })
    }
}

impl Member {
    pub(super) fn new(search: Search, tolerances: EpsilonSteps, near: Option<Vec<f64>>) -> Self {
        Member {
            search,
            tolerances,
            kept: Vec::new(),
            largest_step: 0,
            solves: 0,
            iterations: 0,
            retries: 0,
            certified: true,
            broken: false,
            vertex: None,
            left: None,
            pivots: 0,
            warm_started: 0,
            near,
            ahead: None,
            looks_ahead: true,
            unsolved: None,
        }
    }

    /// Its answer will have the basis from which a similar target can start.
    pub(super) fn leaving_a_basis(self) -> Self {
        Member { left: Some(Left::default()), ..self }
    }

    /// Starts at the optimal vertex of a similar target.
    pub(super) fn starting_at(self, vertex: &Basis) -> Self {
        Member { vertex: Some(vertex.clone()), ..self }
    }

    /// Number of entries above a step's ε, with a monotone search.
    pub(super) fn active_count(&self, step: usize) -> usize {
        match &self.search {
            Search::Monotone(search) => search.active_count(step),
            Search::Ladder(_) => 0,
        }
    }

    pub(super) fn best_loss(&self) -> Option<f64> {
        match &self.search {
            Search::Ladder(search) => search.best_loss(),
            Search::Monotone(_) => None,
        }
    }

    /// Looks at the steps that follow, from the last vertex.
    pub(super) fn look_ahead(&mut self, context: &LayerContext<'_>, target: Target<'_>) {
        let (Search::Ladder(search), Some(vertex)) = (&self.search, &self.vertex) else { return };
        if self.ahead.is_some() || !self.looks_ahead {
            return;
        }
        let Seen { search, best, first, steps, pivots, unsolved } = look_ahead(context, target, search, vertex);
        if self.solves == 0 && steps == 0 {
            // The vertex is that of a similar target, and leads nowhere.
            self.vertex = None;
        }
        if let Some(left) = &mut self.left {
            left.first_vertex = left.first_vertex.take().or(first);
        }
        self.solves += steps;
        self.warm_started += steps;
        self.pivots += pivots;
        self.unsolved = unsolved;
        match best {
            Some((step, point, vertex)) => self.ahead = Some(Ahead { step, point, vertex, search }),
            None => self.search = Search::Ladder(search),
        }
    }

    /// The next step to solve.
    pub(super) fn next_step(&mut self) -> Option<usize> {
        match &self.ahead {
            Some(ahead) => Some(ahead.step),
            None => self.search.next_step(),
        }
    }

    /// Records a step that was seen ahead.
    fn record_seen(&mut self, ahead: Ahead, solution: CertifiedSolution, point: Option<LadderPoint>, active: usize) {
        let Ahead { step, point: seen, mut search, .. } = ahead;
        match point {
            Some(point) if solution.vertex.is_some() && search.confirm(&seen, point) => {
                self.search = Search::Ladder(search);
                self.kept = vec![(step, solution, active)];
            }
            // Not what was seen.
            _ => self.looks_ahead = false,
        }
    }

    /// The starting information for a step's problem.
    pub(super) fn warm_start(&self, step: usize) -> WarmStart<'_> {
        let cutoff = match &self.search {
            Search::Monotone(search) => search.cutoff(step),
            Search::Ladder(_) => None,
        };
        let basis = match &self.ahead {
            Some(ahead) => Some(&ahead.vertex),
            None => self.vertex.as_ref().filter(|_| self.unsolved != Some(step)),
        };
        WarmStart { near: self.near.as_deref(), basis, cutoff }
    }

    pub(super) fn record(
        &mut self,
        step: usize,
        (problem, solution): (&Problem, CertifiedSolution),
        point: Option<LadderPoint>,
        unchanged: Option<f64>,
        active_rows: usize,
    ) {
        self.solves += 1;
        self.largest_step = self.largest_step.max(step);
        self.pivots += u64::from(solution.pivots);
        self.warm_started += usize::from(solution.attempt == Attempt::WarmStart);
        self.iterations += u64::from(solution.iterations);
        self.retries += usize::from(solution.retried);
        self.certified &= solution.is_certified();
        if solution.vertex.is_some() {
            self.vertex.clone_from(&solution.vertex);
        }
        if let Some(left) = &mut self.left {
            left.record(problem, &solution);
        }
        if let Some(ahead) = self.ahead.take() {
            return self.record_seen(ahead, solution, point, active_rows);
        }
        match &mut self.search {
            Search::Monotone(search) if matches!(solution.verdict, Verdict::AboveCutoff { .. }) => {
                search.record_infeasible(step);
            }
            Search::Monotone(search) => {
                let delta = solution.objective();
                if delta.is_finite() {
                    let lowest = search.record(step, delta, unchanged);
                    if lowest < step {
                        self.kept.push((lowest, solution.clone(), search.active_count(lowest)));
                    }
                    self.kept.push((step, solution, active_rows));
                } else {
                    // Without a δ, the search cannot continue.
                    self.broken = true;
                    search.abandon();
                }
            }
            Search::Ladder(search) => {
                if search.record(step, point) {
                    self.kept = vec![(step, solution, active_rows)];
                }
            }
        }
    }

    pub(super) fn answer(self, context: &LayerContext<'_>, target: Target<'_>) -> LayerAnswer {
        let chosen = match &self.search {
            Search::Monotone(search) => search.answer().and_then(|answer| {
                let shared = self.kept.iter().find(|(step, ..)| search.same_rows(*step, answer));
                shared.map(|(_, solution, active_rows)| (answer, solution.clone(), *active_rows))
            }),
            Search::Ladder(_) => self.kept.into_iter().next(),
        };
        let found = chosen.filter(|(_, solution, _)| !self.broken && solution.z.iter().all(|z| z.is_finite()));
        let tolerances = self.tolerances;
        let (failure, step, solution, active_rows) = match found {
            Some((step, solution, active_rows)) => (None, step, solution, active_rows),
            None => {
                let why = match self.search {
                    Search::Ladder(_) if self.certified => {
                        LayerFailure::NoFeasibleTolerance { largest: tolerances.at(self.largest_step) }
                    }
                    _ => LayerFailure::SolverFailed,
                };
                (Some(why), 0, CertifiedSolution::missing(context.system), 0)
            }
        };
        let epsilon = tolerances.at(step);
        let any_determined = failure.is_none() && solution.determined.contains(&true);
        let known = match context.options.method {
            LayerwiseMethod::L1 | LayerwiseMethod::Relaxed if any_determined => {
                Some(context.known_of(target, epsilon, &solution))
            }
            _ => None,
        };
        let left = self.left.filter(|_| failure.is_none());
        let basis = left.and_then(|left| left.basis(context, &solution)).map(Arc::new);
        LayerAnswer {
            basis,
            failure,
            epsilon,
            objective: solution.objective(),
            active_rows,
            solves: self.solves,
            iterations: self.iterations,
            certified: self.certified,
            pivots: self.pivots,
            warm_started: self.warm_started,
            retries: self.retries,
            spread: Vec::new(),
            determined: solution.determined,
            known,
            multipliers: solution.multipliers,
            z: solution.z,
        }
    }
}
