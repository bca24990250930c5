//! What the kernels of a layer have in common. A product of a matrix is `forward`, `backward` or
//! `tangent`; a convolution is `convolve`, once for each phase; resamplings and scales are
//! `gather`. An activation that products do not apply follows with `curve` or `bend`.

use super::GpuDevice;
use super::context::Context;
use super::maps::DeviceMap;
use super::pipeline::{Product, Rows, Step};
use super::tiles::Tiles;
use super::workspace::{Role, Workspace};
use crate::kernel_params::entry_points::{BEND, COMPARE, CONVOLVE, CURVE, GATHER};
use crate::kernel_params::{AFTER_ACTIVATE, AFTER_BEND, AFTER_KEEP, activation_code, curve};
use crate::network::Activation;

/// The kernels that only networks with other maps or activations need.
#[derive(Debug)]
pub(super) struct LayerPipelines {
    pub convolve: Product,
    pub gather: Rows,
    pub curve: Rows,
    pub bend: Rows,
    pub compare: Rows,
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

impl GpuDevice {
    pub(super) fn layer_pipelines(&self) -> &LayerPipelines {
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
}

/// The number of what becomes of the sums, the activation's number and slope, and how many rows
/// have one of `beside`.
pub(super) fn number_of(then: Then) -> (u32, u32, f32, usize) {
    let (after, activation, per_lane) = match then {
        Then::Activate(activation) => (AFTER_ACTIVATE, activation, 1),
        Then::Bend(activation, _, per_lane) => (AFTER_BEND, activation, per_lane),
        Then::Keep => (AFTER_KEEP, Activation::Identity, 1),
    };
    let (activation, slope) = activation_code(activation);
    (after, activation, slope, per_lane)
}

/// What is bound beside the sums. Something must be: without outputs, the inputs are.
pub(super) fn beside(pass: &Pass) -> Role {
    match pass.then {
        Then::Bend(_, outputs, _) => outputs,
        _ => pass.from,
    }
}
