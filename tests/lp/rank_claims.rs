//! What is called determined has full rank: matrices whose columns depend on each other exactly,
//! with a dependence that rounding in `WᵀW` hides.

use nalgebra::{DMatrix, DVector};
use unrelu::internals::lp::solver::engine::LpEngine;
use unrelu::internals::random::{Domain, normal_vector};
use unrelu::{Activation, LayerwiseMethod};

use crate::support::{Instance, layer_answer, method};

const METHODS: [LayerwiseMethod; 3] = [LayerwiseMethod::Exact, LayerwiseMethod::Linf, LayerwiseMethod::L1];

fn instance(name: String, weight: DMatrix<f64>, target: Vec<f64>, activation: Activation) -> Instance {
    let bias = DVector::zeros(weight.nrows());
    Instance { name, weight, bias, nonnegative: false, activation, target, epsilon: 1e-6 }
}

#[test]
fn two_equations_do_not_determine_three_entries() {
    let weight = DMatrix::from_row_slice(3, 3, &[0.3, 0.301, 0.1, 0.4, 0.401, 0.5, 0.0, 0.0, 0.0]);
    let instance = instance("two equations".to_owned(), weight, vec![0.3, 0.2, 0.0], Activation::Relu);
    for chosen in METHODS {
        let answer = layer_answer(&instance, &LpEngine, &method(chosen));
        assert!(answer.failure.is_none() && answer.certified, "{chosen}: {answer:?}");
        assert_eq!(answer.determined, [false; 3], "{chosen}");
    }
}

/// Noise-free targets of 8 × 3 matrices of exact rank 2: the second column is the first and a
/// small multiple of the third. No entry is determined, since the null vector has no zero.
#[test]
fn columns_close_to_dependence_determine_nothing() {
    let (mut solved, mut certified) = (0, 0);
    for power in [10, 13] {
        for seed in 0..40 {
            let numbers = normal_vector(seed, Domain::Network, 0, 24);
            let mut weight = DMatrix::from_vec(8, 3, numbers).map(|w| (w * 1024.0).round() / 1024.0);
            let second: DVector<f64> = weight.column(0) + weight.column(2) * 0.5f64.powi(power);
            weight.set_column(1, &second);
            let z = DVector::from_vec(normal_vector(seed, Domain::Code, 0, 3));
            let target = (&weight * z).iter().map(|a| a.max(0.0)).collect();
            let instance = instance(format!("2^-{power}, seed {seed}"), weight, target, Activation::Relu);
            for chosen in METHODS {
                let answer = layer_answer(&instance, &LpEngine, &method(chosen));
                assert_eq!(answer.determined, [false; 3], "{chosen}, {}", instance.name);
                solved += usize::from(answer.failure.is_none());
                certified += usize::from(answer.certified);
            }
        }
    }
    assert_eq!((solved, certified), (240, 240));
}

/// A target of zeros without biases leaves rounding no tolerance; `z = 0` reproduces it exactly.
#[test]
fn exact_reproduces_zeros() {
    for seed in 0..40 {
        for nonnegative in [false, true] {
            for activation in [Activation::Relu, Activation::LeakyRelu(0.2), Activation::Identity] {
                let left = DMatrix::from_vec(9, 2, normal_vector(seed, Domain::Network, 0, 18));
                let right = DMatrix::from_vec(2, 4, normal_vector(seed, Domain::Network, 1, 8));
                let name = format!("{activation}, z ≥ 0: {nonnegative}, seed {seed}");
                let weight = (left * right).insert_column(4, 0.0);
                let instance = Instance { nonnegative, ..instance(name, weight, vec![0.0; 9], activation) };
                let answer = layer_answer(&instance, &LpEngine, &method(LayerwiseMethod::Exact));
                assert!(answer.failure.is_none() && answer.certified, "{}: {answer:?}", instance.name);
                assert_eq!((answer.z, answer.objective), (vec![0.0; 5], 0.0), "{}", instance.name);
                assert!(!answer.determined[4], "{}", instance.name);
                // Rank 2 of 4: with free z and equations in all rows, nothing is determined.
                if !nonnegative && activation != Activation::Relu {
                    assert_eq!(answer.determined, [false; 5], "{}", instance.name);
                }
            }
        }
    }
}
