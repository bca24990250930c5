//! Measures the peak arithmetic of a device in f32: `x ← a·x + b` in registers. Host side of
//! `shaders/peak.wgsl`, twin of `cpu/peak.rs`.

use std::time::{Duration, Instant};

use super::buffers;
use super::context::Context;
use super::kernel::Kernel;
use super::staging::Staging;
use crate::cpu::peak::{CHAINS, Recurrence};
use crate::error::Result;
use crate::kernel_params::entry_points::PEAK;
use crate::kernel_params::{PEAK_CHAINS, PeakParams, WORKGROUP};

const _: () = assert!(CHAINS == PEAK_CHAINS as usize, "the kernel has as many chains as its twin");

/// A number of workgroups that fills any existing device many times over.
const MOST_WORKGROUPS: u32 = 4096;

/// The kernel, ready to run on the caller's device.
#[derive(Debug)]
pub struct PeakKernel {
    kernel: Kernel,
    pipeline: wgpu::ComputePipeline,
    ends: wgpu::Buffer,
    workgroups: u32,
    invocations: usize,
}

impl PeakKernel {
    /// Compiles the kernel for at most `workgroups` workgroups; `None` uses enough to fill the
    /// device.
    ///
    /// # Errors
    /// [`crate::Error::DeviceLost`] if the device fails.
    pub fn new(context: &Context, workgroups: Option<u32>) -> Result<Self> {
        let workgroups =
            workgroups.unwrap_or(MOST_WORKGROUPS).min(context.limits().max_compute_workgroups_per_dimension);
        let invocations = workgroups as usize * WORKGROUP as usize;
        context.guarded(|| {
            let kernel = Kernel::new(context, &PEAK);
            let pipeline = kernel.pipeline(context, &[("WORKGROUP", f64::from(WORKGROUP))]);
            let ends = buffers::storage(context, invocations * CHAINS);
            Ok(PeakKernel { kernel, pipeline, ends, workgroups, invocations })
        })
    }

    /// Number of invocations, each with [`CHAINS`] chains.
    pub fn invocations(&self) -> usize {
        self.invocations
    }

    /// Floating-point operations of one run: two per step of a chain.
    pub fn operations(&self, recurrence: &Recurrence) -> f64 {
        2.0 * (self.invocations * CHAINS) as f64 * recurrence.steps() as f64
    }

    /// Runs the chains from their start values. Returns the wall-clock time from the submission
    /// until the device is done; nothing is read back.
    ///
    /// # Errors
    /// [`crate::Error::DeviceLost`] if the device fails.
    pub fn run(&self, context: &Context, recurrence: &Recurrence) -> Result<Duration> {
        context.guarded(|| {
            let params = PeakParams {
                rounds: recurrence.rounds,
                factor: recurrence.factor as f32,
                addend: recurrence.addend as f32,
            };
            let uniform = buffers::uniform_of(context, size_of::<PeakParams>() as u64);
            context.write(&uniform, &[params]);
            let buffers = [&uniform, &self.ends];
            self.kernel.assert_within(bytemuck::bytes_of(&params), self.workgroups.into(), &buffers);
            let bound = self.kernel.bind(context, &buffers);
            let start = Instant::now();
            let submission = context.submit(|encoder| {
                let mut pass = encoder.begin_compute_pass(&wgpu::ComputePassDescriptor::default());
                pass.set_pipeline(&self.pipeline);
                pass.set_bind_group(0, &bound, &[]);
                pass.dispatch_workgroups(self.workgroups, 1, 1);
                1
            });
            context.wait(submission)?;
            Ok(start.elapsed())
        })
    }

    /// The final values of the chains of the last run, [`CHAINS`] per invocation.
    ///
    /// # Errors
    /// [`crate::Error::DeviceLost`] if the device fails.
    pub fn ends(&self, context: &Context) -> Result<Vec<f32>> {
        context.guarded(|| {
            let mut staging = Staging::default();
            staging.copy_back(context, &[(&self.ends, self.ends.size())]);
            staging.collect(context, bytemuck::pod_collect_to_vec)
        })
    }
}
