//! The engine solves the linear programs of a layer, and decides the order in which methods are
//! tried.
//!
//! A problem that has the vertex of a neighbouring problem is warm-started by the simplex. One of
//! up to 64 columns is approached by pivots in single precision, whose vertex the simplex takes
//! over ([`super::approach`]). Otherwise a target that can be reproduced exactly needs least
//! squares only; for all others the interior point iterates, and hands a vertex near the optimum
//! over to the simplex (crossover). An answer that does not pass the certificate is solved again
//! with the patient settings, then by Clarabel.
//!
//! Observations are spread over the rayon pool and solved one at a time on each thread, few columns
//! sixteen at a time. The packed weights, which they share, stay in that core's cache, and each
//! observation multiplies only the rows that it needs.

use rayon::prelude::*;

use super::Solver;
use super::approach::{Approach, Found};
use super::clarabel_reference::solve_single;
use super::interior_point::InteriorPoint;
use super::interior_point::iterate::Shared;
use super::interior_point::iteration::{End, Limits};
use super::interior_point::stages::{STAGES, Stage};
use super::interior_point::start::Near;
use super::reproduction::{Reproduced, Reproduction};
use super::scaled_rows::ScaledRows;
use super::simplex::Simplex;
use super::tolerances::ENORMOUS;
use crate::lp::basis::{Basis, WarmStart};
use crate::lp::climb::Climb;
use crate::lp::problem::{LayerSystem, Problem};
use crate::lp::solution::{Attempt, Outcome, Solution};

/// How often only the violated units are restored; after that, all units are.
const RESTORATIONS: u32 = 3;

const USUAL: Limits =
    Limits { iterations: 80, residual: 1e-11, boundary: 0.999, reduce: true, give_up: true, single_above: 1e-3 };
/// The patient settings: shorter steps, all rows until the end, and no early stop on signs of
/// infeasibility.
const PATIENT: Limits = Limits {
    iterations: 300,
    residual: 1e-12,
    boundary: 0.95,
    reduce: false,
    give_up: false,
    single_above: f64::INFINITY,
};

/// The batched engine, followed by Clarabel for answers that do not pass the certificate.
#[derive(Debug, Clone, Copy, Default)]
pub struct LpEngine;

impl Solver for LpEngine {
    fn name(&self) -> &'static str {
        "interior-point"
    }

    fn solve_warm(&self, system: &LayerSystem, problems: &[Problem], warm: &[WarmStart<'_>]) -> Vec<Solution> {
        let together = Approach::together(system.columns(), problems.len(), rayon::current_num_threads());
        let solve = |workspace: &mut Workspace, (problems, warm): (&[Problem], &[WarmStart<'_>])| {
            workspace.solve_together(system, problems, warm)
        };
        let chunks = problems.par_chunks(together).zip(warm.par_chunks(together));
        chunks.map_init(Workspace::default, solve).flatten_iter().collect()
    }

    fn solve_from(&self, system: &LayerSystem, problem: &Problem, warm: WarmStart<'_>) -> Option<Solution> {
        Simplex::default().solve(system, (problem, &mut ScaledRows::of(system, problem)), warm)
    }

    fn climb(&self, system: &LayerSystem, start: &Basis, climb: &mut dyn Climb) {
        Simplex::default().climb(system, start, climb);
    }

    fn retry(&self, system: &LayerSystem, problem: &Problem, retry: usize) -> Option<(Attempt, Solution)> {
        match retry {
            0 => {
                let mut rows = ScaledRows::of(system, problem);
                let solution = Workspace::default().solve(system, (problem, &mut rows), None, PATIENT);
                Some((Attempt::Patient, solution))
            }
            1 | 2 => Some((Attempt::Fallback, solve_single(system, problem, retry == 2))),
            _ => None,
        }
    }
}

impl LpEngine {
    /// Solves the problems on this thread and returns each stage's share of the time, for
    /// benchmarks.
    pub fn profile(system: &LayerSystem, problems: &[Problem]) -> Vec<(&'static str, f64)> {
        let mut workspace = Workspace::default();
        workspace.interior_point.clock.switch_on();
        let warm = vec![WarmStart::default(); problems.len()];
        let together = Approach::together(system.columns(), problems.len(), 1);
        for (problems, warm) in problems.chunks(together).zip(warm.chunks(together)) {
            workspace.solve_together(system, problems, warm);
        }
        let totals = &workspace.interior_point.clock.totals;
        let total: f64 = totals.iter().map(std::time::Duration::as_secs_f64).sum();
        STAGES.iter().map(|&(stage, name)| (name, totals[stage as usize].as_secs_f64() / total)).collect()
    }
}

/// One thread's workspace.
#[derive(Debug, Default)]
struct Workspace {
    interior_point: InteriorPoint,
    simplex: Simplex,
    reproduction: Reproduction,
    approach: Approach,
    /// The rows of the problems that are solved together.
    rows: Vec<ScaledRows>,
}

impl Workspace {
    /// Solves each problem from where it can be started: the vertex of a neighbour, the vertex of
    /// the approach, or the interior point.
    fn solve_together(&mut self, system: &LayerSystem, problems: &[Problem], warm: &[WarmStart<'_>]) -> Vec<Solution> {
        let mut rows = std::mem::take(&mut self.rows);
        rows.resize_with(rows.len().max(problems.len()), ScaledRows::default);
        for (rows, problem) in rows.iter_mut().zip(problems) {
            rows.load_all(system, problem);
        }
        self.interior_point.clock.lap(Stage::Start);
        let found = self.approach.vertices(system, problems, &rows, warm);
        self.interior_point.clock.lap(Stage::Approach);
        let solve = |(((problem, rows), warm), found): (((&Problem, &mut ScaledRows), &WarmStart<'_>), Found)| {
            let Found { vertex, pivots, fit } = found;
            let (is_neighbour, basis) = (warm.basis.is_some(), warm.basis.or(vertex.as_ref()));
            let pivoted = self.simplex.solve(system, (problem, rows), WarmStart { basis, ..*warm });
            self.interior_point.clock.lap(Stage::Crossover);
            let mut solution = match pivoted {
                Some(solution) if is_neighbour => solution,
                Some(solution) => Solution { attempt: Attempt::Usual, ..solution },
                None => self.solve(system, (problem, rows), warm.near.or(fit.as_deref()), USUAL),
            };
            solution.pivots += pivots;
            solution
        };
        let solutions = problems.iter().zip(&mut rows).zip(warm).zip(found).map(solve).collect();
        self.rows = rows;
        solutions
    }

    /// Solves from the start. `rows`: all of the problem's; `near`: a point near the optimum.
    fn solve(
        &mut self,
        system: &LayerSystem,
        (problem, rows): (&Problem, &mut ScaledRows),
        near: Option<&[f64]>,
        limits: Limits,
    ) -> Solution {
        let mut solution = Solution::empty(system, problem);
        if problem.rows.is_empty() || system.columns() == 0 {
            return solution;
        }
        let Workspace { interior_point, simplex, reproduction, .. } = self;
        let shared = Shared::of(system);
        let mut near = Near { z: near, is_close: false };
        interior_point.begin(system, (problem, rows), near, None);
        let reproduced = if limits.reduce { reproduction.reproduce(shared, interior_point) } else { None };
        interior_point.clock.lap(Stage::Start);
        match &reproduced {
            Some(Reproduced::Exactly(z)) => return Solution { z: z.clone(), is_unique: true, ..solution },
            Some(Reproduced::Closely(z)) => {
                near = Near { z: Some(z), is_close: true };
                interior_point.begin(system, (problem, rows), near, None);
            }
            None => {}
        }
        let mut pivot = |basis: &Basis, rows: &mut ScaledRows| {
            let warm = WarmStart { basis: Some(basis), ..WarmStart::default() };
            let solution = simplex.solve(system, (problem, rows), warm);
            solution.map(|solution| Solution { attempt: Attempt::Usual, ..solution })
        };
        let mut pivoted = None;
        let mut end = interior_point.iterate(shared, limits, |basis| {
            pivoted = pivot(basis, rows);
            pivoted.is_some()
        });
        if let Some(solution) = pivoted {
            return Solution { iterations: end.iterations, ..solution };
        }
        let mut rounds = 0;
        while must_go_on(interior_point, shared, problem, &end) {
            if end.is_unique {
                // The optimum without a few rows is a few pivots from the optimum with them.
                let pivoted = pivot(&interior_point.basis(shared), rows);
                interior_point.clock.lap(Stage::Finish);
                if let Some(solution) = pivoted {
                    return Solution { iterations: end.iterations, ..solution };
                }
            }
            let stalled = end.outcome == Outcome::Stalled;
            let units = if rounds < RESTORATIONS && !stalled { interior_point.restored() } else { None };
            let spent = end.iterations;
            interior_point.begin(system, (problem, rows), near, units.as_deref());
            end = interior_point.iterate(shared, Limits { reduce: false, ..limits }, |_| false);
            end.iterations += spent;
            rounds += 1;
        }
        (solution.outcome, solution.iterations) = (end.outcome, end.iterations);
        solution.is_unique = end.is_unique;
        solution.vertex = end.is_unique.then(|| interior_point.basis(shared));
        if interior_point.exceeds(ENORMOUS) {
            // With terms this large, rounding hides any violation, also from the certificate.
            solution.outcome = Outcome::Stalled;
            solution.z.fill(f64::NAN);
            return solution;
        }
        interior_point.write_point(&mut solution);
        let basis = solution.vertex.as_ref();
        solution.held = basis.and_then(|basis| simplex.held(system, (problem, rows), &solution, basis));
        interior_point.clock.lap(Stage::Finish);
        solution
    }
}

/// Whether units that do not take part have to be restored.
fn must_go_on(interior_point: &mut InteriorPoint, shared: Shared<'_>, problem: &Problem, end: &End) -> bool {
    match end.outcome {
        Outcome::Infeasible => false,
        // Perhaps only because too many rows had left.
        Outcome::Stalled if interior_point.is_reduced() => true,
        _ => !interior_point.dropped_rows_hold(shared, problem),
    }
}
