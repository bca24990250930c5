//! `φ(A) = σ(W A + b)` for a block of observations, layer after layer. As `cpu/forward.rs`, by blocked products.

use nalgebra::DMatrix;
use rayon::prelude::*;

use super::product::add_product;
use crate::network::{Activation, Layer, Network};

/// Observations of a block at most. Each product packs the weight anew; this many columns pay for it, and the
/// activations of a block still lie in a core's cache.
pub const WIDTH: usize = 128;

/// Runs `layers` of the network on every column of `inputs`; returns units of the last of them × count.
///
/// # Panics
/// If `layers` is not within the network or `inputs` does not fit the first of them.
pub fn forward(network: &Network, layers: std::ops::Range<usize>, inputs: &DMatrix<f64>) -> DMatrix<f64> {
    let layers = &network.layers()[layers];
    let units = layers[layers.len() - 1].units();
    let mut outputs = DMatrix::zeros(units, inputs.ncols());
    let width = block_width(inputs.ncols());
    outputs
        .as_mut_slice()
        .par_chunks_mut(units * width)
        .zip(inputs.as_slice().par_chunks(inputs.nrows() * width))
        .for_each(|(outputs, inputs)| forward_block(layers, inputs, outputs));
    outputs
}

/// How many of `count` observations a block takes, so that every core of the pool has some.
pub fn block_width(count: usize) -> usize {
    count.div_ceil(rayon::current_num_threads()).clamp(1, WIDTH)
}

fn forward_block(layers: &[Layer], inputs: &[f64], outputs: &mut [f64]) {
    let count = inputs.len() / layers[0].inputs();
    let (last, hidden) = (&layers[layers.len() - 1], &layers[..layers.len() - 1]);
    let mut activations = inputs.to_vec();
    for layer in hidden {
        let mut next = vec![0.0; layer.units() * count];
        layer_outputs(layer, &activations, count, &mut next);
        activations = next;
    }
    layer_outputs(last, &activations, count, outputs);
}

/// `σ(W A + b)`. `inputs`: inputs × count, `outputs`: units × count, by columns.
pub fn layer_outputs(layer: &Layer, inputs: &[f64], count: usize, outputs: &mut [f64]) {
    for column in outputs.chunks_exact_mut(layer.units()) {
        column.copy_from_slice(layer.bias.as_slice());
    }
    add_product(&layer.weight, inputs, count, outputs);
    activate(layer.activation, outputs);
}

/// [`Activation::apply`] to each entry. Chosen outside the loop, so that the loops of the usual ones are vectors.
fn activate(activation: Activation, entries: &mut [f64]) {
    match activation {
        Activation::Relu => entries.iter_mut().for_each(|a| *a = Activation::Relu.apply(*a)),
        Activation::LeakyRelu(slope) => entries.iter_mut().for_each(|a| *a = Activation::LeakyRelu(slope).apply(*a)),
        Activation::Identity => {}
        Activation::Sigmoid | Activation::Tanh => entries.iter_mut().for_each(|a| *a = activation.apply(*a)),
    }
}

/// `δ ← δ ⊙ σ'`, each derivative told from the output.
pub fn scale_by_derivative(activation: Activation, outputs: &[f64], deltas: &mut [f64]) {
    match activation {
        Activation::Relu | Activation::LeakyRelu(_) => {
            let below = activation.derivative(-1.0);
            for (delta, output) in deltas.iter_mut().zip(outputs) {
                *delta *= if *output <= 0.0 { below } else { 1.0 };
            }
        }
        Activation::Identity => {}
        Activation::Sigmoid | Activation::Tanh => {
            for (delta, output) in deltas.iter_mut().zip(outputs) {
                *delta *= activation.derivative_from_output(*output);
            }
        }
    }
}
