//! `φ(a) = σ(W a + b)`, layer after layer, for a batch. Host side of `shaders/forward.wgsl`, twin of `cpu/forward.rs`.

use std::ops::Range;

use nalgebra::DMatrix;

use super::buffers::{self, ranges};
use super::{GpuDevice, LayerBuffers, narrowed};
use crate::error::Result;
use crate::kernel_params::{LayerParams, activation_code};

/// One layer's kernel with everything bound, ready to be dispatched any number of times.
pub(super) struct BoundLayer {
    bound: wgpu::BindGroup,
    tiles: (u32, u32),
}

impl GpuDevice {
    /// Runs `layers` on every column of `inputs` in f32, the activations between them staying on the device. Returns
    /// units of the last × count; entries are not finite where f32 does not reach.
    ///
    /// # Errors
    /// [`crate::Error::DeviceLost`] when the device fails.
    ///
    /// # Panics
    /// If `layers` is not within the network or `inputs` does not fit the first of them.
    pub fn forward_f32(&self, layers: Range<usize>, inputs: &DMatrix<f64>) -> Result<DMatrix<f64>> {
        let units = self.network.layers()[layers.end - 1].units();
        let mut outputs = DMatrix::zeros(units, inputs.ncols());
        for columns in ranges(inputs.ncols(), self.batch_of(layers.clone())?) {
            let count = columns.len();
            let batch = narrowed(inputs.columns(columns.start, count).iter());
            let answer: Vec<f32> = self.context.guarded(|| {
                let input = buffers::upload(&self.context, &batch);
                let activations = self.activations(layers.clone(), count);
                let bound = self.bind_forward(layers.clone(), &input, &activations, count);
                self.context.submit(|encoder| {
                    let mut pass = encoder.begin_compute_pass(&wgpu::ComputePassDescriptor::default());
                    self.dispatch_forward(&mut pass, &bound)
                });
                buffers::read(&self.context, &activations[activations.len() - 1])
            })?;
            for (to, from) in outputs.columns_mut(columns.start, count).iter_mut().zip(answer) {
                *to = f64::from(from);
            }
        }
        Ok(outputs)
    }

    /// Observations that one dispatch of these layers' kernels can take.
    pub(super) fn batch_of(&self, layers: Range<usize>) -> Result<usize> {
        let layers = &self.network.layers()[layers];
        let widest = layers.iter().map(|layer| layer.units().max(layer.inputs())).max();
        self.room.observations(widest.unwrap_or(1), self.sizes.tile)
    }

    /// A buffer for the outputs of each of `layers`.
    pub(super) fn activations(&self, layers: Range<usize>, count: usize) -> Vec<wgpu::Buffer> {
        let layers = &self.network.layers()[layers];
        layers.iter().map(|layer| buffers::storage(&self.context, layer.units() * count)).collect()
    }

    /// Binds `layers` from `input` through `activations`.
    pub(super) fn bind_forward(
        &self,
        layers: Range<usize>,
        input: &wgpu::Buffer,
        activations: &[wgpu::Buffer],
        count: usize,
    ) -> Vec<BoundLayer> {
        let inputs = std::iter::once(input).chain(activations);
        layers
            .zip(inputs.zip(activations))
            .map(|(index, (input, output))| {
                let layer = &self.network.layers()[index];
                let (activation, slope) = activation_code(layer.activation);
                let params = LayerParams {
                    units: layer.units() as u32,
                    inputs: layer.inputs() as u32,
                    count: count as u32,
                    activation,
                    slope,
                };
                let params = buffers::uniform(&self.context, params);
                let LayerBuffers { weight, bias } = &self.layers[index];
                BoundLayer {
                    bound: self.pipelines.forward.bind(&self.context, &[&params, weight, bias, input, output]),
                    tiles: self.tiles(layer.units(), count),
                }
            })
            .collect()
    }

    /// Dispatches bound layers one after the other; returns how many.
    pub(super) fn dispatch_forward(&self, pass: &mut wgpu::ComputePass<'_>, layers: &[BoundLayer]) -> u64 {
        for layer in layers {
            self.pipelines.forward.dispatch(pass, &layer.bound, layer.tiles.0, layer.tiles.1);
        }
        layers.len() as u64
    }
}
