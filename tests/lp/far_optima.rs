//! Optima that are far away: a dual equation that misses by 1e-9 of its terms excludes nothing out
//! there, and a certificate has to say so.

use nalgebra::{DMatrix, DVector};
use unrelu::internals::lp::certificate::{Proof, Verdict, certify_above, certify_optimal};
use unrelu::internals::lp::certified::solve_certified;
use unrelu::internals::lp::problem::{LayerSystem, Objective, Problem, Row};
use unrelu::internals::random::{Domain, normal_vector};
use unrelu::{Activation, LayerFailure, LayerwiseMethod, RowRule};

use crate::support::{Instance, SOLVERS, layer_answer, method, random_instance};

/// `(z₁ + z₂, z₁ + (1 + distance) z₂) = (0.5, 1)`: reproduced exactly at `z ≈ ±0.5/distance`.
fn nearly_dependent(distance: f64) -> Instance {
    Instance {
        name: format!("{distance:e}"),
        weight: DMatrix::from_row_slice(2, 2, &[1.0, 1.0, 1.0, 1.0 + distance]),
        bias: DVector::zeros(2),
        nonnegative: false,
        activation: Activation::Identity,
        target: vec![0.5, 1.0],
        epsilon: 1e-6,
    }
}

#[test]
fn no_objective_but_zero_is_certified_where_the_equations_have_a_solution() {
    for exponent in 4..=11 {
        let instance = nearly_dependent(0.1f64.powi(exponent));
        for solver in SOLVERS {
            for chosen in [LayerwiseMethod::Linf, LayerwiseMethod::L1, LayerwiseMethod::Exact] {
                let answer = layer_answer(&instance, solver, &method(chosen));
                let what = format!("{} {chosen} {}: {answer:?}", solver.name(), instance.name);
                assert!(!answer.certified || answer.objective.abs() <= 1e-6, "{what}");
                assert!(!matches!(answer.failure, Some(LayerFailure::NoExactPreImage { .. })), "{what}");
            }
        }
    }
}

/// The pairs that were certified: `y` of the matrix without the distance, whose `g` is 1e-9.
#[test]
fn multipliers_of_the_dependent_matrix_prove_nothing() {
    for distance in [1e-9, 1e-10, 1e-11] {
        let instance = nearly_dependent(distance);
        let system = instance.system();
        for (chosen, objective) in [(LayerwiseMethod::Linf, 0.25), (LayerwiseMethod::L1, 0.5)] {
            let problem = instance.problem(&system, chosen, RowRule::Corrected);
            let weight = if chosen == LayerwiseMethod::Linf { 0.5 } else { 1.0 };
            let wanted = |row: &Row| (row.unit == 0) == (row.side > 0.0);
            let y: Vec<f64> = problem.rows.iter().map(|row| if wanted(row) { weight } else { 0.0 }).collect();
            let verdict = certify_optimal(&system, &problem, &[0.75, 0.0], &y);
            assert!(matches!(verdict, Verdict::NotCertified { .. }), "{chosen} {distance:e}: {verdict:?}");
            // Of a cutoff the statement is about codes up to 1000 times the data's size.
            if let Verdict::AboveCutoff { bound } = certify_above(&system, &problem, &y, 0.9 * objective) {
                let moved = 1000.0 * distance * instance.scale();
                assert!(bound <= objective - 0.5 * moved * objective, "{chosen} {distance:e}: {bound:e}");
            }
            let closer = nearly_dependent(1e3 * distance).system();
            let verdict = certify_above(&closer, &problem, &y, objective * (1.0 - 1e-6));
            assert!(matches!(verdict, Verdict::NotCertified { .. }), "{chosen} {distance:e}: {verdict:?}");
        }
    }
}

/// A box of a thousand times the data is not enough for an optimum 1e5 times as far, but a vertex
/// needs none: moving the multipliers by less than rounding allows leaves it proven.
#[test]
fn vertices_are_proven_against_every_code() {
    let (mut everywhere, mut all) = (0, 0);
    for seed in 0..60 {
        for nonnegative in [false, true] {
            let instance = random_instance(20, 4, Activation::LeakyRelu(0.3), nonnegative, 0.05, seed);
            let system = instance.system();
            for chosen in [LayerwiseMethod::Linf, LayerwiseMethod::L1, LayerwiseMethod::Relaxed] {
                let problem = instance.problem(&system, chosen, RowRule::Corrected);
                for solver in SOLVERS {
                    let answer = solve_certified(&system, solver, std::slice::from_ref(&problem)).remove(0);
                    all += usize::from(answer.verdict != Verdict::Infeasible);
                    let Verdict::Optimal { proof, .. } = answer.verdict else { continue };
                    match proof {
                        Proof::Everywhere { reach } => everywhere += usize::from(reach < 1e-6),
                        Proof::Within { factor } => assert!(factor >= 1e3),
                    }
                }
            }
        }
    }
    assert!(everywhere * 100 >= 95 * all, "{everywhere} of {all}");
}

/// Mixed scales of rows and columns: what is certified holds against the same problem in plain
/// scales, whose optimum is known.
#[test]
fn mixed_scales_certify_no_wrong_objective() {
    let mut certified = 0;
    for seed in 0..60 {
        let plain = random_instance(12, 3, Activation::Identity, false, 0.05, seed);
        let sizes = normal_vector(seed, Domain::Noise, 9, 15);
        let size = |index: usize| (8.0 * sizes[index]).round().clamp(-26.0, 26.0).exp2();
        let rows: Vec<Row> = (0..12)
            .flat_map(|unit| {
                [1.0, -1.0].map(|side| {
                    let t = plain.target[unit] - plain.bias[unit];
                    let (slack, magnitude) = (size(unit), t.abs() * size(unit));
                    Row { unit, side, slack, bound: side * t * size(unit), magnitude }
                })
            })
            .collect();
        let mixed = DMatrix::from_fn(12, 3, |i, j| plain.weight[(i, j)] * size(i) * size(12 + j));
        let unscaled = rows.iter().map(|row| {
            let by = size(row.unit).recip();
            Row { slack: 1.0, bound: row.bound * by, magnitude: row.magnitude * by, ..*row }
        });
        let reference = Problem { rows: unscaled.collect(), objective: Objective::LargestViolation };
        let problem = Problem { rows, objective: Objective::LargestViolation };
        let system = LayerSystem::new(mixed, DVector::zeros(12), false);
        for solver in SOLVERS {
            let expected = solve_certified(&plain.system(), solver, std::slice::from_ref(&reference)).remove(0);
            let found = solve_certified(&system, solver, std::slice::from_ref(&problem)).remove(0);
            assert!(expected.is_certified());
            if found.is_certified() {
                certified += 1;
                let difference = (found.objective() - expected.objective()).abs();
                assert!(difference <= 1e-6 * expected.objective(), "{} seed {seed}: {found:?}", solver.name());
            }
        }
    }
    println!("{certified} of 120 certified");
}
