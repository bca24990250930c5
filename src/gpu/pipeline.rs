//! A pipeline for an entry point, made once a device from the description that `kernel_params` gives.

use super::context::Context;
use crate::kernel_params::{Access, EntryPoint, Workgroup};

/// Sizes of workgroups, handed to the shaders as override constants.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sizes {
    /// Side of a product's tile, `TILE` × `TILE` invocations.
    pub tile: u32,
    /// Invocations that work on one observation, a power of two.
    pub workgroup: u32,
}

impl Sizes {
    /// The largest of the usual sizes that the limits allow.
    pub fn for_limits(limits: &wgpu::Limits) -> Self {
        let invocations = limits
            .max_compute_invocations_per_workgroup
            .min(limits.max_compute_workgroup_size_x.saturating_mul(limits.max_compute_workgroup_size_x));
        Sizes { tile: if invocations >= 256 { 16 } else { 8 }, workgroup: 64 }
    }
}

/// A compiled entry point.
#[derive(Debug)]
pub struct Pipeline {
    pipeline: wgpu::ComputePipeline,
    layout: wgpu::BindGroupLayout,
    entry: &'static EntryPoint,
}

impl Pipeline {
    /// Compiles `entry`. Errors of the device are caught by the caller's [`Context::guarded`].
    pub fn new(context: &Context, entry: &'static EntryPoint, sizes: Sizes) -> Self {
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
        // A shader's constant may be set only where the shader has it.
        let tile = ("TILE", f64::from(sizes.tile));
        let workgroup = ("WORKGROUP", f64::from(sizes.workgroup));
        let constants = match (entry.kernel, entry.workgroup) {
            ("descend", _) => vec![tile, workgroup],
            (_, Workgroup::Tile) => vec![tile],
            (_, Workgroup::Observation) => vec![workgroup],
        };
        let pipeline = device.create_compute_pipeline(&wgpu::ComputePipelineDescriptor {
            label: Some(entry.name),
            layout: Some(&pipeline_layout),
            module: &module,
            entry_point: Some(entry.name),
            compilation_options: wgpu::PipelineCompilationOptions {
                constants: &constants,
                ..wgpu::PipelineCompilationOptions::default()
            },
            cache: None,
        });
        Pipeline { pipeline, layout, entry }
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

    /// Dispatches `x` × `y` workgroups on what is bound.
    pub fn dispatch(&self, pass: &mut wgpu::ComputePass<'_>, bound: &wgpu::BindGroup, x: u32, y: u32) {
        pass.set_pipeline(&self.pipeline);
        pass.set_bind_group(0, bound, &[]);
        pass.dispatch_workgroups(x, y, 1);
    }
}
