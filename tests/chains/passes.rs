//! Forward and backward passes of the fast CPU path, against the naive twins and differences.

use std::sync::Arc;

use nalgebra::DMatrix;
use unrelu::internals::cpu::CpuDevice;
use unrelu::internals::cpu::blocked;
use unrelu::internals::cpu::descend::{loss_and_gradient, run};
use unrelu::internals::cpu::forward::forward;
use unrelu::internals::descent::{Start, start_code};
use unrelu::internals::device::Device as _;
use unrelu::{DescentOptions, Optimizer};

use crate::fixtures::all;

#[test]
fn the_fast_forward_pass_is_the_naive_one() {
    for (name, network) in all() {
        let codes = network.random_codes(7, 1);
        let naive = forward(&network, 0..network.depth(), &codes);
        let fast = network.forward(&codes).unwrap();
        assert!((&naive - &fast).amax() < 1e-12 * (1.0 + naive.amax()), "{name}");
        // A column does not depend on its neighbours.
        let alone = network.forward(&codes.columns(3, 1).into_owned()).unwrap();
        assert_eq!(alone.column(0), fast.column(3), "{name}");
    }
}

#[test]
fn passes_in_f32_have_six_digits() {
    for (name, network) in all() {
        let codes = network.random_codes(7, 1);
        let naive = forward(&network, 0..network.depth(), &codes);
        let single = network.forward_f32(&codes.map(|z| z as f32)).unwrap();
        let apart = (&naive - single.map(f64::from)).amax();
        assert!(apart < 1e-5 * (1.0 + naive.amax()), "{name}: {apart:e}");
        let alone = network.forward_f32(&codes.columns(3, 1).map(|z| z as f32)).unwrap();
        assert_eq!(alone.column(0), single.column(3), "{name}");
    }
}

#[test]
fn gradients_of_a_batch_are_the_naive_ones() {
    for (name, network) in all() {
        // More columns than a block has on one thread.
        let codes = network.random_codes(300, 1);
        let mut observations = network.forward(&network.random_codes(300, 2)).unwrap();
        observations.row_mut(3).fill(f64::NAN);
        let device = CpuDevice::new(Arc::new(network.clone()));
        let (losses, gradients) = device.gradients(&observations, &codes, false).unwrap();
        let (losses_f32, gradients_f32) = device.gradients(&observations, &codes, true).unwrap();
        for column in [0, 1, 150, 299] {
            let [x, code] = [&observations, &codes].map(|matrix| matrix.column(column).into_owned());
            let (loss, gradient) = loss_and_gradient(&network, x.as_slice(), code.as_slice());
            let gradient = nalgebra::DVector::from_vec(gradient);
            let apart = (gradients.column(column) - &gradient).amax() / (1.0 + gradient.amax());
            assert!(apart < 1e-12 && (losses[column] - loss).abs() <= 1e-12 * (1.0 + loss), "{name}: {apart:e}");
            let apart = (gradients_f32.column(column) - &gradient).amax() / (1.0 + gradient.amax());
            assert!(apart < 1e-4 && (losses_f32[column] - loss).abs() <= 1e-4 * (1.0 + loss), "{name}: {apart:e}");
        }
        assert!(device.gradients(&observations, &codes.columns(0, 2).into_owned(), false).is_err());
    }
}

#[test]
fn the_naive_gradient_is_that_of_the_loss() {
    for (name, network) in all() {
        let code = network.random_codes(1, 2);
        let mut observation = network.forward(&network.random_codes(1, 3)).unwrap();
        observation[4] = f64::NAN;
        let loss = |code: &DMatrix<f64>| loss_and_gradient(&network, observation.as_slice(), code.as_slice()).0;
        let (_, gradient) = loss_and_gradient(&network, observation.as_slice(), code.as_slice());
        for (entry, found) in gradient.iter().enumerate() {
            let moved = |by: f64| {
                let mut moved = code.clone();
                moved[entry] += by;
                loss(&moved)
            };
            let quotient = (moved(1e-6) - moved(-1e-6)) / 2e-6;
            assert!((quotient - found).abs() < 1e-5 * (1.0 + quotient.abs()), "{name}: {found} instead of {quotient}");
        }
    }
}

#[test]
fn fast_descent_is_the_naive_one() {
    for (name, network) in all() {
        let mut observations = network.forward(&network.random_codes(3, 4)).unwrap();
        observations[(5, 1)] = f64::NAN;
        let options = DescentOptions::default().iterations(30);
        let steps = options.steps(|| unrelu::internals::descent::default_step(&network), 0.0);
        let start = |observation: usize| Start {
            observation,
            code: network.random_codes(1, 10 + observation as u64).as_slice().to_vec(),
            moments: vec![[0.0; 2]; steps.optimizer.moments(network.code_length())],
            done: 0,
        };
        let starts: Vec<Start> = (0..3).map(start).collect();
        let packed = blocked::packed::PackedNetwork::<f64>::new(&network);
        let fast = blocked::descend::runs(&packed, &observations, &starts, &steps);
        for (fast, start) in fast.iter().zip(&starts) {
            let column = observations.column(start.observation);
            let naive = run(&network, column.as_slice(), start, &steps);
            let apart = fast.code.iter().zip(&naive.code).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max);
            assert!(apart < 1e-8 && (fast.loss - naive.loss).abs() <= 1e-8 * naive.loss, "{name}: {apart:e}");
            assert!(naive.iterations > 0 && naive.code != start.code, "{name}");
        }
    }
}

/// The first part of a descent is in f32, in which outputs may have another unit. That changes how
/// far it comes, not where it goes.
#[test]
fn descent_that_begins_in_f32_ends_where_f64_does() {
    let (mut same, mut count) = (0, 0);
    for (name, network) in all() {
        let observations = network.forward(&network.random_codes(4, 20)).unwrap();
        let options = DescentOptions::default().iterations(2000).optimizer(Optimizer::Adam).restarts(0);
        let device = CpuDevice::new(Arc::new(network.clone()));
        let found = device.descend((&observations).into(), 0, &options, 0.0).unwrap();
        let steps = options.steps(|| device.default_step(), 0.0);
        let k = network.code_length();
        let start = |observation: usize| Start {
            observation,
            code: start_code(options.seed, observation as u64, 0, k),
            moments: vec![[0.0; 2]; steps.optimizer.moments(k)],
            done: 0,
        };
        let starts: Vec<Start> = (0..4).map(start).collect();
        let packed = blocked::packed::PackedNetwork::<f64>::new(&network);
        let wanted = blocked::descend::runs(&packed, &observations, &starts, &steps);
        let mut here = 0;
        for (column, wanted) in wanted.iter().enumerate() {
            let size = observations.column(column).norm_squared();
            let (found, wanted) = (found.losses[column], wanted.loss);
            let is_same = (found - wanted).abs() <= 1e-2 * wanted + 1e-6 * size;
            here += usize::from(is_same);
        }
        // Rounding may lead into another basin.
        assert!(here >= 2, "{name}: {here} of 4");
        (same, count) = (same + here, count + 4);
    }
    assert!(10 * same >= 9 * count, "{same} of {count}");
}
