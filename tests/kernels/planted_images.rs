//! [`crate::planted`] for the kernels of images, scales and activations.

use std::sync::Arc;

use nalgebra::{DMatrix, DVector};
use unrelu::internals::cpu::{compare, curve};
use unrelu::internals::gpu::limits::{LayerLimits, residual};
use unrelu::internals::kernel_params::entry_points::{BEND, COMPARE, CURVE};
use unrelu::internals::kernel_params::{
    ACTIVATION_EXPONENTIAL, ACTIVATION_GELU, ACTIVATION_GELU_TANH, ACTIVATION_SILU, ACTIVATION_SOFTPLUS,
    ACTIVATION_TANH, CompareParams, CurveParams,
};
use unrelu::internals::layers::{Layer, Map};
use unrelu::{Activation, Network};

use crate::chains;
use crate::fixtures::{gpu, matrix};
use crate::planted::PLANTED;
use crate::single::run;

with_both_modules!(sums_of_curve_and_bend, outputs_of_compare, pixels_of_maps);

/// With the numbers that stand for them in the kernel.
fn curves() -> [(Activation, u32, f32, f32); 5] {
    [
        (Activation::Elu(0.5), ACTIVATION_EXPONENTIAL, 0.5, 1.0),
        (Activation::Softplus { beta: 2.0, threshold: 20.0 }, ACTIVATION_SOFTPLUS, 2.0, 20.0),
        (Activation::Silu, ACTIVATION_SILU, 0.0, 0.0),
        (Activation::Gelu, ACTIVATION_GELU, 0.0, 0.0),
        (Activation::GeluTanh, ACTIVATION_GELU_TANH, 0.0, 0.0),
    ]
}

fn number(bits: u32) -> f64 {
    f64::from(f32::from_bits(bits))
}

fn near(found: u32, expected: f64, case: &str) {
    let found = number(found);
    let is_near = found.is_nan() && !expected.is_finite() || (found - expected).abs() <= 1e-6 * expected.abs() + 1e-37;
    assert!(is_near, "{case}: {found:e}, not {expected:e}");
}

fn sums_of_curve_and_bend() {
    let context = gpu::context(None);
    // Two quads a row: the numbers, and ordinary ones.
    let mut sums = PLANTED.to_vec();
    sums.extend([0xbf00_0000, 0x4000_0000, 0xc080_0000, 0x3e80_0000, 0x4100_0000, 0x3f80_0000]);
    let plain: Vec<u32> = (0..16).map(|i| (0.25 * i as f32 - 1.5).to_bits()).collect();
    for (activation, code, slope, scale) in curves() {
        let params = CurveParams { count: 2, length: 2, per_lane: 1, activation: code, slope, scale };
        let found = run(&context, &CURVE, params, &[sums.clone(), vec![7; 16]], (2, 2)).pop().unwrap();
        let as_numbers: Vec<f64> = sums.iter().map(|bits| number(*bits)).collect();
        for (place, expected) in curve::curve(activation, &as_numbers).into_iter().enumerate() {
            let case = format!("{activation} of {:08x}", sums[place]);
            // An infinity is no number of a lane in f32.
            near(found[place], if as_numbers[place].is_finite() { expected } else { f64::NAN }, &case);
        }
        // Numbers that are not finite are NaN; a lost sum leaves its own row's numbers finite.
        for (first, second) in [(&plain, &sums), (&sums, &plain)] {
            let found = run(&context, &BEND, params, &[first.clone(), second.clone()], (2, 2)).pop().unwrap();
            let [first, second] = [first, second].map(|bits| bits.iter().map(|bits| number(*bits)).collect::<Vec<_>>());
            for (place, expected) in curve::bend(activation, &first, &second).into_iter().enumerate() {
                let case = format!("{activation}' of {:e} times {:e}", first[place], second[place]);
                match (first[place].is_finite(), second[place].is_finite()) {
                    (true, true) => near(found[place], expected, &case),
                    (_, false) => assert!(number(found[place]).is_nan(), "{case}"),
                    (false, true) => assert!(number(found[place]).is_finite(), "{case}"),
                }
            }
        }
    }
}

fn outputs_of_compare() {
    let context = gpu::context(None);
    // Two slices an observation, the last quad of which has two entries.
    let (units, count) = (42, PLANTED.len());
    let (outputs, targets) = (matrix(1, units, count) * 0.4, matrix(2, units, count));
    let bits = |matrix: &DMatrix<f64>, padding: f32| {
        let column = |column: usize| {
            let entries = (0..44).map(move |row| if row < units { matrix[(row, column)] as f32 } else { padding });
            entries.map(f32::to_bits).collect::<Vec<u32>>()
        };
        (0..count).flat_map(column).collect::<Vec<u32>>()
    };
    let limit = residual(units);
    let params = CompareParams {
        units: 42,
        count: count as u32,
        activation: ACTIVATION_TANH,
        slope: 0.0,
        residual_limit: limit,
    };
    for (place, row) in [("outputs", 35), ("targets", 35), ("unobserved outputs", 3)] {
        let mut arrays = [bits(&outputs, 0.0), bits(&targets, f32::NAN), vec![7; 44 * count], vec![7; 2 * count]];
        for (lane, planted) in PLANTED.iter().enumerate() {
            let at = 44 * lane + row;
            match place {
                "outputs" => arrays[0][at] = *planted,
                "targets" => arrays[1][at] = *planted,
                _ => (arrays[0][at], arrays[1][at]) = (*planted, f32::NAN.to_bits()),
            }
        }
        let found = run(&context, &COMPARE, params, &arrays, (2, count));
        for (lane, planted) in PLANTED.iter().enumerate() {
            let case = format!("{planted:08x} in {place}");
            let of = |array: usize| {
                let words = &arrays[array][44 * lane..][..units];
                words.iter().map(|bits| number(*bits)).collect::<Vec<f64>>()
            };
            let (mut output, x) = (of(0), of(1));
            let is_lost = place != "unobserved outputs" && !x[row].is_nan() && !(output[row] - x[row]).is_finite()
                || place == "outputs" && output[row].is_nan();
            // What is lost or unobserved has no part in the rest.
            output[row] = if output[row].is_finite() { output[row] } else { 0.0 };
            let x: Vec<f64> = x.iter().map(|x| if x.is_finite() { *x } else { f64::NAN }).collect();
            let (deltas, squares) = compare::compare(Activation::Tanh, &output, &x);
            for (entry, delta) in deltas.iter().enumerate().filter(|(entry, _)| !(is_lost && *entry == row)) {
                near(found[2][44 * lane + entry], *delta, &format!("{case}, delta {entry}"));
            }
            assert_eq!(found[2][44 * lane + 42..44 * lane + 44], [0, 0], "{case}");
            near(found[3][2 * lane], squares[0], &case);
            near(found[3][2 * lane + 1], if is_lost { f64::NAN } else { squares[1] }, &case);
        }
    }
}

/// The map alone, with biases.
fn alone(map: &Map) -> Arc<Network> {
    let bias = DVector::from_element(map.outputs(), 0.5);
    Arc::new(Network::new(vec![Layer::new(map.clone(), bias, Activation::Identity)], "one map").unwrap())
}

/// A lost input makes exactly those outputs NaN that it reaches, or that share a pixel with them.
fn pixels_of_maps() {
    for (name, network) in chains::all() {
        for layer in network.layers() {
            let pixels = match layer.map() {
                Map::Convolution(map) => map.output().rows * map.output().columns,
                Map::Resample(map) => map.output().rows * map.output().columns,
                _ => continue,
            };
            let device = gpu::device(&alone(layer.map()));
            let inputs = matrix(3, layer.inputs(), 2);
            let place = layer.inputs() / 2;
            let mut reached = vec![false; pixels];
            layer.map().for_each_entry(|output, input, _| {
                let input_pixels = match layer.map() {
                    Map::Convolution(map) => map.input().rows * map.input().columns,
                    Map::Resample(map) => map.input().rows * map.input().columns,
                    _ => 1,
                };
                reached[output % pixels] |= input % input_pixels == place % input_pixels;
            });
            let expected = device.forward_f32(0..1, &inputs).unwrap();
            for planted in [f64::NAN, f64::INFINITY, 1e300] {
                let mut lost = inputs.clone();
                lost[(place, 1)] = planted;
                let found = device.forward_f32(0..1, &lost).unwrap();
                assert_eq!(found.column(0), expected.column(0), "{name}");
                let touched = |entry: usize| found[(entry, 1)].is_nan();
                for (entry, is_reached) in (0..layer.units()).map(|entry| (entry, reached[entry % pixels])) {
                    assert!(!touched(entry) || is_reached, "{name}: entry {entry}");
                    assert!(touched(entry) || found[(entry, 1)] == expected[(entry, 1)], "{name}: entry {entry}");
                }
                layer.map().for_each_entry(|output, input, _| assert!(input != place || touched(output), "{name}"));
            }
        }
    }
}

/// The limits of a map are at most those of its matrix, and not far from them.
#[test]
fn limits_of_maps_are_those_of_their_matrices() {
    for (name, network) in chains::all() {
        for layer in network.layers() {
            let written = Layer::new(Map::Dense(layer.map().written_out()), layer.bias.clone(), layer.activation);
            let (found, exact) = (LayerLimits::of(layer, None), LayerLimits::of(&written, None));
            for (found, exact) in
                [(found.forward, exact.forward), (found.tangent, exact.tangent), (found.backward, exact.backward)]
            {
                let (found, exact) = (f32::from_bits(found), f32::from_bits(exact));
                assert!(found <= exact * 1.00001 && found >= exact / 30.0, "{name}: {found:e} and {exact:e}");
            }
        }
    }
}
