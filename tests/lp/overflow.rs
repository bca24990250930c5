//! Numbers that overflow are never an answer: neither solved nor certified.

use nalgebra::{DMatrix, DVector};
use unrelu::internals::lp::certificate::{Verdict, certify_above, certify_optimal};
use unrelu::internals::lp::problem::{LayerSystem, Objective, Problem, Row};
use unrelu::internals::lp::solver::engine::LpEngine;
use unrelu::{Activation, LayerwiseMethod, Tolerances};

use crate::support::{Instance, layer_answer, method};

#[test]
fn codes_beyond_the_numbers_are_not_solved() {
    let methods = [LayerwiseMethod::Exact, LayerwiseMethod::Linf, LayerwiseMethod::L1, LayerwiseMethod::Relaxed];
    for (weight, target) in [(1e-150, 1e300), (1e-300, 1e10), (1e-300, 1e300)] {
        for nonnegative in [false, true] {
            for chosen in methods {
                let instance = Instance {
                    name: format!("{weight:e}, {target:e}"),
                    weight: DMatrix::from_diagonal_element(2, 2, weight),
                    bias: DVector::zeros(2),
                    nonnegative,
                    activation: Activation::Relu,
                    target: vec![target; 2],
                    epsilon: 1e-6,
                };
                let mut options = method(chosen);
                // Few steps of ε.
                options.tolerances = Tolerances::default().epsilon(0.1 * target).growth(2.0);
                let answer = layer_answer(&instance, &LpEngine, &options);
                let finite = answer.z.iter().all(|z| z.is_finite());
                assert!(answer.failure.is_some() || finite, "{chosen}, {}: {answer:?}", instance.name);
                assert!(!answer.certified || finite, "{chosen}, {}: {answer:?}", instance.name);
            }
        }
    }
}

fn row(unit: usize, side: f64, bound: f64) -> Row {
    Row { unit, side, slack: 1.0, bound, magnitude: bound.abs() }
}

/// Products, violations, dual terms and bounds that overflow, each by itself.
#[test]
fn overflow_passes_no_test() {
    let system = LayerSystem::new(DMatrix::from_element(1, 1, 1e150), DVector::zeros(1), false);
    let rows = vec![row(0, 1.0, 1.0), row(0, -1.0, -1.0)];
    for objective in [Objective::LargestViolation, Objective::SumOfViolations] {
        let problem = Problem { rows: rows.clone(), objective };
        let certified =
            |z: f64, y: [f64; 2]| matches!(certify_optimal(&system, &problem, &[z], &y), Verdict::Optimal { .. });
        assert!(certified(1e-150, [0.0, 0.0]));
        for z in [1e300, -1e300, f64::INFINITY, f64::NAN] {
            assert!(!certified(z, [0.0, 0.0]) && !certified(z, [0.5, 0.5]), "z = {z:e}");
        }
        for y in [[f64::INFINITY, 0.0], [f64::INFINITY; 2], [f64::NAN, 0.0]] {
            assert!(!certified(1e-150, y), "y = {y:?}");
        }
        // A violation of 3.4e308.
        let tight = |side| Row { slack: 0.5, ..row(0, side, -1.7e308) };
        let huge = Problem { rows: vec![tight(1.0), tight(-1.0)], ..problem.clone() };
        let verdict = certify_above(&system, &huge, &[1.0, 1.0], 1.0);
        assert!(matches!(verdict, Verdict::NotCertified { .. }), "{verdict:?}");
    }
    let weights = DVector::from_element(1, 1e200);
    let linear = Problem {
        rows: vec![Row { slack: 0.0, ..row(0, 1.0, 1e160) }],
        objective: Objective::Linear { weights, units: vec![(0, 1e50, 1.0)] },
    };
    let verdict = certify_optimal(&system, &linear, &[1e120], &[1e50]);
    assert!(matches!(verdict, Verdict::NotCertified { .. }), "{verdict:?}");
}
