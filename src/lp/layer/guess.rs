//! Where `linf`'s search for ε begins: at a tolerance that is likely to be feasible, and not much
//! above the least one.
//!
//! A `z` with `|φ(w_u·z + b_u) − t_u| ≤ ρ` for all units satisfies the rows of every `ε ≥ ρ` with
//! violations of at most `ρ` (entries above ε have `φ(a) > 0`, so `a = φ(a)`). The least-squares
//! fit gives such a `ρ`, but the largest violation it leaves is larger than the smallest possible.
//! ε must not be too small: entries whose fit is well below 0, but whose target is above 0 because
//! of noise, must not count as active. An infeasible guess only costs one solve.

use super::super::formulation::target::{Shape, Target};
use super::super::problem::{LayerSystem, Objective, Problem, Row};
use super::super::solver::interior_point::fit::ProblemFit;

/// Shares of the largest entry of a ReLU layer's target. Entries above such a share are certainly
/// on. The first share with enough such entries is used.
const SURELY_ON: [f64; 3] = [0.1, 0.03, 0.01];
/// The minimum of the largest violation, as a share of the largest violation of the least-squares
/// fit (measured on noisy layers: 0.3 to 0.6).
const LARGEST_OVER_FIT: f64 = 0.6;

/// Where the search for ε begins.
pub struct Guess {
    /// The fit to the entries that are certainly on (to all, if φ is a bijection), within its sign.
    pub z: Vec<f64>,
    /// A tolerance that is likely to be feasible.
    pub tolerance: f64,
}

impl Guess {
    /// `None` if fewer entries than columns are certainly on. Costs one normal matrix and one
    /// product with `W`.
    pub fn of(system: &LayerSystem, shape: Shape, target: Target<'_>, fit: &mut ProblemFit) -> Option<Self> {
        let largest = target.finite().fold(0.0, f64::max);
        let least = match shape {
            Shape::Relu => {
                let enough = |least: &f64| target.finite().filter(|t| t > least).count() >= system.columns();
                SURELY_ON.map(|share| share * largest).into_iter().find(enough)?
            }
            Shape::Leaky(_) => f64::NEG_INFINITY,
        };
        let mut rows = Vec::with_capacity(2 * target.values.len());
        for (unit, &t) in target.values.iter().enumerate() {
            if t.is_finite() && t > least {
                let value = shape.undo(t) - system.bias[unit];
                let slack = 1.0;
                rows.push(Row { unit, side: 1.0, slack, bound: value, magnitude: value.abs() });
                rows.push(Row { unit, side: -1.0, slack, bound: -value, magnitude: value.abs() });
            }
        }
        if rows.len() < 2 * system.columns() {
            return None;
        }
        let problem = Problem { rows, objective: Objective::LargestViolation };
        let mut z = fit.solve(system, &problem);
        if z.iter().any(|z| !z.is_finite()) {
            return None;
        }
        if system.nonnegative {
            z.iter_mut().for_each(|z| *z = z.max(0.0));
        }
        let (residual, spurious) = misses(system, shape, target, &z);
        Some(Guess { z, tolerance: spurious.max(LARGEST_OVER_FIT * residual) })
    }
}

/// A tolerance that is likely to be feasible, from the optimum of a similar target: `z`, with the
/// largest violation `delta`. `None` where they are not finite. Costs one product with `W`.
pub fn tolerance_near(
    system: &LayerSystem,
    shape: Shape,
    target: Target<'_>,
    (z, delta): (&[f64], f64),
) -> Option<f64> {
    let (_, spurious) = misses(system, shape, target, z);
    let tolerance = spurious.max(delta);
    (tolerance.is_finite() && z.iter().all(|z| z.is_finite())).then_some(tolerance)
}

/// The largest `|φ(a_u) − t_u|` of a point, and the largest `t_u` that is farther above `a_u`: that
/// unit must not count as active.
fn misses(system: &LayerSystem, shape: Shape, target: Target<'_>, z: &[f64]) -> (f64, f64) {
    let finite = || target.values.iter().enumerate().filter(|(_, t)| t.is_finite());
    let a: Vec<f64> = (0..system.units()).map(|unit| system.product(unit, z) + system.bias[unit]).collect();
    let residual = finite().map(|(unit, &t)| (shape.apply(a[unit]) - t).abs()).fold(0.0, f64::max);
    let spurious = finite().filter(|&(unit, &t)| t - a[unit] > residual).map(|(_, &t)| t).fold(0.0, f64::max);
    (residual, spurious)
}
