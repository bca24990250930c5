//! A shader's entry point on the device, built from its description in `kernel_params`.
//!
//! wgpu adds checks to a shader: every index is compared with the length of its array, and every
//! loop counts its rounds. In the inner loop of a product these are most of the instructions. The
//! kernels are made without them, because they are proven to stay within their buffers; the proof
//! is at [`unchecked`]. `Context::with_checked_kernels` keeps the checks. The tests run both.

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

/// Compiles the shader of `entry` without checks of indices, of the number of a loop's rounds, and
/// of divisors.
///
/// # Proof that no kernel needs them
///
/// *Storage buffers.* `kernel_params/bounds.rs` has the number of words up to which each entry
/// point indexes each buffer, from its parameters and its number of workgroups.
/// [`Kernel::assert_within`] compares them with the sizes of the buffers. `Workspace::bind`, which
/// makes every dispatch of a network, and `PeakKernel::run` call it. The parameters are those in
/// the uniform: `Workspace::params` writes and remembers them. They change only where new
/// dispatches are made and the old ones are dropped (`lane_loop.rs`), or with the next call, which
/// makes its own. The bounds follow from the shaders:
///
/// - `forward`, `residual`, `backward`, `tangent` (`parts/product.wgsl`): `left` is called for
///   `observation < count` and `quad < quads(inner)`, `right` for `k < inner` and `quad <
///   quads(width)`, `finish` for `observation < count` and `quad < quads(width)`. Each indexes row
///   · quads + quad. In `tangent`, `row / code_length` is below `⌈rows / code_length⌉`. `write_sum`
///   of `residual` has the conditions `observation < count` and `slice < slices(units)`.
/// - `gram`: the same, where the workgroup's third number is the lane, and rows and columns are
///   directions. `one_of` returns unless `direction < code_length`, and `finish` writes columns up
///   to the row.
/// - `convolve`: the same, where a row is a pixel of an image. `left` is called for `quad <
///   quads(inner)`, so the tap `quad / input_quads` is below `taps`. It returns unless the input
///   pixel is inside the image. The output pixels of a phase are inside theirs, which is asserted
///   with the bounds, and `number / per_lane` is below `⌈count / per_lane⌉`.
/// - `gather`, `curve`, `bend`, `compare`: an invocation returns unless its number is below that of
///   the quads, or of the slices, of the whole batch. `gather` reads the places of its inputs from
///   memory; it takes only those below `input_quads`.
/// - `update`, `judge`, `normal`, `advance`: the workgroup's number is the lane. Entries are below
///   `code_length`, quads below `quads(observation_length)`, slices below
///   `slices(observation_length)`, and entries of `normals` below `packed(k, k)`, all by the
///   conditions of the loops.
/// - `classify`: observation · rows + 32 · word + bit, with `word < words` and `32 · word + bit <
///   rows`, because `words` is `⌈rows / 32⌉`.
/// - `rank`: lanes from `min(…, count)` to `min(…, count)`. Destinations are written by the number
///   of a lane. `scatter` reads where to write from memory; it returns unless that is below
///   `count`.
/// - `peak`: eight entries per invocation.
///
/// No index exceeds `u32`: the bounds are asserted to be at most `u32::MAX` words, and the rows of
/// a product's last tile exceed `count` by less than 128. The tiles of `convolve` exceed its rows
/// by less than 128 for each layer of tiles; it has at most half of `u32::MAX` rows, which is
/// asserted with the bounds. Invocations for quads exceed those by less than 64 for each row of
/// workgroups.
///
/// *Workgroup memory.* `left_tile` is indexed below `TILE_Y · ROWS · LEFT_STRIDE`: by rows below
/// `TILE_Y · ROWS` when loaded, and by `local.y + 7 · TILE_Y` at most (3 · where `ROWS` is 4) when
/// used. `right_tile` is indexed below `16 · TILE_X · QUADS`, and `lost_rows` by `row / 32`, below
/// 4.
/// `residual` keeps four sums of an invocation in one entry of `left_tile`, and marks only rows
/// that it has finished. The shapes that this needs are asserted by `Tile::assert_is_supported`.
/// Arrays of `WORKGROUP` entries are indexed by the invocation, or by the subgroup's number, of
/// which there are no more. The triangle, the slice and the solution of Levenberg–Marquardt have
/// room for `MOST_CODE_LENGTH`, which is asserted with the bounds. Each kernel writes what it reads
/// there.
///
/// *Loops.* Every `for` loop has a counter of its own that grows by a positive constant (or halves)
/// up to a bound that the loop does not change, and none of these bounds is within a workgroup's
/// size of `u32::MAX`. The only `while` loop (`walked`) subtracts at least 1 in each round.
///
/// *Divisors* are constants, sizes of workgroups and tiles, and sizes in the parameters of
/// `tangent`, `convolve`, `gather`, `bend` and `compare`, which are asserted to be positive with
/// the bounds.
#[allow(unsafe_code, reason = "checks would take most of the time of a product; the proof is above")]
fn unchecked(device: &wgpu::Device, shader: wgpu::ShaderModuleDescriptor<'_>) -> wgpu::ShaderModule {
    // SAFETY: the proof above.
    unsafe { device.create_shader_module_trusted(shader, wgpu::ShaderRuntimeChecks::unchecked()) }
}

impl Kernel {
    /// Compiles the shader of `entry`. The caller's [`Context::guarded`] catches errors of the
    /// device.
    pub fn new(context: &Context, entry: &'static EntryPoint) -> Self {
        let device = &context.device;
        let shader = wgpu::ShaderModuleDescriptor {
            label: Some(entry.kernel),
            source: wgpu::ShaderSource::Wgsl(entry.source.into()),
        };
        let module = match context.checks_kernels() {
            true => device.create_shader_module(shader),
            false => unchecked(device, shader),
        };
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

    /// Asserts that a dispatch of `workgroups` workgroups with these parameters stays within
    /// `buffers`, which are in the order of the entry point's bindings.
    ///
    /// # Panics
    /// If it does not. This is an error in this program, whatever the user's data.
    pub fn assert_within(&self, params: &[u8], workgroups: u64, buffers: &[&wgpu::Buffer]) {
        let EntryPoint { name, bindings, bounds, .. } = self.entry;
        assert_eq!(bindings.len(), buffers.len(), "one buffer per binding of {name}");
        let storage = bindings.iter().zip(buffers).filter(|(binding, _)| binding.access != Access::Uniform);
        let words = bounds(params, workgroups);
        assert_eq!(words.len(), storage.clone().count(), "one bound per storage buffer of {name}");
        for ((binding, buffer), words) in storage.zip(words) {
            let offered = buffer.size() / 4;
            let what = binding.name;
            assert!(words <= offered, "{name} indexes {words} words of {what}, which has {offered}");
            assert!(u32::try_from(words).is_ok(), "{name} cannot index {words} words of {what} by 32 bits");
        }
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
