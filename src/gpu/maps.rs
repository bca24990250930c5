//! The layers' maps on the device, and the numbers that their kernels take.

use nalgebra::DMatrix;

use super::buffers::{padded_length, upload};
use super::context::Context;
use super::layout::Layout;
use super::limits::LayerLimits;
use super::phases::Phase;
use super::terms::Terms;
use crate::network::{Activation, Layer, Map};

/// One layer on the device, and the numbers up to which f32 can compute with it.
#[derive(Debug)]
pub(super) struct LayerBuffers {
    pub map: DeviceMap,
    pub bias: wgpu::Buffer,
    pub limits: LayerLimits,
}

/// A map on the device, with its transpose for the backward pass.
#[derive(Debug)]
pub(super) enum DeviceMap {
    /// A matrix.
    Dense { weight: wgpu::Buffer, transposed: wgpu::Buffer },
    /// A convolution.
    Images { forward: Vec<DevicePhase>, backward: Vec<DevicePhase> },
    /// A resampling or a scale.
    Gather { forward: DeviceTerms, backward: DeviceTerms },
}

/// A phase of a convolution on the device.
#[derive(Debug)]
pub(super) struct DevicePhase {
    pub phase: Phase,
    pub weight: wgpu::Buffer,
    pub offsets: wgpu::Buffer,
}

/// The terms of a resampling or a scale on the device.
#[derive(Debug)]
pub(super) struct DeviceTerms {
    pub each: usize,
    pub weight: wgpu::Buffer,
    pub sources: wgpu::Buffer,
}

impl LayerBuffers {
    /// Uploads a layer between two layouts; `below` is the activation of the layer below.
    pub fn new(context: &Context, layer: &Layer, layouts: &[Layout], below: Option<Activation>) -> Self {
        let (input, output) = (&layouts[0], &layouts[1]);
        LayerBuffers {
            map: DeviceMap::new(context, layer.map(), (input, output)),
            bias: upload(context, &output.narrowed(layer.bias.as_slice(), 0.0)),
            limits: LayerLimits::of(layer, below),
        }
    }
}

impl DeviceMap {
    fn new(context: &Context, map: &Map, layouts: (&Layout, &Layout)) -> Self {
        match map {
            Map::Dense(weight) => {
                let (weight, transposed) = packed(weight, layouts);
                DeviceMap::Dense { weight: upload(context, &weight), transposed: upload(context, &transposed) }
            }
            Map::Convolution(convolution) => {
                let phases = |to_wide: bool| {
                    let phases = Phase::all(convolution, to_wide).into_iter();
                    let upload_phase = |phase: Phase| DevicePhase {
                        weight: upload_some(context, phase.weights(convolution, to_wide), 4),
                        offsets: upload_some(context, phase.offsets(), 1),
                        phase,
                    };
                    phases.map(upload_phase).collect()
                };
                let is_transposed = convolution.is_transposed();
                DeviceMap::Images { forward: phases(is_transposed), backward: phases(!is_transposed) }
            }
            Map::Resample(_) | Map::Diagonal(_) => {
                let terms = |transposed: bool| {
                    let terms = Terms::of(map, layouts, transposed);
                    DeviceTerms {
                        each: terms.each,
                        weight: upload_some(context, terms.weights, 1),
                        sources: upload_some(context, terms.sources, 1),
                    }
                };
                DeviceMap::Gather { forward: terms(false), backward: terms(true) }
            }
        }
    }
}

/// Uploads numbers, or zeros where there are none: a binding cannot be empty.
fn upload_some<T: bytemuck::NoUninit + bytemuck::Zeroable>(
    context: &Context,
    mut data: Vec<T>,
    least: usize,
) -> wgpu::Buffer {
    if data.is_empty() {
        data = vec![T::zeroed(); least];
    }
    upload(context, &data)
}

/// A matrix and its transpose in f32, `[input][unit]` and `[unit][input]`, between two layouts;
/// each row is filled up to whole quads.
fn packed(weight: &DMatrix<f64>, (input, output): (&Layout, &Layout)) -> (Vec<f32>, Vec<f32>) {
    let of_columns = |matrix: &DMatrix<f64>, columns: &Layout, rows: &Layout| {
        let narrowed = rows.narrowed(matrix.as_slice(), 0.0);
        if columns.is_plain() {
            return narrowed;
        }
        let mut placed = vec![0.0; columns.entries() * rows.words()];
        for (column, entries) in narrowed.chunks_exact(rows.words()).enumerate() {
            placed[columns.place(column) * rows.words()..][..rows.words()].copy_from_slice(entries);
        }
        placed
    };
    (of_columns(weight, input, output), of_columns(&weight.transpose(), output, input))
}

/// Bytes of the largest binding of a layer's map, and its largest number of columns.
pub(super) fn needs(map: &Map, layouts: &[Layout]) -> (u64, usize) {
    let (input, output) = (&layouts[0], &layouts[1]);
    match map {
        Map::Dense(_) => {
            let bytes = 4 * (output.words() * input.entries()).max(input.words() * output.entries());
            (bytes as u64, output.entries().max(input.entries()))
        }
        Map::Convolution(map) => {
            let [narrow, wide] = [map.narrow(), map.wide()].map(|shape| padded_length(shape.channels));
            let taps = map.axes()[0].kernel * map.axes()[1].kernel;
            // The bias has a number for each entry.
            let bytes = 4 * (taps * narrow * wide).max(output.words());
            (bytes as u64, narrow.max(wide))
        }
        Map::Resample(_) | Map::Diagonal(_) => {
            let each = |transposed: bool| {
                let terms = Terms::of(map, (input, output), transposed);
                16 * terms.weights.len()
            };
            (each(false).max(each(true)).max(4 * output.words()) as u64, 4)
        }
    }
}

/// Multiplications of a layer on the device for one observation.
pub(super) fn products(map: &Map, layouts: &[Layout]) -> usize {
    match map {
        Map::Convolution(map) => {
            let phases = Phase::all(map, map.is_transposed());
            phases.iter().map(|phase| phase.products(map.input(), map.output())).sum()
        }
        Map::Dense(weight) => weight.len(),
        map => map.products().max(layouts[0].words()).max(layouts[1].words()),
    }
}
