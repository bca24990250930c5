//! Where `linf`'s search for ε begins: at the tolerance to which a least-squares fit reproduces the target.
//!
//! A `z` with `|φ(w_u·z + b_u) − t_u| ≤ ρ` for all units satisfies the rows of every `ε ≥ ρ` with violations of at most `ρ` (entries above ε
//! have `φ(a) > 0`, so `a = φ(a)`): the first step that reaches `ρ` is feasible. For the printed LeakyReLU rows, which may cut off such a
//! `z`, it is a guess.

use super::super::formulation::target::{Shape, Target};
use super::super::problem::{LayerSystem, Objective, Problem, Row};
use super::super::solver::interior_point::{self, state::State};

/// Entries of a ReLU layer's target above this share of the largest are surely on.
const SURELY_ON: f64 = 0.1;

/// `max |φ(W z + b) − t|` over the finite entries, for the fit to the entries that are surely on (all, if φ is a bijection).
pub fn reproducing_tolerance(system: &LayerSystem, shape: Shape, target: Target<'_>, state: &mut State) -> f64 {
    let least = match shape {
        Shape::Relu => SURELY_ON * target.finite().fold(0.0, f64::max),
        Shape::Leaky(_) => f64::NEG_INFINITY,
    };
    let mut rows = Vec::with_capacity(2 * target.values.len());
    for (unit, &t) in target.values.iter().enumerate() {
        if t.is_finite() && t > least {
            let value = undone(shape, t) - system.bias[unit];
            let slack = 1.0;
            rows.push(Row { unit, side: 1.0, slack, bound: value, magnitude: value.abs() });
            rows.push(Row { unit, side: -1.0, slack, bound: -value, magnitude: value.abs() });
        }
    }
    let problem = Problem { rows, objective: Objective::LargestViolation };
    let mut z = interior_point::fit(system, &problem, state);
    if system.nonnegative {
        z.iter_mut().for_each(|z| *z = z.max(0.0));
    }
    let residual = |(unit, &t): (usize, &f64)| {
        let difference = shape.apply(system.product(unit, &z) + system.bias[unit]) - t;
        if t.is_finite() { difference.abs() } else { 0.0 }
    };
    target.values.iter().enumerate().map(residual).fold(0.0, f64::max)
}

/// `φ⁻¹(t)`.
fn undone(shape: Shape, t: f64) -> f64 {
    match shape {
        Shape::Leaky(slope) if t < 0.0 => t / slope,
        _ => t,
    }
}
