//! Data at the limits of the number range, and problems in other units: a failing observation never
//! affects the others, and scaling changes no verdict.

use std::sync::Arc;

use nalgebra::DMatrix;
use unrelu::internals::lp::formulation::exact;
use unrelu::internals::lp::solver::engine::LpEngine;
use unrelu::internals::lp::{Inversion, LayerChain, LayerSystems};
use unrelu::{Activation, LayerFailure, LayerwiseMethod, LayerwiseOptions, Network, Precision, RowRule, Tolerances};

use crate::oracle;
use crate::support::{
    HostDevice, codes, forward, invert, layer_answer, method, network, random_instance, relative_error,
};

fn with_precision(
    network: &Arc<Network>,
    options: &LayerwiseOptions,
    x: &DMatrix<f64>,
    precision: Precision,
) -> Vec<Inversion> {
    let (systems, device) = (LayerSystems::new(network, options.hidden_sign), HostDevice::new(network));
    let chain = LayerChain { network, systems: &systems, device: &device, solver: &LpEngine, options };
    chain.invert(x, precision).unwrap().0
}

#[test]
fn a_huge_observation_stops_no_other() {
    for activation in [Activation::Relu, Activation::LeakyRelu(0.1)] {
        let network = network(&[3, 10, 30], activation, 1);
        let clean = forward(&network, 0..2, &codes(3, 3, 2));
        for chosen in [LayerwiseMethod::Linf, LayerwiseMethod::L1, LayerwiseMethod::Exact] {
            let expected = invert(&network, &LpEngine, &method(chosen), &clean);
            for huge in [1e308, -1e308, f64::MAX] {
                let mut spoilt = clean.clone();
                spoilt.column_mut(1).fill(huge);
                let answers = invert(&network, &LpEngine, &method(chosen), &spoilt);
                assert_eq!(answers[0], expected[0], "{chosen} {activation} {huge:e}");
                assert_eq!(answers[2], expected[2], "{chosen} {activation} {huge:e}");
            }
        }
    }
}

/// The same network with its layers in other units: the hidden vector is scaled up or down, the
/// output is the same.
#[test]
fn units_of_the_hidden_layer_change_no_verdict() {
    let plain = network(&[5, 20, 60], Activation::Relu, 1);
    let truth = codes(5, 20, 2);
    let observations = forward(&plain, 0..2, &truth);
    for scale in [1e-6, 1e6] {
        let mut layers = plain.dense_layers();
        layers[0].weight *= scale;
        layers[1].weight /= scale;
        let network = Arc::new(Network::new(layers, "scaled").unwrap());
        for chosen in [LayerwiseMethod::Linf, LayerwiseMethod::L1, LayerwiseMethod::Exact] {
            let mut options = method(chosen);
            // ε is in the layers' own units; below both, the verdict is the same in each.
            options.tolerances = Tolerances::default().epsilon(1e-12).growth(1.2);
            for (index, answer) in invert(&network, &LpEngine, &options, &observations).iter().enumerate() {
                assert!(answer.is_certified() && answer.is_determined(), "{chosen} {scale:e} {index}: {answer:?}");
                assert!(
                    relative_error(&answer.code, truth.column(index).as_slice()) < 1e-6,
                    "{chosen} {scale:e} {index}"
                );
            }
        }
    }
}

/// Inverting a sigmoid or tanh amplifies rounding; `exact` knows by how much.
#[test]
fn exact_takes_noise_free_bijective_outputs() {
    for output in [Activation::Sigmoid, Activation::Tanh, Activation::Identity] {
        let mut layers = network(&[5, 20, 60], Activation::Relu, 7).dense_layers();
        layers[1].activation = output;
        let network = Arc::new(Network::new(layers, "test").unwrap());
        let truth = codes(5, 50, 8);
        let observations = forward(&network, 0..2, &truth);
        for (precision, tolerance) in [(Precision::F64, 1e-6), (Precision::F32, 1e-2)] {
            let stored = if precision == Precision::F32 {
                observations.map(|x| f64::from(x as f32))
            } else {
                observations.clone()
            };
            for (index, answer) in
                with_precision(&network, &method(LayerwiseMethod::Exact), &stored, precision).iter().enumerate()
            {
                assert!(answer.is_certified(), "{output} {precision:?} {index}: {answer:?}");
                if answer.is_determined() {
                    let error = relative_error(&answer.code, truth.column(index).as_slice());
                    assert!(error <= tolerance, "{output} {precision:?} {index}: {error:e}");
                }
            }
        }
    }
}

/// A target of 0 from the cancellation of a bias and a code has the rounding of these terms.
#[test]
fn exact_takes_targets_that_cancel_to_zero() {
    let mut layers = network(&[5, 20], Activation::LeakyRelu(0.2), 9).dense_layers();
    let truth = codes(5, 1, 10);
    layers[0].bias = -(&layers[0].weight * truth.column(0));
    let network = Arc::new(Network::new(layers, "test").unwrap());
    let answer = invert(&network, &LpEngine, &method(LayerwiseMethod::Exact), &DMatrix::zeros(20, 1)).remove(0);
    assert!(answer.is_certified());
    assert!(relative_error(&answer.code, truth.as_slice()) < 1e-9);
}

#[test]
fn saturated_images_have_an_answer_by_every_method() {
    let mut layers = network(&[5, 20, 60], Activation::Relu, 11).dense_layers();
    layers[1].activation = Activation::Sigmoid;
    let network = Arc::new(Network::new(layers, "test").unwrap());
    let images = DMatrix::from_fn(60, 4, |row, column| if (row * 7 + column * 3) % 5 < 2 { 1.0 } else { 0.0 });
    for chosen in [LayerwiseMethod::Linf, LayerwiseMethod::L1, LayerwiseMethod::Relaxed] {
        for answer in with_precision(&network, &method(chosen), &images, Precision::U8) {
            assert_eq!(answer.saturated, 60);
            assert!(answer.failure.is_none(), "{chosen}: {:?}", answer.failure);
        }
    }
}

/// Problem (4), as the least tolerance at which it holds, against the dual of the definition.
#[test]
fn the_feasibility_problem_against_its_dual() {
    for activation in [Activation::Relu, Activation::LeakyRelu(0.3)] {
        for nonnegative in [false, true] {
            for seed in 0..10 {
                // Fewer rows than columns, too: then it often holds.
                let units = 4 + 3 * (seed as usize % 4);
                let instance = random_instance(units, 6, activation, nonnegative, 0.05, 300 + seed);
                let expected = oracle::infeasibility_by_dual(&instance);
                let system = instance.system();
                let options = method(LayerwiseMethod::Exact).rows(RowRule::Corrected);
                let answer = layer_answer(&instance, &LpEngine, &options);
                let targets = unrelu::internals::lp::formulation::target::Targets::from_hidden(
                    DMatrix::from_column_slice(units, 1, &instance.target),
                );
                let tolerance = exact::tolerance(&system, targets.column(0));
                assert!(answer.certified, "{}", instance.name);
                match answer.failure {
                    None => assert!(expected <= 10.0 * tolerance, "{}: {expected:e}", instance.name),
                    Some(LayerFailure::NoExactPreImage { violation, tolerance: stated }) => {
                        assert_eq!((violation, stated), (answer.objective, tolerance), "{}", instance.name);
                        let difference = (answer.objective - expected).abs();
                        assert!(difference <= 1e-8 * (expected + instance.scale()), "{}", instance.name);
                    }
                    other => panic!("{}: {other:?}", instance.name),
                }
            }
        }
    }
}
