//! The machine of the measurements: the processor and its peak, the graphics adapter and its peak,
//! and the available memory.

use std::fs;

use rayon::ThreadPool;
use serde::Serialize;

use super::adapters::Gpu;
use super::quantity::Quantity;
use super::{Options, adapters, peak};
use crate::bench::processor;
use crate::device::DeviceChoice;
use crate::error::Result;

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

/// Maximum bytes of a batch if the caller sets no limit: half of what the system and the control
/// group have free, or 2 GiB if neither reports it.
pub(super) fn memory_budget() -> f64 {
    let read = |path: &str| fs::read_to_string(path).unwrap_or_default();
    let number = |path: &str| read(path).trim().parse::<f64>().ok();
    let group = number("/sys/fs/cgroup/memory.max")
        .map(|most| most - number("/sys/fs/cgroup/memory.current").unwrap_or(0.0))
        .unwrap_or(f64::INFINITY);
    let free = available(&read("/proc/meminfo")).unwrap_or(f64::INFINITY).min(group);
    if free.is_finite() { (free / 2.0).max(0.0) } else { 2.0 * f64::from(1 << 30) }
}

/// `MemAvailable`, in bytes.
fn available(meminfo: &str) -> Option<f64> {
    let line = meminfo.lines().find_map(|line| line.strip_prefix("MemAvailable:"))?;
    line.split_whitespace().next()?.parse::<f64>().ok().map(|kibibytes| 1024.0 * kibibytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_is_read_from_what_linux_tells() {
        assert_eq!(available("MemTotal: 8 kB\nMemAvailable:   2 kB\n"), Some(2048.0));
        assert_eq!(available(""), None);
        assert!(memory_budget() > 0.0);
    }
}
