//! The least `‖G(z) − x‖₁` or `‖·‖_∞` of all codes, from the definition: one linear program for
//! each linear region, by an independent simplex solver.

use microlp::{ComparisonOp, OptimizationDirection, Problem, Variable};
use nalgebra::DVector;
use unrelu::{Network, Objective};

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
