//! The last layer of gradient descent, the `δ` of its outputs, and the sums of its squares. Host
//! side of `shaders/residual.wgsl`, twin of `cpu/residual.rs`.

use super::GpuDevice;
use super::buffers::padded_length;
use super::limits;
use super::pipeline::Step;
use super::workspace::{Operand, Role, Workspace};
use crate::cpu::residual as twin;
use crate::kernel_params::{ResidualParams, SUMMED_ENTRIES, activation_code};

const _: () = assert!(SUMMED_ENTRIES as usize == twin::SUMMED_ENTRIES, "the twin sums the same entries");

/// Number of sums per observation of `length` entries.
pub(super) fn slices(length: usize) -> usize {
    length.div_ceil(SUMMED_ENTRIES as usize)
}

impl GpuDevice {
    /// Reserves the arrays that the kernel writes, for `count` observations.
    pub(super) fn reserve_residual(&self, space: &mut Workspace, count: usize) {
        let length = self.network.observation_length();
        space.reserve(&self.context, Role::Delta(self.network.depth() - 1), padded_length(length) * count);
        space.reserve(&self.context, Role::Squares, slices(length) * count);
    }

    /// The kernel for the first `count` observations, after the forward pass of the other layers.
    pub(super) fn residual_step(&self, space: &mut Workspace, count: usize) -> Step {
        let last = self.network.depth() - 1;
        let (layer, on_device) = (&self.network.layers()[last], &self.layers[last]);
        let (activation, slope) = activation_code(layer.activation);
        let params = ResidualParams {
            units: layer.units() as u32,
            inputs: layer.inputs() as u32,
            count: count as u32,
            activation,
            slope,
            limit: on_device.limits.forward,
            residual_limit: limits::residual(layer.units()),
        };
        let role = Role::Params("residual", 0);
        space.params(&self.context, role, params);
        let operands = [
            Operand::Own(role),
            Operand::Fixed(&on_device.weight),
            Operand::Fixed(&on_device.bias),
            Operand::Own(if last == 0 { Role::Inputs } else { Role::Activation(last - 1) }),
            Operand::Own(Role::Targets),
            Operand::Own(Role::Delta(last)),
            Operand::Own(Role::Squares),
        ];
        self.pipelines.residual.step(&self.context, space, &operands, (layer.units(), count))
    }
}
