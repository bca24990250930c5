//! The monotone search against the plain loop of Algorithm 1, which solves the capped problem at
//! every step of ε.

use nalgebra::DMatrix;
use unrelu::internals::lp::certified::solve_certified;
use unrelu::internals::lp::formulation::EpsilonSteps;
use unrelu::internals::lp::solver::clarabel_reference::ClarabelReference;
use unrelu::{Activation, LayerwiseMethod, LayerwiseOptions, RowRule, Tolerances};

use crate::support::{Instance, SOLVERS, degenerate_instances, layer_answer, random_instance};

/// The first ε of the loop, and its δ.
fn plain_loop(instance: &Instance, tolerances: EpsilonSteps, rule: RowRule) -> (f64, f64) {
    let system = instance.system();
    for step in 0.. {
        let at_step = Instance { epsilon: tolerances.at(step), ..instance.clone() };
        let problem = at_step.problem(&system, LayerwiseMethod::Linf, rule);
        let delta = solve_certified(&system, &ClarabelReference, &[problem]).remove(0).objective();
        // Capped at δ ≤ ε the LP is feasible exactly when its uncapped optimum is that small.
        if delta <= tolerances.at(step) {
            return (tolerances.at(step), delta);
        }
    }
    unreachable!("δ* is bounded")
}

/// `δ` of a point, from the rows.
fn largest_violation(instance: &Instance, rule: RowRule, z: &[f64]) -> f64 {
    let system = instance.system();
    let rows = instance.problem(&system, LayerwiseMethod::Linf, rule).rows;
    let excess = rows.iter().map(|row| (row.side * system.product(row.unit, z) - row.bound) / row.slack);
    excess.fold(0.0, f64::max)
}

fn compare(instance: &Instance, tolerances: Tolerances, rule: RowRule) {
    let options = LayerwiseOptions::default().method(LayerwiseMethod::Linf).tolerances(tolerances).rows(rule);
    let (epsilon, delta) = plain_loop(instance, tolerances.steps(|| unreachable!("a number is given")), rule);
    let scale = instance.target.iter().filter(|t| !t.is_nan()).fold(0.0f64, |most, t| most.max(t.abs()));
    for solver in SOLVERS {
        let answer = layer_answer(instance, solver, &options);
        let what = format!("{} {rule} by {}", instance.name, solver.name());
        assert!(answer.certified, "{what}");
        assert_eq!(answer.epsilon, epsilon, "{what}: ε");
        assert!((answer.objective - delta).abs() <= 1e-8 * delta + 1e-11 * scale, "{what}: δ");
        // The point satisfies the rows of this ε, even if it is the optimum of a larger ε.
        let violation = largest_violation(&Instance { epsilon, ..instance.clone() }, rule, &answer.z);
        assert!(
            violation <= delta + 1e-8 * delta + 1e-9 * scale,
            "{what}: rows violated by {violation:e}, δ {delta:e}"
        );
    }
}

#[test]
fn random_targets() {
    let tolerances = Tolerances::default().epsilon(1e-4).growth(1.2);
    for (activation, rules) in [
        (Activation::Relu, &[RowRule::Corrected][..]),
        (Activation::LeakyRelu(0.1), &[RowRule::Corrected, RowRule::Printed, RowRule::Inactive]),
        (Activation::LeakyRelu(0.6), &[RowRule::Corrected, RowRule::Printed]),
    ] {
        for &rule in rules {
            for noise in [0.0, 1e-3, 0.1, 1.0] {
                for nonnegative in [false, true] {
                    for seed in 0..4 {
                        let instance = random_instance(14, 4, activation, nonnegative, noise, 500 + seed);
                        compare(&instance, tolerances, rule);
                    }
                }
            }
        }
    }
}

#[test]
fn larger_layers_with_noise_on_units_that_are_off() {
    // Here the search starts above the answer, reuses optima for smaller ε, and requests bounds.
    let tolerances = Tolerances::default().epsilon(1e-4).growth(1.2);
    for activation in [Activation::Relu, Activation::LeakyRelu(0.2)] {
        for seed in 0..6 {
            let mut instance = random_instance(60, 8, activation, seed % 2 == 0, 0.03, 700 + seed);
            instance.target[3] = f64::NAN;
            compare(&instance, tolerances, RowRule::Corrected);
        }
    }
}

#[test]
fn degenerate_targets() {
    for instance in degenerate_instances() {
        let tolerances = Tolerances::default().epsilon(instance.epsilon * 0.1).growth(1.5);
        for rule in [RowRule::Corrected, RowRule::Printed] {
            compare(&instance, tolerances, rule);
        }
    }
}

/// DESIGN's example of what the printed middle row excludes: `δ* = 0` at ε = 0.4 but 0.41 at 0.6,
/// where the corrected row keeps 0.
#[test]
fn the_printed_row_cuts_off_the_truth() {
    let at = |epsilon: f64, rule: RowRule| {
        let instance = Instance {
            name: "1×1".to_owned(),
            weight: DMatrix::from_element(1, 1, 1.0),
            bias: nalgebra::DVector::zeros(1),
            nonnegative: false,
            activation: Activation::LeakyRelu(0.1),
            target: vec![0.5],
            epsilon,
        };
        let system = instance.system();
        let problem = instance.problem(&system, LayerwiseMethod::Linf, rule);
        solve_certified(&system, &ClarabelReference, &[problem]).remove(0)
    };
    assert!(at(0.4, RowRule::Printed).objective() < 1e-12);
    // (0.5 − δ)/0.1 ≤ 0.5 + δ: δ = 4.5/11.
    assert!((at(0.6, RowRule::Printed).objective() - 4.5 / 11.0).abs() < 1e-9);
    assert!(at(0.6, RowRule::Corrected).objective() < 1e-12);
}
