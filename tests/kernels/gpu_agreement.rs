//! The GPU's forward pass and descent against the CPU's, on shapes that do not divide by a workgroup.

use std::sync::Arc;

use nalgebra::DMatrix;
use unrelu::cpu::CpuDevice;
use unrelu::descent::DescentOptions;
use unrelu::device::Device;
use unrelu::kernel_params::{LANE_CAPPED, LANE_DIVERGED, LANE_RESTED};
use unrelu::network::{Activation, Network};

use crate::compare::{expect, matrices};
use crate::fixtures::{OUTPUTS, gpu, matrix, network, random_widths};

const COUNTS: [usize; 3] = [1, 7, 65];

/// The sum of the absolute terms of each output, `|W| s + |b|` from `|z|` up: what rounding can act on. No
/// activation here makes a difference larger.
fn absolute_terms(network: &Network, codes: &DMatrix<f64>) -> DMatrix<f64> {
    network.layers().iter().fold(codes.abs(), |terms, layer| {
        let mut sums = layer.weight.abs() * terms;
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

#[test]
fn forward_agrees_on_random_shapes_and_depths() {
    let Some(device) = gpu::context(None) else { return };
    drop(device);
    for depth in 1..=4 {
        for (case, output) in OUTPUTS.into_iter().enumerate() {
            let seed = (10 * depth + case) as u64;
            let hidden = if case % 2 == 0 { Activation::Relu } else { Activation::LeakyRelu(0.1) };
            let network = network(seed, &random_widths(seed, depth), hidden, output);
            let (gpu, cpu) = (gpu::device(&network).unwrap(), CpuDevice::new(Arc::clone(&network)));
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

#[test]
fn forward_agrees_at_the_sizes_of_real_generators() {
    for widths in [vec![20, 100, 500], vec![20, 200, 500, 784]] {
        let network = network(70, &widths, Activation::Relu, Activation::Relu);
        let Some(gpu) = gpu::device(&network) else { return };
        let codes = matrix(71, 20, 65);
        let left = gpu.forward(0..network.depth(), &codes).unwrap();
        let right = CpuDevice::new(Arc::clone(&network)).forward(0..network.depth(), &codes).unwrap();
        expect(matrices("forward real", &left, &right, &forward_tolerance(&network, &codes)));
    }
}

#[test]
fn forward_agreement_fails_when_an_output_is_perturbed() {
    let network = network(72, &[5, 21, 34], Activation::Relu, Activation::Identity);
    let Some(gpu) = gpu::device(&network) else { return };
    let codes = matrix(73, 5, 7);
    let right = CpuDevice::new(Arc::clone(&network)).forward(0..2, &codes).unwrap();
    let allowed = forward_tolerance(&network, &codes);
    let mut left = gpu.forward(0..2, &codes).unwrap();
    expect(matrices("forward to be perturbed", &left, &right, &allowed));
    left[(33, 6)] += 3.0 * allowed[(33, 6)];
    assert!(matrices("forward perturbed", &left, &right, &allowed).is_err());
}

/// Codes after a few steps in f32 agree to this, absolutely: entries are of the order of 1.
const CODES_AFTER_A_FEW_STEPS: f64 = 1e-5;
/// Codes of runs that have both converged, finished in f64.
const CODES_CONVERGED: f64 = 1e-6;

fn constant(like: &DMatrix<f64>, value: f64) -> DMatrix<f64> {
    DMatrix::from_element(like.nrows(), like.ncols(), value)
}

#[test]
fn descent_agrees_after_a_few_steps_on_random_shapes_and_depths() {
    let Some(device) = gpu::context(None) else { return };
    drop(device);
    for depth in 1..=4 {
        for (case, output) in OUTPUTS.into_iter().enumerate() {
            let seed = (200 + 10 * depth + case) as u64;
            let hidden = if case % 2 == 0 { Activation::LeakyRelu(0.1) } else { Activation::Relu };
            let network = network(seed, &random_widths(seed, depth), hidden, output);
            let (gpu, cpu) = (gpu::device(&network).unwrap(), CpuDevice::new(Arc::clone(&network)));
            let options = DescentOptions { iterations: 15, seed, ..DescentOptions::default() };
            for count in COUNTS {
                let codes = matrix(seed + 1000, network.code_length(), count);
                let mut observations = cpu.forward(0..depth, &codes).unwrap();
                if observations.nrows() > 1 {
                    observations[(0, count - 1)] = f64::NAN;
                }
                let left = gpu.descend(&observations, 40, &options).unwrap();
                let right = cpu.descend(&observations, 40, &options).unwrap();
                let name = format!("descent depth {depth} {output} count {count}");
                expect(matrices(&name, &left.codes, &right.codes, &constant(&left.codes, CODES_AFTER_A_FEW_STEPS)));
            }
        }
    }
}

#[test]
fn descent_agrees_where_both_converge() {
    let network = network(80, &[4, 15, 45], Activation::LeakyRelu(0.3), Activation::LeakyRelu(0.3));
    let Some(gpu) = gpu::device(&network) else { return };
    let cpu = CpuDevice::new(Arc::clone(&network));
    let observations = cpu.forward(0..2, &matrix(81, 4, 20)).unwrap();
    let options = DescentOptions { iterations: 20_000, ..DescentOptions::default() };
    let left = gpu.descend(&observations, 0, &options).unwrap();
    let right = cpu.descend(&observations, 0, &options).unwrap();
    let both: Vec<usize> = (0..20).filter(|column| left.converged[*column] && right.converged[*column]).collect();
    assert!(both.len() >= 15, "only {} of 20 converge on both", both.len());
    let (left, right) = (left.codes.select_columns(&both), right.codes.select_columns(&both));
    expect(matrices("descent converged", &left, &right, &constant(&left, CODES_CONVERGED)));
}

#[test]
fn the_stop_rule_holds_on_the_device() {
    let network = network(84, &[4, 45], Activation::Relu, Activation::Identity);
    let Some(gpu) = gpu::device(&network) else { return };
    let (observations, starts) = (matrix(85, 45, 9), matrix(86, 4, 9));
    let options = DescentOptions { iterations: 5000, ..DescentOptions::default() };
    let (_, lanes) = gpu.descend_f32(&observations, &starts, &options, gpu.default_step()).unwrap();
    for lane in &lanes {
        assert_eq!(lane.status, LANE_RESTED);
        assert!(lane.iterations > 20 && lane.iterations < 5000 && lane.unchanged >= 20, "{lane:?}");
    }

    let (_, lanes) = gpu.descend_f32(&observations, &starts, &options, 10.0).unwrap();
    assert!(lanes.iter().all(|lane| lane.status == LANE_DIVERGED));

    let capped = DescentOptions { iterations: 5, ..options };
    let (_, lanes) = gpu.descend_f32(&observations, &starts, &capped, gpu.default_step()).unwrap();
    assert!(lanes.iter().all(|lane| lane.status == LANE_CAPPED && lane.iterations == 5));
}

#[test]
fn the_loop_runs_on_the_device() {
    let network = network(82, &[4, 15, 45], Activation::Relu, Activation::Relu);
    let Some(gpu) = gpu::device(&network) else { return };
    let observations = gpu.forward(0..2, &matrix(83, 4, 3)).unwrap();
    let before = gpu.dispatches();
    let options = DescentOptions { iterations: 100, ..DescentOptions::default() };
    let answer = gpu.descend(&observations, 0, &options).unwrap();
    assert_eq!(answer.iterations, [100; 3]);
    // Each iteration: up and down two layers, residual and update; one more looks at the last step.
    assert_eq!(gpu.dispatches() - before, 101 * 6);
}
