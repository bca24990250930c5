//! Applies `φ(a) = σ(W a + b)`, layer after layer, one observation at a time. Twin of
//! `shaders/forward.wgsl`; the CPU device itself runs `blocked/forward.rs`.

use nalgebra::DMatrix;
use rayon::prelude::*;

use crate::network::{Layer, Map, Network};

/// Runs `layers` of the network on every column of `inputs`; returns units of the last layer ×
/// count.
///
/// # Panics
/// If `layers` is not within the network, or `inputs` does not fit the first layer.
pub fn forward(network: &Network, layers: std::ops::Range<usize>, inputs: &DMatrix<f64>) -> DMatrix<f64> {
    let layers = &network.layers()[layers];
    let units = layers[layers.len() - 1].units();
    let mut outputs = DMatrix::zeros(units, inputs.ncols());
    outputs
        .as_mut_slice()
        .par_chunks_mut(units)
        .zip(inputs.as_slice().par_chunks(inputs.nrows()))
        .for_each(|(output, input)| output.copy_from_slice(&forward_one(layers, input)));
    outputs
}

/// Runs `layers` on one input.
pub fn forward_one(layers: &[Layer], input: &[f64]) -> Vec<f64> {
    layers.iter().fold(input.to_vec(), |activations, layer| layer_output(layer, &activations))
}

/// `σ(W a + b)`.
pub fn layer_output(layer: &Layer, input: &[f64]) -> Vec<f64> {
    let mut output = layer_sums(layer, input);
    for entry in &mut output {
        *entry = layer.activation.apply(*entry);
    }
    output
}

/// `W a + b`. Of a matrix, the sum of its columns, which are contiguous, weighted by `a`.
pub fn layer_sums(layer: &Layer, input: &[f64]) -> Vec<f64> {
    let mut sums = layer.bias.as_slice().to_vec();
    match layer.map() {
        Map::Dense(weight) => {
            for (a, column) in input.iter().zip(weight.as_slice().chunks(layer.units())) {
                for (sum, w) in sums.iter_mut().zip(column) {
                    *sum += a * w;
                }
            }
        }
        map => map.for_each_entry(|output, place, w| sums[output] += w * input[place]),
    }
    sums
}

/// `Wᵀ d`. `delta`: one entry per output of the map.
pub fn transposed_product(map: &Map, delta: &[f64]) -> Vec<f64> {
    match map {
        Map::Dense(weight) => {
            let of_column = |column: &[f64]| column.iter().zip(delta).map(|(w, d)| w * d).sum();
            weight.as_slice().chunks(delta.len()).map(of_column).collect()
        }
        map => {
            let mut sums = vec![0.0; map.inputs()];
            map.for_each_entry(|output, place, w| sums[place] += w * delta[output]);
            sums
        }
    }
}
