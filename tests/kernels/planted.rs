//! NaN, infinities, denormal numbers and −0 in every input of every kernel: the verdict is that of
//! f64, and no other lane notices. Each lane of a batch gets another of these numbers.

mod levenberg_marquardt;

use bytemuck::cast_slice;
use nalgebra::DMatrix;
use unrelu::internals::cpu::compact;
use unrelu::internals::gpu::context::Context;
use unrelu::internals::gpu::limits::{LayerLimits, gradient, residual};
use unrelu::internals::kernel_params::entry_points::{BACKWARD, FORWARD, RESIDUAL, SCATTER, UPDATE, UPDATE_SUBGROUPS};
use unrelu::internals::kernel_params::{
    CompactParams, DescendParams, LANE_DIVERGED, LANE_RUNNING, Lane, LayerParams, OPTIMIZER_ADAM, OPTIMIZER_MOMENTUM,
    OPTIMIZER_PLAIN, ResidualParams,
};
use unrelu::{Activation, DenseLayer};

use crate::fixtures::{gpu, matrix};
use crate::single::run;

with_both_modules!(
    inputs_of_forward,
    infinity_times_zero_is_not_a_silent_zero,
    tanh_is_accurate_near_zero_too,
    inputs_of_residual,
    outputs_of_residual_beyond_their_limit,
    inputs_of_backward,
    inputs_of_update,
    rows_of_scatter,
);

/// A quiet and a signalling NaN, both infinities, denormal numbers, −0, and an ordinary number.
pub const PLANTED: [u32; 10] = [
    0x7fc0_0000,
    0xff80_0001,
    0x7f80_0000,
    0xff80_0000,
    0x0000_0001,
    0x8000_0001,
    0x007f_ffff,
    0x8000_0000,
    0x0000_0000,
    0x3f00_0000,
];
const COUNT: usize = PLANTED.len();

/// Units and inputs of the layer; neither is a multiple of four.
const UNITS: usize = 7;
const INPUTS: usize = 5;
const SLOPE: f64 = 0.25;

fn planted(lane: usize) -> f64 {
    f64::from(f32::from_bits(PLANTED[lane]))
}

fn padded(length: usize) -> usize {
    length.next_multiple_of(4)
}

/// Columns as bits of f32, each padded to whole quads.
fn columns(matrix: &DMatrix<f64>, padding: f32) -> Vec<u32> {
    let mut bits = Vec::new();
    for column in matrix.column_iter() {
        bits.extend(column.iter().map(|x| (*x as f32).to_bits()));
        bits.resize(bits.len().next_multiple_of(4), padding.to_bits());
    }
    bits
}

/// [`columns`] with a planted number in row `row` of each lane's column (`each` columns per lane).
fn columns_with(matrix: &DMatrix<f64>, padding: f32, row: usize, each: usize) -> Vec<u32> {
    let mut bits = columns(matrix, padding);
    let length = padded(matrix.nrows());
    for (lane, number) in PLANTED.iter().enumerate() {
        bits[lane * each * length + row] = *number;
    }
    bits
}

/// The same as numbers.
fn numbers(bits: &[u32], length: usize) -> DMatrix<f64> {
    let lanes = bits.chunks_exact(padded(length)).flat_map(|lane| &lane[..length]);
    DMatrix::from_iterator(length, bits.len() / padded(length), lanes.map(|bits| f64::from(f32::from_bits(*bits))))
}

fn devices() -> impl Iterator<Item = Context> {
    [wgpu::Features::empty(), wgpu::Features::SUBGROUP].into_iter().map(|features| gpu::context_with(None, features))
}

fn layer(activation: Activation) -> DenseLayer {
    let bias = matrix(1, UNITS, 1).column(0) * 0.1;
    DenseLayer { weight: matrix(2, UNITS, INPUTS), bias, activation }
}

fn activation_number(activation: Activation) -> (u32, f32) {
    match activation {
        Activation::Sigmoid => (1, 0.0),
        Activation::Tanh => (2, 0.0),
        Activation::LeakyRelu(slope) => (0, slope as f32),
        Activation::Identity => (0, 1.0),
        _ => (0, 0.0),
    }
}

const ACTIVATIONS: [Activation; 5] =
    [Activation::Relu, Activation::LeakyRelu(SLOPE), Activation::Identity, Activation::Sigmoid, Activation::Tanh];

#[track_caller]
fn near(found: u32, expected: f64, case: &str) {
    let found = f64::from(f32::from_bits(found));
    assert!((found - expected).abs() <= 2e-6 * (1.0 + expected.abs()), "{case}: {found:e} instead of {expected:e}");
}

fn all_nan(bits: &[u32]) -> bool {
    bits.iter().all(|bits| f32::from_bits(*bits).is_nan())
}

fn inputs_of_forward() {
    for context in devices() {
        for activation in ACTIVATIONS {
            let layer = layer(activation);
            let (number, slope) = activation_number(activation);
            let limit = LayerLimits::of(&layer.clone().into(), None).forward;
            let params = LayerParams {
                units: UNITS as u32,
                inputs: INPUTS as u32,
                count: COUNT as u32,
                activation: number,
                slope,
                limit,
            };
            for row in 0..INPUTS {
                let inputs = columns_with(&matrix(3, INPUTS, COUNT), 0.0, row, 1);
                let arrays = [
                    columns(&layer.weight, 0.0),
                    columns(&DMatrix::from_column_slice(UNITS, 1, layer.bias.as_slice()), 0.0),
                    inputs.clone(),
                    vec![0; padded(UNITS) * COUNT],
                ];
                let found = run(&context, &FORWARD, params, &arrays, (UNITS, COUNT)).pop().unwrap();
                let inputs = numbers(&inputs, INPUTS);
                for lane in 0..COUNT {
                    let case = format!("{activation} {:08x} at {row}", PLANTED[lane]);
                    let found = &found[lane * padded(UNITS)..][..UNITS];
                    if !planted(lane).is_finite() {
                        assert!(all_nan(found), "{case}: {found:x?}");
                        continue;
                    }
                    let sums = &layer.weight * inputs.column(lane) + &layer.bias;
                    for (found, sum) in found.iter().zip(&sums) {
                        near(*found, activation.apply(*sum), &case);
                    }
                }
            }
        }
    }
}

/// −∞ and 0: an input of −∞ meets weights of 0, and a sum of −1e39 meets the slope 0 of a ReLU.
fn infinity_times_zero_is_not_a_silent_zero() {
    for context in devices() {
        for (weight, input) in [(0.0, f32::NEG_INFINITY), (-2.0, 3e38), (2.0, -3e38), (2.0, f32::NEG_INFINITY)] {
            let layer = DenseLayer {
                weight: DMatrix::from_element(4, 4, weight),
                bias: nalgebra::DVector::zeros(4),
                activation: Activation::Relu,
            };
            let limit = LayerLimits::of(&layer.clone().into(), None).forward;
            let params = LayerParams { units: 4, inputs: 4, count: 2, activation: 0, slope: 0.0, limit };
            let mut inputs = vec![1.0_f32.to_bits(); 8];
            inputs[..4].fill(input.to_bits());
            let arrays = [columns(&layer.weight, 0.0), vec![0; 4], inputs, vec![0; 8]];
            let found = run(&context, &FORWARD, params, &arrays, (4, 2)).pop().unwrap();
            assert!(all_nan(&found[..4]), "{weight} × {input}: {found:x?}");
            assert!(found[4..].iter().all(|bits| f32::from_bits(*bits) == (4.0 * weight as f32).max(0.0)));
        }
    }
}

fn tanh_is_accurate_near_zero_too() {
    let limit = 1e30_f32.to_bits();
    for context in devices() {
        let count = 4096;
        // From the least normal number to where tanh is 1, both signs.
        let numbers: Vec<f32> = (0..count)
            .map(|index| {
                let magnitude = 10f64.powf(-37.9 + 39.5 * (index / 2) as f64 / (count / 2) as f64);
                (if index % 2 == 0 { magnitude } else { -magnitude }) as f32
            })
            .collect();
        let mut inputs = vec![0; 4 * count];
        inputs.iter_mut().step_by(4).zip(&numbers).for_each(|(to, from)| *to = from.to_bits());
        let params = LayerParams { units: 1, inputs: 1, count: count as u32, activation: 2, slope: 0.0, limit };
        let arrays = [vec![1.0_f32.to_bits(), 0, 0, 0], vec![0; 4], inputs, vec![0; 4 * count]];
        let found = run(&context, &FORWARD, params, &arrays, (1, count)).pop().unwrap();
        for (number, found) in numbers.iter().zip(found.iter().step_by(4)) {
            let (found, expected) = (f64::from(f32::from_bits(*found)), f64::from(*number).tanh());
            assert!((found / expected - 1.0).abs() < 8.0 * f64::from(f32::EPSILON), "tanh {number:e} is {found:e}");
        }
    }
}

fn descend_params(optimizer: u32) -> DescendParams {
    DescendParams {
        observation_length: UNITS as u32,
        code_length: INPUTS as u32,
        step: 0.5,
        gradient_tolerance: 1e-9,
        loss_tolerance: 1e-6,
        unchanged_steps: 20,
        iteration_cap: 100,
        optimizer,
        first_decay: if optimizer == OPTIMIZER_PLAIN { 0.0 } else { 0.9 },
        first_gain: if optimizer == OPTIMIZER_ADAM { 0.1 } else { 1.0 },
        second_decay: 0.999,
        second_gain: 0.001,
        epsilon: 1e-8,
        gradient_limit: gradient(INPUTS),
        prior: 0.0,
        code_limit: f32::MAX.to_bits(),
    }
}

fn lanes_before(lane: Lane) -> Vec<u32> {
    cast_slice(&[lane; COUNT]).to_vec()
}

fn lanes_of(bits: &[u32]) -> Vec<Lane> {
    cast_slice(bits).to_vec()
}

/// The residual over the observed entries, in f64, with zeros elsewhere; `None` if it is not
/// finite.
fn residual_in_f64(outputs: &DMatrix<f64>, targets: &DMatrix<f64>, lane: usize) -> Option<Vec<f64>> {
    let entry = |unit| if targets[(unit, lane)].is_nan() { 0.0 } else { outputs[(unit, lane)] - targets[(unit, lane)] };
    let residual: Vec<f64> = (0..UNITS).map(entry).collect();
    residual.iter().all(|entry| entry.is_finite()).then_some(residual)
}

fn leaky() -> Activation {
    Activation::LeakyRelu(SLOPE)
}

fn residual_params(layer: &DenseLayer) -> ResidualParams {
    let (activation, slope) = activation_number(layer.activation);
    ResidualParams {
        units: UNITS as u32,
        inputs: INPUTS as u32,
        count: COUNT as u32,
        activation,
        slope,
        limit: LayerLimits::of(&layer.clone().into(), None).forward,
        residual_limit: residual(UNITS),
    }
}

fn bias_of(layer: &DenseLayer) -> Vec<u32> {
    columns(&DMatrix::from_column_slice(UNITS, 1, layer.bias.as_slice()), 0.0)
}

/// In the inputs of the last layer, then in the targets.
fn inputs_of_residual() {
    for context in devices() {
        for activation in ACTIVATIONS {
            let layer = layer(activation);
            for row in 0..=INPUTS {
                let inputs = matrix(3, INPUTS, COUNT);
                let targets = matrix(5, UNITS, COUNT);
                let (inputs, targets) = match row {
                    INPUTS => (columns(&inputs, 0.0), columns_with(&targets, f32::NAN, 6, 1)),
                    _ => (columns_with(&inputs, 0.0, row, 1), columns(&targets, f32::NAN)),
                };
                let arrays = [
                    columns(&layer.weight, 0.0),
                    bias_of(&layer),
                    inputs.clone(),
                    targets.clone(),
                    vec![0; padded(UNITS) * COUNT],
                    vec![0; COUNT],
                ];
                let found = run(&context, &RESIDUAL, residual_params(&layer), &arrays, (UNITS, COUNT));
                let (inputs, targets) = (numbers(&inputs, INPUTS), numbers(&targets, UNITS));
                let deltas = numbers(&found[4], UNITS);
                for lane in 0..COUNT {
                    let case = format!("{activation} {:08x} at {row}", PLANTED[lane]);
                    let sums = &layer.weight * inputs.column(lane) + &layer.bias;
                    let outputs = DMatrix::from_fn(UNITS, COUNT, |unit, _| activation.apply(sums[unit]));
                    let is_lost = inputs.column(lane).iter().any(|z| !z.is_finite());
                    let Some(residual) = residual_in_f64(&outputs, &targets, lane).filter(|_| !is_lost) else {
                        assert!(all_nan(&found[5][lane..=lane]), "{case}: {:x}", found[5][lane]);
                        continue;
                    };
                    near(found[5][lane], residual.iter().map(|r| r * r).sum::<f64>(), &case);
                    for (unit, residual) in residual.iter().enumerate() {
                        let expected = residual * activation.derivative_from_output(outputs[(unit, lane)]);
                        near((deltas[(unit, lane)] as f32).to_bits(), expected, &case);
                    }
                }
            }
        }
    }
}

/// Finite, but too large for the sum of their squares.
fn outputs_of_residual_beyond_their_limit() {
    let layer = layer(Activation::Identity);
    for context in devices() {
        let mut inputs = matrix(3, INPUTS, COUNT);
        inputs.column_mut(4).scale_mut(1e25);
        let arrays = [
            columns(&layer.weight, 0.0),
            bias_of(&layer),
            columns(&inputs, 0.0),
            columns(&matrix(5, UNITS, COUNT), f32::NAN),
            vec![0; padded(UNITS) * COUNT],
            vec![0; COUNT],
        ];
        let found = run(&context, &RESIDUAL, residual_params(&layer), &arrays, (UNITS, COUNT)).pop().unwrap();
        for (lane, bits) in found.iter().enumerate() {
            assert_eq!(all_nan(&[*bits]), lane == 4, "lane {lane}: {bits:x}");
        }
    }
}

fn inputs_of_backward() {
    let layer = layer(Activation::Relu);
    for context in devices() {
        for activation in [leaky(), Activation::Relu, Activation::Sigmoid, Activation::Tanh] {
            let (number, slope) = activation_number(activation);
            let params = LayerParams {
                units: UNITS as u32,
                inputs: INPUTS as u32,
                count: COUNT as u32,
                activation: number,
                slope,
                limit: LayerLimits::of(&layer.clone().into(), Some(activation)).backward,
            };
            for in_inputs in [false, true] {
                let (above, inputs) = (matrix(6, UNITS, COUNT), matrix(7, INPUTS, COUNT).map(|x| x.clamp(-0.9, 0.9)));
                let (above, inputs) = match in_inputs {
                    false => (columns_with(&above, 0.0, 3, 1), columns(&inputs, 0.0)),
                    true => (columns(&above, 0.0), columns_with(&inputs, 0.0, 4, 1)),
                };
                let transposed = columns(&layer.weight.transpose(), 0.0);
                let arrays = [transposed, above.clone(), inputs.clone(), vec![0; padded(INPUTS) * COUNT]];
                let found = run(&context, &BACKWARD, params, &arrays, (INPUTS, COUNT)).pop().unwrap();
                let (above, inputs) = (numbers(&above, UNITS), numbers(&inputs, INPUTS));
                for lane in 0..COUNT {
                    let case = format!("{activation} {:08x}, in inputs: {in_inputs}", PLANTED[lane]);
                    let found = &found[lane * padded(INPUTS)..][..INPUTS];
                    if !in_inputs && !planted(lane).is_finite() {
                        assert!(all_nan(found), "{case}: {found:x?}");
                        continue;
                    }
                    let sums = layer.weight.tr_mul(&above.column(lane));
                    for (row, (found, sum)) in found.iter().zip(&sums).enumerate() {
                        let output = inputs[(row, lane)];
                        // Such an output is of a lost lane; for a smooth activation any finite
                        // number will do.
                        match activation {
                            Activation::Sigmoid | Activation::Tanh if !output.is_finite() => {
                                assert!(f32::from_bits(*found).is_finite(), "{case}");
                            }
                            _ => near(*found, sum * activation.derivative_from_output(output), &case),
                        }
                    }
                }
            }
        }
    }
}

fn inputs_of_update() {
    let (gradients, codes, moments) = (matrix(8, INPUTS, COUNT), matrix(9, INPUTS, COUNT), matrix(10, 8, COUNT).abs());
    // Padded with zeros, because pairs of all eight places of a lane are read back.
    let moments =
        DMatrix::from_fn(16, COUNT, |row, lane| if row < 2 * INPUTS { moments[(row % 8, lane)] } else { 0.0 });
    for context in devices() {
        let entry = if context.has_subgroups() { &UPDATE_SUBGROUPS } else { &UPDATE };
        for optimizer in [OPTIMIZER_PLAIN, OPTIMIZER_MOMENTUM, OPTIMIZER_ADAM] {
            for place in ["squares", "gradients", "codes", "first moments", "second moments"] {
                let plant = |name: &str, matrix: &DMatrix<f64>, row: usize| match name == place {
                    true => columns_with(matrix, 0.0, row, 1),
                    false => columns(matrix, 0.0),
                };
                let moments = if place == "first moments" {
                    plant("first moments", &moments, 4)
                } else {
                    plant("second moments", &moments, 5)
                };
                let start = Lane { anchor: 1.0, unchanged: 3, ..Lane::START };
                let squares = if place == "squares" { PLANTED.to_vec() } else { vec![6f32.to_bits(); COUNT] };
                let arrays = [
                    lanes_before(start),
                    squares,
                    plant("gradients", &gradients, 2),
                    plant("codes", &codes, 2),
                    moments,
                ];
                let found = run(&context, entry, descend_params(optimizer), &arrays, (0, COUNT));
                let lanes = lanes_of(&found[0]);
                let (before, after) = (numbers(&arrays[3], INPUTS), numbers(&found[3], INPUTS));
                let (gradients, moments) = (numbers(&arrays[2], INPUTS), numbers(&arrays[4], 16));
                for lane in 0..COUNT {
                    let case = format!("optimizer {optimizer}, {:08x} in {place}", PLANTED[lane]);
                    let is_read = optimizer != OPTIMIZER_PLAIN || !place.ends_with("moments");
                    if is_read && !planted(lane).is_finite() {
                        assert_eq!((lanes[lane].status, lanes[lane].iterations), (LANE_DIVERGED, 0), "{case}");
                        let each = padded(INPUTS);
                        assert_eq!(found[3][lane * each..][..each], arrays[3][lane * each..][..each], "{case}");
                        continue;
                    }
                    // A loss of 0 counts as unchanged, whatever the last one was.
                    let loss = 0.5 * f64::from(f32::from_bits(arrays[1][lane]));
                    if place != "squares" || loss > 0.2 {
                        assert_eq!((f64::from(lanes[lane].anchor), lanes[lane].unchanged), (loss, 0), "{case}");
                    } else if loss == 0.0 {
                        assert_eq!((lanes[lane].anchor, lanes[lane].unchanged), (1.0, 4), "{case}");
                    }
                    assert_eq!((lanes[lane].status, lanes[lane].iterations), (LANE_RUNNING, 1), "{case}");
                    for row in 0..INPUTS {
                        let g = gradients[(row, lane)];
                        let (first, second) = (moments[(2 * row, lane)], moments[(2 * row + 1, lane)]);
                        let direction = match optimizer {
                            OPTIMIZER_PLAIN => g,
                            OPTIMIZER_MOMENTUM => 0.9 * first + g,
                            // The weights after the first step are the gains.
                            _ => {
                                let second = 0.999 * second + 0.001 * g * g;
                                ((0.9 * first + 0.1 * g) / 0.1) / ((second / 0.001).sqrt() + 1e-8)
                            }
                        };
                        near((after[(row, lane)] as f32).to_bits(), before[(row, lane)] - 0.5 * direction, &case);
                    }
                }
            }
        }
    }
}

/// Bits are moved as they are, whatever they mean.
fn rows_of_scatter() {
    let destinations: Vec<u32> = (0..COUNT as u32).rev().collect();
    for context in devices() {
        let arrays = [destinations.clone(), PLANTED.to_vec(), vec![1; COUNT]];
        let params = CompactParams { count: COUNT as u32, words: 1 };
        let moved = run(&context, &SCATTER, params, &arrays, (0, COUNT)).pop().unwrap();
        assert_eq!(moved, compact::scatter(&PLANTED, 1, &destinations));
    }
}
