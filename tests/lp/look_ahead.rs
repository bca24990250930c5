//! Ladders that look ahead, against the same engine that solves and certifies every step: the same
//! tolerances, objectives and codes.

use nalgebra::DMatrix;
use unrelu::internals::lp::Inversion;
use unrelu::internals::lp::basis::WarmStart;
use unrelu::internals::lp::problem::{LayerSystem, Problem};
use unrelu::internals::lp::solution::{Attempt, Solution};
use unrelu::internals::lp::solver::Solver;
use unrelu::internals::lp::solver::engine::LpEngine;
use unrelu::internals::random::Noise;
use unrelu::{Activation, LayerwiseMethod, RelaxedWeights, RowRule};

use crate::support::{codes, forward, invert, method, network, relative_error};

/// The engine without a way to climb.
struct StepByStep;

impl Solver for StepByStep {
    fn name(&self) -> &'static str {
        "step by step"
    }

    fn solve_warm(&self, system: &LayerSystem, problems: &[Problem], warm: &[WarmStart<'_>]) -> Vec<Solution> {
        LpEngine.solve_warm(system, problems, warm)
    }

    fn retry(&self, system: &LayerSystem, problem: &Problem, retry: usize) -> Option<(Attempt, Solution)> {
        LpEngine.retry(system, problem, retry)
    }
}

/// No noise, and every law.
const LAWS: [Option<Noise>; 5] = [
    None,
    Some(Noise::Uniform(0.01)),
    Some(Noise::Gaussian(0.02)),
    Some(Noise::Laplace(0.01)),
    Some(Noise::Gross(0.05)),
];

fn observations(sizes: &[usize], activation: Activation, law: Option<Noise>, count: usize) -> DMatrix<f64> {
    let network = network(sizes, activation, 1);
    let mut observations = forward(&network, 0..sizes.len() - 1, &codes(sizes[0], count, 1));
    if let Some(law) = law {
        for (index, mut column) in observations.column_iter_mut().enumerate() {
            let mut x: Vec<f64> = column.iter().copied().collect();
            law.apply(1, index as u64, &mut x);
            column.copy_from_slice(&x);
        }
    }
    observations
}

/// Equal up to rounding: ε₀ of a hidden layer follows from its target.
fn is_close(a: f64, b: f64) -> bool {
    (a - b).abs() <= 1e-9 * b.abs()
}

fn compare(ahead: &[Inversion], steps: &[Inversion], what: &str) {
    for (index, (ahead, steps)) in ahead.iter().zip(steps).enumerate() {
        let what = format!("{what}, observation {index}");
        assert_eq!(ahead.failure, steps.failure, "{what}");
        assert_eq!(ahead.is_certified(), steps.is_certified(), "{what}");
        for (a, b) in ahead.layers.iter().zip(&steps.layers) {
            let what = format!("{what}, layer {}", a.layer);
            assert!(is_close(a.epsilon, b.epsilon), "{what}: ε {:e} and {:e}", a.epsilon, b.epsilon);
            assert!((a.objective - b.objective).abs() <= 1e-8 * b.objective.abs() + 1e-9, "{what}: objective");
            assert_eq!(a.determined, b.determined, "{what}");
            if !a.determined {
                // The point of a face is another one, and what follows from it.
                return;
            }
        }
        assert!(relative_error(&ahead.code, &steps.code) <= 1e-8, "{what}: codes");
    }
}

/// Compares the ladders of `count` observations of each law.
fn check(sizes: &[usize], activation: Activation, count: usize) {
    for law in LAWS {
        let observations = observations(sizes, activation, law, count);
        let network = network(sizes, activation, 1);
        let ladders = [
            method(LayerwiseMethod::L1),
            method(LayerwiseMethod::Relaxed),
            method(LayerwiseMethod::Relaxed).relaxed_weights(RelaxedWeights::Clear),
            method(LayerwiseMethod::L1).rows(RowRule::Printed),
        ];
        for options in &ladders {
            let ahead = invert(&network, &LpEngine, options, &observations);
            let steps = invert(&network, &StepByStep, options, &observations);
            compare(&ahead, &steps, &format!("{sizes:?} {activation:?}, {law:?}, {options:?}"));
        }
    }
}

#[test]
fn narrow_layers() {
    check(&[5, 20, 60], Activation::Relu, 20);
    check(&[5, 20, 60], Activation::LeakyRelu(0.2), 10);
}

#[test]
fn layers_whose_rates_are_in_single_precision() {
    check(&[10, 40, 130], Activation::Relu, 6);
    check(&[10, 40, 130], Activation::LeakyRelu(0.2), 3);
}

/// Observations with missing entries, of which some units have no rows.
#[test]
fn missing_entries() {
    let sizes = [5, 20, 60];
    let network = network(&sizes, Activation::Relu, 1);
    let mut observations = observations(&sizes, Activation::Relu, Some(Noise::Uniform(0.01)), 20);
    observations.iter_mut().step_by(3).for_each(|x| *x = f64::NAN);
    for chosen in [LayerwiseMethod::L1, LayerwiseMethod::Relaxed] {
        let options = method(chosen);
        let ahead = invert(&network, &LpEngine, &options, &observations);
        let steps = invert(&network, &StepByStep, &options, &observations);
        compare(&ahead, &steps, &format!("{chosen}, missing entries"));
    }
}
