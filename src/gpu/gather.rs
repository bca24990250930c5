//! A resampling, a scale, or the gradient of one. Host side of `shaders/gather.wgsl`, twin of
//! `cpu/gather.rs`.

use super::GpuDevice;
use super::layer_steps::{Pass, beside, number_of};
use super::maps::DeviceTerms;
use super::pipeline::Step;
use super::workspace::{Operand, Role, Workspace};
use crate::kernel_params::GatherParams;

impl GpuDevice {
    /// The kernel of a pass.
    pub(super) fn gather_step(&self, space: &mut Workspace, pass: &Pass, terms: &DeviceTerms) -> Step {
        let (after, activation, slope, per_lane) = number_of(pass.then);
        let [below, above] = [0, 1].map(|end| self.layouts[pass.index + end].words() / 4);
        let (input, output) = if pass.is_backward { (above, below) } else { (below, above) };
        let params = GatherParams {
            count: pass.rows as u32,
            input_quads: input as u32,
            output_quads: output as u32,
            terms: terms.each as u32,
            per_lane: per_lane as u32,
            after,
            activation,
            slope,
            limit: pass.limit,
        };
        let role = Role::Params(pass.name, pass.index);
        space.params(&self.context, role, params);
        let operands = [
            Operand::Own(role),
            Operand::Fixed(&terms.weight),
            Operand::Fixed(&self.layers[pass.index].bias),
            Operand::Fixed(&terms.sources),
            Operand::Own(pass.from),
            Operand::Own(beside(pass)),
            Operand::Own(pass.to),
        ];
        self.layer_pipelines().gather.step_of_entries(&self.context, space, &operands, pass.rows * output)
    }
}
