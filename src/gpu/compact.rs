//! Moves the running lanes of a batch to the front, so that the following kernels process only
//! these. Host side of `shaders/compact.wgsl`, twin of `cpu/compact.rs`.

use super::GpuDevice;
use super::pipeline::{Step, dispatch};
use super::staging::Timer;
use super::workspace::{Operand, Role, Workspace};
use crate::kernel_params::CompactParams;

/// An array whose rows move with the lanes.
#[derive(Debug, Clone, Copy)]
pub(super) struct Moving {
    pub array: Role,
    /// Intermediate buffer of the same size, which is free between two iterations.
    pub between: Role,
    /// Words per lane.
    pub words: usize,
}

impl GpuDevice {
    /// The kernel that computes the destination of each of the first `count` lanes, and the number
    /// of running lanes.
    pub(super) fn rank_step(&self, space: &mut Workspace, count: usize) -> Step {
        let params = Role::Params("rank", 0);
        space.params(&self.context, params, CompactParams { count: count as u32, words: 0 });
        let operands = [params, Role::Lanes, Role::Destinations, Role::Running].map(Operand::Own);
        self.pipelines.rank.step(&self.context, space, &operands, 1)
    }

    /// The kernels that move the first `count` lanes of `arrays` to the destinations of the last
    /// ranking.
    pub(super) fn scatter_steps(&self, space: &mut Workspace, arrays: &[Moving], count: usize) -> Vec<Step> {
        arrays
            .iter()
            .enumerate()
            .map(|(index, Moving { array, between, words })| {
                let params = Role::Params("scatter", index);
                space.params(&self.context, params, CompactParams { count: count as u32, words: *words as u32 });
                let operands = [params, Role::Destinations, *array, *between].map(Operand::Own);
                self.pipelines.scatter.step(&self.context, space, &operands, count)
            })
            .collect()
    }
}

/// Records the move of the first `count` lanes, as the first pass of a submission; returns the
/// number of kernels.
pub(super) fn record_move(
    encoder: &mut wgpu::CommandEncoder,
    timer: Timer<'_>,
    space: &Workspace,
    (arrays, steps): (&[Moving], &[Step]),
    count: usize,
) -> u64 {
    let dispatched = dispatch(&mut timer.pass(encoder, true, false), steps);
    for Moving { array, between, words } in arrays {
        let bytes = 4 * (words * count) as u64;
        encoder.copy_buffer_to_buffer(space.buffer(*between), 0, space.buffer(*array), 0, Some(bytes));
    }
    dispatched
}
