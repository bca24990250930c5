//! The optimal face, as an interior point shows it: which rows and bounds are tight on *all* of it,
//! whether it is a single point (`determined`), and the finish that moves an interior answer
//! exactly onto it.
//!
//! An interior method converges into the relative interior of the primal and the dual face, where
//! exactly one of each complementary pair is positive (Goldman and Tucker). So a row is tight on
//! the whole face when its multiplier exceeds its slack, and these equations *are* the affine hull
//! of the face. Their rank decides what is determined. A vertex is not enough: its tight rows
//! always have full rank.
//!
//! The finish solves the tight rows exactly (the shortest correction of `z`) and drops the other
//! multipliers, correcting the rest so that the dual equations hold exactly again. Where the face
//! is a point the result is the vertex.

mod reach;

use nalgebra::DVector;

use super::certificate::{Residual, row_combination};
use super::problem::{LayerSystem, Objective, Problem, Row, rows_by_unit};
use crate::linalg::row_space::RowSpace;
pub(super) use reach::SAME;
use reach::freedom;

/// Multipliers below this share of their scale never count as positive: the iteration left them.
const NEGLIGIBLE_MULTIPLIER: f64 = 1e-9;

/// How the tight constraints are told from the others.
#[derive(Debug, Clone, Copy)]
pub struct Reading {
    /// A multiplier exceeds its slack by this factor.
    pub factor: f64,
    /// At most as many as there are unknowns: those with the largest multipliers. Near a vertex
    /// that almost has another tight row, the others spoil it.
    pub square: bool,
}

impl Reading {
    /// Right except near a degenerate optimum.
    pub const USUAL: Reading = Reading { factor: 1.0, square: false };
}

/// An equation that holds on the whole optimal face.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Equation {
    /// Row `r` of the problem is tight (objectives with one violation or none).
    Row(usize),
    /// `w_u · z = value`: at least two of a unit's rows and `e_u ≥ 0` are tight. `first_row` is
    /// where the unit's rows begin, bit `i` of `tight` says whether the `i`-th of them is.
    Unit { first_row: usize, tight: u8, value: f64 },
    /// `z_i = 0`.
    Bound(usize),
    /// `δ = 0`.
    NoViolation,
}

/// The affine hull of a problem's optimal face.
pub struct OptimalFace<'a> {
    system: &'a LayerSystem,
    problem: &'a Problem,
    equations: Vec<Equation>,
    space: RowSpace,
}

impl<'a> OptimalFace<'a> {
    /// Finds the face from an interior answer that is clipped to its signs: a constraint is tight
    /// as `reading` says. Costs one
    /// column-pivoted QR of `columns × tight rows`.
    /// `None` where the constraints are those of one of the `others`.
    pub fn read(
        system: &'a LayerSystem,
        problem: &'a Problem,
        (z, y): (&[f64], &[f64]),
        reading: Reading,
        others: &[OptimalFace<'_>],
    ) -> Option<Self> {
        let mut equations = tight_constraints(system, problem, z, y, reading.factor);
        let unknowns = unknowns(system, problem);
        if reading.square && equations.len() > unknowns {
            let freedom = freedom(problem, &equations, &Residual::of(system, problem, y));
            let mut order: Vec<usize> = (0..equations.len()).collect();
            order.sort_by(|&a, &b| freedom[a].total_cmp(&freedom[b]));
            order.truncate(unknowns);
            order.sort_unstable();
            equations = order.into_iter().map(|index| equations[index]).collect();
        }
        if others.iter().any(|other| other.equations == equations) {
            return None;
        }
        let space = row_space(system, problem, &equations);
        Some(OptimalFace { system, problem, equations, space })
    }

    /// The answer moved onto the face: `(z, y)`, not yet clipped or checked.
    pub fn finish(&self, z: &[f64], y: &[f64]) -> (Vec<f64>, Vec<f64>) {
        (self.finish_primal(z), self.finish_dual(y))
    }

    fn finish_primal(&self, z: &[f64]) -> Vec<f64> {
        let violation = largest_violation(self.system, self.problem, z);
        let residual: Vec<f64> = self
            .equations
            .iter()
            .map(|equation| match *equation {
                Equation::Row(index) => {
                    let row = &self.problem.rows[index];
                    let violated = match self.problem.objective {
                        Objective::LargestViolation => row.slack * violation,
                        _ => 0.0,
                    };
                    row.bound - (row.side * self.system.product(row.unit, z) - violated)
                }
                Equation::Unit { first_row, value, .. } => {
                    value - self.system.product(self.problem.rows[first_row].unit, z)
                }
                Equation::Bound(index) => -z[index],
                Equation::NoViolation => violation,
            })
            .collect();
        let correction = self.space.shortest_correction(&residual);
        let mut finished: Vec<f64> = z.iter().zip(correction.iter()).map(|(z, d)| z + d).collect();
        for equation in &self.equations {
            if let Equation::Bound(index) = *equation {
                finished[index] = 0.0;
            }
        }
        if is_homogeneous(self.problem) {
            // All targets and biases are 0, so there is no scale against which rounding errors are
            // small. They are removed here.
            finished.iter_mut().filter(|z| z.abs() < 1e-12).for_each(|z| *z = 0.0);
        }
        finished
    }

    fn finish_dual(&self, y: &[f64]) -> Vec<f64> {
        let (mut finished, mut wanted) = self.kept_multipliers(y);
        // The residual of the dual equations with the kept multipliers, including the reduced costs
        // of the bounds.
        let (combination, _) = row_combination(self.system, self.problem, &finished);
        for (i, missing) in wanted.iter_mut().take(self.system.columns()).enumerate() {
            *missing -= combination[i];
        }
        for equation in &self.equations {
            // The reduced cost of a tight bound is free, so it absorbs the residual there.
            if let Equation::Bound(index) = *equation {
                wanted[index] = 0.0;
            }
        }
        for (index, change) in self.space.multipliers(&wanted) {
            match self.equations[index] {
                Equation::Row(row) => finished[row] += change,
                Equation::Unit { first_row, .. } => self.spread_over_unit(first_row, change, &mut finished),
                Equation::Bound(_) | Equation::NoViolation => {}
            }
        }
        finished
    }

    /// The multipliers that the face allows to be positive, the others 0; and the right-hand sides
    /// of the dual equations, for `(z, δ)` reduced by what the normalisation already has.
    fn kept_multipliers(&self, y: &[f64]) -> (Vec<f64>, DVector<f64>) {
        let columns = self.system.columns();
        let rows = &self.problem.rows;
        let mut kept = vec![0.0; y.len()];
        match &self.problem.objective {
            Objective::SumOfViolations => {
                // A unit on one side of its kink has all its weight on that row. A pinned unit
                // keeps its weight split between its rows.
                let mut first_row = 0;
                for unit_rows in rows_by_unit(rows) {
                    settle(unit_rows, &y[first_row..], &mut kept[first_row..]);
                    first_row += unit_rows.len();
                }
                for equation in &self.equations {
                    if let Equation::Unit { first_row, tight, .. } = *equation {
                        for row in first_row..unit_end(rows, first_row) {
                            kept[row] = if tight >> (row - first_row) & 1 == 1 { y[row] } else { 0.0 };
                        }
                    }
                }
                (kept, DVector::zeros(columns))
            }
            Objective::LargestViolation => {
                let mut normalisation = 0.0;
                let mut violation_free = true;
                for equation in &self.equations {
                    match *equation {
                        Equation::Row(row) => {
                            kept[row] = y[row];
                            normalisation += rows[row].slack * y[row];
                        }
                        Equation::NoViolation => violation_free = false,
                        _ => {}
                    }
                }
                let mut wanted = DVector::zeros(columns + 1);
                // −Σ slack y = −1, unless δ = 0 absorbs the rest; in the scale of the equations'
                // last column.
                wanted[columns] =
                    if violation_free { (normalisation - 1.0) * violation_scale(self.system) } else { 0.0 };
                (kept, wanted)
            }
            Objective::Linear { weights, .. } => {
                for equation in &self.equations {
                    if let Equation::Row(row) = *equation {
                        kept[row] = y[row];
                    }
                }
                (kept, weights.clone())
            }
        }
    }

    /// Changes the multipliers of a pinned unit so that `Σ side·y` grows by `change`, without
    /// changing `Σ slack·y` where two opposite rows carry weight.
    fn spread_over_unit(&self, first_row: usize, change: f64, y: &mut [f64]) {
        let rows = &self.problem.rows;
        let end = unit_end(rows, first_row);
        let heaviest = |side: f64| {
            (first_row..end).filter(|&r| rows[r].side == side && y[r] > 0.0).max_by(|&a, &b| y[a].total_cmp(&y[b]))
        };
        match (heaviest(1.0), heaviest(-1.0)) {
            (Some(upper), Some(lower)) => {
                let (p, q) = (rows[upper].slack, rows[lower].slack);
                y[upper] += change * q / (p + q);
                y[lower] -= change * p / (p + q);
            }
            (Some(upper), None) => y[upper] += change,
            (None, Some(lower)) => y[lower] -= change,
            (None, None) => {}
        }
    }
}

fn unit_end(rows: &[Row], first_row: usize) -> usize {
    first_row + rows[first_row..].iter().take_while(|row| row.unit == rows[first_row].unit).count()
}

/// `δ = max(0, max (side·w·z − bound)/slack)`; 0 where rows have no slack.
fn largest_violation(system: &LayerSystem, problem: &Problem, z: &[f64]) -> f64 {
    problem
        .rows
        .iter()
        .filter(|row| row.slack > 0.0)
        .map(|row| (row.side * system.product(row.unit, z) - row.bound) / row.slack)
        .fold(0.0, f64::max)
}

/// Whether all targets and biases are 0. Then every multiple of a feasible `z` is feasible, and
/// nothing sets a scale.
fn is_homogeneous(problem: &Problem) -> bool {
    problem.rows.iter().all(|row| row.magnitude == 0.0)
}

/// The largest `s_u`, which makes slacks comparable with multipliers.
fn largest_scale(system: &LayerSystem, problem: &Problem, z: &[f64]) -> f64 {
    if is_homogeneous(problem) {
        // In that case solvers use the scale 1, and so does this function.
        return system.weight.amax().max(f64::MIN_POSITIVE);
    }
    let terms = rows_by_unit(&problem.rows).map(|rows| system.absolute_product(rows[0].unit, z) + rows[0].magnitude);
    terms.fold(f64::MIN_POSITIVE, f64::max)
}

/// Whether a multiplier exceeds its slack by a factor, each relative to the largest of its kind.
fn outweighs(multiplier: f64, slack: f64, factor: f64) -> bool {
    multiplier > NEGLIGIBLE_MULTIPLIER && multiplier > factor * slack
}

/// What is tight on the whole face: its multiplier exceeds its slack by `factor`.
fn tight_constraints(system: &LayerSystem, problem: &Problem, z: &[f64], y: &[f64], factor: f64) -> Vec<Equation> {
    let mut equations = match problem.objective {
        Objective::SumOfViolations => pinned_units(system, problem, z, y, factor),
        _ => tight_rows(system, problem, z, y, factor),
    };
    if system.nonnegative {
        equations.extend(tight_bounds(system, problem, z, y, factor));
    }
    equations
}

/// `z`, and `δ` where there is one.
fn unknowns(system: &LayerSystem, problem: &Problem) -> usize {
    system.columns() + usize::from(problem.objective == Objective::LargestViolation)
}

fn row_space(system: &LayerSystem, problem: &Problem, equations: &[Equation]) -> RowSpace {
    let unknowns = unknowns(system, problem);
    let coefficients = coefficient_rows(system, problem, equations, unknowns);
    RowSpace::new(unknowns, coefficients.iter().map(Vec::as_slice))
}

fn tight_rows(system: &LayerSystem, problem: &Problem, z: &[f64], y: &[f64], factor: f64) -> Vec<Equation> {
    let shared_violation = problem.objective == Objective::LargestViolation;
    let violation = if shared_violation { largest_violation(system, problem, z) } else { 0.0 };
    let scale = largest_scale(system, problem, z);
    let unit = multiplier_scale(system, problem);
    let mut equations = Vec::new();
    for (index, row) in problem.rows.iter().enumerate() {
        let slack = row.bound + row.slack * violation - row.side * system.product(row.unit, z);
        if outweighs(y[index] / unit, slack / scale, factor) {
            equations.push(Equation::Row(index));
        }
    }
    if shared_violation {
        let normalisation: f64 = problem.rows.iter().zip(y).map(|(row, y)| row.slack * y).sum();
        if outweighs(1.0 - normalisation, violation / scale, factor) {
            equations.push(Equation::NoViolation);
        }
    }
    equations
}

fn tight_bounds(system: &LayerSystem, problem: &Problem, z: &[f64], y: &[f64], factor: f64) -> Vec<Equation> {
    let (combination, _) = row_combination(system, problem, y);
    let scale = largest_scale(system, problem, z);
    let unit = multiplier_scale(system, problem);
    let is_tight = |&i: &usize| {
        let weight = match &problem.objective {
            Objective::Linear { weights, .. } => weights[i],
            _ => 0.0,
        };
        let column = system.weight.column(i).amax();
        // 0/0, a column of zeros, is NaN and so not tight.
        outweighs((combination[i] - weight) / (column * unit), z[i] * column / scale, factor)
    };
    (0..system.columns()).filter(is_tight).map(Equation::Bound).collect()
}

/// The scale of the multipliers: the normalisation `Σ slack·y ≤ 1`, or the objective's entries
/// divided by the weights'. The multipliers themselves are no scale: if no row binds at the
/// optimum, all of them are rounding errors.
fn multiplier_scale(system: &LayerSystem, problem: &Problem) -> f64 {
    match &problem.objective {
        Objective::LargestViolation | Objective::SumOfViolations => 1.0,
        // Without an objective, every multiplier is only rounding.
        Objective::Linear { weights, .. } if weights.amax() == 0.0 => f64::INFINITY,
        Objective::Linear { weights, .. } => weights.amax() / system.weight.amax(),
    }
}

fn pinned_units(system: &LayerSystem, problem: &Problem, z: &[f64], y: &[f64], factor: f64) -> Vec<Equation> {
    let scale = largest_scale(system, problem, z);
    let mut first_row = 0;
    let mut equations = Vec::new();
    for rows in rows_by_unit(&problem.rows) {
        equations.extend(pinned_unit(system, rows, first_row, z, &y[first_row..], scale, factor));
        first_row += rows.len();
    }
    equations
}

/// The equation `w_u · z = value` of a unit two or more of whose constraints are tight on the whole
/// face.
fn pinned_unit(
    system: &LayerSystem,
    rows: &[Row],
    first_row: usize,
    z: &[f64],
    y: &[f64],
    scale: f64,
    factor: f64,
) -> Option<Equation> {
    let product = system.product(rows[0].unit, z);
    let violation = rows.iter().map(|r| (r.side * product - r.bound) / r.slack).fold(0.0, f64::max);
    let weight_left = 1.0 - rows.iter().zip(y).map(|(row, y)| row.slack * y).sum::<f64>();
    let no_violation = outweighs(weight_left, violation / scale, factor);
    let is_tight = |&index: &usize| {
        let row = &rows[index];
        outweighs(y[index] * row.slack, (row.bound + row.slack * violation - row.side * product) / scale, factor)
    };
    let tight = (0..rows.len()).filter(is_tight).fold(0u8, |mask, index| mask | 1 << index);
    let mut tight_rows = (0..rows.len()).filter(is_tight).map(|index| &rows[index]);
    let first = tight_rows.next()?;
    let value = if no_violation {
        first.side * first.bound
    } else {
        // side·a − slack·e = bound for two rows, e eliminated.
        let second = tight_rows.find(|row| row.side * first.slack != first.side * row.slack)?;
        (first.bound * second.slack - second.bound * first.slack)
            / (first.side * second.slack - second.side * first.slack)
    };
    Some(Equation::Unit { first_row, tight, value })
}

/// The multipliers of a unit that is not pinned: 0, or all the weight on the row that is violated.
fn settle(rows: &[Row], y: &[f64], settled: &mut [f64]) {
    let weight = |index: usize| y[index] * rows[index].slack;
    let heaviest = (0..rows.len()).max_by(|&a, &b| weight(a).total_cmp(&weight(b)));
    if let Some(row) = heaviest
        && weight(row) > 0.5
    {
        settled[row] = 1.0 / rows[row].slack;
    }
}

/// `δ` is scaled by the size of the weights, so that neither part of `(side·w, −slack)` is
/// negligible beside the other.
fn violation_scale(system: &LayerSystem) -> f64 {
    let largest = system.weight.amax();
    if largest > 0.0 { largest } else { 1.0 }
}

/// The left-hand sides of the equations over `(z, δ)` or `z`.
fn coefficient_rows(system: &LayerSystem, problem: &Problem, equations: &[Equation], unknowns: usize) -> Vec<Vec<f64>> {
    let violation_scale = violation_scale(system);
    let columns = system.columns();
    let row = |equation: &Equation| {
        let mut row = vec![0.0; unknowns];
        match *equation {
            Equation::Row(index) => {
                let Row { unit, side, slack, .. } = problem.rows[index];
                for (entry, w) in row.iter_mut().zip(system.unit(unit)) {
                    *entry = side * w;
                }
                if unknowns > columns {
                    row[columns] = -slack * violation_scale;
                }
            }
            Equation::Unit { first_row, .. } => {
                row[..columns].copy_from_slice(system.unit(problem.rows[first_row].unit));
            }
            Equation::Bound(index) => row[index] = 1.0,
            Equation::NoViolation => row[columns] = -violation_scale,
        }
        row
    };
    equations.iter().map(row).collect()
}
