//! `δ` of outputs that are there, and the sums of their squares. Host side of
//! `shaders/compare.wgsl`, twin of `cpu/compare.rs`.

use super::GpuDevice;
use super::limits;
use super::pipeline::Step;
use super::residual::slices;
use super::workspace::{Operand, Role, Workspace};
use crate::kernel_params::{CompareParams, activation_code};

impl GpuDevice {
    /// `δ` of the outputs and the sums of squares, from outputs that are there.
    pub(super) fn compare_steps(&self, space: &mut Workspace, count: usize) -> Vec<Step> {
        let last = self.network.depth() - 1;
        let units = self.layouts[last + 1].entries();
        let (activation, slope) = activation_code(self.network.layers()[last].activation);
        let params = CompareParams {
            units: units as u32,
            count: count as u32,
            activation,
            slope,
            residual_limit: limits::residual(units),
        };
        let role = Role::Params("compare", 0);
        space.params(&self.context, role, params);
        let operands =
            [role, Role::Activation(last), Role::Targets, Role::Delta(last), Role::Squares].map(Operand::Own);
        let entries = count * slices(units);
        let mut steps = vec![self.layer_pipelines().compare.step_of_entries(&self.context, space, &operands, entries)];
        steps.extend(self.bend_step(space, last, (Role::Delta(last), count, 1)));
        steps
    }
}
