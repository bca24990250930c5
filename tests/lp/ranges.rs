//! Determined entries by brute force: the minimum and maximum of an entry of `z` over the optimal
//! face, by two linear programs each. The face is widened by a tolerance, because rounding could
//! otherwise make it empty. The part of a range that does not shrink with the tolerance belongs to
//! the face itself. A true range may be as small as ε, so only this shrinking decides, not the
//! size.

use clarabel::algebra::CscMatrix;
use clarabel::solver::{DefaultSettingsBuilder, DefaultSolver, IPSolver, NonnegativeConeT, SolverStatus};
use unrelu::internals::lp::problem::{LayerSystem, Objective, Problem};

/// The tolerances by which the face is widened, if the largest bound and the largest weight are 1.
const THICK: f64 = 1e-8;
const THIN: f64 = 1e-9;
/// The face is bounded by this value in the same units, so that every range is finite.
const FAR: f64 = 1e3;

/// Whether an entry of `z` is determined; `None` if the ranges do not decide.
pub fn is_determined(system: &LayerSystem, problem: &Problem, objective: f64, entry: usize) -> Option<bool> {
    let thick = range(system, problem, objective, entry, THICK)?;
    let thin = range(system, problem, objective, entry, THIN)?;
    // The measured range is the true range plus a multiple of the tolerance.
    let own = thin - (thick - thin) * THIN / (THICK - THIN);
    match own / thin {
        _ if thin == 0.0 => Some(true),
        share if share < 0.1 => Some(true),
        share if share > 0.3 => Some(false),
        _ => None,
    }
}

/// `max z_i − min z_i` over the face widened by `tolerance`.
fn range(system: &LayerSystem, problem: &Problem, objective: f64, entry: usize, tolerance: f64) -> Option<f64> {
    let highest = extreme(system, problem, objective, entry, -1.0, tolerance)?;
    let lowest = extreme(system, problem, objective, entry, 1.0, tolerance)?;
    Some((highest - lowest).max(0.0))
}

/// The extreme value of an entry: the minimum for `sign = 1`, the maximum for `−1`.
fn extreme(
    system: &LayerSystem,
    problem: &Problem,
    objective: f64,
    entry: usize,
    sign: f64,
    tolerance: f64,
) -> Option<f64> {
    let or_one = |largest: f64| if largest > 0.0 { largest } else { 1.0 };
    let bound_scale = or_one(problem.rows.iter().fold(0.0f64, |most, row| most.max(row.bound.abs())));
    let weight_scale = or_one(system.weight.amax());
    let columns = system.columns();
    let sums = matches!(problem.objective, Objective::SumOfViolations);
    let units: Vec<usize> = problem.rows.chunk_by(|a, b| a.unit == b.unit).map(|rows| rows[0].unit).collect();
    let variables = columns + if sums { units.len() } else { 0 };
    let mut matrix: Vec<Vec<f64>> = Vec::new();
    let mut bounds = Vec::new();
    let mut add = |row: Vec<f64>, bound: f64| {
        matrix.push(row);
        bounds.push(bound);
    };
    let unit_vector = |index: usize, value: f64| {
        let mut row = vec![0.0; variables];
        row[index] = value;
        row
    };
    for row in &problem.rows {
        let mut left = vec![0.0; variables];
        for (left, w) in left.iter_mut().zip(system.unit(row.unit)) {
            *left = row.side * w / weight_scale;
        }
        let mut bound = row.bound / bound_scale;
        match &problem.objective {
            Objective::LargestViolation => bound += row.slack * (objective / bound_scale + tolerance),
            Objective::SumOfViolations => {
                left[columns + units.iter().position(|unit| *unit == row.unit)?] = -row.slack;
            }
            Objective::Linear { .. } => bound += tolerance,
        }
        add(left, bound);
    }
    match &problem.objective {
        Objective::LargestViolation => {}
        Objective::SumOfViolations => {
            let total = (0..variables).map(|i| if i >= columns { 1.0 } else { 0.0 }).collect();
            add(total, objective / bound_scale + tolerance);
            (columns..variables).for_each(|i| add(unit_vector(i, -1.0), 0.0));
        }
        Objective::Linear { weights, .. } => {
            let largest = or_one(weights.amax());
            let left = weights.iter().map(|q| -q / largest).collect();
            add(left, -objective / (largest * bound_scale / weight_scale) + tolerance);
        }
    }
    for index in 0..columns {
        add(unit_vector(index, 1.0), FAR);
        add(unit_vector(index, -1.0), if system.nonnegative { 0.0 } else { FAR });
    }
    let settings = DefaultSettingsBuilder::default()
        .verbose(false)
        .max_threads(1)
        .tol_gap_abs(1e-12)
        .tol_gap_rel(1e-12)
        .tol_feas(1e-12)
        .build()
        .ok()?;
    let quadratic = CscMatrix::zeros((variables, variables));
    let cones = [NonnegativeConeT(bounds.len())];
    let cost = unit_vector(entry, sign);
    let mut solver =
        DefaultSolver::new(&quadratic, &cost, &CscMatrix::from(&matrix), &bounds, &cones, settings).ok()?;
    solver.solve();
    let solved = matches!(solver.solution.status, SolverStatus::Solved | SolverStatus::AlmostSolved);
    solved.then(|| solver.solution.x[entry])
}

#[cfg(test)]
mod tests {
    use nalgebra::{DMatrix, DVector};
    use unrelu::internals::lp::problem::Row;

    use super::*;

    /// Two rows fix `z₁ = 1`; `z₂` can take any value between 0 and 1.
    #[test]
    fn a_free_entry_is_told_from_a_pinned_one() {
        let weight = DMatrix::from_row_slice(2, 2, &[1.0, 0.0, 0.0, 1.0]);
        let system = LayerSystem::new(weight, DVector::zeros(2), true);
        let row = |unit, side, bound| Row { unit, side, slack: 1.0, bound, magnitude: 1.0 };
        let rows = vec![row(0, 1.0, 1.0), row(0, -1.0, -1.0), row(1, 1.0, 1.0)];
        for objective in [Objective::LargestViolation, Objective::SumOfViolations] {
            let problem = Problem { rows: rows.clone(), objective };
            assert_eq!(is_determined(&system, &problem, 0.0, 0), Some(true));
            assert_eq!(is_determined(&system, &problem, 0.0, 1), Some(false));
        }
    }
}
