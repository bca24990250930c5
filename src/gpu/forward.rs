//! `φ(a) = σ(W a + b)`, layer after layer, for a batch. Host side of `shaders/forward.wgsl`, twin
//! of `cpu/forward.rs`.

use std::ops::Range;

use nalgebra::DMatrix;

use super::GpuDevice;
use super::buffers::by_operations;
use super::fitting::Work;
use super::layer_steps::{Pass, Then};
use super::maps::DeviceMap;
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
        let (input, output) = (self.layouts[layers.start], self.layouts[layers.end]);
        let context = &self.context;
        self.in_overlapping_parts(
            inputs.ncols(),
            most,
            |space, columns| {
                let count = columns.len();
                let part = &inputs.as_slice()[columns.start * length..columns.end * length];
                space.upload(context, Role::Inputs, &input.narrowed(part, 0.0));
                self.reserve_activations(space, layers.clone(), count);
                let steps = self.forward_steps(space, layers.clone(), count);
                let mut staging = std::mem::take(&mut space.staging[0]);
                let bytes = 4 * (output.words() * count) as u64;
                let sources = [(space.buffer(Role::Activation(layers.end - 1)), bytes)];
                staging
                    .submit(context, &sources, |encoder, timer| dispatch(&mut timer.pass(encoder, true, true), &steps));
                space.staging[0] = staging;
            },
            |space, columns| {
                let part = &mut outputs.as_mut_slice()[columns.start * units..columns.end * units];
                space.staging[0].collect(context, |bytes| output.widen(bytes, part))
            },
        )
    }

    /// Entries per observation of the widest array of `layers`.
    pub(super) fn widest(&self, layers: Range<usize>) -> usize {
        self.layouts[layers.start..=layers.end].iter().map(|layout| layout.words()).max().unwrap_or(4)
    }

    /// Reserves buffers for the outputs of each of `layers`, and for their sums where an activation
    /// has a kernel of its own.
    pub(super) fn reserve_activations(&self, space: &mut Workspace, layers: Range<usize>, count: usize) {
        for index in layers {
            let entries = self.layouts[index + 1].words() * count;
            space.reserve(&self.context, Role::Activation(index), entries);
            if self.is_curved(index) {
                space.reserve(&self.context, Role::Sums(index), entries);
            }
        }
    }

    /// The kernels of `layers`, from the inputs on, for the first `count` observations.
    pub(super) fn forward_steps(&self, space: &mut Workspace, layers: Range<usize>, count: usize) -> Vec<Step> {
        let first = layers.start;
        let mut steps = Vec::new();
        for index in layers {
            let from = if index == first { Role::Inputs } else { Role::Activation(index - 1) };
            match &self.layers[index].map {
                DeviceMap::Dense { weight, .. } => steps.push(self.forward_step(space, index, weight, from, count)),
                _ => {
                    let pass = Pass {
                        name: "forward",
                        index,
                        is_backward: false,
                        from,
                        to: self.written(index),
                        rows: count,
                        limit: self.layers[index].limits.forward,
                        then: Then::Activate(self.network.layers()[index].activation),
                    };
                    steps.extend(self.pass_steps(space, &pass));
                }
            }
            steps.extend(self.curve_step(space, index, count));
        }
        steps
    }

    fn forward_step(
        &self,
        space: &mut Workspace,
        index: usize,
        weight: &wgpu::Buffer,
        from: Role,
        count: usize,
    ) -> Step {
        let (activation, slope) = activation_code(self.network.layers()[index].activation);
        let [inputs, units] = [0, 1].map(|end| self.layouts[index + end].entries());
        let params = LayerParams {
            units: units as u32,
            inputs: inputs as u32,
            count: count as u32,
            activation,
            slope,
            limit: self.layers[index].limits.forward,
        };
        let role = Role::Params("forward", index);
        space.params(&self.context, role, params);
        let operands = [
            Operand::Own(role),
            Operand::Fixed(weight),
            Operand::Fixed(&self.layers[index].bias),
            Operand::Own(from),
            Operand::Own(self.written(index)),
        ];
        self.pipelines.forward.step(&self.context, space, &operands, (units, count))
    }
}
