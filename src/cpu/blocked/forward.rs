//! Applies `φ(A) = σ(W A + b)` to a block of observations, layer after layer. Same results as
//! `cpu/forward.rs`, by blocked products.

use nalgebra::DMatrix;
use rayon::prelude::*;

use super::packed::{PackedLayer, PackedNetwork};
use super::product::{Columns, ColumnsMut, Finish, stride_of};
use super::vector::Number;
use crate::network::Activation;

/// Maximum number of observations per block: few enough that its widest layers fit a core's cache.
pub const WIDTH: usize = 128;

/// Products of fewer bytes (multiplications × bytes of a number) are finished before other threads
/// have woken up: about 80 µs on one core.
const WORTH_SHARING: usize = 1 << 24;

/// Runs `layers` of the network on every column of `inputs`; returns units of the last layer ×
/// count.
///
/// # Panics
/// If `layers` is not within the network, or `inputs` does not fit the first layer.
pub fn forward<T: Number>(
    network: &PackedNetwork<T>,
    layers: std::ops::Range<usize>,
    inputs: &DMatrix<T>,
) -> DMatrix<T> {
    forward_in(network, layers, inputs, None)
}

/// [`forward`] of a network whose outputs are divided by `unit`; returns them multiplied by it.
///
/// # Panics
/// As for [`forward`].
pub fn forward_in<T: Number>(
    network: &PackedNetwork<T>,
    layers: std::ops::Range<usize>,
    inputs: &DMatrix<T>,
    unit: Option<T>,
) -> DMatrix<T> {
    let layers = &network.layers()[layers];
    let units = layers[layers.len() - 1].map.outputs();
    // Zeroed pages from the system, which each core touches first: this thread must not fill them.
    let mut outputs = vec![T::ZERO; units * inputs.ncols()];
    let products: usize = layers.iter().map(|layer| layer.products).sum();
    if (products * size_of::<T>()).saturating_mul(inputs.ncols()) < WORTH_SHARING {
        inputs
            .as_slice()
            .chunks(inputs.nrows() * WIDTH)
            .zip(outputs.chunks_mut(units * WIDTH))
            .for_each(|(inputs, outputs)| forward_block(layers, inputs, outputs, unit));
        return DMatrix::from_vec(units, inputs.ncols(), outputs);
    }
    let width = block_width(inputs.ncols());
    outputs
        .par_chunks_mut(units * width)
        .zip(inputs.as_slice().par_chunks(inputs.nrows() * width))
        .for_each(|(outputs, inputs)| forward_block(layers, inputs, outputs, unit));
    DMatrix::from_vec(units, inputs.ncols(), outputs)
}

/// Number of observations per block, for `count` observations, so that every core of the pool has
/// some.
pub fn block_width(count: usize) -> usize {
    count.div_ceil(rayon::current_num_threads()).clamp(1, WIDTH)
}

fn forward_block<T: Number>(layers: &[PackedLayer<T>], inputs: &[T], outputs: &mut [T], unit: Option<T>) {
    let stride = layers[0].map.inputs();
    let count = inputs.len() / stride;
    let (last, hidden) = (&layers[layers.len() - 1], &layers[..layers.len() - 1]);
    let mut activations: Vec<T>;
    let mut below = Columns { entries: inputs, stride };
    for layer in hidden {
        let stride = stride_of::<T>(layer.map.outputs());
        let mut next = vec![T::ZERO; stride * count];
        layer_outputs(layer, below, ColumnsMut { entries: &mut next, stride }, count);
        activations = next;
        below = Columns { entries: &activations, stride };
    }
    layer_outputs(last, below, ColumnsMut { entries: &mut *outputs, stride: last.map.outputs() }, count);
    if let Some(unit) = unit {
        // While the block is in the core's cache.
        outputs.iter_mut().for_each(|output| *output = *output * unit);
    }
}

/// `σ(W A + b)`. `inputs`: inputs × count, `outputs`: units × count.
pub fn layer_outputs<T: Number>(
    layer: &PackedLayer<T>,
    inputs: Columns<'_, T>,
    outputs: ColumnsMut<'_, T>,
    count: usize,
) {
    let finish = match layer.activation {
        Activation::Relu => Finish::Relu,
        Activation::LeakyRelu(slope) => Finish::LeakyRelu(T::narrowed(slope)),
        _ => Finish::Plain,
    };
    let (entries, stride) = (outputs.entries, outputs.stride);
    layer.map.apply(Some(&layer.bias), inputs, ColumnsMut { entries, stride }, count, finish);
    let columns = entries.chunks_mut(stride).take(count).map(|column| &mut column[..layer.map.outputs()]);
    match layer.activation {
        Activation::Relu | Activation::LeakyRelu(_) | Activation::Identity => {}
        Activation::Sigmoid => columns.flatten().for_each(|a| *a = a.sigmoid()),
        Activation::Tanh => columns.flatten().for_each(|a| *a = a.hyperbolic_tangent()),
        curve => columns.flatten().for_each(|a| *a = T::narrowed(curve.apply(a.widened()))),
    }
}

/// [`layer_outputs`], and `σ'` of each unit: units × count, in the layout of the outputs.
pub fn layer_outputs_and_slopes<T: Number>(
    layer: &PackedLayer<T>,
    inputs: Columns<'_, T>,
    outputs: ColumnsMut<'_, T>,
    slopes: &mut [T],
    count: usize,
) {
    let (entries, stride) = (outputs.entries, outputs.stride);
    layer.map.apply(Some(&layer.bias), inputs, ColumnsMut { entries, stride }, count, Finish::Plain);
    for (column, slopes) in entries.chunks_mut(stride).zip(slopes.chunks_mut(stride)).take(count) {
        for (a, slope) in column[..layer.map.outputs()].iter_mut().zip(slopes) {
            let sum = a.widened();
            *slope = T::narrowed(layer.activation.derivative(sum));
            *a = T::narrowed(layer.activation.apply(sum));
        }
    }
}
