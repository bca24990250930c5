//! The GPU on convolutions, resamplings, scales and all activations, against the twins.

use std::sync::Arc;

use nalgebra::DMatrix;
use unrelu::internals::cpu::{CpuDevice, descend, forward, levenberg_marquardt};
use unrelu::internals::device::Device;
use unrelu::internals::gpu::GpuDevice;
use unrelu::internals::kernel_params::LANE_DIVERGED;
use unrelu::internals::marquardt::MarquardtRules;
use unrelu::internals::multistart::{PackedNetwork, best_batch, best_batch_on};
use unrelu::{Activation, BestOptions, DescentOptions, Network, Optimizer};

use crate::chains::{CURVED, all, convolution, dense, network, shape, transposed};
use crate::compare::{expect, matrices};
use crate::fixtures::{self, gpu, matrix};

with_both_modules!(
    outputs_are_the_twins_on_every_chain,
    parts_of_a_chain_are_parts_of_it,
    gradients_are_the_twins_on_every_chain,
    gradients_are_differences_of_losses,
    activations_are_accurate_everywhere,
    optimizers_agree_with_the_twin_on_images,
    steps_of_levenberg_marquardt_are_the_twins,
    lanes_do_not_depend_on_their_batch,
    what_is_not_finite_is_lost_alone,
    descents_end_where_the_cpus_do,
    searches_end_where_the_cpus_do,
    images_in_two_shapes_are_refused_by_name,
);

/// This share of the largest entry of a column.
fn relative(of: &DMatrix<f64>, share: f64) -> DMatrix<f64> {
    DMatrix::from_fn(of.nrows(), of.ncols(), |_, column| share * of.column(column).amax())
}

fn outputs_are_the_twins_on_every_chain() {
    for (name, network) in all() {
        assert_eq!(network.gpu_obstacle(), None, "{name}");
        let device = gpu::device(&network);
        for count in [1, 7, 70] {
            let codes = matrix(1, network.code_length(), count);
            let right = forward::forward(&network, 0..network.depth(), &codes);
            let left = device.forward_f32(0..network.depth(), &codes).unwrap();
            expect(matrices(&format!("outputs of {name} {count}"), &left, &right, &relative(&right, 2e-6)));
        }
    }
}

fn parts_of_a_chain_are_parts_of_it() {
    for (name, network) in all() {
        let device = gpu::device(&network);
        for first in 0..network.depth() {
            for last in first + 1..=network.depth() {
                let inputs = matrix(2, network.layers()[first].inputs(), 3);
                let right = forward::forward(&network, first..last, &inputs);
                let left = device.forward_f32(first..last, &inputs).unwrap();
                let name = format!("layers {first} to {last} of {name}");
                expect(matrices(&name, &left, &right, &relative(&right, 2e-6)));
            }
        }
    }
}

/// Observations, a few entries of which are unobserved.
fn observed(network: &Network, seed: u64, count: usize) -> DMatrix<f64> {
    let mut observations = forward::forward(network, 0..network.depth(), &matrix(seed, network.code_length(), count));
    observations += matrix(seed + 1, observations.nrows(), count) * 0.1;
    let n = observations.nrows();
    (0..count).step_by(2).for_each(|column| observations[((3 * column + 1) % n, column)] = f64::NAN);
    observations
}

/// The gradients on the device: a step of size 1 subtracts them.
fn gradients(device: &GpuDevice, observations: &DMatrix<f64>, starts: &DMatrix<f64>) -> DMatrix<f64> {
    let options = DescentOptions::default().optimizer(Optimizer::Plain).step(Some(1.0)).iterations(1);
    let steps = options.steps(|| 1.0, 0.0);
    let reached = device.descend_f32(observations, starts, &steps).unwrap();
    starts - reached.codes
}

fn gradients_are_the_twins_on_every_chain() {
    for (name, network) in all() {
        let device = gpu::device(&network);
        for count in [1, 7] {
            let observations = observed(&network, 3, count);
            // Numbers of f32, so that the differences are the gradients.
            let starts = matrix(5, network.code_length(), count).map(|z| f64::from(z as f32));
            let left = gradients(&device, &observations, &starts);
            let mut right = left.clone();
            for column in 0..count {
                let (x, z) = (observations.column(column).into_owned(), starts.column(column).into_owned());
                let (_, gradient) = descend::loss_and_gradient(&network, x.as_slice(), z.as_slice());
                right.column_mut(column).copy_from_slice(&gradient);
            }
            // The codes themselves are rounded, too.
            let allowed = relative(&right, 1e-5) + relative(&starts, 3e-7);
            expect(matrices(&format!("gradients of {name} {count}"), &left, &right, &allowed));
        }
    }
}

/// An oracle that knows nothing of derivatives.
fn gradients_are_differences_of_losses() {
    for (name, network) in all() {
        let device = gpu::device(&network);
        let (observations, starts) = (observed(&network, 7, 1), matrix(9, network.code_length(), 1));
        let found = gradients(&device, &observations, &starts);
        let x = observations.column(0).into_owned();
        let loss = |code: &DMatrix<f64>| {
            let output = forward::forward(&network, 0..network.depth(), code);
            let squares = output.iter().zip(&x).filter(|(_, x)| !x.is_nan()).map(|(y, x)| (y - x) * (y - x));
            0.5 * squares.sum::<f64>()
        };
        for entry in 0..network.code_length() {
            let shifted = |step: f64| {
                let mut code = starts.clone();
                code[entry] += step;
                loss(&code)
            };
            let expected = (shifted(1e-6) - shifted(-1e-6)) / 2e-6;
            let error = (found[entry] - expected).abs();
            assert!(error <= 1e-4 * (1.0 + found.amax()), "{name}, entry {entry}: {} not {expected}", found[entry]);
        }
    }
}

fn activations_are_accurate_everywhere() {
    let numbers = [1e-30, 1e-8, 1e-3, 0.1, 0.49, 0.51, 0.9, 1.0, 2.0, 3.7, 5.0, 9.0, 15.0, 40.0, 90.0, 1e3, 1e10, 1e30];
    let inputs: Vec<f64> = numbers.iter().flat_map(|a| [*a, -*a]).chain([0.0]).map(|a| f64::from(a as f32)).collect();
    let inputs = DMatrix::from_vec(1, inputs.len(), inputs);
    for activation in CURVED {
        let layer = unrelu::DenseLayer {
            weight: DMatrix::from_element(1, 1, 1.0),
            bias: nalgebra::DVector::zeros(1),
            activation,
        };
        let network = Arc::new(Network::new(vec![layer], "one unit").unwrap());
        let device = gpu::device(&network);
        let values = device.forward_f32(0..1, &inputs).unwrap();
        for (value, a) in values.iter().zip(&inputs) {
            let expected = activation.apply(*a);
            // Tails of GELU: the square in the exponent is rounded.
            let allowed = 1e-6 * expected.abs().max(if *a < -2.0 { 1e-2 * a.abs().min(1.0) } else { 0.0 }) + 1e-37;
            assert!((value - expected).abs() <= allowed, "{activation} of {a:e}: {value:e}, not {expected:e}");
        }
        // The gradient towards σ(a) − 1 is σ'(a).
        let (moderate, count) = (inputs.map(|a| if a.abs() < 1e2 { a } else { 0.5 }), inputs.ncols());
        let observations = moderate.map(|a| activation.apply(a) - 1.0);
        let slopes = gradients(&device, &observations, &moderate);
        for column in 0..count {
            let (a, found) = (moderate[column], slopes[column]);
            let expected = activation.derivative(a);
            let allowed = 2e-6 + 2e-7 * a.abs();
            assert!((found - expected).abs() <= allowed, "{activation}' of {a:e}: {found:e}, not {expected:e}");
        }
    }
}

fn optimizers_agree_with_the_twin_on_images() {
    for (name, network) in all() {
        let (gpu, k) = (gpu::device(&network), network.code_length());
        let (starts, observations) = (matrix(11, k, 3), observed(&network, 12, 3));
        for (optimizer, prior) in [(Optimizer::Plain, 0.3), (Optimizer::Momentum, 0.0), (Optimizer::Adam, 0.3)] {
            let options = DescentOptions::default().optimizer(optimizer).iterations(10);
            let steps = options.steps(|| gpu.default_step(), prior);
            let reached = gpu.descend_f32(&observations, &starts, &steps).unwrap();
            for column in 0..3 {
                let start = unrelu::internals::descent::Start::fresh(
                    column,
                    starts.column(column).iter().copied().collect(),
                    optimizer,
                );
                let x = observations.column(column).into_owned();
                let expected = descend::run(&network, x.as_slice(), &start, &steps);
                let right = DMatrix::from_vec(k, 1, expected.code);
                let left = reached.codes.columns(column, 1).into_owned();
                let allowed = DMatrix::from_element(k, 1, 2e-5);
                expect(matrices(&format!("{optimizer} {name} {column}"), &left, &right, &allowed));
                assert_eq!(reached.lanes[column].iterations, expected.iterations, "{optimizer} {name}");
            }
        }
    }
}

fn steps_of_levenberg_marquardt_are_the_twins() {
    for (name, network) in all() {
        let (device, k) = (gpu::device(&network), network.code_length());
        for (count, prior) in [(1, 0.0), (7, 0.5)] {
            let rules = MarquardtRules { steps: 1, prior, ..MarquardtRules::IN_F32 };
            let (observations, starts) = (observed(&network, 20, count), matrix(22, k, count));
            let found = device.levenberg_marquardt_f32(&observations, &starts, &rules).unwrap();
            let Some(found) = found else {
                assert!(["an image as code", "phases of the first layer's gradient"].contains(&name), "{name}");
                continue;
            };
            let mut right = starts.clone();
            for column in 0..count {
                let (x, z) = (observations.column(column).into_owned(), starts.column(column).into_owned());
                let run = levenberg_marquardt::levenberg_marquardt(&network, x.as_slice(), z.as_slice(), &rules);
                assert_eq!(found.lanes[column].iterations, run.steps, "{name}");
                right.column_mut(column).copy_from_slice(&run.code);
            }
            let allowed = DMatrix::from_element(k, count, 2e-3);
            expect(matrices(&format!("a step of {name} {count}"), &found.codes, &right, &allowed));
        }
    }
}

fn lanes_do_not_depend_on_their_batch() {
    for (name, network) in all() {
        let device = gpu::device(&network);
        let (observations, starts) = (observed(&network, 30, 37), matrix(32, network.code_length(), 37));
        let options = DescentOptions::default().iterations(20);
        let steps = options.steps(|| device.default_step(), 0.0);
        let whole = device.descend_f32(&observations, &starts, &steps).unwrap();
        let squared = device.levenberg_marquardt_f32(&observations, &starts, &MarquardtRules::IN_F32).unwrap();
        for part in [0..1, 1..8, 8..37] {
            let columns: Vec<usize> = part.clone().collect();
            let (x, z) = (observations.select_columns(&columns), starts.select_columns(&columns));
            let found = device.descend_f32(&x, &z, &steps).unwrap();
            assert_eq!(found.codes, whole.codes.select_columns(&columns), "{name}");
            if let Some(whole) = &squared {
                let found = device.levenberg_marquardt_f32(&x, &z, &MarquardtRules::IN_F32).unwrap().unwrap();
                assert_eq!(found.codes, whole.codes.select_columns(&columns), "{name}");
            }
        }
    }
}

/// What f32 cannot hold is NaN there, in its own column, and the device's answer is that of f64.
fn what_is_not_finite_is_lost_alone() {
    for (name, network) in all() {
        let device = gpu::device(&network);
        let (k, depth) = (network.code_length(), network.depth());
        let good = matrix(40, k, 5);
        let expected = device.forward_f32(0..depth, &good).unwrap();
        for planted in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY, 1e39] {
            let mut codes = good.clone();
            codes[(k - 1, 2)] = planted;
            let narrow = device.forward_f32(0..depth, &codes).unwrap();
            assert!(narrow.column(2).iter().any(|x| x.is_nan()), "{name} {planted}");
            let found = device.forward(0..depth, &codes).unwrap();
            let twin = forward::forward(&network, 0..depth, &codes);
            let bits = |matrix: &DMatrix<f64>| matrix.column(2).iter().map(|x| x.is_nan()).collect::<Vec<_>>();
            assert_eq!(bits(&found), bits(&twin), "{name} {planted}");
            for column in [0, 1, 3, 4] {
                assert_eq!(narrow.column(column), expected.column(column), "{name} {planted}");
            }
            let observations = observed(&network, 41, 5);
            let steps = DescentOptions::default().iterations(3).steps(|| 0.01, 0.0);
            let reached = device.descend_f32(&observations, &codes, &steps).unwrap();
            let whole = device.descend_f32(&observations, &good, &steps).unwrap();
            assert_eq!(reached.lanes[2].status, LANE_DIVERGED, "{name} {planted}");
            for column in [0, 1, 3, 4] {
                assert_eq!(reached.codes.column(column), whole.codes.column(column), "{name} {planted}");
            }
        }
    }
}

fn descents_end_where_the_cpus_do() {
    let maps = vec![dense(1, 4 * 4 * 4, 3), convolution(2, shape(4, 4, 4), 6, [[3, 1, 1, 1]; 2], 1)];
    let chain = network(50, maps, 0);
    let curved = fixtures::network(51, &[3, 12, 30], Activation::Silu, Activation::Tanh);
    for network in [chain, curved] {
        let (gpu, cpu) = (gpu::device(&network), CpuDevice::new(Arc::clone(&network)));
        let observations = cpu.forward(0..network.depth(), &matrix(52, 3, 9)).unwrap();
        let options = DescentOptions::default().iterations(3000);
        let [left, right] =
            [&gpu as &dyn Device, &cpu].map(|device| device.descend((&observations).into(), 0, &options, 0.0));
        let (left, right) = (left.unwrap(), right.unwrap());
        let both: Vec<usize> = (0..9).filter(|column| left.converged[*column] && right.converged[*column]).collect();
        assert!(both.len() >= 3, "{both:?}");
        for column in both {
            let (left, right) = (left.losses[column], right.losses[column]);
            assert!((left - right).abs() <= 1e-6 * (left + right) + 1e-12, "{left:e} and {right:e}");
        }
    }
}

/// The search of `best`, whose first part runs on the device.
fn searches_end_where_the_cpus_do() {
    let maps = vec![
        dense(1, 4 * 3 * 3, 3),
        transposed(2, shape(4, 3, 3), 3, [[4, 2, 1, 1]; 2], (1, [0, 0])),
        convolution(3, shape(3, 6, 6), 2, [[3, 1, 1, 1]; 2], 1),
    ];
    let network = network(60, maps, 8);
    let device = gpu::device(&network);
    let truth = matrix(61, 3, 4);
    let observations = forward::forward(&network, 0..3, &truth);
    let starts = matrix(62, 3, 4) * 0.3 + &truth;
    let which: Vec<usize> = (0..4).collect();
    let found = device.levenberg_marquardt(&observations, &which, &starts, 0.0).unwrap().unwrap();
    for column in 0..4 {
        let code = found.column(column).into_owned();
        let x = observations.column(column).into_owned();
        let (loss, _) = descend::loss_and_gradient(&network, x.as_slice(), code.as_slice());
        let run = levenberg_marquardt::levenberg_marquardt(
            &network,
            x.as_slice(),
            starts.column(column).into_owned().as_slice(),
            &MarquardtRules::IN_F32,
        );
        let scale = x.norm_squared();
        assert!(loss <= 1.5 * run.loss + 1e-9 * scale, "{column}: {loss:e}, and the twin's {:e}", run.loss);
    }
    // Whole searches, whose minima are compared in f64.
    let noisy = &observations + matrix(63, observations.nrows(), 4) * 0.05;
    let packed = PackedNetwork::new(Arc::clone(&network));
    let options = BestOptions::default();
    let expected = best_batch(&packed, &noisy, 0, &[], &options);
    let before = device.dispatches();
    let found = best_batch_on(&device, &packed, &noisy, 0, &[], &options).unwrap();
    assert!(device.dispatches() > before + 20);
    for (column, (found, expected)) in found.iter().zip(&expected).enumerate() {
        let (found, expected) = (found.loss, expected.loss);
        assert!((found - expected).abs() <= 1e-5 * expected, "{column}: {found:e}, and the CPU's {expected:e}");
    }
}

fn images_in_two_shapes_are_refused_by_name() {
    let maps = vec![
        convolution(1, shape(3, 4, 4), 3, [[3, 1, 1, 1]; 2], 1),
        convolution(2, shape(12, 2, 2), 2, [[1, 1, 0, 1]; 2], 1),
    ];
    let network = network(70, maps, 0);
    let obstacle = network.gpu_obstacle().unwrap();
    assert!(obstacle.contains("layers 1 and 2") && obstacle.contains("conv2d 12×2×2"), "{obstacle}");
    let error = GpuDevice::new(gpu::context(None), Arc::clone(&network)).err().unwrap().to_string();
    assert!(error.contains(&obstacle) && error.contains("device: cpu"), "{error}");
    let beyond = fixtures::network(71, &[2, 3], Activation::Relu, Activation::Softplus { beta: 1e30, threshold: 20.0 });
    assert!(beyond.gpu_obstacle().unwrap().contains("beyond f32"));
}
