//! The most arithmetic that a device does, in f32: `x ← a·x + b` in registers. Host side of `shaders/peak.wgsl`, twin of
//! `cpu/peak.rs`.

use std::time::{Duration, Instant};

use super::buffers;
use super::context::Context;
use super::pipeline::{Pipeline, Sizes};
use crate::cpu::peak::{CHAINS, Recurrence};
use crate::error::Result;
use crate::kernel_params::{PEAK, PeakParams};

/// Workgroups that fill any device there is many times over.
const MOST_WORKGROUPS: u32 = 4096;

/// The kernel, ready to run on a device of the caller's.
#[derive(Debug)]
pub struct PeakKernel {
    pipeline: Pipeline,
    ends: wgpu::Buffer,
    workgroups: u32,
    invocations: usize,
}

impl PeakKernel {
    /// Compiles the kernel for at most `workgroups` workgroups; `None` takes as many as fill the device.
    ///
    /// # Errors
    /// [`crate::Error::DeviceLost`] when the device fails.
    pub fn new(context: &Context, workgroups: Option<u32>) -> Result<Self> {
        let sizes = Sizes::for_limits(context.limits());
        let workgroups =
            workgroups.unwrap_or(MOST_WORKGROUPS).min(context.limits().max_compute_workgroups_per_dimension);
        let invocations = workgroups as usize * sizes.workgroup as usize;
        context.guarded(|| {
            let pipeline = Pipeline::new(context, &PEAK, sizes);
            Ok(PeakKernel { pipeline, ends: buffers::storage(context, invocations * CHAINS), workgroups, invocations })
        })
    }

    /// Invocations, each with [`CHAINS`] chains.
    pub fn invocations(&self) -> usize {
        self.invocations
    }

    /// Floating-point operations of one run: two a step of a chain.
    pub fn operations(&self, recurrence: &Recurrence) -> f64 {
        2.0 * (self.invocations * CHAINS) as f64 * recurrence.steps() as f64
    }

    /// Runs the chains from their beginnings; the wall clock from the submission until the device is done, nothing read back.
    ///
    /// # Errors
    /// [`crate::Error::DeviceLost`] when the device fails.
    pub fn run(&self, context: &Context, recurrence: &Recurrence) -> Result<Duration> {
        context.guarded(|| {
            let params = PeakParams {
                rounds: recurrence.rounds,
                factor: recurrence.factor as f32,
                addend: recurrence.addend as f32,
            };
            let params = buffers::uniform(context, params);
            let bound = self.pipeline.bind(context, &[&params, &self.ends]);
            let start = Instant::now();
            let submission = context.submit(|encoder| {
                let mut pass = encoder.begin_compute_pass(&wgpu::ComputePassDescriptor::default());
                self.pipeline.dispatch(&mut pass, &bound, self.workgroups, 1);
                1
            });
            context.wait(submission)?;
            Ok(start.elapsed())
        })
    }

    /// What the chains of the last run ended at, [`CHAINS`] an invocation.
    ///
    /// # Errors
    /// [`crate::Error::DeviceLost`] when the device fails.
    pub fn ends(&self, context: &Context) -> Result<Vec<f32>> {
        context.guarded(|| buffers::read(context, &self.ends))
    }
}
