//! Levenberg–Marquardt on the device: against the twin, in every form of the kernels, on split and
//! compacted batches, and as the first part of the search.

use std::collections::BTreeSet;
use std::sync::Arc;

use nalgebra::DMatrix;
use unrelu::internals::cpu::{CpuDevice, descend, forward, levenberg_marquardt};
use unrelu::internals::device::Device;
use unrelu::internals::device::fallback::FallbackDevice;
use unrelu::internals::gpu::GpuDevice;
use unrelu::internals::kernel_params::{LANE_CAPPED, LANE_DIVERGED, LANE_RESTED, LANE_RUNNING, MOST_CODE_LENGTH};
use unrelu::internals::marquardt::MarquardtRules;
use unrelu::internals::multistart::{BestAnswer, PackedNetwork, best_batch, best_batch_on};
use unrelu::internals::random::Noise;
use unrelu::{Activation, BestMethod, BestOptions, Inverter, Method, Network, NetworkOptions, Options, load_network};

use crate::compare::{expect, matrices};
use crate::fixtures::{OUTPUTS, gpu, matrix, network};

with_both_modules!(
    one_step_is_the_twins_in_every_form,
    runs_end_at_the_twins_losses,
    lanes_leave_each_other_alone_bit_by_bit,
    the_cap_is_kept_and_small_devices_cut_the_batch,
    what_does_not_fit_is_left_to_the_caller,
    the_search_ends_at_the_cpus_minima,
    a_device_lost_on_the_way_leaves_the_search_to_the_cpu,
);

const RULES: MarquardtRules = MarquardtRules::IN_F32;

/// True codes, and noisy observations of them; some entries of some observations are unobserved.
fn observed(network: &Network, seed: u64, count: usize, noise: f64) -> (DMatrix<f64>, DMatrix<f64>) {
    let codes = matrix(seed, network.code_length(), count);
    let mut observations = forward::forward(network, 0..network.depth(), &codes);
    observations += matrix(seed + 1, observations.nrows(), count) * noise;
    let n = observations.nrows();
    for column in (0..count).step_by(3) {
        observations[(column % n, column)] = f64::NAN;
    }
    (codes, observations)
}

fn loss(network: &Network, observations: &DMatrix<f64>, column: usize, code: &[f64]) -> f64 {
    descend::loss_and_gradient(network, observations.column(column).into_owned().as_slice(), code).0
}

/// Losses of the twin's codes and of the device's, in f64.
fn final_losses(
    network: &Network,
    observations: &DMatrix<f64>,
    starts: &DMatrix<f64>,
    found: &DMatrix<f64>,
) -> [DMatrix<f64>; 2] {
    let count = starts.ncols();
    let twin = |column: usize| {
        let x = observations.column(column).into_owned();
        levenberg_marquardt::levenberg_marquardt(
            network,
            x.as_slice(),
            starts.column(column).into_owned().as_slice(),
            &RULES,
        )
        .loss
    };
    let device = |column: usize| loss(network, observations, column, found.column(column).into_owned().as_slice());
    [DMatrix::from_fn(1, count, |_, column| device(column)), DMatrix::from_fn(1, count, |_, column| twin(column))]
}

fn one_step_is_the_twins_in_every_form() {
    for (case, widths) in
        [vec![3, 18, 301], vec![5, 33, 22, 70], vec![17, 40], vec![64, 131], vec![1, 1, 9]].into_iter().enumerate()
    {
        let output = OUTPUTS[case];
        let network = network(800 + case as u64, &widths, Activation::LeakyRelu(0.2), output);
        let k = network.code_length();
        for (variant, context) in gpu::variants() {
            let device = GpuDevice::new(context, Arc::clone(&network)).unwrap();
            for (count, prior) in [(1, 0.0), (7, 0.0), (65, 0.0), (7, 0.5)] {
                let rules = MarquardtRules { steps: 1, prior, ..RULES };
                let (_, observations) = observed(&network, 810, count, 0.1);
                let starts = matrix(812, k, count);
                let found = device.levenberg_marquardt_f32(&observations, &starts, &rules).unwrap().unwrap();
                let mut expected = starts.clone();
                for column in 0..count {
                    let x = observations.column(column).into_owned();
                    let run = levenberg_marquardt::levenberg_marquardt(
                        &network,
                        x.as_slice(),
                        starts.column(column).into_owned().as_slice(),
                        &rules,
                    );
                    assert_eq!(found.lanes[column].iterations, run.steps);
                    expected.column_mut(column).copy_from_slice(&run.code);
                }
                assert!(
                    (0..count).filter(|column| expected.column(*column) != starts.column(*column)).count() * 2 >= count
                );
                let name = format!("a step {variant} {widths:?} {count} prior {prior}");
                let allowed = DMatrix::from_element(k, count, 1e-3);
                expect(matrices(&name, &found.codes, &expected, &allowed));
                let mut wrong = found.codes.clone();
                wrong[(k - 1, count / 2)] += 3e-3;
                assert!(matrices("a step perturbed", &wrong, &expected, &allowed).is_err());
            }
        }
    }
}

/// Tolerance: 1e-3 of the loss, and 1e-8 of an observation if that is nearly reproduced. This much
/// may remain after the two slow steps that end a run.
fn runs_end_at_the_twins_losses() {
    for (case, output) in OUTPUTS.into_iter().enumerate() {
        let hidden = [Activation::Relu, Activation::LeakyRelu(0.1)][case % 2];
        let network = network(820 + case as u64, &[6, 40, 120], hidden, output);
        for (variant, context) in gpu::variants().skip(case).step_by(3) {
            let device = GpuDevice::new(context, Arc::clone(&network)).unwrap();
            for (count, noise) in [(65, 0.05), (7, 0.0)] {
                let (codes, observations) = observed(&network, 830, count, noise);
                // The start is in the basin of the truth: farther away, a last digit may decide
                // between two basins.
                let starts = codes + matrix(832, 6, count) * 0.05;
                let found = device.levenberg_marquardt_f32(&observations, &starts, &RULES).unwrap().unwrap();
                assert!(found.lanes.iter().all(|lane| lane.status == LANE_RESTED));
                let [device_losses, twin_losses] = final_losses(&network, &observations, &starts, &found.codes);
                let allowed = twin_losses.map(|loss| 1e-3 * loss + 1e-8);
                let name = format!("losses {variant} {output:?} {count}");
                expect(matrices(&name, &device_losses, &twin_losses, &allowed));
                let before = DMatrix::from_fn(1, count, |_, c| {
                    loss(&network, &observations, c, starts.column(c).into_owned().as_slice())
                });
                assert!(matrices("losses at the starts", &before, &twin_losses, &allowed).is_err());
                for (lane, known) in found.lanes.iter().zip(&device_losses) {
                    assert!(
                        (f64::from(lane.anchor) - known).abs() <= 1e-3 * known + 1e-8,
                        "{} and {known}",
                        lane.anchor
                    );
                }
            }
        }
    }
}

fn lanes_leave_each_other_alone_bit_by_bit() {
    let network = network(840, &[5, 40, 90], Activation::Relu, Activation::LeakyRelu(0.3));
    let k = 5;
    for (variant, context) in gpu::variants() {
        let device = GpuDevice::new(context, Arc::clone(&network)).unwrap();
        let (_, mut observations) = observed(&network, 841, 151, 0.02);
        for column in (0..151).step_by(5) {
            observations.column_mut(column).scale_mut(0.1 + 0.02 * column as f64);
        }
        observations.column_mut(9).fill(3e30);
        observations.column_mut(11).fill(f64::NAN);
        let starts = matrix(843, k, 151) * 2.0;
        let before = device.compactions();
        let whole = device.levenberg_marquardt_f32(&observations, &starts, &RULES).unwrap().unwrap();
        let ends: BTreeSet<u32> = whole.lanes.iter().map(|lane| lane.iterations).collect();
        assert!(ends.len() > 5, "{ends:?}: lanes end too much alike to prove anything");
        assert!(device.compactions() > before, "nothing was compacted");
        assert!(whole.lanes.iter().enumerate().all(|(place, lane)| lane.origin as usize == place));
        assert!(whole.lanes.iter().all(|lane| lane.status != LANE_RUNNING && lane.status != LANE_CAPPED));
        assert_eq!(whole.lanes[9].status, LANE_DIVERGED);
        assert!(whole.code(9).is_none());
        // Nothing observed: nothing to do.
        assert_eq!((whole.lanes[11].iterations, whole.lanes[11].status), (0, LANE_RESTED));
        for part in [vec![0], vec![17], vec![150], vec![9, 8, 7], (40..77).collect(), (0..151).rev().collect()] {
            let part: Vec<usize> = part;
            let (x, z) = (observations.select_columns(&part), starts.select_columns(&part));
            let found = device.levenberg_marquardt_f32(&x, &z, &RULES).unwrap().unwrap();
            for (place, index) in part.iter().enumerate() {
                let case = format!("{variant}: {index} as {place} of {}", part.len());
                let (found_lane, lane) = (found.lanes[place], whole.lanes[*index]);
                assert_eq!((found_lane.iterations, found_lane.status), (lane.iterations, lane.status), "{case}");
                let bits = |code: &[f64]| code.iter().map(|z| z.to_bits()).collect::<Vec<_>>();
                let (left, right) = (found.codes.column(place), whole.codes.column(*index));
                assert_eq!(bits(left.as_slice()), bits(right.as_slice()), "{case}");
            }
        }
    }
}

fn the_cap_is_kept_and_small_devices_cut_the_batch() {
    let network = network(850, &[3, 19, 40], Activation::Relu, Activation::Relu);
    let large = gpu::device(&network);
    let limits = wgpu::Limits {
        max_storage_buffer_binding_size: 4096,
        max_buffer_size: 4096,
        max_compute_workgroups_per_dimension: 3,
        ..wgpu::Limits::default()
    };
    let small = GpuDevice::new(gpu::context(Some(&limits)), Arc::clone(&network)).unwrap();
    assert_eq!(small.marquardt_lanes_at_a_time(), Some(3));
    let (_, observations) = observed(&network, 851, 32, 0.1);
    let starts = matrix(853, 3, 32);
    for steps in [1, 2, 5, 200] {
        let rules = MarquardtRules { steps, ..RULES };
        let found = large.levenberg_marquardt_f32(&observations, &starts, &rules).unwrap().unwrap();
        assert!(found.lanes.iter().all(|lane| lane.iterations <= steps));
        assert!(steps > 2 || found.lanes.iter().any(|lane| lane.status == LANE_CAPPED && lane.iterations == steps));
        assert_eq!(small.levenberg_marquardt_f32(&observations, &starts, &rules).unwrap().unwrap().codes, found.codes);
    }
}

fn what_does_not_fit_is_left_to_the_caller() {
    let k = MOST_CODE_LENGTH as usize + 1;
    let long = network(860, &[k, 80], Activation::Relu, Activation::Relu);
    let device = gpu::device(&long);
    let (_, observations) = observed(&long, 861, 2, 0.1);
    assert!(device.levenberg_marquardt(&observations, &[0, 1], &matrix(862, k, 2), 0.0).unwrap().is_none());
    let options = Options::default().method(Method::Best(BestMethod::default()));
    let notice = |device: GpuDevice, network: &Arc<Network>| {
        let inverter = Inverter::with_device(Arc::clone(network), options.clone(), Box::new(device), None).unwrap();
        inverter.runtime().notice().map(str::to_owned)
    };
    assert!(notice(device, &long).is_some_and(|notice| notice.contains("the search runs on the CPU")));
    let fitting = network(863, &[3, 9], Activation::Relu, Activation::Relu);
    assert_eq!(notice(gpu::device(&fitting), &fitting), None);

    // Beyond f32, a lane's code is its start; the caller chooses the columns.
    let device = gpu::device(&fitting);
    let (_, mut observations) = observed(&fitting, 864, 4, 0.1);
    observations[(0, 2)] = 1e200;
    let starts = matrix(865, 3, 3);
    let found = device.levenberg_marquardt(&observations, &[3, 2, 1], &starts, 0.0).unwrap().unwrap();
    assert_eq!(found.column(1), starts.column(1));
    let alone =
        device.levenberg_marquardt(&observations, &[1], &starts.columns(2, 1).into_owned(), 0.0).unwrap().unwrap();
    assert_eq!(alone.column(0), found.column(2));
    assert_ne!(found.column(2), starts.column(2));
}

fn trained_set(count: usize) -> (Arc<Network>, DMatrix<f64>) {
    let network =
        load_network("examples/mnist_relu_20_60_784.safetensors".as_ref(), &NetworkOptions::default()).unwrap();
    let mut observations = forward::forward(&network, 0..2, &matrix(870, 20, count));
    for (index, mut column) in observations.column_iter_mut().enumerate() {
        let mut x: Vec<f64> = column.iter().copied().collect();
        Noise::Uniform(0.01).apply(871, index as u64, &mut x);
        column.copy_from_slice(&x);
    }
    (Arc::new(network), observations)
}

#[track_caller]
fn expect_same_minima(found: &[BestAnswer], expected: &[BestAnswer]) {
    assert_eq!(found.len(), expected.len());
    for (found, expected) in found.iter().zip(expected) {
        assert!(found.converged && found.stationary, "{found:?}");
        assert!((found.loss - expected.loss).abs() <= 1e-9 * expected.loss, "{found:?} and {expected:?}");
    }
}

fn the_search_ends_at_the_cpus_minima() {
    let (network, mut observations) = trained_set(6);
    observations.rows_mut(300, 200).column_mut(3).fill(f64::NAN);
    let device = gpu::device(&network);
    let packed = PackedNetwork::new(Arc::clone(&network));
    let options = BestOptions::default();
    let expected = best_batch(&packed, &observations, 0, &[], &options);
    let before = device.dispatches();
    let found = best_batch_on(&device, &packed, &observations, 0, &[], &options).unwrap();
    assert!(device.dispatches() > before + 100);
    expect_same_minima(&found, &expected);

    // Alone or together with others.
    let one = observations.columns(4, 1).into_owned();
    let alone = best_batch_on(&device, &packed, &one, 4, &[], &options).unwrap();
    assert_eq!(alone[0], found[4]);

    // Through the inverter, from the answers of the linear programs.
    let options = Options::default().method(Method::Best(BestMethod::default()));
    let inverter = Inverter::with_device(Arc::clone(&network), options, Box::new(device), None).unwrap();
    let inverted = inverter.invert(&observations.columns(0, 4).into_owned()).unwrap();
    for (column, expected) in expected.iter().take(4).enumerate() {
        let found = loss(&network, &observations, column, inverted.codes.column(column).into_owned().as_slice());
        assert!((found - expected.loss).abs() <= 1e-9 * expected.loss, "{found:e} and {:e}", expected.loss);
    }
}

fn a_device_lost_on_the_way_leaves_the_search_to_the_cpu() {
    let (network, observations) = trained_set(4);
    let packed = PackedNetwork::new(Arc::clone(&network));
    let options = BestOptions::default();
    let expected = best_batch(&packed, &observations, 0, &[], &options);
    for kernels in [0, 1, 150, 900] {
        let gpu = gpu::device(&network);
        gpu.context().lose_after(kernels);
        let device = FallbackDevice::new(gpu, Arc::clone(&network));
        let found = best_batch_on(&device, &packed, &observations, 0, &[], &options).unwrap();
        assert!(device.warning().is_some(), "it was not lost after {kernels}");
        expect_same_minima(&found, &expected);
    }
    let cpu = CpuDevice::new(Arc::clone(&network));
    assert!(cpu.levenberg_marquardt(&observations, &[0], &matrix(880, 20, 1), 0.0).unwrap().is_none());
}
