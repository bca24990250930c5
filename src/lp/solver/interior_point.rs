//! The engine: a primal–dual interior point for a layer's linear programs, many observations on one shared `W`.
//!
//! Rows, violations and bounds are eliminated by hand, so that an iteration factors one symmetric `columns × columns` matrix
//! (`newton`; derived in `docs/THE_LP_ENGINE.md`). Observations are spread over the rayon pool and solved one at a time on
//! each thread: what they share, the packed weights, stays in that core's cache, and each forms its products with the rows
//! it needs only.

mod complementarity;
mod constraint_reduction;
mod crossover;
mod iteration;
mod newton;
pub mod stage_benches;
pub mod stages;
mod start;
pub(crate) mod state;
mod vertex;

use rayon::prelude::*;

use super::Solver;
use super::clarabel_reference::solve_single;
use super::simplex::Simplex;
use super::tolerances::ENORMOUS;
use crate::linalg::lanes::numbers;
use crate::linalg::packed_weights::PackedWeights;
use crate::lp::basis::{Basis, WarmStart};
use crate::lp::problem::{Attempt, LayerSystem, Objective, Outcome, Problem, Solution};
use iteration::{End, Limits};
use stages::{STAGES, Stage};
use state::State;

/// The batched interior point, with Clarabel behind it for what does not certify.
#[derive(Debug, Clone, Copy, Default)]
pub struct InteriorPoint;

impl Solver for InteriorPoint {
    fn name(&self) -> &'static str {
        "interior-point"
    }

    fn solve_warm(&self, system: &LayerSystem, problems: &[Problem], warm: &[WarmStart<'_>]) -> Vec<Solution> {
        let weights = system.packed();
        problems
            .par_iter()
            .zip(warm)
            .map_init(<(State, Simplex)>::default, |(state, simplex), (problem, warm)| {
                let pivoted = simplex.solve(system, weights, problem, *warm);
                pivoted.unwrap_or_else(|| solve_one(system, weights, problem, (state, simplex), warm.near, USUAL))
            })
            .collect()
    }

    fn retry(&self, system: &LayerSystem, problem: &Problem, retry: usize) -> Option<(Attempt, Solution)> {
        match retry {
            0 => {
                let solution = solve_one(
                    system,
                    system.packed(),
                    problem,
                    (&mut State::default(), &mut Simplex::default()),
                    None,
                    PATIENT,
                );
                Some((Attempt::Patient, solution))
            }
            1 | 2 => Some((Attempt::Fallback, solve_single(system, problem, retry == 2))),
            _ => None,
        }
    }
}

impl InteriorPoint {
    /// Solves the problems on this thread and says what share of the time each stage took, for benchmarks.
    pub fn profile(system: &LayerSystem, problems: &[Problem]) -> Vec<(&'static str, f64)> {
        let (mut state, mut simplex) = <(State, Simplex)>::default();
        state.clock.switch_on();
        for problem in problems {
            solve_one(system, system.packed(), problem, (&mut state, &mut simplex), None, USUAL);
        }
        let total: f64 = state.clock.totals.iter().map(std::time::Duration::as_secs_f64).sum();
        STAGES.iter().map(|&(stage, name)| (name, state.clock.totals[stage as usize].as_secs_f64() / total)).collect()
    }
}

/// The least-squares fit of `z` (free) to the units that have rows on both sides, in single precision where that is faster:
/// a first idea of the answer, no more.
pub fn fit(system: &LayerSystem, problem: &Problem, state: &mut State) -> Vec<f64> {
    let columns = system.columns();
    if problem.rows.is_empty() || columns == 0 {
        return vec![0.0; columns];
    }
    state.rows.load(system, system.packed(), problem, |_| true);
    state.reset(columns);
    state.fit(system.packed(), &[]);
    numbers(&state.point.z)[..columns].iter().map(|z| z * state.rows.z_scale).collect()
}

/// How often violated units are taken back before all are.
const READMISSIONS: u32 = 3;

const USUAL: Limits =
    Limits { iterations: 80, residual: 1e-11, boundary: 0.999, retire: true, give_up: true, single_above: 1e-3 };
/// Shorter steps, all rows to the end, and no belief in signs of infeasibility.
const PATIENT: Limits = Limits {
    iterations: 300,
    residual: 1e-12,
    boundary: 0.95,
    retire: false,
    give_up: false,
    single_above: f64::INFINITY,
};

fn solve_one(
    system: &LayerSystem,
    weights: &PackedWeights,
    problem: &Problem,
    (state, simplex): (&mut State, &mut Simplex),
    near: Option<&[f64]>,
    limits: Limits,
) -> Solution {
    let columns = system.columns();
    let mut solution = Solution::empty(system, problem);
    if problem.rows.is_empty() || columns == 0 {
        return solution;
    }
    begin(system, weights, problem, state, near, None);
    if limits.retire
        && let Some(z) = state.reproduce(system, weights)
    {
        return Solution { z, is_unique: true, ..solution };
    }
    let mut pivot = |basis: &Basis| {
        let solution =
            simplex.solve(system, weights, problem, WarmStart { basis: Some(basis), ..WarmStart::default() });
        solution.map(|solution| Solution { attempt: Attempt::Usual, ..solution })
    };
    let mut pivoted = None;
    let mut end = state.iterate(weights, system.nonnegative, limits, |basis| {
        pivoted = pivot(basis);
        pivoted.is_some()
    });
    if let Some(solution) = pivoted {
        return Solution { iterations: end.iterations, ..solution };
    }
    let mut rounds = 0;
    let must_go_on = |state: &mut State, end: &End| match end.outcome {
        Outcome::Infeasible => false,
        // Perhaps only because too many rows had left.
        Outcome::Stalled if state.retired.count > 0 => true,
        _ => !state.retired_rows_hold(weights, problem),
    };
    while must_go_on(state, &end) {
        if end.is_unique {
            // The optimum without a few rows is a few pivots from the optimum with them.
            let pivoted = pivot(&state.basis(weights));
            state.clock.lap(Stage::Finish);
            if let Some(solution) = pivoted {
                return Solution { iterations: end.iterations, ..solution };
            }
        }
        let stalled = end.outcome == Outcome::Stalled;
        let again = if rounds < READMISSIONS && !stalled { state.readmitted() } else { None };
        let spent = end.iterations;
        begin(system, weights, problem, state, near, again.as_deref());
        end = state.iterate(weights, system.nonnegative, Limits { retire: false, ..limits }, |_| false);
        end.iterations += spent;
        rounds += 1;
    }
    (solution.outcome, solution.iterations) = (end.outcome, end.iterations);
    solution.is_unique = end.is_unique;
    solution.vertex = end.is_unique.then(|| state.basis(weights));
    if numbers(&state.point.z).iter().any(|z| z.abs() > ENORMOUS) {
        // Rounding in rows of such terms hides anything, from the certificate too.
        solution.outcome = Outcome::Stalled;
        solution.z.fill(f64::NAN);
        return solution;
    }
    for (z, scaled) in solution.z.iter_mut().zip(numbers(&state.point.z)) {
        *z = scaled * state.rows.z_scale;
    }
    for (&origin, y) in state.rows.origin.iter().zip(&state.point.y) {
        solution.y[origin as usize] = y * state.rows.y_scale;
    }
    for &(row, y) in &state.retired.settled {
        solution.y[row as usize] = y;
    }
    state.clock.lap(Stage::Finish);
    solution
}

/// Loads and starts with the rows of `units` (in ascending order), or with all.
fn begin(
    system: &LayerSystem,
    weights: &PackedWeights,
    problem: &Problem,
    state: &mut State,
    near: Option<&[f64]>,
    units: Option<&[u32]>,
) {
    let wanted = |unit: usize| units.is_none_or(|units| units.binary_search(&(unit as u32)).is_ok());
    let left_out = state.rows.load(system, weights, problem, wanted);
    state.reset(system.columns());
    state.retired.count = left_out;
    state.start(weights, system.nonnegative, &pushed_units(problem, state.rows.y_scale), near);
    state.clock.lap(Stage::Start);
}

/// The units that a linear objective pushes against a bound, with their scaled weights.
fn pushed_units(problem: &Problem, y_scale: f64) -> Vec<(usize, f64)> {
    let Objective::Linear { units, .. } = &problem.objective else { return Vec::new() };
    let mut pushed: Vec<_> = units.iter().map(|&(unit, weight, _)| (unit, weight / y_scale)).collect();
    pushed.sort_by_key(|&(unit, _)| unit);
    pushed
}
