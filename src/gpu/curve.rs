//! The activations that no product applies, and their derivatives. Host side of
//! `shaders/curve.wgsl`, twin of `cpu/curve.rs`.

use super::GpuDevice;
use super::pipeline::Step;
use super::workspace::{Operand, Role, Workspace};
use crate::kernel_params::{CurveParams, curve};

impl GpuDevice {
    /// The outputs of a layer from its sums, where its product does not apply the activation.
    pub(super) fn curve_step(&self, space: &mut Workspace, index: usize, count: usize) -> Option<Step> {
        let role = Role::Params("curve", index);
        let entries = self.curve_params(space, role, (index, count), 1)?;
        let operands = [role, Role::Sums(index), Role::Activation(index)].map(Operand::Own);
        Some(self.layer_pipelines().curve.step_of_entries(&self.context, space, &operands, entries))
    }

    /// Multiplies `count` rows of `bent` by `σ'` of the layer's sums, where the product that wrote
    /// them does not; `per_lane` of them for each row of sums.
    pub(super) fn bend_step(
        &self,
        space: &mut Workspace,
        index: usize,
        (bent, count, per_lane): (Role, usize, usize),
    ) -> Option<Step> {
        let role = Role::Params("bend", index);
        let entries = self.curve_params(space, role, (index, count), per_lane)?;
        let operands = [role, Role::Sums(index), bent].map(Operand::Own);
        Some(self.layer_pipelines().bend.step_of_entries(&self.context, space, &operands, entries))
    }

    /// Writes the uniform; returns the number of quads, or `None` if products apply the activation.
    fn curve_params(
        &self,
        space: &mut Workspace,
        role: Role,
        (index, count): (usize, usize),
        per_lane: usize,
    ) -> Option<usize> {
        let (activation, slope, scale) = curve(self.network.layers()[index].activation)?;
        let length = self.layouts[index + 1].words() / 4;
        let (rows, quads, per_lane) = (count as u32, length as u32, per_lane as u32);
        space.params(
            &self.context,
            role,
            CurveParams { count: rows, length: quads, per_lane, activation, slope, scale },
        );
        Some(count * length)
    }
}
