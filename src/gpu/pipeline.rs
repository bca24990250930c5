//! Pipelines: an entry point with its sizes set, and one dispatch of it with its bindings.

use std::sync::OnceLock;

use super::context::Context;
use super::kernel::Kernel;
use super::tiles::{Tile, Tiles};
use super::workspace::{Operand, Workspace};
use crate::kernel_params::WORKGROUP;
use crate::kernel_params::entry_points::{EntryPoint, Workgroup};

/// A kernel with all bindings, ready for any number of dispatches.
pub struct Step {
    pipeline: wgpu::ComputePipeline,
    bound: wgpu::BindGroup,
    workgroups: (u32, u32, u32),
}

/// Dispatches `steps` one after the other; returns their number.
pub fn dispatch<'a>(pass: &mut wgpu::ComputePass<'_>, steps: impl IntoIterator<Item = &'a Step>) -> u64 {
    let mut dispatched = 0;
    for step in steps {
        pass.set_pipeline(&step.pipeline);
        pass.set_bind_group(0, &step.bound, &[]);
        pass.dispatch_workgroups(step.workgroups.0, step.workgroups.1, step.workgroups.2);
        dispatched += 1;
    }
    dispatched
}

/// A kernel with one workgroup per observation, or one for the whole batch.
#[derive(Debug)]
pub struct Rows {
    kernel: Kernel,
    pipeline: wgpu::ComputePipeline,
}

impl Rows {
    /// Compiles `entry`. The caller's [`Context::guarded`] catches errors of the device.
    pub fn new(context: &Context, entry: &'static EntryPoint) -> Self {
        let kernel = Kernel::new(context, entry);
        let invocations = match entry.workgroup {
            // The whole batch has only one workgroup.
            Workgroup::Batch => context.limits().max_compute_invocations_per_workgroup.min(256),
            _ => WORKGROUP,
        };
        let pipeline = kernel.pipeline(context, &[("WORKGROUP", f64::from(invocations))]);
        Rows { kernel, pipeline }
    }

    /// A dispatch of `workgroups` workgroups on `operands`. Their parameters are those of the last
    /// [`Workspace::params`], and stay so until the dispatch.
    ///
    /// # Panics
    /// If a buffer is too small for the parameters.
    pub fn step(&self, context: &Context, space: &mut Workspace, operands: &[Operand<'_>], workgroups: usize) -> Step {
        let bound = space.bind(context, &self.kernel, operands, workgroups);
        Step { pipeline: self.pipeline.clone(), bound, workgroups: (workgroups as u32, 1, 1) }
    }

    /// A dispatch with one invocation for each of `entries`, in as many rows of workgroups as they
    /// need; parameters as for [`Self::step`].
    ///
    /// # Panics
    /// If a buffer is too small for the parameters.
    pub fn step_of_entries(
        &self,
        context: &Context,
        space: &mut Workspace,
        operands: &[Operand<'_>],
        entries: usize,
    ) -> Step {
        let (x, y) = folded(context, entries.div_ceil(WORKGROUP as usize) as u64);
        let bound = space.bind(context, &self.kernel, operands, 1);
        Step { pipeline: self.pipeline.clone(), bound, workgroups: (x, y, 1) }
    }
}

/// A number of workgroups in two dimensions, each within the limit if their product can be.
fn folded(context: &Context, workgroups: u64) -> (u32, u32) {
    let most = u64::from(context.limits().max_compute_workgroups_per_dimension).max(1);
    let second = workgroups.div_ceil(most).max(1);
    (workgroups.div_ceil(second) as u32, second as u32)
}

/// A tiled product; each tile shape is compiled when it is first needed.
#[derive(Debug)]
pub struct Product {
    kernel: Kernel,
    tiles: Tiles,
    pipelines: [OnceLock<wgpu::ComputePipeline>; 3],
}

impl Product {
    /// Compiles the part of `entry` that does not depend on the tile.
    pub fn new(context: &Context, entry: &'static EntryPoint, tiles: Tiles) -> Self {
        Product { kernel: Kernel::new(context, entry), tiles, pipelines: Default::default() }
    }

    /// A dispatch of the product with `entries` per row and `count` observations on `operands`;
    /// parameters as for [`Rows::step`].
    ///
    /// # Panics
    /// If a buffer is too small for the parameters.
    pub fn step(
        &self,
        context: &Context,
        space: &mut Workspace,
        operands: &[Operand<'_>],
        (entries, count): (usize, usize),
    ) -> Step {
        self.dispatched(context, space, operands, ([entries, count], 1))
    }

    /// A dispatch of the product of many rows, in as many layers of tiles as they need; parameters
    /// as for [`Rows::step`].
    ///
    /// # Panics
    /// If a buffer is too small for the parameters.
    pub fn step_of_pixels(
        &self,
        context: &Context,
        space: &mut Workspace,
        operands: &[Operand<'_>],
        (entries, rows): (usize, usize),
    ) -> Step {
        let step = self.dispatched(context, space, operands, ([entries, rows], 1));
        let (x, tiles, _) = step.workgroups;
        let (y, z) = folded(context, tiles.into());
        Step { workgroups: (x, y, z), ..step }
    }

    /// A dispatch of one product per lane, each of `entries` rows of `entries`; parameters as for
    /// [`Rows::step`].
    ///
    /// # Panics
    /// If a buffer is too small for the parameters.
    pub fn step_of_lanes(
        &self,
        context: &Context,
        space: &mut Workspace,
        operands: &[Operand<'_>],
        (entries, lanes): (usize, usize),
    ) -> Step {
        self.dispatched(context, space, operands, ([entries, entries], lanes))
    }

    fn dispatched(
        &self,
        context: &Context,
        space: &mut Workspace,
        operands: &[Operand<'_>],
        ([entries, count], lanes): ([usize; 2], usize),
    ) -> Step {
        let choice = self.tiles.choose_for(entries, count, lanes);
        let tile = self.tiles.variants[choice];
        let pipeline = self.pipelines[choice].get_or_init(|| self.compiled(context, tile)).clone();
        let bound = space.bind(context, &self.kernel, operands, lanes);
        let (x, y) = tile.workgroups(entries, count);
        Step { pipeline, bound, workgroups: (x, y, lanes as u32) }
    }

    fn compiled(&self, context: &Context, tile: Tile) -> wgpu::ComputePipeline {
        tile.assert_is_supported();
        let constants = [("TILE_X", tile.x), ("TILE_Y", tile.y), ("ROWS", tile.rows), ("QUADS", tile.quads)];
        self.kernel.pipeline(context, &constants.map(|(name, size)| (name, f64::from(size))))
    }
}
