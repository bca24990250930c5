//! Layers chained, masks, and the paper's own example.

use std::sync::Arc;

use nalgebra::{DMatrix, DVector};
use unrelu::internals::lp::solver::engine::LpEngine;
use unrelu::internals::lp::{LayerChain, LayerSystems};
use unrelu::{Activation, DenseLayer, HiddenSign, LayerwiseMethod, Network, Precision, Stop};

use crate::support::{HostDevice, codes, forward, invert, method, network, relative_error};

/// Example 1: the set of codes of `x = 1` is not convex. A code that is reported as exact must
/// reproduce it.
#[test]
fn example_1_of_the_paper() {
    let layer = |weight: DMatrix<f64>| {
        let bias = DVector::zeros(weight.nrows());
        DenseLayer { weight, bias, activation: Activation::Relu }
    };
    let layers = vec![
        layer(DMatrix::from_row_slice(2, 2, &[1.0, 2.0, 3.0, 1.0])),
        layer(DMatrix::from_row_slice(1, 2, &[1.0, -1.0])),
    ];
    let network = Arc::new(Network::new(layers, "example 1").unwrap());
    let observation = DMatrix::from_row_slice(1, 1, &[1.0]);
    for chosen in [LayerwiseMethod::Exact, LayerwiseMethod::Linf, LayerwiseMethod::L1, LayerwiseMethod::Relaxed] {
        let answer = invert(&network, &LpEngine, &method(chosen), &observation).remove(0);
        if answer.failure.is_some() {
            continue;
        }
        let output = forward(&network, 0..2, &DMatrix::from_column_slice(2, 1, &answer.code))[0];
        if answer.is_determined() {
            assert!((output - 1.0).abs() <= 1e-6, "{chosen}: G(z) = {output}");
        }
    }
}

/// The rows are built from the device's masks: one flipped bit gives another LP.
#[test]
fn a_flipped_bit_changes_the_answer() {
    let network = network(&[5, 30], Activation::Relu, 8);
    let observations = forward(&network, 0..1, &codes(5, 3, 9));
    let systems = LayerSystems::new(&network, HiddenSign::default());
    let run = |device: &HostDevice| {
        let options = method(LayerwiseMethod::Linf);
        let chain = LayerChain { network: &network, systems: &systems, device, solver: &LpEngine, options: &options };
        chain.invert(&observations, Precision::F64).unwrap().0
    };
    let expected = run(&HostDevice::new(&network));
    // If an inactive entry counts as active, its row requires w·z = 0 of a unit that is off.
    let off = (0..30).find(|&row| observations[(row, 1)] == 0.0).unwrap();
    let flipped = run(&HostDevice { flip: Some((1, off)), ..HostDevice::new(&network) });
    assert_eq!(flipped[0], expected[0]);
    assert_eq!(flipped[2], expected[2]);
    // The rows of the first step are not satisfied any more: the search continues with a larger ε.
    assert!(flipped[1].layers[0].epsilon > expected[1].layers[0].epsilon);
    assert!(flipped[1].layers[0].solves > expected[1].layers[0].solves);
}

#[test]
fn relaxed_recovers_to_its_tolerance() {
    for activation in [Activation::Relu, Activation::LeakyRelu(0.1)] {
        let network = network(&[8, 30, 100], activation, 21);
        let codes = codes(8, 12, 22);
        let observations = forward(&network, 0..2, &codes);
        for stop in [Stop::Lowest, Stop::First] {
            let options = method(LayerwiseMethod::Relaxed).stop(stop);
            for (index, answer) in invert(&network, &LpEngine, &options, &observations).iter().enumerate() {
                assert!(answer.is_certified(), "{activation} {stop} {index}: {answer:?}");
                let error = relative_error(&answer.code, codes.column(index).as_slice());
                assert!(error <= 1e-4, "{activation} {stop}, observation {index}: relative error {error:e}");
            }
        }
    }
}

/// Entries that a layer does not determine are passed on as unobserved, and the report says so.
#[test]
fn undetermined_entries_are_said_and_handed_on() {
    // The second hidden unit feeds nothing.
    let first = DenseLayer {
        weight: DMatrix::from_row_slice(2, 1, &[1.0, 2.0]),
        bias: DVector::zeros(2),
        activation: Activation::Relu,
    };
    let second = DenseLayer {
        weight: DMatrix::from_row_slice(2, 2, &[1.0, 0.0, 2.0, 0.0]),
        bias: DVector::zeros(2),
        activation: Activation::Relu,
    };
    let network = Arc::new(Network::new(vec![first, second], "test").unwrap());
    for chosen in [LayerwiseMethod::Linf, LayerwiseMethod::L1, LayerwiseMethod::Relaxed, LayerwiseMethod::Exact] {
        let answer =
            invert(&network, &LpEngine, &method(chosen), &DMatrix::from_row_slice(2, 1, &[3.0, 6.0])).remove(0);
        assert_eq!(answer.layers[0].undetermined_entries, 1, "{chosen}");
        assert!(answer.layers[1].determined, "{chosen}");
        assert!((answer.code[0] - 3.0).abs() <= 1e-5, "{chosen}: {:?}", answer.code);
    }
}

/// Biases and a saturating output: sigmoid values of 0 and 1 become one-sided rows and are counted.
#[test]
fn saturated_outputs_become_one_sided_rows() {
    let hidden = network(&[4, 12, 40], Activation::Relu, 31);
    let mut layers = hidden.dense_layers();
    layers[1].activation = Activation::Sigmoid;
    layers[0].bias = DVector::from_fn(12, |i, _| 0.1 * (i as f64 - 6.0) / 6.0);
    layers[1].weight *= 6.0;
    let network = Arc::new(Network::new(layers, "test").unwrap());
    let codes = codes(4, 10, 32);
    let clean = forward(&network, 0..2, &codes);
    // As in 8-bit data: values that round to 0 or 255 only give a one-sided bound.
    let mut saturated = clean.clone();
    saturated.apply(|x| {
        if *x < 0.05 {
            *x = 0.0;
        } else if *x > 0.95 {
            *x = 1.0;
        }
    });
    let (systems, device) = (LayerSystems::new(&network, HiddenSign::default()), HostDevice::new(&network));
    let options = method(LayerwiseMethod::Linf);
    let chain =
        LayerChain { network: &network, systems: &systems, device: &device, solver: &LpEngine, options: &options };
    let (answers, _) = chain.invert(&clean, Precision::F64).unwrap();
    for (index, answer) in answers.iter().enumerate() {
        assert!(answer.is_certified());
        assert_eq!(answer.saturated, 0);
        assert!(relative_error(&answer.code, codes.column(index).as_slice()) <= 1e-6 || !answer.is_determined());
    }
    let (answers, _) = chain.invert(&saturated, Precision::U8).unwrap();
    for (index, answer) in answers.iter().enumerate() {
        let expected = saturated.column(index).iter().filter(|x| **x == 0.0 || **x == 1.0).count();
        assert_eq!(answer.saturated, expected);
        assert!(answer.failure.is_none());
    }
}
