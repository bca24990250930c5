//! `JᵀJ` of each lane of Levenberg–Marquardt, for long codes. Host side of `shaders/gram.wgsl`,
//! twin of `cpu/gram.rs`.

use super::GpuDevice;
use super::limits;
use super::pipeline::{Product, Step};
use super::workspace::{Operand, Role, Workspace};
use crate::kernel_params::GramParams;

/// The shortest code for which it pays. `normal` reads half a quad from shared memory for each
/// entry of the triangle and of `Jᵀr`, and entry of the observation. The product reads a sixteenth,
/// but for all 64 × 64 entries of its tile, however few are used. Both read as much at `k = 30`.
const SHORTEST: usize = 33;

impl GpuDevice {
    /// Whether `gram` computes `JᵀJ`, and `normal` only `Jᵀr`.
    pub(super) fn takes_gram(&self) -> bool {
        self.network.code_length() >= SHORTEST
    }

    /// The kernel for the first `width` lanes.
    pub(super) fn gram_step(&self, gram: &Product, space: &mut Workspace, width: usize) -> Step {
        let (n, k) = (self.layouts[self.network.depth()].entries(), self.network.code_length());
        let role = Role::Params("gram", 0);
        let params = GramParams { observation_length: n as u32, code_length: k as u32, limit: limits::jacobian(n) };
        space.params(&self.context, role, params);
        let jacobian = Role::Tangents(self.network.depth() - 1);
        let operands = [role, Role::Dampings, Role::Targets, jacobian, Role::Normals].map(Operand::Own);
        gram.step_of_lanes(&self.context, space, &operands, (k, width))
    }
}
