//! How far a code that is at least as good can be from a vertex with positive multipliers.
//!
//! Let `G` bound `Σ y_r p′_r` over the competitor's slacks `p′ ≥ 0`, the sum including the bounds
//! `z′_i ≥ 0` with reduced costs `v_i` and violations with what the normalisation leaves. Then
//! `p′_r ≤ G/y_r`: no constraint with a multiplier can be left by far. As many of them as there
//! are unknowns, with a matrix that has an inverse, hold the competitor close:
//! `|z′_i − z_i| ≤ K G / c_i`, where `c_i` is the size of column `i` (a power of two).
//!
//! The bounds are eliminated. Of the other equations `D` an approximate inverse `R` is formed, and
//! `E = I − D R`, rounded up. With `τ_r` the most by which `G = 1` lets equation `r` move, and
//! `e = max_r Σ_j |E_rj| τ_j / τ_r < 1`, the matrix has an inverse and
//! `K = max_i (|R| τ)_i / (1 − e)`.

use super::super::problem::{LayerSystem, Objective, Problem, rows_by_unit};
use super::freedom::{row_freedom, unit_freedom};
use super::residual::Residual;
use super::{Hold, ROUNDED_UP};
use crate::linalg::inverse::Inverse;
use crate::linalg::lanes::{Lane, lanes_for, numbers, numbers_mut};
use crate::linalg::rank::gamma;

/// What equations of the sum of violations may move by for `G = 1`: beyond it a unit is not held at
/// a kink, and only rounding says so.
const HELD: f64 = 1e6;

/// `side · w_unit · z − slack · δ`, held to within `freedom · G`.
struct Equation {
    unit: usize,
    side: f64,
    slack: f64,
    freedom: f64,
}

/// `None` where the positive multipliers do not make a vertex. Costs `4 m³` flops for `m`
/// equations.
pub fn hold(system: &LayerSystem, problem: &Problem, z: &[f64], residual: &Residual) -> Option<Hold> {
    let reduced_cost = |i: usize| residual.reduced_cost(i);
    let is_bound = |i: usize| system.nonnegative && z[i] == 0.0 && reduced_cost(i) > 0.0;
    let bound: Vec<bool> = (0..system.columns()).map(is_bound).collect();
    let free: Vec<usize> = (0..system.columns()).filter(|&i| !bound[i]).collect();
    let equations = equations(problem, residual, free.len() + 1)?;
    let has_violation = problem.objective == Objective::LargestViolation && equations.len() == free.len() + 1;
    let dimension = free.len() + usize::from(has_violation);
    if equations.len() != dimension {
        return None;
    }
    let violation_freedom = match problem.objective {
        Objective::LargestViolation if !has_violation => residual.unused[0].recip(),
        _ => 0.0,
    };
    let lanes = lanes_for(dimension);
    let mut rows = vec![Lane::ZERO; dimension * lanes];
    let mut freedom = Vec::with_capacity(dimension);
    let mut largest = 0.0f64;
    for (equation, row) in equations.iter().zip(numbers_mut(&mut rows).chunks_exact_mut((lanes * 4).max(1))) {
        let weights = system.unit(equation.unit);
        for (entry, &i) in row.iter_mut().zip(&free) {
            *entry = equation.side * weights[i] / system.column_size(i);
            largest = largest.max(entry.abs());
        }
        if has_violation {
            row[free.len()] = -equation.slack;
            largest = largest.max(equation.slack);
        }
        let of_bounds: f64 =
            (0..system.columns()).filter(|&i| bound[i]).map(|i| weights[i].abs() / reduced_cost(i)).sum();
        freedom.push(equation.freedom + of_bounds + equation.slack * violation_freedom);
    }
    let of_bounds = (0..system.columns()).filter(|&i| bound[i]);
    let of_bounds = of_bounds.map(|i| system.column_size(i) / reduced_cost(i)).fold(0.0f64, f64::max);
    if dimension == 0 {
        return Some(Hold { growth: of_bounds * ROUNDED_UP, bound });
    }
    let mut inverse = Inverse::default();
    let dense: Vec<u32> = (0..dimension as u32).collect();
    if !inverse.build(dimension, &dense, &rows, &vec![None; dimension]) {
        return None;
    }
    let mut growth = vec![0.0; dimension];
    let mut lengths = 0.0;
    for (j, freedom) in freedom.iter().enumerate() {
        for (growth, entry) in growth.iter_mut().zip(numbers(inverse.vector(j))) {
            *growth += entry.abs() * freedom;
            lengths += entry.abs() * freedom;
        }
    }
    let rounding = gamma(dimension + 4) * largest * lengths;
    let mut product = Vec::new();
    let mut miss = 0.0f64;
    for (r, row) in rows.chunks_exact(lanes).enumerate() {
        inverse.coordinates(row, &mut product);
        product[r] -= 1.0;
        let sum: f64 = product.iter().zip(&freedom).map(|(entry, freedom)| entry.abs() * freedom).sum();
        let relative = (sum + rounding) / freedom[r];
        miss = if relative.is_nan() { f64::INFINITY } else { miss.max(relative) };
    }
    let of_free = growth.iter().take(free.len()).fold(0.0f64, |most, growth| most.max(*growth));
    let growth = of_bounds.max(of_free / (1.0 - miss)) * ROUNDED_UP;
    (miss < 1.0 && growth.is_finite()).then_some(Hold { growth, bound })
}

/// The equations that multipliers hold; `None` where they are more than `most`.
fn equations(problem: &Problem, residual: &Residual, most: usize) -> Option<Vec<Equation>> {
    let mut equations = Vec::with_capacity(most);
    if problem.objective == Objective::SumOfViolations {
        let mut first = 0;
        for (rows, unused) in rows_by_unit(&problem.rows).zip(&residual.unused) {
            let freedom = unit_freedom(rows, &residual.y[first..], *unused);
            first += rows.len();
            if freedom < HELD {
                equations.push(Equation { unit: rows[0].unit, side: 1.0, slack: 0.0, freedom });
            }
        }
    } else {
        let held = problem.rows.iter().zip(&residual.y).filter(|(_, y)| **y > 0.0).take(most + 1);
        equations.extend(held.map(|(row, y)| Equation {
            unit: row.unit,
            side: row.side,
            slack: row.slack,
            freedom: row_freedom(problem, *y),
        }));
    }
    (equations.len() <= most).then_some(equations)
}
