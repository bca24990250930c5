//! Applies `φ(a) = σ(W a + b)`, layer after layer, one observation at a time. Twin of
//! `shaders/forward.wgsl`; the CPU device itself runs `blocked/forward.rs`.

use nalgebra::DMatrix;
use rayon::prelude::*;

use crate::network::{DenseLayer, Network};

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
pub fn forward_one(layers: &[DenseLayer], input: &[f64]) -> Vec<f64> {
    layers.iter().fold(input.to_vec(), |activations, layer| layer_output(layer, &activations))
}

/// `σ(W a + b)`: the sum of the columns of `W`, which are contiguous, weighted by `a`.
pub fn layer_output(layer: &DenseLayer, input: &[f64]) -> Vec<f64> {
    let mut output = layer.bias.as_slice().to_vec();
    for (a, column) in input.iter().zip(layer.weight.as_slice().chunks(layer.units())) {
        for (sum, w) in output.iter_mut().zip(column) {
            *sum += a * w;
        }
    }
    for entry in &mut output {
        *entry = layer.activation.apply(*entry);
    }
    output
}
