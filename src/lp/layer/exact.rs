//! A layer's inversion by `exact`: least squares for each observation, then one batch of
//! feasibility problems for the observations that this does not solve.

use rayon::prelude::*;

use super::super::certificate::{Proof, Verdict};
use super::super::certified::{CertifiedSolution, solve_certified};
use super::super::formulation::exact;
use super::super::formulation::target::Targets;
use super::super::problem::{LayerSystem, Problem};
use super::answer::LayerAnswer;
use super::context::{LayerContext, StageTimes, timed};
use crate::error::Result;
use crate::linalg::least_squares::LeastSquares;
use crate::outcome::LayerFailure;

impl LayerContext<'_> {
    pub(super) fn invert_exactly(&self, targets: &Targets, times: &mut StageTimes) -> Result<Vec<LayerAnswer>> {
        let count = targets.values.ncols();
        let tolerances: Vec<f64> =
            (0..count).map(|index| exact::tolerance(self.system, targets.column(index))).collect();
        let masks = timed(&mut times.classify, || self.above(&targets.values, &tolerances))?;
        Ok(timed(&mut times.solve, || {
            let least_squares = |workspace: &mut LeastSquares, index: usize| {
                let (target, active) = (targets.column(index), |unit| masks.is_active(index, unit));
                exact::least_squares(self.system, self.shape(), target, active, tolerances[index], workspace)
            };
            let solved: Vec<Option<Vec<f64>>> =
                (0..count).into_par_iter().map_init(LeastSquares::default, least_squares).collect();
            let unsolved: Vec<usize> = (0..count).filter(|&index| solved[index].is_none()).collect();
            let problem = |&index: &usize| {
                let active = |unit| masks.is_active(index, unit);
                exact::feasibility(self.system, self.shape(), targets.column(index), active)
            };
            let problems: Vec<Problem> = unsolved.par_iter().map(problem).collect();
            let solutions = solve_certified(self.system, self.solver, &problems);
            let mut fallbacks = solutions.into_iter().zip(&problems);
            let answer = |(index, z): (usize, Option<Vec<f64>>)| {
                let active_rows = masks.active_count(index);
                match z {
                    Some(z) => LayerAnswer {
                        determined: vec![true; z.len()],
                        known: None,
                        z,
                        multipliers: Vec::new(),
                        failure: None,
                        epsilon: tolerances[index],
                        objective: 0.0,
                        active_rows,
                        solves: 0,
                        iterations: 0,
                        certified: true,
                        pivots: 0,
                        warm_started: 0,
                        retries: 0,
                        spread: Vec::new(),
                        basis: None,
                    },
                    None => {
                        let missing = || CertifiedSolution::missing(self.system);
                        let (solution, at_zero) = fallbacks.next().map_or_else(
                            || (missing(), false),
                            |(solution, problem)| (solution, problem.rows.iter().all(|row| row.bound == 0.0)),
                        );
                        let solution = if at_zero { zero(self.system, solution) } else { solution };
                        exact_fallback(solution, tolerances[index], active_rows)
                    }
                }
            };
            solved.into_iter().enumerate().map(answer).collect()
        }))
    }
}

/// Where every bound is 0, `z = 0` satisfies all rows exactly, while the tolerance, a share of the
/// targets and biases, leaves no room for rounding. An entry that is determined is 0 then.
fn zero(system: &LayerSystem, solution: CertifiedSolution) -> CertifiedSolution {
    let proven = solution.is_certified();
    let determined = solution.determined.iter().map(|determined| proven && *determined).collect();
    let verdict = Verdict::Optimal { objective: 0.0, proof: Proof::Everywhere { reach: f64::INFINITY } };
    CertifiedSolution { z: vec![0.0; system.columns()], verdict, determined, ..solution }
}

fn exact_fallback(solution: CertifiedSolution, tolerance: f64, active_rows: usize) -> LayerAnswer {
    let objective = solution.objective();
    // A point that satisfies the rows needs no dual; that there is none is believed only of a
    // certified optimum.
    let found = objective <= tolerance && solution.z.iter().all(|z| z.is_finite());
    let failure = match solution.verdict {
        _ if found => None,
        Verdict::Optimal { .. } => Some(LayerFailure::NoExactPreImage { violation: objective, tolerance }),
        _ => Some(LayerFailure::SolverFailed),
    };
    LayerAnswer {
        failure,
        epsilon: tolerance,
        objective,
        active_rows,
        solves: 1,
        iterations: solution.iterations.into(),
        certified: found || solution.is_certified(),
        pivots: 0,
        warm_started: 0,
        retries: solution.retried.into(),
        spread: Vec::new(),
        basis: None,
        determined: solution.determined,
        known: None,
        multipliers: solution.multipliers,
        z: solution.z,
    }
}
