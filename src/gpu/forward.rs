//! `φ(a) = σ(W a + b)`, layer after layer, for a batch. Host side of `shaders/forward.wgsl`, twin
//! of `cpu/forward.rs`.

use std::ops::Range;

use nalgebra::DMatrix;

use super::GpuDevice;
use super::buffers::{by_operations, narrowed_columns, padded_length, widen_columns};
use super::fitting::Work;
use super::pipeline::{Step, dispatch};
use super::workspace::{Operand, Role, Workspace};
use crate::error::Result;
use crate::kernel_params::{LayerParams, activation_code};

impl GpuDevice {
    /// Runs `layers` on every column of `inputs` in f32; intermediate activations stay on the
    /// device. Returns units of the last layer × count. Entries beyond the range of f32 are not
    /// finite.
    ///
    /// # Errors
    /// [`crate::Error::DeviceLost`] if the device fails.
    ///
    /// # Panics
    /// If `layers` is not within the network or `inputs` does not fit the first of them.
    pub fn forward_f32(&self, layers: Range<usize>, inputs: &DMatrix<f64>) -> Result<DMatrix<f64>> {
        let units = self.network.layers()[layers.end - 1].units();
        let length = inputs.nrows();
        assert_eq!(length, self.network.layers()[layers.start].inputs(), "inputs that do not fit their layer");
        let mut outputs = DMatrix::zeros(units, inputs.ncols());
        let most = self.room.overlapped(self.widest(layers.clone()), self.tiles.fewest_observations())?;
        let most = most.min(by_operations(self.operations(layers.clone()))).min(inputs.ncols().max(1));
        self.halving(Work::Forward, most, |most| self.forward_parts(layers.clone(), inputs, most, &mut outputs))?;
        if layers.end == self.network.depth() {
            outputs *= self.unit;
        }
        Ok(outputs)
    }

    /// [`Self::forward_f32`] with at most `most` observations at a time, and without the unit.
    fn forward_parts(
        &self,
        layers: Range<usize>,
        inputs: &DMatrix<f64>,
        most: usize,
        outputs: &mut DMatrix<f64>,
    ) -> Result<()> {
        let (units, length) = (outputs.nrows(), inputs.nrows());
        let context = &self.context;
        self.in_overlapping_parts(
            inputs.ncols(),
            most,
            |space, columns| {
                let count = columns.len();
                let part = &inputs.as_slice()[columns.start * length..columns.end * length];
                space.upload(context, Role::Inputs, &narrowed_columns(part, length, 0.0));
                self.reserve_activations(space, layers.clone(), count);
                let steps = self.forward_steps(space, layers.clone(), count);
                let mut staging = std::mem::take(&mut space.staging[0]);
                let bytes = 4 * (padded_length(units) * count) as u64;
                let sources = [(space.buffer(Role::Activation(layers.end - 1)), bytes)];
                staging
                    .submit(context, &sources, |encoder, timer| dispatch(&mut timer.pass(encoder, true, true), &steps));
                space.staging[0] = staging;
            },
            |space, columns| {
                let part = &mut outputs.as_mut_slice()[columns.start * units..columns.end * units];
                space.staging[0].collect(context, |bytes| widen_columns(bytes, units, part))
            },
        )
    }

    /// Entries per observation of the widest array of `layers`.
    pub(super) fn widest(&self, layers: Range<usize>) -> usize {
        let layers = &self.network.layers()[layers];
        let widest = layers.iter().map(|layer| layer.units().max(layer.inputs())).max();
        padded_length(widest.unwrap_or(1))
    }

    /// Reserves buffers for the outputs of each of `layers`.
    pub(super) fn reserve_activations(&self, space: &mut Workspace, layers: Range<usize>, count: usize) {
        for index in layers {
            let entries = padded_length(self.network.layers()[index].units()) * count;
            space.reserve(&self.context, Role::Activation(index), entries);
        }
    }

    /// The kernels of `layers`, from the inputs on, for the first `count` observations.
    pub(super) fn forward_steps(&self, space: &mut Workspace, layers: Range<usize>, count: usize) -> Vec<Step> {
        let first = layers.start;
        layers
            .map(|index| {
                let layer = &self.network.layers()[index];
                let (activation, slope) = activation_code(layer.activation);
                let params = LayerParams {
                    units: layer.units() as u32,
                    inputs: layer.inputs() as u32,
                    count: count as u32,
                    activation,
                    slope,
                    limit: self.layers[index].limits.forward,
                };
                let role = Role::Params("forward", index);
                space.params(&self.context, role, params);
                let on_device = &self.layers[index];
                let operands = [
                    Operand::Own(role),
                    Operand::Fixed(&on_device.weight),
                    Operand::Fixed(&on_device.bias),
                    Operand::Own(if index == first { Role::Inputs } else { Role::Activation(index - 1) }),
                    Operand::Own(Role::Activation(index)),
                ];
                self.pipelines.forward.step(&self.context, space, &operands, (layer.units(), count))
            })
            .collect()
    }
}
