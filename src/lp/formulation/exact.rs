//! `exact`, for realizable targets (Theorem 3): least squares on the equations that hold, then a
//! feasibility problem if needed.
//!
//! For ReLU the rows with `t > τ` are equations `w·z + b = t`; where they have rank `k`, hold to
//! `τ`, leave the other rows at `w·z + b ≤ τ` and `z` nonnegative (where it must be), their
//! solution is the only pre-image. LeakyReLU is a bijection: after it is inverted entry by entry,
//! every observed row is an equation.
//!
//! Otherwise the feasibility LP (4) decides. It is posed with the tolerance that the data need
//! anyway: `min δ` s.t. `|w·z + b − t| ≤ δ` on the active rows, `w·z + b ≤ δ` on the others. Then
//! (4) holds to `τ` exactly when `δ* ≤ τ`, and the dual certifies `δ* > τ` as impossible; equations
//! with a repeated or rounded row need no special case.

use nalgebra::{DMatrix, DVector};

use super::target::{Shape, Target};
use crate::linalg::least_squares::LeastSquares;
use crate::linalg::rank::qr_proves_full_rank;
use crate::lp::problem::{LayerSystem, Objective, Problem, Row};

/// `τ` in units of the layer's output: a share of the largest target, or of the bias where that is
/// larger (a target of 0 that comes of a bias is rounded like the bias). The share is that of the
/// observation's precision ([`Precision`](crate::Precision)); `τ` is at least the largest rounding
/// error of its numbers.
pub fn tolerance(system: &LayerSystem, target: Target<'_>) -> f64 {
    let relative = target.accuracy.precision.relative_tolerance();
    if target.sensitivity.is_some() {
        // Sigmoid and tanh reach up to 1.
        return relative;
    }
    let observed = target.values.iter().zip(&system.bias).filter(|(t, _)| t.is_finite());
    let largest = observed.fold(0.0, |most: f64, (t, bias)| most.max(t.abs() + bias.abs()));
    if largest > 0.0 { (relative * largest).max(target.accuracy.rounding) } else { 0.0 }
}

/// The least-squares solution where it is the only exact pre-image to within `tolerance`, clipped
/// at 0 where `z ≥ 0`.
///
/// `active`: the rows above `tolerance`, from the device's masks. Costs one normal matrix of
/// `equations × columns`, and a QR where that leaves doubt about the rank.
pub fn least_squares(
    system: &LayerSystem,
    shape: Shape,
    target: Target<'_>,
    active: impl Fn(usize) -> bool,
    tolerance: f64,
    workspace: &mut LeastSquares,
) -> Option<Vec<f64>> {
    if target.values.iter().any(|t| t.is_infinite()) {
        // A one-sided row is not an equation.
        return None;
    }
    let columns = system.columns();
    let is_equation = |unit: usize| !target.values[unit].is_nan() && (matches!(shape, Shape::Leaky(_)) || active(unit));
    let equations: Vec<u32> = (0..system.units() as u32).filter(|&unit| is_equation(unit as usize)).collect();
    if equations.len() < columns {
        return None;
    }
    let undone = |unit: usize| shape.undo(target.values[unit]);
    // An equation whose target was magnified by inverting the output gets a smaller weight in
    // proportion.
    let weight = |unit: usize| target.sensitivity.map_or(1.0, |sensitivity| 1.0 / sensitivity[unit]);
    let weights: Vec<f64> = equations.iter().map(|&unit| weight(unit as usize)).collect();
    let values: Vec<f64> = equations.iter().map(|&unit| undone(unit as usize) - system.bias[unit as usize]).collect();
    let z = workspace
        .solve(system.packed(), &equations, &weights, &values)
        .or_else(|| solve_full_rank(system, &equations, &weights, &values))?;
    if !tolerance.is_finite() || z.iter().any(|z| !z.is_finite()) {
        return None;
    }
    let z: Vec<f64> = z.iter().map(|&z| if system.nonnegative { z.max(0.0) } else { z }).collect();
    let holds = |unit: usize| {
        let t = target.values[unit];
        if t.is_nan() {
            return true;
        }
        let a = system.product(unit, &z) + system.bias[unit];
        match shape {
            Shape::Leaky(_) => (a - undone(unit)).abs() <= tolerance * target.slack(shape, unit),
            Shape::Relu if active(unit) => (a - t).abs() <= tolerance,
            Shape::Relu => a <= tolerance,
        }
    };
    (0..system.units()).all(holds).then_some(z)
}

/// Least squares by Householder QR with column pivoting; `None` where full column rank is not
/// proven.
fn solve_full_rank(system: &LayerSystem, units: &[u32], weights: &[f64], values: &[f64]) -> Option<Vec<f64>> {
    let columns = system.columns();
    let matrix = DMatrix::from_fn(units.len(), columns, |row, column| {
        weights[row] * system.weight[(units[row] as usize, column)]
    });
    let right = DVector::from_iterator(units.len(), weights.iter().zip(values).map(|(weight, value)| weight * value));
    let qr = matrix.col_piv_qr();
    let r = qr.r();
    if !qr_proves_full_rank(units.len(), columns, |i, j| r[(i, j)]) {
        return None;
    }
    let mut rotated = right;
    qr.q_tr_mul(&mut rotated);
    let mut z = rotated.rows_range(..columns).into_owned();
    r.solve_upper_triangular_mut(&mut z);
    qr.p().inv_permute_rows(&mut z);
    Some(z.as_slice().to_vec())
}

/// The feasibility LP (4), posed as the least tolerance at which it holds.
pub fn feasibility(system: &LayerSystem, shape: Shape, target: Target<'_>, active: impl Fn(usize) -> bool) -> Problem {
    let mut rows = Vec::new();
    for (unit, &t) in target.values.iter().enumerate() {
        if t.is_nan() {
            continue;
        }
        let bias = system.bias[unit];
        let (low, high) = (target.saturation.low, target.saturation.high);
        let slack = target.slack(shape, unit);
        // Lower and upper limit of the pre-activation; the slack makes δ mean the output.
        let (lower, upper) = match shape {
            _ if t == f64::NEG_INFINITY => (None, Some(low)),
            _ if t == f64::INFINITY => (Some(high), None),
            Shape::Relu if active(unit) => (Some(t), Some(t)),
            Shape::Relu => (None, Some(0.0)),
            Shape::Leaky(slope) if t < 0.0 => (Some(t / slope), Some(t / slope)),
            Shape::Leaky(_) => (Some(t), Some(t)),
        };
        let magnitude = bias.abs() + lower.or(upper).map_or(0.0, f64::abs);
        if let Some(limit) = upper {
            rows.push(Row { unit, side: 1.0, slack, bound: limit - bias, magnitude });
        }
        if let Some(limit) = lower {
            rows.push(Row { unit, side: -1.0, slack, bound: bias - limit, magnitude });
        }
    }
    Problem { rows, objective: Objective::LargestViolation }
}
