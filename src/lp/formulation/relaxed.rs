//! `relaxed` (Algorithm 3): hard rows at ε, an objective that is linear in the target.
//!
//! * ReLU, eq. (8): `max Σ max(0, t_u) w_u·z` s.t. `w_u·z + b_u ≤ t_u + ε`.
//! * LeakyReLU, eq. (9): `max Σ t_u w_u·z` s.t.
//!   `min(t_u − ε, 0)/c ≤ w_u·z + b_u ≤ max(t_u + ε, 0)`.
//!
//! The problem is never unbounded: a unit with a positive weight has an upper bound, one with a
//! negative weight a lower one. A saturated entry has one bound and no weight.
//!
//! # A lower bound on the loss
//! Let `ℓ_u = |φ(a_u) − t_u|`. A unit with `t > 0` has `a − t ≤ ℓ` and one with `t < 0` has `t/c −
//! a ≤ ℓ/c`, so with the gain `g(ε) = Σ t_u a_u − Σ t_u φ⁻¹(t_u)` of the optimum over the target
//! itself, `g ≤ Σ ω_u ℓ_u` with `ω = t` or `|t|/c`; where at most ε of each `ℓ_u` counts. `g` never
//! falls as ε grows (each feasible set contains those of smaller ε). So a step's loss is at least
//! the cheapest way to collect a gain that an earlier step already had: fill the largest `ω` first,
//! ε each ([`Gain::lower_bound`]). The targets below 0, which a ReLU cannot reach, are lost
//! besides. Steps that cannot beat the best so far need no solve. The bound holds only if all steps
//! have the same weights: without the weights below `2ε`
//! ([`RelaxedWeights::Clear`](crate::lp::layer::RelaxedWeights)) every step is solved.

use nalgebra::DVector;

use super::target::{Shape, Target};
use crate::lp::problem::{LayerSystem, Objective, Problem, Row};

/// The problem of one observation at `epsilon`. `weighted`: the entries above `least`, from the
/// device's masks; others have no weight, but for negative ones of a LeakyReLU below `-least`.
pub fn problem(
    (system, shape): (&LayerSystem, Shape),
    target: Target<'_>,
    (weighted, least): (impl Fn(usize) -> bool, f64),
    epsilon: f64,
) -> Problem {
    let mut weights = DVector::zeros(system.columns());
    let mut units = Vec::new();
    for (unit, &t) in target.values.iter().enumerate() {
        if t.is_nan() {
            continue;
        }
        let bias = system.bias[unit];
        let (low, high) = limits(shape, target, t, epsilon);
        let magnitude = magnitude(bias, [t, low, high]);
        let weight = match shape {
            _ if t.is_infinite() => 0.0,
            Shape::Leaky(_) if t < -least => t,
            _ if weighted(unit) => t,
            _ => 0.0,
        };
        if weight != 0.0 {
            for (q, w) in weights.iter_mut().zip(system.unit(unit)) {
                *q += weight * w;
            }
            units.push((unit, weight, magnitude));
        }
    }
    Problem { rows: rows((system, shape), target, epsilon), objective: Objective::Linear { weights, units } }
}

/// The rows of one observation at `epsilon`.
pub fn rows((system, shape): (&LayerSystem, Shape), target: Target<'_>, epsilon: f64) -> Vec<Row> {
    let mut rows = Vec::with_capacity(2 * target.values.len());
    for (unit, &t) in target.values.iter().enumerate().filter(|(_, t)| !t.is_nan()) {
        let bias = system.bias[unit];
        let (low, high) = limits(shape, target, t, epsilon);
        let magnitude = magnitude(bias, [t, low, high]);
        if high.is_finite() {
            rows.push(Row { unit, side: 1.0, slack: 0.0, bound: high - bias, magnitude });
        }
        if low.is_finite() {
            rows.push(Row { unit, side: -1.0, slack: 0.0, bound: bias - low, magnitude });
        }
    }
    rows
}

fn magnitude(bias: f64, terms: [f64; 3]) -> f64 {
    bias.abs() + terms.into_iter().filter(|v| v.is_finite()).fold(0.0, |m: f64, v| m.max(v.abs()))
}

/// Lower and upper limit of a pre-activation, infinite where there is none.
fn limits(shape: Shape, target: Target<'_>, t: f64, epsilon: f64) -> (f64, f64) {
    if t == f64::NEG_INFINITY {
        return (f64::NEG_INFINITY, target.saturation.low + epsilon);
    }
    if t == f64::INFINITY {
        return (target.saturation.high - epsilon, f64::INFINITY);
    }
    match shape {
        Shape::Relu => (f64::NEG_INFINITY, t + epsilon),
        Shape::Leaky(slope) => ((t - epsilon).min(0.0) / slope, (t + epsilon).max(0.0)),
    }
}

/// The parts of one observation's target that the lower bound needs.
#[derive(Debug, Clone)]
pub struct Gain {
    /// `ω` of each unit with a weight, largest first.
    worth: Vec<f64>,
    /// `Σ t_u φ⁻¹(t_u)` less `Σ t_u b_u`: subtracted from the objective `Σ t_u w_u·z` it leaves
    /// `g`.
    of_target: f64,
    /// What every code loses: a ReLU puts out nothing below 0.
    certain: f64,
}

impl Gain {
    /// Sorts the target's weights once.
    pub fn of(system: &LayerSystem, shape: Shape, target: Target<'_>) -> Self {
        let mut worth = Vec::new();
        let (mut of_target, mut certain) = (0.0, 0.0);
        for (unit, &t) in target.values.iter().enumerate().filter(|(_, t)| t.is_finite()) {
            let undone = match shape {
                Shape::Relu if t <= 0.0 => {
                    certain -= t;
                    continue;
                }
                Shape::Leaky(slope) if t < 0.0 => t / slope,
                _ => t,
            };
            worth.push(undone.abs());
            of_target += t * (undone - system.bias[unit]);
        }
        worth.sort_by(|a, b| b.total_cmp(a));
        Gain { worth, of_target, certain }
    }

    /// A lower bound on the loss at any step with tolerance `epsilon` whose objective is at least
    /// `objective`.
    pub fn lower_bound(&self, objective: f64, epsilon: f64) -> f64 {
        let mut gain = objective - self.of_target;
        let mut loss = self.certain;
        for worth in &self.worth {
            if gain <= 0.0 || *worth <= 0.0 {
                break;
            }
            let needed = (gain / worth).min(epsilon);
            loss += needed;
            gain -= needed * worth;
        }
        loss
    }
}

#[cfg(test)]
mod tests {
    use nalgebra::DMatrix;

    use super::*;
    use crate::lp::formulation::target::Targets;

    /// The weights of three units that each see one entry.
    fn weights(t: [f64; 3], shape: Shape, least: f64) -> Vec<f64> {
        let system = LayerSystem::new(DMatrix::identity(3, 3), DVector::zeros(3), true);
        let targets = Targets::from_hidden(DMatrix::from_column_slice(3, 1, &t));
        let problem = problem((&system, shape), targets.column(0), (|unit: usize| t[unit] > least, least), 0.1);
        match problem.objective {
            Objective::Linear { weights, .. } => weights.as_slice().to_vec(),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn targets_that_a_relu_cannot_reach_are_lost() {
        let system = LayerSystem::new(DMatrix::identity(3, 3), DVector::zeros(3), true);
        let targets = Targets::from_hidden(DMatrix::from_column_slice(3, 1, &[2.0, -0.5, -0.25]));
        let bound = |shape, objective| Gain::of(&system, shape, targets.column(0)).lower_bound(objective, 0.1);
        // `Σ t φ⁻¹(t)` is 4 for ReLU, and 5.5625 with the slope 0.2.
        assert_eq!(bound(Shape::Relu, 4.0), 0.75);
        assert!((bound(Shape::Relu, 4.1) - 0.8).abs() < 1e-15);
        assert_eq!(bound(Shape::Leaky(0.2), 5.0), 0.0);
    }

    #[test]
    fn entries_within_the_noise_have_no_weight() {
        assert_eq!(weights([0.5, 0.1, -0.5], Shape::Relu, 0.0), [0.5, 0.1, 0.0]);
        assert_eq!(weights([0.5, 0.1, -0.5], Shape::Relu, 0.2), [0.5, 0.0, 0.0]);
        assert_eq!(weights([0.5, -0.1, -0.5], Shape::Leaky(0.2), 0.0), [0.5, -0.1, -0.5]);
        assert_eq!(weights([0.5, -0.1, -0.5], Shape::Leaky(0.2), 0.2), [0.5, 0.0, -0.5]);
    }
}
