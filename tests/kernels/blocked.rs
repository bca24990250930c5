//! The CPU's blocked kernels against the naive twins, and against themselves in other batches.

use std::collections::BTreeSet;
use std::sync::Arc;

use nalgebra::DMatrix;
use unrelu::internals::cpu::blocked::descend::{prepared, runs};
use unrelu::internals::cpu::blocked::packed::PackedNetwork;
use unrelu::internals::cpu::{CpuDevice, blocked, descend, forward};
use unrelu::internals::descent::{Start, Steps, default_step, start_code};
use unrelu::internals::device::Device;
use unrelu::{Activation, DescentOptions, Optimizer};

use crate::compare::{expect, matrices};
use crate::fixtures::{OUTPUTS, matrix, network, random_widths};

/// Both sum the same terms in f64, in different orders.
const ROUNDING: f64 = 1e-12;

fn in_pool<T: Send>(threads: usize, work: impl FnOnce() -> T + Send) -> T {
    rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap().install(work)
}

#[test]
fn forward_is_the_twins() {
    for depth in 1..=4 {
        for (case, output) in OUTPUTS.into_iter().enumerate() {
            let seed = (300 + 10 * depth + case) as u64;
            let network = network(seed, &random_widths(seed, depth), Activation::LeakyRelu(0.1), output);
            for count in [1, 7, 300] {
                let codes = matrix(seed, network.code_length(), count);
                let expected = forward::forward(&network, 0..depth, &codes);
                let found = blocked::forward::forward(&PackedNetwork::new(&network), 0..depth, &codes);
                let allowed = expected.map(|x| ROUNDING * (1.0 + x.abs()));
                expect(matrices(&format!("blocked forward {depth} {output} {count}"), &found, &expected, &allowed));
            }
        }
    }
}

#[test]
fn forward_does_not_depend_on_the_batch_bit_by_bit() {
    let network = network(320, &[20, 300, 500], Activation::Relu, Activation::Tanh);
    let codes = matrix(321, 20, 301);
    let whole = in_pool(2, || blocked::forward::forward(&PackedNetwork::new(&network), 0..2, &codes));
    for (threads, columns) in [(1, 0..301), (3, 0..301), (1, 4..5), (2, 100..117)] {
        let part = codes.columns(columns.start, columns.len()).into_owned();
        let found = in_pool(threads, || blocked::forward::forward(&PackedNetwork::new(&network), 0..2, &part));
        assert_eq!(found, whole.columns(columns.start, columns.len()), "{threads} threads, {columns:?}");
    }
}

const OPTIMIZERS: [Optimizer; 3] = [Optimizer::Plain, Optimizer::Momentum, Optimizer::Adam];

/// Runs towards nine observations, some of which have already made steps elsewhere.
fn starts(code_length: usize, count: usize, optimizer: Optimizer) -> Vec<Start> {
    let start = |place: usize| {
        let code = matrix(400 + place as u64, code_length, 1).as_slice().to_vec();
        let mut start = Start::fresh(place % 9, code, optimizer);
        start.done = (place % 4) as u32 * 20;
        start.moments.fill([0.01 * start.done as f64, 0.02 * start.done as f64]);
        start
    };
    (0..count).map(start).collect()
}

#[test]
fn each_run_is_the_twins() {
    for (case, output) in OUTPUTS.into_iter().enumerate() {
        let network = network(330 + case as u64, &[4, 19, 45], Activation::LeakyRelu(0.3), output);
        let packed = PackedNetwork::new(&network);
        let mut observations = forward::forward(&network, 0..2, &matrix(340, 4, 9));
        observations[(3, 1)] = f64::NAN;
        for (optimizer, prior) in OPTIMIZERS.into_iter().flat_map(|optimizer| [(optimizer, 0.0), (optimizer, 0.3)]) {
            let starts = starts(4, 40, optimizer);
            let size = optimizer.default_step(|| default_step(&network));
            let steps = Steps { optimizer, size, cap: 100, prior };
            for (start, found) in starts.iter().zip(runs(&packed, &observations, &starts, &steps)) {
                let expected = descend::run(&network, observations.column(start.observation).as_slice(), start, &steps);
                let case = format!("{optimizer} {output} {prior}");
                assert_eq!((found.converged, found.iterations), (expected.converged, expected.iterations), "{case}");
                let column = |code: &[f64]| DMatrix::from_column_slice(4, 1, code);
                let allowed = DMatrix::from_element(4, 1, 1e-10);
                expect(matrices(&format!("blocked {case}"), &column(&found.code), &column(&expected.code), &allowed));
                assert!((found.loss - expected.loss).abs() <= 1e-10 * (1.0 + expected.loss), "{case}");
            }
        }
    }
}

#[test]
fn a_run_that_diverges_ends_as_the_twins_does() {
    let network = network(345, &[4, 45], Activation::Relu, Activation::Identity);
    let packed = PackedNetwork::new(&network);
    let (observations, starts) = (matrix(346, 45, 9), starts(4, 30, Optimizer::Momentum));
    let steps = Steps { optimizer: Optimizer::Momentum, size: 30.0, cap: 1000, prior: 0.0 };
    for (start, found) in starts.iter().zip(runs(&packed, &observations, &starts, &steps)) {
        let expected = descend::run(&network, observations.column(start.observation).as_slice(), start, &steps);
        assert!(found.loss.is_nan() && expected.loss.is_nan() && !found.converged);
        assert_eq!(found.iterations, expected.iterations);
    }
}

#[test]
fn runs_that_end_leave_the_others_alone_bit_by_bit() {
    let network = network(350, &[5, 40, 90], Activation::LeakyRelu(0.5), Activation::LeakyRelu(0.5));
    let packed = PackedNetwork::new(&network);
    let mut observations = forward::forward(&network, 0..2, &matrix(351, 5, 9));
    // The runs of this network diverge.
    observations.column_mut(5).fill(1e200);
    for optimizer in OPTIMIZERS {
        let starts = starts(5, 300, optimizer);
        let steps = Steps { optimizer, size: optimizer.default_step(|| default_step(&network)), cap: 1500, prior: 0.0 };
        let whole = in_pool(2, || runs(&packed, &observations, &starts, &steps));
        assert!(whole.iter().any(|run| run.converged) && whole.iter().any(|run| run.loss.is_nan()), "{optimizer}");
        let ends: BTreeSet<u32> = whole.iter().map(|run| run.iterations).collect();
        assert!(ends.len() > 20, "{optimizer}: the runs end too much alike to prove anything");
        for (threads, part) in [(1, 0..300), (3, 0..300), (1, 17..18), (2, 40..77)] {
            let found = in_pool(threads, || runs(&packed, &observations, &starts[part.clone()], &steps));
            let same = found.iter().zip(&whole[part.clone()]).all(|(found, whole)| {
                (&found.code, found.loss.to_bits(), found.iterations, found.converged)
                    == (&whole.code, whole.loss.to_bits(), whole.iterations, whole.converged)
            });
            assert!(same, "{optimizer}, {threads} threads, {part:?}");
        }
    }
}

/// Maximum absolute difference from the twin, for products in f32 with codes and steps in f64.
const IN_F32: f64 = 1e-5;

#[test]
fn what_f32_prepares_is_where_the_twin_comes() {
    for (case, output) in OUTPUTS.into_iter().enumerate() {
        let network = network(360 + case as u64, &[4, 19, 45], Activation::LeakyRelu(0.3), output);
        let packed = PackedNetwork::new(&network);
        let mut observations = forward::forward(&network, 0..2, &matrix(361, 4, 9));
        observations[(3, 1)] = f64::NAN;
        for optimizer in OPTIMIZERS {
            let starts = starts(4, 40, optimizer);
            let size = optimizer.default_step(|| default_step(&network));
            let steps = Steps { optimizer, size, cap: 80, prior: 0.0 };
            for (start, found) in starts.iter().zip(prepared(&packed, &observations, &starts, &steps)) {
                let found = found.unwrap();
                let cap = found.done as usize;
                assert!(cap == 80 || cap >= start.done as usize + 50, "{optimizer} {output}: rested after {cap}");
                let x = observations.column(start.observation);
                let expected = descend::run(&network, x.as_slice(), start, &Steps { cap, ..steps });
                let column = |code: &[f64]| DMatrix::from_column_slice(4, 1, code);
                let allowed = DMatrix::from_element(4, 1, IN_F32);
                let case = format!("prepared {optimizer} {output}");
                expect(matrices(&case, &column(&found.code), &column(&expected.code), &allowed));
            }
        }
    }
}

#[test]
fn what_f32_prepares_does_not_depend_on_the_others_bit_by_bit() {
    let network = network(365, &[5, 40, 90], Activation::Relu, Activation::Sigmoid);
    let packed = PackedNetwork::new(&network);
    let mut observations = forward::forward(&network, 0..2, &matrix(366, 5, 9));
    // f32 cannot represent the loss of this one.
    observations.column_mut(5).fill(1e30);
    for optimizer in OPTIMIZERS {
        let starts = starts(5, 300, optimizer);
        let steps = Steps { optimizer, size: optimizer.default_step(|| default_step(&network)), cap: 700, prior: 0.0 };
        let whole = in_pool(2, || prepared(&packed, &observations, &starts, &steps));
        let lost = |(start, found): (&Start, &Option<Start>)| found.is_none() == (start.observation == 5);
        assert!(starts.iter().zip(&whole).all(lost), "{optimizer}");
        for (threads, part) in [(1, 0..300), (3, 0..300), (1, 17..18), (2, 40..77)] {
            let found = in_pool(threads, || prepared(&packed, &observations, &starts[part.clone()], &steps));
            assert_eq!(found, whole[part.clone()], "{optimizer}, {threads} threads, {part:?}");
        }
    }
}

/// The device continues in f64 after f32. At the cap, its codes are those of f64 except for the
/// gradients' last digits; at convergence they are those of f64.
#[test]
fn the_device_ends_where_f64_alone_does() {
    let network = network(370, &[5, 30, 80], Activation::LeakyRelu(0.2), Activation::Identity);
    let (device, packed) = (CpuDevice::new(Arc::clone(&network)), PackedNetwork::new(&network));
    let observations = forward::forward(&network, 0..2, &matrix(371, 5, 20)) + matrix(372, 80, 20) * 0.01;
    for optimizer in OPTIMIZERS {
        for iterations in [300, 20_000] {
            let options = DescentOptions::default().optimizer(optimizer).iterations(iterations);
            let steps = options.steps(|| device.default_step(), 0.0);
            let found = device.descend((&observations).into(), 0, &options, 0.0).unwrap();
            let start = |column| Start::fresh(column, start_code(0, column as u64, 0, 5), optimizer);
            let starts: Vec<Start> = (0..20).map(start).collect();
            let alone = runs(&packed, &observations, &starts, &steps);
            assert!(iterations < 20_000 || found.converged.iter().filter(|converged| **converged).count() >= 15);
            for (column, alone) in
                alone.iter().enumerate().filter(|(column, run)| run.converged == found.converged[*column])
            {
                let allowed = if alone.converged { 1e-7 } else { IN_F32 };
                let expected = DMatrix::from_column_slice(5, 1, &alone.code);
                let found = found.codes.columns(column, 1).into_owned();
                let name = format!("two precisions {optimizer} {iterations} {column}");
                expect(matrices(&name, &found, &expected, &DMatrix::from_element(5, 1, allowed)));
            }
        }
    }
}
