//! The kernels of one layer: forward, backward, and of tangents. A product of a matrix is
//! `forward`, `backward` or `tangent`; a convolution is `convolve`, once for each phase; resamplings
//! and scales are `gather`. An activation that products do not apply follows with `curve` or
//! `bend`. Twins: `cpu/forward.rs`, `cpu/descend.rs`, `cpu/levenberg_marquardt.rs`.

use super::GpuDevice;
use super::buffers::padded_length;
use super::context::Context;
use super::limits;
use super::maps::{DeviceMap, DevicePhase, DeviceTerms};
use super::pipeline::{Product, Rows, Step};
use super::residual::slices;
use super::tiles::Tiles;
use super::workspace::{Operand, Role, Workspace};
use crate::kernel_params::entry_points::{BEND, COMPARE, CONVOLVE, CURVE, GATHER};
use crate::kernel_params::{
    AFTER_ACTIVATE, AFTER_BEND, AFTER_KEEP, CompareParams, CurveParams, GatherParams, ImageParams, activation_code,
    curve,
};
use crate::network::map::ImageShape;
use crate::network::{Activation, Map};

/// The kernels that only networks with other maps or activations need.
#[derive(Debug)]
pub(super) struct LayerPipelines {
    convolve: Product,
    gather: Rows,
    curve: Rows,
    bend: Rows,
    compare: Rows,
}

impl LayerPipelines {
    pub fn new(context: &Context, tiles: Tiles) -> Self {
        LayerPipelines {
            convolve: Product::new(context, &CONVOLVE, tiles),
            gather: Rows::new(context, &GATHER),
            curve: Rows::new(context, &CURVE),
            bend: Rows::new(context, &BEND),
            compare: Rows::new(context, &COMPARE),
        }
    }
}

/// What a map's kernel does with its sums.
#[derive(Debug, Clone, Copy)]
pub(super) enum Then {
    /// Adds the bias and applies the activation.
    Activate(Activation),
    /// Multiplies by the derivative of this activation, told by these outputs; one row of them for
    /// each so many rows of sums.
    Bend(Activation, Role, usize),
    /// Nothing.
    Keep,
}

/// A pass of a map that is no matrix.
#[derive(Debug, Clone, Copy)]
pub(super) struct Pass {
    /// Distinguishes the uniforms.
    pub name: &'static str,
    pub index: usize,
    /// From the layer's outputs to its inputs.
    pub is_backward: bool,
    pub from: Role,
    pub to: Role,
    pub rows: usize,
    pub limit: u32,
    pub then: Then,
}

/// Room for the phases of a layer among the numbers of uniforms.
const MOST_PHASES: usize = 1 << 20;

impl GpuDevice {
    fn layer_pipelines(&self) -> &LayerPipelines {
        self.layer_pipelines.get_or_init(|| LayerPipelines::new(&self.context, self.tiles))
    }

    /// Whether a layer's activation has a kernel of its own, which reads [`Role::Sums`].
    pub(super) fn is_curved(&self, index: usize) -> bool {
        curve(self.network.layers()[index].activation).is_some()
    }

    /// Where a layer's product writes its sums, or its outputs.
    pub(super) fn written(&self, index: usize) -> Role {
        if self.is_curved(index) { Role::Sums(index) } else { Role::Activation(index) }
    }

    /// The kernels of a pass of a map that is no matrix.
    pub(super) fn pass_steps(&self, space: &mut Workspace, pass: &Pass) -> Vec<Step> {
        match &self.layers[pass.index].map {
            DeviceMap::Dense { .. } => Vec::new(),
            DeviceMap::Images { forward, backward } => {
                let phases = if pass.is_backward { backward } else { forward };
                let steps = phases.iter().enumerate();
                steps.map(|(number, phase)| self.phase_step(space, pass, number, phase)).collect()
            }
            DeviceMap::Gather { forward, backward } => {
                let terms = if pass.is_backward { backward } else { forward };
                vec![self.gather_step(space, pass, terms)]
            }
        }
    }

    fn phase_step(&self, space: &mut Workspace, pass: &Pass, number: usize, on_device: &DevicePhase) -> Step {
        let (from, to) = self.images(pass);
        let phase = &on_device.phase;
        let (after, activation, slope, per_lane) = of(pass.then);
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
        let role = Role::Params(pass.name, pass.index * MOST_PHASES + number);
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

    fn gather_step(&self, space: &mut Workspace, pass: &Pass, terms: &DeviceTerms) -> Step {
        let (after, activation, slope, per_lane) = of(pass.then);
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
        let role = Role::Params(pass.name, pass.index * MOST_PHASES);
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

    /// The images that a pass of a convolution reads and writes.
    fn images(&self, pass: &Pass) -> (ImageShape, ImageShape) {
        let nothing = ImageShape { channels: 1, rows: 1, columns: 1 };
        let (input, output) = match self.network.layers()[pass.index].map() {
            Map::Convolution(map) => (map.input(), map.output()),
            _ => (nothing, nothing),
        };
        if pass.is_backward { (output, input) } else { (input, output) }
    }

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

/// The number of what becomes of the sums, the activation's number and slope, and how many rows
/// have one of `beside`.
fn of(then: Then) -> (u32, u32, f32, usize) {
    let (after, activation, per_lane) = match then {
        Then::Activate(activation) => (AFTER_ACTIVATE, activation, 1),
        Then::Bend(activation, _, per_lane) => (AFTER_BEND, activation, per_lane),
        Then::Keep => (AFTER_KEEP, Activation::Identity, 1),
    };
    let (activation, slope) = activation_code(activation);
    (after, activation, slope, per_lane)
}

/// What is bound beside the sums. Something must be: without outputs, the inputs are.
fn beside(pass: &Pass) -> Role {
    match pass.then {
        Then::Bend(_, outputs, _) => outputs,
        _ => pass.from,
    }
}
