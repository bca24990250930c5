//! Rows that no code satisfies are shown to be so, whatever the size of the rows beside them.

use nalgebra::{DMatrix, DVector};
use unrelu::internals::lp::certificate::Verdict;
use unrelu::internals::lp::certified::solve_certified;
use unrelu::internals::lp::problem::{LayerSystem, Objective, Problem, Row};
use unrelu::internals::lp::solver::engine::LpEngine;
use unrelu::{Activation, LayerwiseMethod};

use crate::support::{Instance, layer_answer, method};

fn instance(weight: DMatrix<f64>, bias: [f64; 2], target: [f64; 2]) -> Instance {
    Instance {
        name: format!("{bias:?} {target:?}"),
        weight,
        bias: DVector::from_column_slice(&bias),
        nonnegative: false,
        activation: Activation::LeakyRelu(0.3),
        target: target.to_vec(),
        epsilon: 1e-6,
    }
}

/// The second row is violated by 6e-4 of its own terms, which is less than 1e-9 of the first's.
#[test]
fn a_small_row_beside_a_large_one() {
    let instance = instance(DMatrix::zeros(2, 1), [0.0, -2.0], [-30027.06, -0.5998284]);
    let answer = layer_answer(&instance, &LpEngine, &method(LayerwiseMethod::Relaxed));
    assert!(answer.certified, "{answer:?}");
}

/// Two units of the same weights contradict each other by a share of their terms; a third is
/// `2^power` times as large. Above what the row test forgives they are infeasible, below it not.
#[test]
fn contradictions_are_judged_by_their_own_terms() {
    for power in [0, 10, 20] {
        for (share, infeasible) in [(1e-7, true), (1e-11, false)] {
            let size = f64::from(power).exp2();
            let weight = DMatrix::from_row_slice(3, 2, &[1.0, 0.5, 1.0, 0.5, size, -size]);
            let system = LayerSystem::new(weight, DVector::zeros(3), false);
            let row = |unit, side: f64, bound: f64| Row { unit, side, slack: 0.0, bound, magnitude: bound.abs() };
            let problem = Problem {
                rows: vec![row(0, 1.0, 1.0), row(1, -1.0, -1.0 - share), row(2, 1.0, size), row(2, -1.0, size)],
                objective: Objective::Linear {
                    weights: DVector::from_column_slice(&[1.0, 0.5]),
                    units: vec![(0, 1.0, 1.0)],
                },
            };
            let answer = solve_certified(&system, &LpEngine, std::slice::from_ref(&problem)).remove(0);
            let is_infeasible = answer.verdict == Verdict::Infeasible;
            assert_eq!(is_infeasible, infeasible, "2^{power}, {share:e}: {:?}", answer.verdict);
            assert!(answer.is_certified(), "2^{power}, {share:e}: {:?}", answer.verdict);
        }
    }
}
