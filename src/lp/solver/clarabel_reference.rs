//! Clarabel behind [`Solver`]: a general interior point, one problem at a time, spread over the
//! rayon pool.
//!
//! The variables are `(z, δ)`, `(z, e)` or `z`; `z ≥ 0` and `e ≥ 0` are separate rows. Before the
//! call, bounds, weights and objective are each divided by their largest entry (the problems are
//! homogeneous in all three), so that Clarabel's absolute tolerances mean the same for targets of
//! 1e-6 and of 1e6; afterwards `z` and `y` are scaled back.

use clarabel::algebra::CscMatrix;
use clarabel::solver::{
    DefaultSettings, DefaultSettingsBuilder, DefaultSolver, IPSolver, NonnegativeConeT, SolverStatus, SupportedConeT,
};
use rayon::prelude::*;

use super::Solver;
use crate::lp::basis::WarmStart;
use crate::lp::problem::{LayerSystem, Objective, Problem};
use crate::lp::solution::{Attempt, Outcome, Solution};

/// The reference solver.
#[derive(Debug, Clone, Copy, Default)]
pub struct ClarabelReference;

impl Solver for ClarabelReference {
    fn name(&self) -> &'static str {
        "clarabel"
    }

    fn solve_warm(&self, system: &LayerSystem, problems: &[Problem], _: &[WarmStart<'_>]) -> Vec<Solution> {
        problems.par_iter().map(|problem| solve_one(system, problem, Effort::Usual)).collect()
    }

    fn retry(&self, system: &LayerSystem, problem: &Problem, retry: usize) -> Option<(Attempt, Solution)> {
        (retry == 0).then(|| (Attempt::Patient, solve_one(system, problem, Effort::Patient)))
    }
}

/// Solves one problem, with the usual or the patient settings.
pub(super) fn solve_single(system: &LayerSystem, problem: &Problem, patient: bool) -> Solution {
    solve_one(system, problem, if patient { Effort::Patient } else { Effort::Usual })
}

#[derive(Clone, Copy, PartialEq)]
enum Effort {
    Usual,
    /// Smaller steps and less regularisation: the usual run stalls because it loses digits in its
    /// last iterations.
    Patient,
}

fn settings(effort: Effort) -> Option<DefaultSettings<f64>> {
    let mut settings = DefaultSettingsBuilder::default();
    settings.verbose(false).max_threads(1).tol_gap_abs(1e-11).tol_gap_rel(1e-10).tol_feas(1e-11);
    match effort {
        Effort::Usual => &mut settings,
        Effort::Patient => settings
            .max_iter(500)
            .max_step_fraction(0.95)
            .static_regularization_constant(1e-9)
            .iterative_refinement_max_iter(50),
    };
    settings.build().ok()
}

fn solve_one(system: &LayerSystem, problem: &Problem, effort: Effort) -> Solution {
    if problem.rows.is_empty() {
        return Solution::empty(system, problem);
    }
    let scale = Scale::of(system, problem);
    let columns = system.columns();
    let (matrix, bounds) = constraints(system, problem, &scale);
    let cones: [SupportedConeT<f64>; 1] = [NonnegativeConeT(bounds.len())];
    let objective = objective(problem, matrix.n, columns, &scale);
    let quadratic = CscMatrix::zeros((matrix.n, matrix.n));
    let failed = || Solution { outcome: Outcome::Stalled, ..Solution::empty(system, problem) };
    let Some(settings) = settings(effort) else { return failed() };
    let Ok(mut solver) = DefaultSolver::new(&quadratic, &objective, &matrix, &bounds, &cones, settings) else {
        return failed();
    };
    solver.solve();
    let answer = &solver.solution;
    let outcome = match answer.status {
        SolverStatus::Solved | SolverStatus::AlmostSolved => Outcome::Optimal,
        SolverStatus::PrimalInfeasible | SolverStatus::AlmostPrimalInfeasible => Outcome::Infeasible,
        _ => Outcome::Stalled,
    };
    Solution {
        outcome,
        z: answer.x[..columns].iter().map(|z| z * scale.bound / scale.weight).collect(),
        y: answer.z[..problem.rows.len()].iter().map(|y| y * scale.multiplier).collect(),
        iterations: answer.iterations,
        ..Solution::empty(system, problem)
    }
}

/// The largest absolute bound, weight and objective entry (1 where all are zero).
struct Scale {
    bound: f64,
    weight: f64,
    /// The factor from the multipliers of the scaled problem to those of the original.
    multiplier: f64,
}

impl Scale {
    fn of(system: &LayerSystem, problem: &Problem) -> Self {
        let or_one = |largest: f64| if largest > 0.0 { largest } else { 1.0 };
        let bound = or_one(problem.rows.iter().fold(0.0, |most, row| row.bound.abs().max(most)));
        let weight = or_one(system.weight.amax());
        let multiplier = match &problem.objective {
            // The violation is scaled like the bounds and its objective stays `1·δ`, so the
            // multipliers are the same.
            Objective::LargestViolation | Objective::SumOfViolations => 1.0,
            Objective::Linear { weights, .. } => or_one(weights.amax()) / weight,
        };
        Scale { bound, weight, multiplier }
    }
}

/// The rows of the problem, then `−z ≤ 0` (if it holds) and `−e ≤ 0`, in Clarabel's
/// `A x + s = b, s ≥ 0`.
fn constraints(system: &LayerSystem, problem: &Problem, scale: &Scale) -> (CscMatrix<f64>, Vec<f64>) {
    let columns = system.columns();
    let rows = &problem.rows;
    let mut column_starts = vec![0];
    let mut row_indices = Vec::new();
    let mut values = Vec::new();
    let mut next_row = rows.len();
    for column in 0..columns {
        for (index, row) in rows.iter().enumerate() {
            let weight = system.weight[(row.unit, column)];
            if weight != 0.0 {
                row_indices.push(index);
                values.push(row.side * weight / scale.weight);
            }
        }
        if system.nonnegative {
            row_indices.push(next_row);
            values.push(-1.0);
            next_row += 1;
        }
        column_starts.push(values.len());
    }
    let mut violation_column = |rows_of_violation: &mut dyn Iterator<Item = (usize, f64)>| {
        for (index, slack) in rows_of_violation {
            row_indices.push(index);
            values.push(-slack);
        }
        row_indices.push(next_row);
        values.push(-1.0);
        next_row += 1;
        column_starts.push(values.len());
    };
    match &problem.objective {
        Objective::LargestViolation => {
            violation_column(&mut rows.iter().enumerate().map(|(index, row)| (index, row.slack)));
        }
        Objective::SumOfViolations => {
            let mut start = 0;
            for unit_rows in rows.chunk_by(|a, b| a.unit == b.unit) {
                violation_column(&mut unit_rows.iter().enumerate().map(|(i, row)| (start + i, row.slack)));
                start += unit_rows.len();
            }
        }
        Objective::Linear { .. } => {}
    }
    let mut bounds: Vec<f64> = rows.iter().map(|row| row.bound / scale.bound).collect();
    bounds.resize(next_row, 0.0);
    let matrix = CscMatrix::new(next_row, column_starts.len() - 1, column_starts, row_indices, values);
    (matrix, bounds)
}

fn objective(problem: &Problem, variables: usize, columns: usize, scale: &Scale) -> Vec<f64> {
    let mut objective = vec![0.0; variables];
    match &problem.objective {
        Objective::LargestViolation | Objective::SumOfViolations => objective[columns..].fill(1.0),
        Objective::Linear { weights, .. } => {
            let largest = scale.multiplier * scale.weight;
            for (entry, weight) in objective.iter_mut().zip(weights.iter()) {
                *entry = -weight / largest;
            }
        }
    }
    objective
}
