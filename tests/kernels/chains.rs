//! Networks of all maps and activations, seeded: sizes that are no multiples of a quad or a tile.

use std::sync::Arc;

use nalgebra::{DMatrix, DVector};
use unrelu::internals::layers::convolution::Axis;
use unrelu::internals::layers::resample::{AxisWeights, Pooling};
use unrelu::internals::layers::{Convolution, ImageShape, Layer, Map, Resample};
use unrelu::internals::random::{Domain, normal_vector};
use unrelu::{Activation, Network};

/// All activations that have a kernel of their own.
pub const CURVED: [Activation; 7] = [
    Activation::Elu(0.7),
    Activation::Selu,
    Activation::Softplus { beta: 1.5, threshold: Activation::SOFTPLUS_THRESHOLD },
    Activation::Softplus { beta: 2.0, threshold: 1.0 },
    Activation::Silu,
    Activation::Gelu,
    Activation::GeluTanh,
];

/// Those that products apply.
const FUSED: [Activation; 6] = [
    Activation::Relu,
    Activation::LeakyRelu(0.2),
    Activation::Identity,
    Activation::Sigmoid,
    Activation::Tanh,
    Activation::PositivePart,
];

pub fn shape(channels: usize, rows: usize, columns: usize) -> ImageShape {
    ImageShape { channels, rows, columns }
}

fn numbers(seed: u64, count: usize, scale: f64) -> Vec<f64> {
    normal_vector(seed, Domain::Network, 3, count).iter().map(|x| x * scale).collect()
}

pub fn dense(seed: u64, outputs: usize, inputs: usize) -> Map {
    let numbers = numbers(seed, outputs * inputs, 1.0 / (inputs as f64).sqrt());
    Map::Dense(DMatrix::from_vec(outputs, inputs, numbers))
}

fn axes(settings: [[usize; 4]; 2]) -> [Axis; 2] {
    settings.map(|[kernel, stride, padding, dilation]| Axis { kernel, stride, padding, dilation })
}

/// `settings`: kernel, stride, padding, dilation of the rows and of the columns.
pub fn convolution(seed: u64, input: ImageShape, outputs: usize, settings: [[usize; 4]; 2], groups: usize) -> Map {
    let length = outputs * input.channels / groups * settings[0][0] * settings[1][0];
    let scale = ((outputs as f64) / length as f64).sqrt();
    Map::Convolution(Convolution::new(numbers(seed, length, scale), input, outputs, axes(settings), groups).unwrap())
}

/// The same, and `padding`: the output padding.
pub fn transposed(
    seed: u64,
    input: ImageShape,
    outputs: usize,
    settings: [[usize; 4]; 2],
    (groups, padding): (usize, [usize; 2]),
) -> Map {
    let length = outputs * input.channels / groups * settings[0][0] * settings[1][0];
    let scale = (settings[0][1] * settings[1][1] * outputs) as f64 / length as f64;
    let kernel = numbers(seed, length, scale.sqrt());
    Map::Convolution(Convolution::transposed(kernel, input, outputs, axes(settings), padding, groups).unwrap())
}

pub fn scale(seed: u64, length: usize) -> Map {
    Map::Diagonal(numbers(seed, length, 1.0))
}

fn resample(channels: usize, rows: AxisWeights, columns: AxisWeights) -> Map {
    Map::Resample(Resample::new(channels, [rows, columns]).unwrap())
}

fn pooled(inputs: usize, kernel: usize, stride: usize, padding: usize) -> AxisWeights {
    let pooling = Pooling { kernel, stride, padding, ceil_mode: false, counts_padding: false };
    AxisWeights::pooled(inputs, pooling).unwrap()
}

/// A network of these maps with biases, whose activations begin at `first` in the list of all.
pub fn network(seed: u64, maps: Vec<Map>, first: usize) -> Arc<Network> {
    let pairs = CURVED.into_iter().zip(FUSED.into_iter().cycle());
    let all: Vec<Activation> = pairs.flat_map(|(one, other)| [one, other]).collect();
    let layers = maps.into_iter().enumerate().map(|(index, map)| {
        let bias = numbers(seed + 100 + index as u64, map.outputs(), 0.1);
        Layer::new(map, DVector::from_vec(bias), all[(first + index) % all.len()])
    });
    Arc::new(Network::new(layers.collect(), "a test's chain").unwrap())
}

/// Chains of all kinds, by names.
pub fn all() -> Vec<(&'static str, Arc<Network>)> {
    let mut chains = Vec::new();
    let mut add = |name: &'static str, maps: Vec<Map>| {
        let place = chains.len();
        chains.push((name, network(10 * place as u64, maps, 3 * place)));
    };
    add("matrices alone", vec![dense(1, 13, 3), dense(2, 9, 13), dense(3, 6, 9), dense(4, 21, 6)]);
    add(
        "a generator",
        vec![
            dense(1, 5 * 3 * 2, 3),
            transposed(2, shape(5, 3, 2), 6, [[4, 2, 1, 1]; 2], (1, [0, 0])),
            transposed(3, shape(6, 6, 4), 3, [[3, 2, 1, 1], [4, 2, 0, 1]], (3, [1, 0])),
        ],
    );
    add(
        "strides, dilation, groups",
        vec![
            dense(1, 6 * 7 * 9, 4),
            convolution(2, shape(6, 7, 9), 9, [[3, 1, 2, 2], [2, 2, 1, 1]], 3),
            convolution(3, shape(9, 7, 5), 5, [[3, 2, 0, 1], [3, 1, 1, 1]], 1),
            dense(4, 11, 5 * 3 * 5),
        ],
    );
    add(
        "kernels smaller than strides",
        vec![
            dense(1, 3 * 3 * 3, 3),
            transposed(2, shape(3, 3, 3), 4, [[2, 3, 0, 1], [1, 2, 0, 1]], (1, [1, 1])),
            scale(3, 4 * 9 * 6),
        ],
    );
    add(
        "transposed with dilation",
        vec![
            dense(1, 4 * 3 * 4, 3),
            transposed(2, shape(4, 3, 4), 8, [[3, 2, 1, 2], [2, 3, 2, 3]], (2, [1, 0])),
            convolution(3, shape(8, 8, 9), 2, [[1, 1, 0, 1]; 2], 1),
        ],
    );
    add(
        "resampling and scales",
        vec![
            dense(1, 5 * 4 * 3, 4),
            scale(2, 5 * 4 * 3),
            resample(5, AxisWeights::nearest(4, 7, None), AxisWeights::nearest(3, 6, None)),
            convolution(3, shape(5, 7, 6), 3, [[3, 1, 1, 1]; 2], 1),
            resample(3, AxisWeights::linear(7, 11, None, false), AxisWeights::linear(6, 9, None, true)),
            resample(3, pooled(11, 3, 2, 1), pooled(9, 2, 2, 0)),
        ],
    );
    add(
        "one pixel",
        vec![
            transposed(1, shape(5, 1, 1), 7, [[3, 1, 0, 1], [2, 1, 0, 1]], (1, [0, 0])),
            convolution(2, shape(7, 3, 2), 10, [[3, 1, 0, 1], [2, 1, 0, 1]], 1),
            convolution(3, shape(10, 1, 1), 9, [[1, 1, 0, 1]; 2], 1),
        ],
    );
    add(
        "an image as code",
        vec![
            convolution(1, shape(2, 2, 3), 3, [[3, 1, 1, 1]; 2], 1),
            resample(3, AxisWeights::parts(2, 3), AxisWeights::nearest(3, 6, Some(2.0))),
        ],
    );
    add(
        "a matrix between images",
        vec![
            convolution(1, shape(6, 1, 1), 4, [[1, 1, 1, 1], [1, 1, 0, 1]], 2),
            dense(2, 3 * 2 * 5, 4 * 3),
            scale(3, 3 * 2 * 5),
            scale(4, 3 * 2 * 5),
            resample(3, AxisWeights::parts(2, 1), AxisWeights::parts(5, 3)),
            scale(5, 9),
            dense(6, 8, 9),
        ],
    );
    add("a scale alone", vec![scale(1, 6)]);
    // Maps of one uniform each follow a first layer of several.
    add(
        "phases in the first layer",
        vec![
            transposed(1, shape(5, 1, 1), 3, [[4, 2, 0, 1]; 2], (1, [0, 0])),
            scale(2, 3 * 4 * 4),
            resample(3, AxisWeights::nearest(4, 8, None), AxisWeights::nearest(4, 6, None)),
            dense(3, 9, 3 * 8 * 6),
        ],
    );
    add(
        "phases of the first layer's gradient",
        vec![
            convolution(1, shape(2, 5, 4), 3, [[3, 2, 1, 1], [2, 2, 0, 1]], 1),
            scale(2, 3 * 3 * 2),
            dense(3, 12, 3 * 3 * 2),
            dense(4, 7, 12),
        ],
    );
    add(
        "two units per unit, as of a PReLU",
        vec![
            dense(1, 5 * 3 * 4, 3),
            convolution(2, shape(5, 3, 4), 10, [[1, 1, 0, 1]; 2], 5),
            convolution(3, shape(10, 3, 4), 5, [[1, 1, 0, 1]; 2], 5),
            convolution(4, shape(5, 3, 4), 2, [[3, 1, 1, 1]; 2], 1),
        ],
    );
    chains
}
