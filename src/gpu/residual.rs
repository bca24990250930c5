//! The last layer of gradient descent, the `δ` of its outputs, and the sums of its squares. Host
//! side of `shaders/residual.wgsl`, twin of `cpu/residual.rs`.

use super::GpuDevice;
use super::limits;
use super::maps::DeviceMap;
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
        let layout = self.layouts[self.network.depth()];
        space.reserve(&self.context, Role::Delta(self.network.depth() - 1), layout.words() * count);
        space.reserve(&self.context, Role::Squares, slices(layout.entries()) * count);
    }

    /// The number of layers below the kernel `residual`, which applies the last one itself if that
    /// is a matrix with an activation that products apply; otherwise, all.
    pub(super) fn depth_of_forward(&self) -> usize {
        let last = self.network.depth() - 1;
        let is_residual = matches!(self.layers[last].map, DeviceMap::Dense { .. }) && !self.is_curved(last);
        if is_residual { last } else { last + 1 }
    }

    /// The kernels for the first `count` observations, after the forward pass of the first
    /// [`Self::depth_of_forward`] layers.
    pub(super) fn residual_steps(&self, space: &mut Workspace, count: usize) -> Vec<Step> {
        let last = self.network.depth() - 1;
        let (layer, on_device) = (&self.network.layers()[last], &self.layers[last]);
        let (DeviceMap::Dense { weight, .. }, false) = (&on_device.map, self.depth_of_forward() > last) else {
            return self.compare_steps(space, count);
        };
        let (activation, slope) = activation_code(layer.activation);
        let [inputs, units] = [0, 1].map(|end| self.layouts[last + end].entries());
        let params = ResidualParams {
            units: units as u32,
            inputs: inputs as u32,
            count: count as u32,
            activation,
            slope,
            limit: on_device.limits.forward,
            residual_limit: limits::residual(units),
        };
        let role = Role::Params("residual", 0);
        space.params(&self.context, role, params);
        let operands = [
            Operand::Own(role),
            Operand::Fixed(weight),
            Operand::Fixed(&on_device.bias),
            Operand::Own(if last == 0 { Role::Inputs } else { Role::Activation(last - 1) }),
            Operand::Own(Role::Targets),
            Operand::Own(Role::Delta(last)),
            Operand::Own(Role::Squares),
        ];
        vec![self.pipelines.residual.step(&self.context, space, &operands, (units, count))]
    }
}
