//! The machine of the measurements: the processor and its peak, the graphics adapter and its peak,
//! and the available memory.

use rayon::ThreadPool;
use serde::Serialize;

use super::adapters::Gpu;
use super::quantity::Quantity;
use super::{Options, adapters, peak};
use crate::bench::processor;
use crate::device::DeviceChoice;
use crate::error::Result;
use crate::memory;

/// The machine, as every table's heading shows it.
#[derive(Debug, Clone, PartialEq)]
pub struct Machine {
    /// The processor's name.
    pub cpu: String,
    /// Threads of the pool.
    pub threads: usize,
    /// GFLOP/s in f64 on all threads, measured.
    pub cpu_peak: f64,
    /// The same in f32.
    pub cpu_peak_in_f32: f64,
    /// The adapter, if one takes part.
    pub gpu: Option<Gpu>,
    /// Why no adapter takes part, in one line.
    pub notice: Option<String>,
}

/// One of the two compared devices.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// The CPU, in f64; descent in f32 first, finished in f64.
    Cpu,
    /// The GPU, in f32; descent finished in f64 on the CPU.
    Gpu,
}

impl Machine {
    /// Opens the devices of `options` and measures their peaks.
    ///
    /// # Errors
    /// [`crate::Error::NoDevice`] if a requested GPU is missing, [`crate::Error::DeviceLost`] if it
    /// fails. Under [`DeviceChoice::Auto`], both are only notices.
    pub(super) fn look(options: &Options, pool: &ThreadPool) -> Result<Self> {
        let (gpu, notice) = match (options.device, &options.adapter, options.backend) {
            (DeviceChoice::Cpu, None, None) => {
                (None, Some("the GPU is left out because of option `device: cpu`".to_owned()))
            }
            _ => match adapters::look(options) {
                Ok(gpu) => (Some(gpu), None),
                Err(error) if !options.insists_on_gpu() => (None, Some(format!("no GPU rows: {error}"))),
                Err(error) => return Err(error),
            },
        };
        let (cpu, threads) = (processor::name(), pool.current_num_threads());
        let (cpu_peak, cpu_peak_in_f32) = (peak::of_cpu(pool), peak::of_cpu_in_f32(pool));
        Ok(Machine { cpu, threads, cpu_peak, cpu_peak_in_f32, gpu, notice })
    }

    /// The name of a device in its rows.
    pub(super) fn adapter(&self, kind: Kind) -> &str {
        match kind {
            Kind::Cpu => &self.cpu,
            Kind::Gpu => self.gpu.as_ref().map_or("", |gpu| &gpu.adapter),
        }
    }

    /// The measured peak of a device in GFLOP/s, in the precision that it uses for `quantity`.
    pub(super) fn peak(&self, kind: Kind, quantity: Quantity) -> Option<f64> {
        match (kind, quantity) {
            // Descent is finished in f64. The peak of f32 is the higher one, so the share never
            // exceeds 100 %.
            (Kind::Cpu, Quantity::Descend) => Some(self.cpu_peak_in_f32),
            (Kind::Cpu, _) => Some(self.cpu_peak),
            (Kind::Gpu, _) => self.gpu.as_ref().map(|gpu| gpu.peak),
        }
    }
}

/// Maximum bytes of a batch if the caller sets no limit: half of what the process may still use, or
/// 2 GiB if nothing tells it.
pub(super) fn memory_budget() -> f64 {
    memory::available().map_or(2.0 * f64::from(1 << 30), |bytes| bytes as f64 / 2.0)
}
