//! Pipelines of an entry point, made from the description that `kernel_params` gives.

use std::sync::OnceLock;

use super::context::Context;
use super::tiles::{Tile, Tiles};
use super::workspace::{Operand, Workspace};
use crate::kernel_params::{Access, EntryPoint};

/// Invocations that work on one observation, a power of two.
const WORKGROUP: u32 = 64;

/// A compiled shader with one entry point's bindings, of which pipelines with different sizes are made.
#[derive(Debug)]
pub struct Kernel {
    module: wgpu::ShaderModule,
    layout: wgpu::BindGroupLayout,
    pipeline_layout: wgpu::PipelineLayout,
    entry: &'static EntryPoint,
}

impl Kernel {
    fn new(context: &Context, entry: &'static EntryPoint) -> Self {
        let device = &context.device;
        let module = device.create_shader_module(wgpu::ShaderModuleDescriptor {
            label: Some(entry.kernel),
            source: wgpu::ShaderSource::Wgsl(entry.source.into()),
        });
        let bindings: Vec<_> = entry
            .bindings
            .iter()
            .map(|binding| wgpu::BindGroupLayoutEntry {
                binding: binding.number,
                visibility: wgpu::ShaderStages::COMPUTE,
                ty: wgpu::BindingType::Buffer {
                    ty: match binding.access {
                        Access::Uniform => wgpu::BufferBindingType::Uniform,
                        Access::Read => wgpu::BufferBindingType::Storage { read_only: true },
                        Access::ReadWrite => wgpu::BufferBindingType::Storage { read_only: false },
                    },
                    has_dynamic_offset: false,
                    min_binding_size: None,
                },
                count: None,
            })
            .collect();
        let layout = device
            .create_bind_group_layout(&wgpu::BindGroupLayoutDescriptor { label: Some(entry.name), entries: &bindings });
        let pipeline_layout = device.create_pipeline_layout(&wgpu::PipelineLayoutDescriptor {
            label: Some(entry.name),
            bind_group_layouts: &[Some(&layout)],
            immediate_size: 0,
        });
        Kernel { module, layout, pipeline_layout, entry }
    }

    /// The entry point's name.
    pub fn name(&self) -> &'static str {
        self.entry.name
    }

    /// With the shader's override constants set.
    fn pipeline(&self, context: &Context, constants: &[(&str, f64)]) -> wgpu::ComputePipeline {
        context.device.create_compute_pipeline(&wgpu::ComputePipelineDescriptor {
            label: Some(self.entry.name),
            layout: Some(&self.pipeline_layout),
            module: &self.module,
            entry_point: Some(self.entry.name),
            compilation_options: wgpu::PipelineCompilationOptions {
                constants,
                // The kernels write what they read.
                zero_initialize_workgroup_memory: false,
            },
            cache: None,
        })
    }

    /// Binds `buffers`, in the order of the entry point's bindings.
    pub fn bind(&self, context: &Context, buffers: &[&wgpu::Buffer]) -> wgpu::BindGroup {
        let entries: Vec<_> = self
            .entry
            .bindings
            .iter()
            .zip(buffers)
            .map(|(binding, buffer)| wgpu::BindGroupEntry {
                binding: binding.number,
                resource: buffer.as_entire_binding(),
            })
            .collect();
        context.device.create_bind_group(&wgpu::BindGroupDescriptor {
            label: Some(self.entry.name),
            layout: &self.layout,
            entries: &entries,
        })
    }
}

/// A kernel with everything bound, ready to be dispatched any number of times.
pub struct Step {
    pipeline: wgpu::ComputePipeline,
    bound: wgpu::BindGroup,
    workgroups: (u32, u32),
}

/// Dispatches `steps` one after the other; returns how many.
pub fn dispatch<'a>(pass: &mut wgpu::ComputePass<'_>, steps: impl IntoIterator<Item = &'a Step>) -> u64 {
    let mut dispatched = 0;
    for step in steps {
        pass.set_pipeline(&step.pipeline);
        pass.set_bind_group(0, &step.bound, &[]);
        pass.dispatch_workgroups(step.workgroups.0, step.workgroups.1, 1);
        dispatched += 1;
    }
    dispatched
}

/// A kernel whose workgroups have one observation each, or all of them.
#[derive(Debug)]
pub struct Rows {
    kernel: Kernel,
    pipeline: wgpu::ComputePipeline,
}

impl Rows {
    /// Compiles `entry`. Errors of the device are caught by the caller's [`Context::guarded`].
    pub fn new(context: &Context, entry: &'static EntryPoint) -> Self {
        let kernel = Kernel::new(context, entry);
        let invocations = match entry.workgroup {
            // All of the batch has only one workgroup.
            crate::kernel_params::Workgroup::Batch => context.limits().max_compute_invocations_per_workgroup.min(256),
            _ => WORKGROUP,
        };
        let pipeline = kernel.pipeline(context, &[("WORKGROUP", f64::from(invocations))]);
        Rows { kernel, pipeline }
    }

    /// `workgroups` of it on `operands`.
    pub fn step(&self, context: &Context, space: &mut Workspace, operands: &[Operand<'_>], workgroups: usize) -> Step {
        let bound = space.bind(context, &self.kernel, operands);
        Step { pipeline: self.pipeline.clone(), bound, workgroups: (workgroups as u32, 1) }
    }
}

/// A tiled product, each tile compiled when it is first needed.
#[derive(Debug)]
pub struct Product {
    kernel: Kernel,
    tiles: Tiles,
    pipelines: [OnceLock<wgpu::ComputePipeline>; 3],
}

impl Product {
    /// Compiles `entry` as far as it does not depend on the tile.
    pub fn new(context: &Context, entry: &'static EntryPoint, tiles: Tiles) -> Self {
        Product { kernel: Kernel::new(context, entry), tiles, pipelines: Default::default() }
    }

    /// The product with `entries` a row and `count` observations on `operands`.
    pub fn step(
        &self,
        context: &Context,
        space: &mut Workspace,
        operands: &[Operand<'_>],
        (entries, count): (usize, usize),
    ) -> Step {
        let choice = self.tiles.choose(entries, count);
        let tile = self.tiles.variants[choice];
        let pipeline = self.pipelines[choice].get_or_init(|| self.compiled(context, tile)).clone();
        let bound = space.bind(context, &self.kernel, operands);
        Step { pipeline, bound, workgroups: tile.workgroups(entries, count) }
    }

    fn compiled(&self, context: &Context, tile: Tile) -> wgpu::ComputePipeline {
        let constants = [("TILE_X", tile.x), ("TILE_Y", tile.y), ("ROWS", tile.rows)];
        self.kernel.pipeline(context, &constants.map(|(name, size)| (name, f64::from(size))))
    }
}
