//! The least `‖G(z) − x‖₁` or `‖·‖_∞` of all codes, from the definition: every pattern of sides,
//! with one linear program each, by an independent simplex solver.

use microlp::{ComparisonOp, OptimizationDirection, Problem, SolveOutcome, Variable};
use nalgebra::{DMatrix, DVector};
use unrelu::{Activation, Network, Objective};

/// Tries all `2^units` patterns; for networks of up to a dozen units.
pub fn least_misfit(network: &Network, observation: &[f64], objective: Objective) -> f64 {
    let units: usize = network.layers().iter().map(|layer| layer.units()).sum();
    let patterns = (0..1u64 << units).filter_map(|pattern| misfit_within(network, observation, objective, pattern));
    patterns.fold(f64::INFINITY, f64::min)
}

/// The least misfit if bit `u` of `pattern` tells whether the `u`-th unit is on; `None` if no code
/// has that pattern.
fn misfit_within(network: &Network, observation: &[f64], objective: Objective, pattern: u64) -> Option<f64> {
    let k = network.code_length();
    let mut problem = Problem::new(OptimizationDirection::Minimize);
    let z: Vec<Variable> = (0..k).map(|_| problem.add_var(0.0, (-1e4, 1e4))).collect();
    let terms = |row: &[f64], factor: f64| -> Vec<(Variable, f64)> {
        z.iter().zip(row).filter(|(_, w)| **w != 0.0).map(|(z, w)| (*z, factor * w)).collect()
    };
    // The layer's input, as `A z + c`.
    let (mut a, mut c) = (DMatrix::identity(k, k), DVector::zeros(k));
    let mut bit = 0;
    for layer in network.layers() {
        (a, c) = (&layer.weight * a, &layer.weight * c + &layer.bias);
        for unit in 0..layer.units() {
            let on = pattern >> bit & 1 == 1;
            bit += 1;
            let slope = match layer.activation {
                // One of the two patterns is enough.
                Activation::Identity if on => return None,
                Activation::Identity => continue,
                Activation::Relu if !on => 0.0,
                Activation::LeakyRelu(slope) if !on => slope,
                _ => 1.0,
            };
            let row: Vec<f64> = a.row(unit).iter().copied().collect();
            let side = if on { ComparisonOp::Ge } else { ComparisonOp::Le };
            let terms = terms(&row, 1.0);
            if !terms.is_empty() {
                problem.add_constraint(terms, side, -c[unit]);
            } else if on != (c[unit] > 0.0) {
                return None;
            }
            a.row_mut(unit).scale_mut(slope);
            c[unit] *= slope;
        }
    }
    let shared = (objective == Objective::Linf).then(|| problem.add_var(1.0, (0.0, f64::INFINITY)));
    for (entry, &x) in observation.iter().enumerate().filter(|(_, x)| !x.is_nan()) {
        let error = shared.unwrap_or_else(|| problem.add_var(1.0, (0.0, f64::INFINITY)));
        let row: Vec<f64> = a.row(entry).iter().copied().collect();
        for factor in [1.0, -1.0] {
            let mut terms = terms(&row, factor);
            terms.push((error, -1.0));
            problem.add_constraint(terms, ComparisonOp::Le, factor * (x - c[entry]));
        }
    }
    match problem.solve() {
        Ok(SolveOutcome::Solution(solution)) => Some(solution.objective()),
        Err(microlp::Error::Infeasible) => None,
        other => panic!("the oracle failed: {other:?}"),
    }
}
