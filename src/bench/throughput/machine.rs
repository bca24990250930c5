//! What the measurements run on: the processor and its peak, the graphics adapter and its own, and
//! the memory there is.

use std::fs;

use rayon::ThreadPool;
use serde::Serialize;

use super::adapters::Gpu;
use super::quantity::Quantity;
use super::{Options, adapters, peak};
use crate::bench::processor;
use crate::device::DeviceChoice;
use crate::error::Result;

/// The machine, as every table's heading names it.
#[derive(Debug, Clone, PartialEq)]
pub struct Machine {
    /// The processor's name.
    pub cpu: String,
    /// Threads of the pool.
    pub threads: usize,
    /// GFLOP/s in f64 on all of these, measured.
    pub cpu_peak: f64,
    /// The same in f32.
    pub cpu_peak_in_f32: f64,
    /// The adapter, if one takes part.
    pub gpu: Option<Gpu>,
    /// Why none does, one line.
    pub notice: Option<String>,
}

/// Which of the two devices that are compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// The CPU, in f64; descent in f32 first, finished in f64.
    Cpu,
    /// The GPU, in f32; descent finished in f64 on the CPU.
    Gpu,
}

impl Machine {
    /// Opens what `options` ask for and measures the peaks.
    ///
    /// # Errors
    /// [`crate::Error::NoDevice`] where a GPU is asked for that is not there,
    /// [`crate::Error::DeviceLost`] where it fails. Under [`DeviceChoice::Auto`] either is a
    /// notice.
    pub(super) fn look(options: &Options, pool: &ThreadPool) -> Result<Self> {
        let (gpu, notice) = match (options.device, &options.adapter) {
            (DeviceChoice::Cpu, None) => {
                (None, Some("the GPU is left out, as option `device: cpu` asks for".to_owned()))
            }
            _ => match adapters::look(options) {
                Ok(gpu) => (Some(gpu), None),
                Err(error) if !options.insists_on_gpu() => (None, Some(format!("no rows of a GPU: {error}"))),
                Err(error) => return Err(error),
            },
        };
        let (cpu, threads) = (processor::name(), pool.current_num_threads());
        let (cpu_peak, cpu_peak_in_f32) = (peak::of_cpu(pool), peak::of_cpu_in_f32(pool));
        Ok(Machine { cpu, threads, cpu_peak, cpu_peak_in_f32, gpu, notice })
    }

    /// The name that a device's rows carry.
    pub(super) fn adapter(&self, kind: Kind) -> &str {
        match kind {
            Kind::Cpu => &self.cpu,
            Kind::Gpu => self.gpu.as_ref().map_or("", |gpu| &gpu.adapter),
        }
    }

    /// The measured peak of a device, in GFLOP/s, in the precision that it does `quantity` in.
    pub(super) fn peak(&self, kind: Kind, quantity: Quantity) -> Option<f64> {
        match (kind, quantity) {
            // Finished in f64; of f32's peak, which is the higher one, no run reaches more than
            // all.
            (Kind::Cpu, Quantity::Descend) => Some(self.cpu_peak_in_f32),
            (Kind::Cpu, _) => Some(self.cpu_peak),
            (Kind::Gpu, _) => self.gpu.as_ref().map(|gpu| gpu.peak),
        }
    }
}

/// Bytes that a batch may take when the caller names no limit: half of what the system and the
/// control group leave, 2 GiB where neither tells.
pub(super) fn memory_budget() -> f64 {
    let read = |path: &str| fs::read_to_string(path).unwrap_or_default();
    let number = |path: &str| read(path).trim().parse::<f64>().ok();
    let group = number("/sys/fs/cgroup/memory.max")
        .map(|most| most - number("/sys/fs/cgroup/memory.current").unwrap_or(0.0))
        .unwrap_or(f64::INFINITY);
    let free = available(&read("/proc/meminfo")).unwrap_or(f64::INFINITY).min(group);
    if free.is_finite() { (free / 2.0).max(0.0) } else { 2.0 * f64::from(1 << 30) }
}

/// `MemAvailable` in bytes.
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
