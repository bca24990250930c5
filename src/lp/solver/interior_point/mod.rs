//! The engine: a primal–dual interior point for a layer's linear programs, many observations on one shared `W`.
//!
//! Rows, violations and bounds are eliminated by hand, so that an iteration factors one symmetric `columns × columns` matrix
//! ([`newton`]; derived in `docs/THE_LP_ENGINE.md`). Observations are spread over the rayon pool and solved one at a time on
//! each thread: what they share, the packed weights, stays in that core's cache, and each forms its products with the rows
//! it needs only.

mod cholesky;
mod gram;
mod iteration;
mod lanes;
mod newton;
pub mod packed;
mod products;
mod rows;
mod start;
mod state;

use rayon::prelude::*;

use super::Solver;
use super::clarabel_reference::ClarabelReference;
use crate::lp::problem::{LayerSystem, Objective, Outcome, Problem, Solution};
use iteration::Limits;
use lanes::numbers;
use packed::PackedWeights;
use state::State;

/// The batched interior point, with Clarabel behind it for what does not certify.
#[derive(Debug, Clone, Copy, Default)]
pub struct InteriorPoint;

impl Solver for InteriorPoint {
    fn name(&self) -> &'static str {
        "interior-point"
    }

    fn solve(&self, system: &LayerSystem, problems: &[Problem]) -> Vec<Solution> {
        let weights = system.packed();
        problems
            .par_iter()
            .map_init(State::default, |state, problem| solve_one(system, weights, problem, state, USUAL))
            .collect()
    }

    fn retry(&self, system: &LayerSystem, problem: &Problem) -> Solution {
        ClarabelReference.retry(system, problem)
    }
}

const USUAL: Limits = Limits { iterations: 80, gap: 1e-12, gap_of_size: 1e-14, residual: 1e-11, boundary: 0.999 };

fn solve_one(
    system: &LayerSystem,
    weights: &PackedWeights,
    problem: &Problem,
    state: &mut State,
    limits: Limits,
) -> Solution {
    let columns = system.columns();
    let mut solution =
        Solution { outcome: Outcome::Optimal, z: vec![0.0; columns], y: vec![0.0; problem.rows.len()], iterations: 0 };
    if problem.rows.is_empty() || columns == 0 {
        return solution;
    }
    state.rows.load(system, weights, problem, |_| true);
    state.reset(columns);
    state.start(weights, system.nonnegative, &pushed_units(problem, state.rows.y_scale));
    (solution.outcome, solution.iterations) = state.iterate(weights, system.nonnegative, limits);
    for (z, scaled) in solution.z.iter_mut().zip(numbers(&state.point.z)) {
        *z = scaled * state.rows.z_scale;
    }
    for (&origin, y) in state.rows.origin.iter().zip(&state.point.y) {
        solution.y[origin as usize] = y * state.rows.y_scale;
    }
    solution
}

/// The units that a linear objective pushes against a bound, with their scaled weights.
fn pushed_units(problem: &Problem, y_scale: f64) -> Vec<(usize, f64)> {
    let Objective::Linear { units, .. } = &problem.objective else { return Vec::new() };
    let mut pushed: Vec<_> = units.iter().map(|&(unit, weight, _)| (unit, weight / y_scale)).collect();
    pushed.sort_by_key(|&(unit, _)| unit);
    pushed
}
