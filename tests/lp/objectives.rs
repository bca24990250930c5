//! Every layer LP against an oracle that shares only the definitions with it.

use unrelu::internals::lp::certificate::Verdict;
use unrelu::internals::lp::certified::solve_certified;
use unrelu::internals::lp::solver::Solver;
use unrelu::{Activation, LayerwiseMethod, RowRule};

use crate::oracle;
use crate::support::{Instance, SOLVERS, degenerate_instances, random_instance};

/// The certified objective; `None` if the LP is certified infeasible. Any other result fails.
fn certified_objective(
    instance: &Instance,
    solver: &dyn Solver,
    method: LayerwiseMethod,
    rule: RowRule,
) -> Option<f64> {
    let system = instance.system();
    let problem = instance.problem(&system, method, rule);
    match solve_certified(&system, solver, &[problem]).remove(0).verdict {
        Verdict::Optimal { objective, .. } => Some(objective),
        Verdict::Infeasible | Verdict::AboveCutoff { .. } => None,
        Verdict::NotCertified { objective, failed } => {
            panic!(
                "{}: {} {method} {rule}: not certified ({failed:?}), objective {objective:e}",
                instance.name,
                solver.name()
            )
        }
    }
}

#[track_caller]
fn assert_close(found: Option<f64>, expected: Option<f64>, instance: &Instance, what: &str) {
    // The objective's own scale: that of the violations, or of weights times pre-activations.
    let scale = if what == "relaxed" { instance.scale().powi(2) } else { instance.scale() };
    let agree = match (found, expected) {
        (Some(found), Some(expected)) => (found - expected).abs() <= 1e-8 * (expected.abs() + scale),
        (None, None) => true,
        _ => false,
    };
    assert!(agree, "{}: {what}: found {found:?}, the oracle says {expected:?}", instance.name);
}

fn check_all_methods(instance: &Instance) {
    let rules: &[RowRule] = match instance.activation {
        Activation::Relu => &[RowRule::Corrected],
        _ => &[RowRule::Corrected, RowRule::Printed, RowRule::Inactive],
    };
    for &rule in rules {
        for (method, sum) in [(LayerwiseMethod::Linf, false), (LayerwiseMethod::L1, true)] {
            let expected = oracle::violation_by_dual(instance, rule, sum);
            for solver in SOLVERS {
                let found = certified_objective(instance, solver, method, rule);
                assert_close(found, Some(expected), instance, &format!("{} {method} {rule}", solver.name()));
            }
            let by_simplex = oracle::violation(instance, rule, sum);
            let difference = (by_simplex - expected).abs();
            assert!(difference <= 1e-5 * (expected + instance.scale()), "{}: the oracles disagree", instance.name);
        }
    }
    for solver in SOLVERS {
        let found = certified_objective(instance, solver, LayerwiseMethod::Relaxed, RowRule::Corrected);
        assert_close(found, oracle::relaxed(instance), instance, "relaxed");
    }
}

#[test]
fn degenerate_layers_against_the_simplex() {
    for instance in degenerate_instances() {
        check_all_methods(&instance);
    }
}

#[test]
fn random_layers_against_the_simplex() {
    for (case, (units, columns)) in [(20, 6), (40, 12), (12, 12), (9, 14)].into_iter().enumerate() {
        for activation in
            [Activation::Relu, Activation::LeakyRelu(0.1), Activation::LeakyRelu(0.7), Activation::Identity]
        {
            for nonnegative in [false, true] {
                for seed in 0..5 {
                    let seed = 1000 * case as u64 + seed;
                    check_all_methods(&random_instance(units, columns, activation, nonnegative, 0.05, seed));
                }
            }
        }
    }
}

#[test]
fn few_columns_against_every_vertex() {
    let mut compared = 0;
    for columns in 1..=4 {
        for activation in [Activation::Relu, Activation::LeakyRelu(0.2)] {
            for nonnegative in [false, true] {
                for seed in 0..6 {
                    let instance =
                        random_instance(5, columns, activation, nonnegative, 0.2, 77 * seed + columns as u64);
                    if let Some(expected) = oracle::violation_by_vertices(&instance, RowRule::Corrected) {
                        for solver in SOLVERS {
                            let found =
                                certified_objective(&instance, solver, LayerwiseMethod::Linf, RowRule::Corrected);
                            assert_close(found, Some(expected), &instance, "linf by vertices");
                        }
                        compared += 1;
                    }
                }
            }
        }
    }
    assert!(compared > 40, "only {compared} instances had a vertex");
}
