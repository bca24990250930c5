//! A shader's entry point on the device, built from its description in `kernel_params`.

use super::context::Context;
use crate::kernel_params::entry_points::{Access, EntryPoint};

/// A compiled shader with the bindings of one entry point. Pipelines with different sizes are built
/// from it.
#[derive(Debug)]
pub struct Kernel {
    module: wgpu::ShaderModule,
    layout: wgpu::BindGroupLayout,
    pipeline_layout: wgpu::PipelineLayout,
    entry: &'static EntryPoint,
}

impl Kernel {
    /// Compiles the shader of `entry`. The caller's [`Context::guarded`] catches errors of the
    /// device.
    pub fn new(context: &Context, entry: &'static EntryPoint) -> Self {
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

    /// Builds a pipeline with the shader's override constants set.
    pub fn pipeline(&self, context: &Context, constants: &[(&str, f64)]) -> wgpu::ComputePipeline {
        context.device.create_compute_pipeline(&wgpu::ComputePipelineDescriptor {
            label: Some(self.entry.name),
            layout: Some(&self.pipeline_layout),
            module: &self.module,
            entry_point: Some(self.entry.name),
            compilation_options: wgpu::PipelineCompilationOptions {
                constants,
                // The kernels write workgroup memory before they read it.
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
