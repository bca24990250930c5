//! One phase of a convolution, a transposed one, or the gradient of one. Host side of
//! `shaders/convolution.wgsl`, twin of `cpu/convolution.rs`.

use super::GpuDevice;
use super::buffers::padded_length;
use super::layer_steps::{Pass, beside, number_of};
use super::maps::DevicePhase;
use super::pipeline::Step;
use super::workspace::{Operand, Role, Workspace};
use crate::kernel_params::ImageParams;
use crate::network::Map;
use crate::network::map::ImageShape;

impl GpuDevice {
    /// The kernel of phase `number` of a pass.
    pub(super) fn phase_step(
        &self,
        space: &mut Workspace,
        pass: &Pass,
        number: usize,
        on_device: &DevicePhase,
    ) -> Step {
        let (from, to) = self.images(pass);
        let phase = &on_device.phase;
        let (after, activation, slope, per_lane) = number_of(pass.then);
        let quads = |shape: ImageShape| (padded_length(shape.channels) / 4) as u32;
        let [[phase_rows, phase_columns], [first_row, first_column]] =
            [phase.pixels, phase.first].map(|pair| pair.map(|length| length as u32));
        let [[row_stride, column_stride], [row_step, column_step]] =
            [phase.stride, phase.step].map(|pair| pair.map(|length| length as u32));
        let params = ImageParams {
            count: pass.rows as u32,
            phase_rows,
            phase_columns,
            first_row,
            first_column,
            row_stride,
            column_stride,
            row_step,
            column_step,
            input_rows: from.rows as u32,
            input_columns: from.columns as u32,
            input_quads: quads(from),
            output_rows: to.rows as u32,
            output_columns: to.columns as u32,
            output_quads: quads(to),
            taps: phase.taps.len() as u32,
            per_lane: per_lane as u32,
            after,
            activation,
            slope,
            limit: pass.limit,
        };
        let role = Role::PhaseParams(pass.name, pass.index, number);
        space.params(&self.context, role, params);
        let operands = [
            Operand::Own(role),
            Operand::Fixed(&on_device.weight),
            Operand::Fixed(&self.layers[pass.index].bias),
            Operand::Fixed(&on_device.offsets),
            Operand::Own(pass.from),
            Operand::Own(beside(pass)),
            Operand::Own(pass.to),
        ];
        let shape = (padded_length(to.channels), pass.rows * phase.pixels[0] * phase.pixels[1]);
        self.layer_pipelines().convolve.step_of_pixels(&self.context, space, &operands, shape)
    }

    /// The images that a pass of a convolution reads and writes.
    fn images(&self, pass: &Pass) -> (ImageShape, ImageShape) {
        let nothing = ImageShape { channels: 1, rows: 1, columns: 1 };
        let (input, output) = match self.network.layers()[pass.index].map() {
            Map::Convolution(map) => (map.input(), map.output()),
            _ => (nothing, nothing),
        };
        if pass.is_backward { (output, input) } else { (input, output) }
    }
}
