//! The least `‖G(z) − x‖₁` or `‖·‖_∞` of all codes, from the definition: one linear program for
//! each linear region, by an independent simplex solver.

use microlp::{ComparisonOp, OptimizationDirection, Problem, Variable};
use nalgebra::DVector;
use unrelu::{Activation, Network, Objective};

use crate::regions::{Region, observed, regions, solved};

/// For networks of up to a dozen units.
pub fn least_misfit(network: &Network, observation: &[f64], objective: Objective) -> f64 {
    let x = observed(observation);
    let misfits = regions(network, observation).into_iter().map(|region| misfit_within(&region, &x, objective));
    misfits.fold(f64::INFINITY, f64::min)
}

/// The least misfit in the closed region.
fn misfit_within(region: &Region, x: &DVector<f64>, objective: Objective) -> f64 {
    let mut problem = Problem::new(OptimizationDirection::Minimize);
    let z: Vec<Variable> = (0..region.a.ncols()).map(|_| problem.add_var(0.0, (-1e4, 1e4))).collect();
    let terms = |row: &[f64]| -> Vec<(Variable, f64)> { z.iter().copied().zip(row.iter().copied()).collect() };
    for (w, b) in &region.borders {
        problem.add_constraint(terms(w.as_slice()), ComparisonOp::Ge, -b);
    }
    let shared = (objective == Objective::Linf).then(|| problem.add_var(1.0, (0.0, f64::INFINITY)));
    for (entry, x) in x.iter().enumerate() {
        let error = shared.unwrap_or_else(|| problem.add_var(1.0, (0.0, f64::INFINITY)));
        for factor in [1.0, -1.0] {
            let row: Vec<f64> = region.a.row(entry).iter().map(|a| factor * a).collect();
            let terms = [terms(&row), vec![(error, -1.0)]].concat();
            problem.add_constraint(terms, ComparisonOp::Le, factor * (x - region.c[entry]));
        }
    }
    // A region beyond the bounds of `z` has no code that is considered.
    solved(&problem).map_or(f64::INFINITY, |solution| solution.objective())
}

/// The least `‖σ(a) − x‖_∞` of all codes for an increasing output activation `σ` with this inverse.
/// For each linear region of the hidden layers, the largest error is at most `δ` where every `a`
/// lies between `σ⁻¹(x − δ)` and `σ⁻¹(x + δ)`: a linear program per trial of `δ`.
pub fn least_largest_error(network: &Network, observation: &[f64], inverse: impl Fn(f64) -> f64) -> f64 {
    let mut layers = network.dense_layers();
    if let Some(last) = layers.last_mut() {
        last.activation = Activation::Identity;
    }
    let linear = Network::new(layers, "the network without its output activation").unwrap();
    let x = observed(observation);
    let mut least = 2.0;
    for region in regions(&linear, observation) {
        if !is_feasible(&region, &x, least, &inverse) {
            continue;
        }
        let (mut low, mut high) = (0.0, least);
        for _ in 0..45 {
            let middle = 0.5 * (low + high);
            *if is_feasible(&region, &x, middle, &inverse) { &mut high } else { &mut low } = middle;
        }
        least = high;
    }
    least
}

fn is_feasible(region: &Region, x: &DVector<f64>, error: f64, inverse: impl Fn(f64) -> f64) -> bool {
    let mut problem = Problem::new(OptimizationDirection::Minimize);
    let z: Vec<Variable> = (0..region.a.ncols()).map(|_| problem.add_var(0.0, (-1e4, 1e4))).collect();
    let excess = problem.add_var(1.0, (0.0, f64::INFINITY));
    let terms = |row: &[f64]| -> Vec<(Variable, f64)> { z.iter().copied().zip(row.iter().copied()).collect() };
    for (w, b) in &region.borders {
        problem.add_constraint(terms(w.as_slice()), ComparisonOp::Ge, -b);
    }
    for (entry, x) in x.iter().enumerate() {
        let row: Vec<f64> = region.a.row(entry).iter().copied().collect();
        for (factor, bound) in [(1.0, inverse(x + error)), (-1.0, -inverse(x - error))] {
            if bound.is_finite() {
                let row: Vec<f64> = row.iter().map(|a| factor * a).collect();
                let terms = [terms(&row), vec![(excess, -1.0)]].concat();
                problem.add_constraint(terms, ComparisonOp::Le, bound - factor * region.c[entry]);
            }
        }
    }
    solved(&problem).is_some_and(|solution| solution.objective() <= 1e-10)
}
