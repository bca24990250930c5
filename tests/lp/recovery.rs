//! Whole networks: realizable codes are recovered, and a defect of one observation does not affect
//! the others.

use nalgebra::DMatrix;
use unrelu::internals::lp::solver::Solver;
use unrelu::internals::lp::solver::engine::LpEngine;
use unrelu::internals::multistart::{PackedNetwork, RefineOptions, refine_batch};
use unrelu::{Activation, Failure, LayerwiseMethod};

use crate::support::{SOLVERS, codes, forward, invert, method, network, relative_error};

/// Random 20→100→500, noise-free: every one of `count` codes to `tolerance`.
fn recovers(chosen: LayerwiseMethod, activation: Activation, count: usize, tolerance: f64) {
    let network = network(&[20, 100, 500], activation, 11);
    let codes = codes(20, count, 12);
    let observations = forward(&network, 0..2, &codes);
    for solver in SOLVERS {
        // Clarabel takes a thousand times as long, so it gets fewer codes.
        let count = if solver.name() == "clarabel" { count / 20 } else { count };
        let answers = invert(&network, solver, &method(chosen), &observations.columns(0, count).into_owned());
        for (index, answer) in answers.iter().enumerate() {
            assert!(answer.is_certified(), "{chosen} {activation}, observation {index}: {answer:?}");
            assert!(answer.is_determined(), "{chosen} {activation}, observation {index} is not determined");
            let error = relative_error(&answer.code, codes.column(index).as_slice());
            assert!(error <= tolerance, "{chosen} {activation}, observation {index}: relative error {error:e}");
        }
    }
}

#[test]
fn exact_recovers_random_networks() {
    recovers(LayerwiseMethod::Exact, Activation::Relu, 200, 1e-6);
    recovers(LayerwiseMethod::Exact, Activation::LeakyRelu(0.1), 200, 1e-6);
}

#[test]
fn linf_recovers_random_relu_networks() {
    recovers(LayerwiseMethod::Linf, Activation::Relu, 200, 1e-6);
}

#[test]
fn linf_recovers_random_leaky_networks() {
    recovers(LayerwiseMethod::Linf, Activation::LeakyRelu(0.1), 200, 1e-6);
}

#[test]
fn l1_recovers_random_relu_networks() {
    recovers(LayerwiseMethod::L1, Activation::Relu, 200, 1e-6);
}

#[test]
fn l1_recovers_random_leaky_networks() {
    recovers(LayerwiseMethod::L1, Activation::LeakyRelu(0.1), 200, 1e-6);
}

/// The error of the relaxation is about its tolerance; refinement on the right region removes it.
#[test]
fn relaxed_and_refined_recovers_random_networks() {
    for activation in [Activation::Relu, Activation::LeakyRelu(0.1)] {
        let network = network(&[20, 100, 500], activation, 11);
        let truth = codes(20, 200, 12);
        let observations = forward(&network, 0..2, &truth);
        let answers = invert(&network, &LpEngine, &method(LayerwiseMethod::Relaxed), &observations);
        let found: Vec<f64> = answers.iter().flat_map(|answer| answer.code.iter().copied()).collect();
        let mut refined = DMatrix::from_vec(20, 200, found);
        refine_batch(&PackedNetwork::new(network.clone()), &observations, &mut refined, &RefineOptions::default());
        for (index, answer) in answers.iter().enumerate() {
            assert!(answer.is_certified(), "{activation}, observation {index}: {answer:?}");
            let truth = truth.column(index);
            let error = relative_error(&answer.code, truth.as_slice());
            assert!(error <= 1e-4, "{activation}, observation {index}: relative error {error:e}");
            let error = relative_error(refined.column(index).as_slice(), truth.as_slice());
            assert!(error <= 1e-6, "{activation}, observation {index}: relative error {error:e} after refinement");
        }
    }
}

#[test]
fn one_bad_observation_leaves_the_others_as_they_were() {
    for solver in SOLVERS {
        one_bad_observation(solver);
    }
}

fn one_bad_observation(solver: &dyn Solver) {
    let network = network(&[4, 12, 30], Activation::Relu, 3);
    let codes = codes(4, 5, 4);
    let clean = forward(&network, 0..2, &codes);
    for chosen in [LayerwiseMethod::Exact, LayerwiseMethod::Linf, LayerwiseMethod::L1, LayerwiseMethod::Relaxed] {
        let expected = invert(&network, solver, &method(chosen), &clean);
        for bad in [f64::INFINITY, f64::NEG_INFINITY] {
            let mut spoilt = clean.clone();
            spoilt[(7, 2)] = bad;
            let answers = invert(&network, solver, &method(chosen), &spoilt);
            assert_eq!(answers[2].failure, Some(Failure::InfiniteEntry { entry: 7, value: bad }));
            assert!(answers[2].code.iter().all(|z| z.is_nan()));
            for index in [0, 1, 3, 4] {
                assert_eq!(answers[index], expected[index], "{chosen}");
            }
        }
        let mut spoilt = clean.clone();
        spoilt.column_mut(2).fill(f64::NAN);
        let answers = invert(&network, solver, &method(chosen), &spoilt);
        assert_eq!(answers[2].failure, Some(Failure::NothingObserved));
        assert_eq!(answers[3], expected[3], "{chosen}");
    }
}
