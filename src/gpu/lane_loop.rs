//! Runs the lanes of a batch to their ends, with the whole loop on the device: for gradient descent
//! and Levenberg–Marquardt.
//!
//! The host submits steps in chunks. After each chunk it reads back four bytes, the number of lanes
//! that still run, while the next chunk already runs. When enough lanes have ended, the running
//! ones are moved to the front (`compact.rs`), and the kernels process only these. Ended lanes stay
//! unchanged behind them.

use std::collections::VecDeque;
use std::sync::atomic::Ordering;
use std::time::Instant;

use super::GpuDevice;
use super::compact::{Moving, record_move};
use super::fitting::Work;
use super::pipeline::{Step, dispatch};
use super::workspace::{Role, Workspace};
use crate::error::Result;

/// Lanes are moved when at most this share of the processed lanes still runs. A move costs about as
/// much as a step.
const WORTH_MOVING: (usize, usize) = (7, 8);

/// Options of the loop.
#[derive(Debug, Clone, Copy)]
pub(super) struct LaneLoop<'a> {
    /// Whose pace it keeps.
    pub work: Work,
    /// Maximum number of steps per lane. One more is submitted, which only evaluates the result of
    /// the last step.
    pub cap: usize,
    /// Maximum number of steps per submission.
    pub most: usize,
    /// The arrays that move with the lanes.
    pub moving: &'a [Moving],
}

/// A submission under way.
struct Chunk {
    /// Its staging buffer.
    slot: usize,
    steps: usize,
    /// The number of lanes that it processes.
    width: usize,
}

impl GpuDevice {
    /// Runs the `count` lanes in `space` to their ends. `steps`: the kernels of one step on a given
    /// number of the first lanes.
    ///
    /// # Errors
    /// [`crate::Error::DeviceLost`] if the device fails.
    pub(super) fn run_lanes(
        &self,
        space: &mut Workspace,
        count: usize,
        rules: &LaneLoop<'_>,
        steps: impl Fn(&mut Workspace, usize) -> Vec<Step>,
    ) -> Result<()> {
        let (mut width, mut running) = (count, count);
        let mut step = steps(space, width);
        let mut rank = self.rank_step(space, width);
        let mut left = rules.cap + 1;
        let mut pace = self.paces.of(rules.work);
        let mut under_way: VecDeque<Chunk> = VecDeque::new();
        let mut free = vec![1, 0];
        let mut last_end = Instant::now();
        loop {
            while left > 0
                && let Some(slot) = free.pop()
            {
                let moved = (running * WORTH_MOVING.1 <= width * WORTH_MOVING.0).then(|| {
                    let steps = self.scatter_steps(space, rules.moving, width);
                    (steps, std::mem::replace(&mut width, running))
                });
                if moved.is_some() {
                    self.compactions.fetch_add(1, Ordering::Relaxed);
                    step = steps(space, width);
                    rank = self.rank_step(space, width);
                }
                let now = left.min(pace.iterations(width)).min(rules.most);
                left -= now;
                let mut staging = std::mem::take(&mut space.staging[slot]);
                staging.submit(&self.context, &[(space.buffer(Role::Running), 4)], |encoder, timer| {
                    let moving = moved.as_ref().map_or(0, |(steps, before)| {
                        record_move(encoder, timer, space, (rules.moving, steps), *before)
                    });
                    let mut pass = timer.pass(encoder, moved.is_none(), true);
                    let stepping: u64 = (0..now).map(|_| dispatch(&mut pass, &step)).sum();
                    moving + stepping + dispatch(&mut pass, [&rank])
                });
                space.staging[slot] = staging;
                under_way.push_back(Chunk { slot, steps: now, width });
            }
            let Some(Chunk { slot, steps: made, width: wide }) = under_way.pop_front() else { return Ok(()) };
            let counted = space.staging[slot].collect(&self.context, bytemuck::pod_read_unaligned::<u32>)?;
            free.push(slot);
            pace.observe(made, wide, last_end.elapsed());
            self.paces.keep(rules.work, pace);
            last_end = Instant::now();
            // No ended lane restarts, so the current chunk has at most this number of running
            // lanes.
            running = counted as usize;
            if running == 0 {
                left = 0;
            }
        }
    }
}
