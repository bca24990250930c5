//! The GPU's forward pass and descent against the CPU's, on shapes that are not multiples of a
//! workgroup.

use std::sync::Arc;

use nalgebra::DMatrix;
use unrelu::internals::cpu::{CpuDevice, descend};
use unrelu::internals::descent::{Start, Steps};
use unrelu::internals::device::Device;
use unrelu::internals::kernel_params::{LANE_CAPPED, LANE_DIVERGED, LANE_RESTED};
use unrelu::{Activation, DescentOptions, Network, Optimizer};

use crate::compare::{expect, matrices};
use crate::fixtures::{OUTPUTS, gpu, matrix, network, random_widths};

with_both_modules!(
    forward_agrees_on_random_shapes_and_depths,
    forward_agrees_at_the_sizes_of_real_generators,
    forward_agreement_fails_when_an_output_is_perturbed,
    descent_agrees_after_a_few_steps_on_random_shapes_and_depths,
    momentum_and_adam_agree_with_the_twin_on_random_shapes_and_depths,
    a_run_goes_on_in_f64_where_the_device_left_it,
    descent_agrees_where_both_converge,
    the_stop_rule_holds_on_the_device,
    the_loop_runs_on_the_device,
);

const COUNTS: [usize; 3] = [1, 7, 65];

/// The sum of the absolute terms of each output, `|W| s + |b|`, starting at `|z|`: the quantity
/// that limits rounding. No activation here increases a difference.
fn absolute_terms(network: &Network, codes: &DMatrix<f64>) -> DMatrix<f64> {
    network.layers().iter().fold(codes.abs(), |terms, layer| {
        let mut sums = layer.weight().abs() * terms;
        for mut column in sums.column_iter_mut() {
            column += layer.bias.abs();
        }
        sums
    })
}

/// 1e-5 of the sum of absolute terms.
fn forward_tolerance(network: &Network, codes: &DMatrix<f64>) -> DMatrix<f64> {
    absolute_terms(network, codes) * 1e-5
}

fn forward_agrees_on_random_shapes_and_depths() {
    let device = gpu::context(None);
    drop(device);
    for depth in 1..=4 {
        for (case, output) in OUTPUTS.into_iter().enumerate() {
            let seed = (10 * depth + case) as u64;
            let hidden = if case % 2 == 0 { Activation::Relu } else { Activation::LeakyRelu(0.1) };
            let network = network(seed, &random_widths(seed, depth), hidden, output);
            let (gpu, cpu) = (gpu::device(&network), CpuDevice::new(Arc::clone(&network)));
            for count in COUNTS {
                let codes = matrix(seed + 1000, network.code_length(), count);
                let name = format!("forward depth {depth} {output} count {count}");
                let left = gpu.forward(0..depth, &codes).unwrap();
                let right = cpu.forward(0..depth, &codes).unwrap();
                expect(matrices(&name, &left, &right, &forward_tolerance(&network, &codes)));
            }
        }
    }
}

fn forward_agrees_at_the_sizes_of_real_generators() {
    for widths in [vec![20, 100, 500], vec![20, 200, 500, 784]] {
        let network = network(70, &widths, Activation::Relu, Activation::Relu);
        let gpu = gpu::device(&network);
        let codes = matrix(71, 20, 65);
        let left = gpu.forward(0..network.depth(), &codes).unwrap();
        let right = CpuDevice::new(Arc::clone(&network)).forward(0..network.depth(), &codes).unwrap();
        expect(matrices("forward real", &left, &right, &forward_tolerance(&network, &codes)));
    }
}

fn forward_agreement_fails_when_an_output_is_perturbed() {
    let network = network(72, &[5, 21, 34], Activation::Relu, Activation::Identity);
    let gpu = gpu::device(&network);
    let codes = matrix(73, 5, 7);
    let right = CpuDevice::new(Arc::clone(&network)).forward(0..2, &codes).unwrap();
    let allowed = forward_tolerance(&network, &codes);
    let mut left = gpu.forward(0..2, &codes).unwrap();
    expect(matrices("forward to be perturbed", &left, &right, &allowed));
    left[(33, 6)] += 3.0 * allowed[(33, 6)];
    assert!(matrices("forward perturbed", &left, &right, &allowed).is_err());
}

/// Codes after a few steps in f32 agree up to this absolute difference: entries are of the order of
/// 1.
const CODES_AFTER_A_FEW_STEPS: f64 = 1e-5;
/// Codes of runs that have both converged, finished in f64.
const CODES_CONVERGED: f64 = 1e-6;

fn constant(like: &DMatrix<f64>, value: f64) -> DMatrix<f64> {
    DMatrix::from_element(like.nrows(), like.ncols(), value)
}

fn descent_agrees_after_a_few_steps_on_random_shapes_and_depths() {
    let device = gpu::context(None);
    drop(device);
    for depth in 1..=4 {
        for (case, output) in OUTPUTS.into_iter().enumerate() {
            let seed = (200 + 10 * depth + case) as u64;
            let hidden = if case % 2 == 0 { Activation::LeakyRelu(0.1) } else { Activation::Relu };
            let network = network(seed, &random_widths(seed, depth), hidden, output);
            let (gpu, cpu) = (gpu::device(&network), CpuDevice::new(Arc::clone(&network)));
            let options = DescentOptions::default().iterations(15).seed(seed);
            for count in COUNTS {
                let codes = matrix(seed + 1000, network.code_length(), count);
                let mut observations = cpu.forward(0..depth, &codes).unwrap();
                if observations.nrows() > 1 {
                    observations[(0, count - 1)] = f64::NAN;
                }
                let left = gpu.descend((&observations).into(), 40, &options, 0.0).unwrap();
                let right = cpu.descend((&observations).into(), 40, &options, 0.0).unwrap();
                let name = format!("descent depth {depth} {output} count {count}");
                expect(matrices(&name, &left.codes, &right.codes, &constant(&left.codes, CODES_AFTER_A_FEW_STEPS)));
            }
        }
    }
}

/// Codes and optimizer moments, entry by entry, against the twin, without the finish in f64.
fn momentum_and_adam_agree_with_the_twin_on_random_shapes_and_depths() {
    let device = gpu::context(None);
    drop(device);
    for depth in 1..=3 {
        for (case, output) in OUTPUTS.into_iter().enumerate() {
            let seed = (250 + 10 * depth + case) as u64;
            let network = network(seed, &random_widths(seed, depth), Activation::LeakyRelu(0.2), output);
            let gpu = gpu::device(&network);
            let k = network.code_length();
            let starts = matrix(seed + 1, k, 7);
            let observations = CpuDevice::new(Arc::clone(&network)).forward(0..depth, &matrix(seed + 2, k, 7)).unwrap();
            let optimizers = [Optimizer::Momentum, Optimizer::Adam];
            for (optimizer, prior) in optimizers.into_iter().flat_map(|one| [(one, 0.0), (one, 0.4)]) {
                let options = DescentOptions::default().optimizer(optimizer).iterations(15);
                let steps = options.steps(|| gpu.default_step(), prior);
                let reached = gpu.descend_f32(&observations, &starts, &steps).unwrap();
                assert_eq!(reached.moments.len(), 7 * k);
                for column in 0..7 {
                    let start = Start::fresh(column, starts.column(column).as_slice().to_vec(), optimizer);
                    let x = observations.column(column);
                    let expected = descend::run(&network, x.as_slice(), &start, &steps);
                    let name = format!("{optimizer} depth {depth} {output} prior {prior} run {column}");
                    let right = DMatrix::from_vec(k, 1, expected.code);
                    let left = reached.codes.columns(column, 1).into_owned();
                    expect(matrices(&name, &left, &right, &constant(&left, CODES_AFTER_A_FEW_STEPS)));
                    assert_eq!(reached.lanes[column].iterations, expected.iterations, "{name}");
                }
            }
        }
    }
}

/// A run must continue in f64 from its state in f32: 20 steps on the device and 20 in f64 equal 40
/// in f64.
fn a_run_goes_on_in_f64_where_the_device_left_it() {
    let network = network(87, &[4, 15, 45], Activation::LeakyRelu(0.3), Activation::LeakyRelu(0.3));
    let gpu = gpu::device(&network);
    let starts = matrix(88, 4, 5);
    let observations = CpuDevice::new(Arc::clone(&network)).forward(0..2, &matrix(89, 4, 5)).unwrap();
    for optimizer in [Optimizer::Plain, Optimizer::Momentum, Optimizer::Adam] {
        let options = DescentOptions::default().optimizer(optimizer).iterations(40);
        let steps = options.steps(|| gpu.default_step(), 0.0);
        let reached = gpu.descend_f32(&observations, &starts, &Steps { cap: 20, ..steps }).unwrap();
        for column in 0..5 {
            let x = observations.column(column);
            let whole = Start::fresh(column, starts.column(column).as_slice().to_vec(), optimizer);
            let expected = descend::run(&network, x.as_slice(), &whole, &steps);
            let continued = reached.continued(column, column).unwrap();
            assert_eq!(continued.done, 20);
            let found = descend::run(&network, x.as_slice(), &continued, &steps);
            let (left, right) = (DMatrix::from_vec(4, 1, found.code), DMatrix::from_vec(4, 1, expected.code));
            let name = format!("{optimizer} continued, run {column}");
            expect(matrices(&name, &left, &right, &constant(&left, 3.0 * CODES_AFTER_A_FEW_STEPS)));
            let forgetful = Start { moments: vec![[0.0; 2]; optimizer.moments(4)], ..continued };
            let lost = descend::run(&network, x.as_slice(), &forgetful, &steps).code;
            let lost = DMatrix::from_vec(4, 1, lost);
            let same = matrices("forgetful", &lost, &right, &constant(&lost, 3.0 * CODES_AFTER_A_FEW_STEPS)).is_ok();
            assert_eq!(same, optimizer == Optimizer::Plain, "{name}: the comparison cannot fail");
        }
    }
}

fn descent_agrees_where_both_converge() {
    let network = network(80, &[4, 15, 45], Activation::LeakyRelu(0.3), Activation::LeakyRelu(0.3));
    let gpu = gpu::device(&network);
    let cpu = CpuDevice::new(Arc::clone(&network));
    let observations = cpu.forward(0..2, &matrix(81, 4, 20)).unwrap();
    for optimizer in [Optimizer::Plain, Optimizer::Momentum, Optimizer::Adam] {
        let options = DescentOptions::default().optimizer(optimizer).iterations(20_000);
        let left = gpu.descend((&observations).into(), 0, &options, 0.0).unwrap();
        let right = cpu.descend((&observations).into(), 0, &options, 0.0).unwrap();
        let both: Vec<usize> = (0..20).filter(|column| left.converged[*column] && right.converged[*column]).collect();
        assert!(both.len() >= 19, "{optimizer}: only {} of 20 converge on both", both.len());
        let (left, right) = (left.codes.select_columns(&both), right.codes.select_columns(&both));
        let name = format!("descent by {optimizer} converged");
        expect(matrices(&name, &left, &right, &constant(&left, CODES_CONVERGED)));
    }
}

fn the_stop_rule_holds_on_the_device() {
    let network = network(84, &[4, 45], Activation::Relu, Activation::Identity);
    let gpu = gpu::device(&network);
    let (observations, starts) = (matrix(85, 45, 9), matrix(86, 4, 9));
    let options = DescentOptions::default().iterations(5000);
    let steps = options.steps(|| gpu.default_step(), 0.0);
    let lanes = gpu.descend_f32(&observations, &starts, &steps).unwrap().lanes;
    for lane in &lanes {
        assert_eq!(lane.status, LANE_RESTED);
        assert!(lane.iterations > 20 && lane.iterations < 5000 && lane.unchanged >= 20, "{lane:?}");
    }

    let lanes = gpu.descend_f32(&observations, &starts, &Steps { size: 10.0, ..steps }).unwrap().lanes;
    assert!(lanes.iter().all(|lane| lane.status == LANE_DIVERGED));

    let lanes = gpu.descend_f32(&observations, &starts, &Steps { cap: 5, ..steps }).unwrap().lanes;
    assert!(lanes.iter().all(|lane| lane.status == LANE_CAPPED && lane.iterations == 5));
}

fn the_loop_runs_on_the_device() {
    let network = network(82, &[4, 15, 45], Activation::Relu, Activation::Relu);
    let gpu = gpu::device(&network);
    let observations = gpu.forward(0..2, &matrix(83, 4, 3)).unwrap();
    let before = gpu.dispatches();
    let options = DescentOptions::default().iterations(100);
    let answer = gpu.descend((&observations).into(), 0, &options, 0.0).unwrap();
    assert_eq!(answer.iterations, [100; 3]);
    // Each iteration: forward through the first layer, residual through the second, backward
    // through both, update; one more evaluates the last step. In addition, one kernel per
    // submission counts the running lanes.
    let counting = gpu.dispatches() - before - 101 * 5;
    assert!(counting >= 1 && counting <= gpu.context().read_backs(), "{counting}");
}
