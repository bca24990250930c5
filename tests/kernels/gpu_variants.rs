//! Every form of a kernel against the naive twins: each tile of the products, with and without
//! subgroup operations, within the limits of small devices, on shapes that are not multiples of any
//! size.

use std::collections::BTreeSet;
use std::sync::Arc;

use nalgebra::DMatrix;
use unrelu::internals::cpu::gram::gram;
use unrelu::internals::cpu::residual::{SUMMED_ENTRIES, residual};
use unrelu::internals::cpu::{CpuDevice, classify, descend, forward};
use unrelu::internals::descent::{Start, Steps, default_step};
use unrelu::internals::device::Device;
use unrelu::internals::gpu::GpuDevice;
use unrelu::internals::gpu::limits::{LayerLimits, residual as residual_limit};
use unrelu::internals::gpu::pipeline::Rows;
use unrelu::internals::gpu::tiles::Tiles;
use unrelu::internals::kernel_params::entry_points::{
    BACKWARD, EntryPoint, GRAM, RESIDUAL, TANGENT, UPDATE, UPDATE_SUBGROUPS,
};
use unrelu::internals::kernel_params::{Damping, GramParams, LayerParams, ResidualParams, TangentParams};
use unrelu::{Activation, Network, Optimizer};

use crate::compare::{configurations, expect, matrices};
use crate::fixtures::{gpu, matrix, network};
use crate::single;

with_both_modules!(
    forward_is_the_twins_by_every_tile,
    residual_is_the_twins_by_every_tile,
    products_have_the_same_bits_by_every_tile,
    gram_is_the_twins_by_every_tile,
    descent_is_the_twins_by_every_tile_and_sum,
    the_way_back_is_the_twins_by_the_slim_tile,
    classification_is_the_twins_on_every_device,
    a_device_without_subgroups_refuses_the_kernels_that_need_them,
    the_device_tells_its_time_where_it_has_a_clock,
);

const COUNTS: [usize; 3] = [1, 7, 65];

/// 1e-5 of the sum of the absolute terms of each output.
fn forward_tolerance(network: &Network, codes: &DMatrix<f64>) -> DMatrix<f64> {
    let terms = network.layers().iter().fold(codes.abs(), |terms, layer| {
        let mut sums = layer.weight().abs() * terms;
        sums.column_iter_mut().for_each(|mut column| column += layer.bias.abs());
        sums
    });
    terms * 1e-5
}

fn forward_is_the_twins_by_every_tile() {
    // Wide, narrow, and both at the edges of quads and tiles.
    let shapes = [(vec![3, 19, 301], &[1, 7, 3400][..]), (vec![5, 34, 31], &[16_800]), (vec![1, 1, 65, 2], &COUNTS)];
    for (variant, context) in gpu::variants() {
        drop(context);
        let mut chosen = BTreeSet::new();
        for (case, (widths, counts)) in shapes.iter().enumerate() {
            let network = network(600 + case as u64, widths, Activation::LeakyRelu(0.1), Activation::Tanh);
            let (_, context) = gpu::variants().find(|(name, _)| *name == variant).unwrap();
            let device = GpuDevice::new(context, Arc::clone(&network)).unwrap();
            for count in *counts {
                let codes = matrix(610, network.code_length(), *count);
                let found = device.forward_f32(0..network.depth(), &codes).unwrap();
                let expected = forward::forward(&network, 0..network.depth(), &codes);
                let allowed = forward_tolerance(&network, &codes);
                expect(matrices(&format!("forward {variant} {widths:?} {count}"), &found, &expected, &allowed));
                chosen.extend(network.layers().iter().map(|layer| device.tiles().choose(layer.units(), *count)));
                // An observation's bits are the same for every tile.
                for alone in [0, count / 2, count - 1] {
                    let part = codes.columns(alone, 1).into_owned();
                    let part = device.forward_f32(0..network.depth(), &part).unwrap();
                    assert_eq!(part, found.columns(alone, 1), "{variant} {widths:?}: {alone} of {count}");
                }
            }
        }
        assert_eq!(chosen.len(), 3, "{variant}: some tile was never chosen");
    }
}

/// The bits of a matrix with columns padded to whole quads.
fn bits(matrix: &DMatrix<f64>, padding: f32) -> Vec<u32> {
    let padded = matrix.clone().resize_vertically(matrix.nrows().next_multiple_of(4), f64::from(padding));
    padded.iter().map(|x| (*x as f32).to_bits()).collect()
}

fn residual_is_the_twins_by_every_tile() {
    // This kernel is the same with subgroup operations.
    for (variant, context) in gpu::variants().step_by(2) {
        let mut chosen = BTreeSet::new();
        for (widths, counts) in [([19, 301], &[7, 65, 3400][..]), ([3, 31], &[16_800]), ([5, 65], &[30])] {
            let network = network(670, &widths, Activation::Relu, Activation::LeakyRelu(0.2));
            let (layer, [inputs, units]) = (&network.layers()[0], widths);
            let limits = LayerLimits::of(layer, None);
            let weight = bits(layer.weight(), 0.0);
            let bias = bits(&DMatrix::from_column_slice(units, 1, layer.bias.as_slice()), 0.0);
            let run = |codes: &DMatrix<f64>, targets: &DMatrix<f64>| {
                let count = codes.ncols();
                let params = ResidualParams {
                    units: units as u32,
                    inputs: inputs as u32,
                    count: count as u32,
                    activation: 0,
                    slope: 0.2,
                    limit: limits.forward,
                    residual_limit: residual_limit(units),
                };
                let deltas = vec![0; units.next_multiple_of(4) * count];
                let sums = vec![0; units.div_ceil(SUMMED_ENTRIES) * count];
                let arrays = [weight.clone(), bias.clone(), bits(codes, 0.0), bits(targets, f32::NAN), deltas, sums];
                let mut found = single::run(&context, &RESIDUAL, params, &arrays, (units, count));
                let sums = found.pop().unwrap();
                (found.pop().unwrap(), sums)
            };
            for count in counts {
                let codes = matrix(671, inputs, *count);
                let mut targets = matrix(672, units, *count);
                targets.iter_mut().step_by(11).for_each(|x| *x = f64::NAN);
                chosen.insert(Tiles::for_limits(context.limits()).choose(units, *count));
                let (deltas, sums) = run(&codes, &targets);
                let numbers = |bits: &[u32]| bits.iter().map(|x| f64::from(f32::from_bits(*x))).collect::<Vec<_>>();
                let (of_deltas, of_sums) = (deltas.len() / count, sums.len() / count);
                for column in (0..*count).step_by(1 + count / 300).chain([count - 1]) {
                    let (code, target) = (codes.column(column), targets.column(column));
                    let (expected, squares) = residual(layer, code.as_slice(), target.as_slice());
                    let case = format!("residual {variant} {widths:?} {count} {column}");
                    let of = |numbers: Vec<f64>, length| DMatrix::from_vec(length, 1, numbers[..length].to_vec());
                    let found = of(numbers(&deltas[column * of_deltas..][..of_deltas]), units);
                    let allowed = DMatrix::from_element(units, 1, 1e-4);
                    expect(matrices(&case, &found, &of(expected, units), &allowed));
                    let found = of(numbers(&sums[column * of_sums..][..of_sums]), of_sums);
                    let allowed = of(squares.iter().map(|sum| 1e-4 * (1.0 + sum)).collect(), of_sums);
                    expect(matrices(&case, &found, &of(squares, of_sums), &allowed));
                }
                // The bits are the same for every tile.
                for alone in [0, count / 2, count - 1] {
                    let (found, found_sums) =
                        run(&codes.columns(alone, 1).into_owned(), &targets.columns(alone, 1).into_owned());
                    assert_eq!(found, deltas[alone * of_deltas..][..of_deltas], "{variant} {widths:?}: {alone}");
                    assert_eq!(found_sums, sums[alone * of_sums..][..of_sums], "{variant} {widths:?}: {alone}");
                }
            }
        }
        assert_eq!(chosen.len(), 3, "{variant}: some tile was never chosen");
    }
}

/// `backward` and `tangent`; the other products are compared above.
fn products_have_the_same_bits_by_every_tile() {
    let (inner, width, k) = (21, 130, 5);
    let bits_of = |seed, rows, columns| bits(&matrix(seed, rows, columns), 0.0);
    let weight = bits_of(680, width, inner);
    // This kernel is the same with subgroup operations.
    for (variant, context) in gpu::variants().step_by(2) {
        let tiles = Tiles::for_limits(context.limits());
        let run = |entry: &'static EntryPoint, count: usize, left: Vec<u32>, outputs: Vec<u32>| {
            let out = vec![0; width.next_multiple_of(4) * count];
            let (count, limit) = (count as u32, 1e30_f32.to_bits());
            let found = match entry.name {
                "backward" => {
                    let (units, inputs) = (inner as u32, width as u32);
                    let params = LayerParams { units, inputs, count, activation: 0, slope: 0.2, limit };
                    let arrays = [weight.clone(), left, outputs, out];
                    single::run(&context, entry, params, &arrays, (width, count as usize))
                }
                _ => {
                    let params = TangentParams {
                        units: width as u32,
                        inputs: inner as u32,
                        rows: count,
                        activation: 0,
                        slope: 0.2,
                        code_length: k as u32,
                        is_first: 0,
                        limit,
                    };
                    single::run(&context, entry, params, &[outputs, weight.clone(), left, out], (width, count as usize))
                }
            };
            found.into_iter().next_back().unwrap()
        };
        for (entry, lanes_of) in [(&BACKWARD, 1), (&TANGENT, k)] {
            let count = 5700 / k * k;
            assert_eq!((tiles.choose(width, count), tiles.choose(width, 6 * k)), (0, 2));
            let (left, outputs) = (bits_of(681, inner, count), bits_of(682, width, count / lanes_of));
            let whole = run(entry, count, left.clone(), outputs.clone());
            for first in [0, 2500, count - 6 * k] {
                let [l, o, w] = [inner, width, width].map(|length: usize| length.next_multiple_of(4));
                let part =
                    |bits: &[u32], each: usize, by: usize| bits[first / by * each..][..6 * k / by * each].to_vec();
                let found = run(entry, 6 * k, part(&left, l, 1), part(&outputs, o, lanes_of));
                assert_eq!(found, part(&whole, w, 1), "{variant}: {} from {first}", entry.name);
            }
        }
    }
}

fn gram_is_the_twins_by_every_tile() {
    let (n, lanes) = (70, 270);
    // This kernel is the same with subgroup operations.
    for (variant, context) in gpu::variants().step_by(2) {
        let tiles = Tiles::for_limits(context.limits());
        for k in [33, 64] {
            let normals = k * (k + 3) / 2;
            let run = |jacobian: &DMatrix<f64>, targets: &DMatrix<f64>| {
                let count = targets.ncols();
                let fresh = vec![Damping { is_fresh: 1, ..Damping::START }; count];
                let params =
                    GramParams { observation_length: n as u32, code_length: k as u32, limit: 1e15_f32.to_bits() };
                let arrays = [
                    bytemuck::cast_slice(&fresh).to_vec(),
                    bits(targets, f32::NAN),
                    bits(jacobian, 0.0),
                    vec![0; normals * count],
                ];
                single::run(&context, &GRAM, params, &arrays, (k, count)).pop().unwrap()
            };
            let jacobian = matrix(690, n, k * lanes);
            let mut targets = matrix(691, n, lanes);
            targets.iter_mut().step_by(7).for_each(|x| *x = f64::NAN);
            assert_eq!((tiles.choose_for(k, k, lanes), tiles.choose_for(k, k, 1)), (0, 2));
            let whole = run(&jacobian, &targets);
            for lane in [0, 131, lanes - 1] {
                let part = jacobian.columns(lane * k, k).into_owned();
                let expected = gram(&part, targets.column(lane).as_slice());
                let found = &whole[lane * normals..][..normals];
                for (entry, (found, expected)) in found.iter().zip(&expected).enumerate() {
                    let found = f64::from(f32::from_bits(*found));
                    assert!((found - expected).abs() < 1e-4, "{variant} {k} {lane} {entry}: {found} {expected}");
                }
                assert!(expected.iter().any(|entry| entry.abs() > 10.0));
                // The bits are the same for every tile.
                assert_eq!(run(&part, &targets.columns(lane, 1).into_owned()), found, "{variant} {k} {lane}");
            }
        }
    }
}

fn descent_is_the_twins_by_every_tile_and_sum() {
    for (case, (widths, optimizer)) in
        [(vec![3, 18, 301], Optimizer::Adam), (vec![5, 33, 70], Optimizer::Momentum), (vec![2, 9], Optimizer::Plain)]
            .into_iter()
            .enumerate()
    {
        let network = network(620 + case as u64, &widths, Activation::LeakyRelu(0.2), Activation::Sigmoid);
        let k = network.code_length();
        let steps = Steps { optimizer, size: optimizer.default_step(|| default_step(&network)), cap: 4, prior: 0.0 };
        for (variant, context) in gpu::variants() {
            let device = GpuDevice::new(context, Arc::clone(&network)).unwrap();
            // Enough for the largest tile in the last layer.
            let most = if case == 0 { 3400 } else { 1001 };
            for count in COUNTS.into_iter().chain([most]) {
                let mut observations = forward::forward(&network, 0..network.depth(), &matrix(630, k, count));
                observations[(1, count - 1)] = f64::NAN;
                let starts = matrix(631, k, count);
                let reached = device.descend_f32(&observations, &starts, &steps).unwrap();
                let mut expected = starts.clone();
                for column in 0..count {
                    let start = Start::fresh(column, starts.column(column).as_slice().to_vec(), optimizer);
                    let run = descend::run(&network, observations.column(column).as_slice(), &start, &steps);
                    assert_eq!(reached.lanes[column].iterations, run.iterations);
                    expected.column_mut(column).copy_from_slice(&run.code);
                }
                let name = format!("descent {variant} {widths:?} {count}");
                let allowed = DMatrix::from_element(k, count, 1e-5);
                expect(matrices(&name, &reached.codes, &expected, &allowed));
                // A matrix of thousands of columns cannot be printed.
                let [mut wrong, expected, allowed] =
                    [reached.codes, expected, allowed].map(|all| all.columns(0, count.min(65)).into_owned());
                wrong[(k - 1, count.min(65) / 2)] += 3e-5;
                assert!(matrices("descent perturbed", &wrong, &expected, &allowed).is_err());
            }
        }
    }
}

/// The backward pass needs this many lanes.
fn the_way_back_is_the_twins_by_the_slim_tile() {
    let network = network(640, &[3, 5], Activation::Relu, Activation::Identity);
    let steps = Steps { optimizer: Optimizer::Plain, size: default_step(&network), cap: 2, prior: 0.0 };
    let count = 16_800;
    let observations = matrix(641, 5, count);
    let starts = matrix(642, 3, count);
    for (variant, context) in gpu::variants() {
        let device = GpuDevice::new(context, Arc::clone(&network)).unwrap();
        assert_eq!(device.tiles().choose(3, count), 1);
        let reached = device.descend_f32(&observations, &starts, &steps).unwrap();
        for column in (0..count).step_by(97).chain([count - 1]) {
            let start = Start::fresh(column, starts.column(column).as_slice().to_vec(), Optimizer::Plain);
            let expected = descend::run(&network, observations.column(column).as_slice(), &start, &steps).code;
            let expected = DMatrix::from_vec(3, 1, expected);
            let found = reached.codes.columns(column, 1).into_owned();
            let allowed = DMatrix::from_element(3, 1, 1e-5);
            expect(matrices(&format!("slim {variant} {column}"), &found, &expected, &allowed));
        }
    }
}

fn classification_is_the_twins_on_every_device() {
    let network = network(650, &[2, 3], Activation::Relu, Activation::Relu);
    for (variant, context) in gpu::variants() {
        let device = GpuDevice::new(context, Arc::clone(&network)).unwrap();
        for (rows, count) in [(1, 1), (33, 7), (100, 65), (65, 1001)] {
            let mut targets = matrix(651, rows, count);
            targets[(rows / 2, count / 2)] = f64::NAN;
            targets[(0, count - 1)] = 0.25 + 1e-12;
            let thresholds = vec![0.25; count];
            let found = device.classify(&targets, &thresholds).unwrap();
            let expected = classify::classify(&targets, &thresholds);
            expect(configurations(&format!("classify {variant} {rows} {count}"), &found, &expected));
        }
    }
}

fn a_device_without_subgroups_refuses_the_kernels_that_need_them() {
    let context = gpu::context_with(None, wgpu::Features::empty());
    assert!(context.guarded(|| Ok(Rows::new(&context, &UPDATE_SUBGROUPS))).is_err());
    assert!(context.guarded(|| Ok(Rows::new(&context, &UPDATE))).is_ok());
}

fn the_device_tells_its_time_where_it_has_a_clock() {
    let network = network(660, &[20, 200, 784], Activation::Relu, Activation::Relu);
    let context = gpu::context_with(None, wgpu::Features::empty());
    let without = GpuDevice::new(context, Arc::clone(&network)).unwrap();
    without.forward(0..2, &matrix(661, 20, 9)).unwrap();
    assert_eq!(without.kernel_seconds(), None);
    assert_eq!(CpuDevice::new(Arc::clone(&network)).kernel_seconds(), None);

    let device = gpu::device(&network);
    if !device.context().adapter().timestamps {
        assert_eq!(device.kernel_seconds(), None);
        return;
    }
    assert_eq!(device.kernel_seconds(), Some(0.0));
    let codes = matrix(662, 20, 2000);
    let began = std::time::Instant::now();
    let observations = device.forward(0..2, &codes).unwrap();
    let forward = device.kernel_seconds().unwrap();
    assert!(forward > 0.0 && forward < began.elapsed().as_secs_f64(), "{forward}");
    let began = std::time::Instant::now();
    let steps = Steps { optimizer: Optimizer::Plain, size: 1e-3, cap: 30, prior: 0.0 };
    device.descend_f32(&observations, &codes, &steps).unwrap();
    let descent = device.kernel_seconds().unwrap() - forward;
    assert!(descent > forward && descent < began.elapsed().as_secs_f64(), "{descent} after {forward}");
}
