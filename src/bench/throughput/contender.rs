//! A device that takes part, holding one network. A GPU stands here without the CPU behind it: if it is lost, its rows say so, and
//! no figure of the CPU's passes for one of the GPU's.

use std::hint::black_box;
use std::sync::Arc;

use serde::Serialize;

use super::Options;
use super::batches::{Batch, NOISE};
use super::machine::Gpu;
use super::quantity::Quantity;
use crate::batch::{Inverter, Method};
use crate::bench::subject::Subject;
use crate::cpu::CpuDevice;
use crate::descent::DescentOptions;
use crate::device::Device;
use crate::error::Result;
use crate::formats::report::Status;
use crate::lp::formulation::Tolerances;
use crate::lp::layer::LayerOptions;

/// Which of the two.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// The CPU, in f64; descent in f32 first, finished in f64.
    Cpu,
    /// The GPU, in f32; descent finished in f64 on the CPU.
    Gpu,
}

/// A device with a network, ready for every quantity.
pub(super) struct Contender {
    pub kind: Kind,
    inverter: Inverter,
    descent: DescentOptions,
}

/// What a pass came to.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Done {
    /// Passes, observations, iterations or inversions.
    pub units: f64,
    /// Observations without a certified answer.
    pub not_certified: usize,
}

impl Contender {
    pub fn cpu(subject: &Subject, options: &Options) -> Result<Self> {
        Self::on(Kind::Cpu, Box::new(CpuDevice::new(Arc::clone(&subject.network))), subject, options)
    }

    /// # Errors
    /// [`crate::Error::NoDevice`] where the adapter is not there or the network does not fit it.
    pub fn gpu(subject: &Subject, options: &Options) -> Result<Self> {
        Self::on(Kind::Gpu, backend::open(subject, options)?, subject, options)
    }

    fn on(kind: Kind, device: Box<dyn Device>, subject: &Subject, options: &Options) -> Result<Self> {
        let tolerances = Tolerances { epsilon: NOISE, ..Tolerances::default() };
        let inversion = crate::batch::Options {
            method: Method::Layerwise(LayerOptions { tolerances, ..LayerOptions::default() }),
            threads: options.threads,
            ..crate::batch::Options::default()
        };
        let inverter = Inverter::with_device(Arc::clone(&subject.network), inversion, device, None)?;
        let descent = DescentOptions { iterations: options.descent_iterations, ..DescentOptions::default() };
        Ok(Contender { kind, inverter, descent })
    }

    /// Seconds that kernels have run so far, if the device knows.
    pub fn kernel_seconds(&self) -> Option<f64> {
        self.inverter.device().kernel_seconds()
    }

    /// One pass over `batch`, from arrays of the host to arrays of the host.
    pub fn pass(&self, quantity: Quantity, batch: &Batch) -> Result<Done> {
        let device = self.inverter.device();
        let all = |count: usize| Done { units: count as f64, not_certified: 0 };
        match quantity {
            Quantity::Forward => {
                let depth = self.inverter.network().depth();
                Ok(all(black_box(device.forward(0..depth, &batch.codes)?).ncols()))
            }
            Quantity::Classify => Ok(all(black_box(device.classify(&batch.observations, &batch.thresholds)?).count())),
            Quantity::Descend => {
                let answer = black_box(device.descend(&batch.observations, 0, &self.descent)?);
                let iterations = answer.iterations.iter().map(|iterations| f64::from(*iterations)).sum();
                Ok(Done { units: iterations, not_certified: 0 })
            }
            Quantity::Invert => {
                let inverted = black_box(self.inverter.invert(&batch.observations)?);
                let not_certified = inverted.rows.iter().filter(|row| row.status != Status::Solved).count();
                Ok(Done { not_certified, ..all(inverted.rows.len()) })
            }
        }
    }
}

/// The adapter that `options` ask for, and its peak.
pub(super) fn look(options: &Options) -> Result<Gpu> {
    backend::look(options)
}

#[cfg(feature = "gpu")]
mod backend {
    use super::super::peak;
    use super::*;
    use crate::device::DeviceChoice;
    use crate::error::Error;
    use crate::gpu::GpuDevice;
    use crate::gpu::context::{Context, Selection};

    fn context(options: &Options) -> Result<Context> {
        let selection = match (options.device, options.adapter.as_deref()) {
            (DeviceChoice::Cpu, Some(name)) => {
                return Err(Error::option("--adapter", name, "no adapter with --device cpu, or --device gpu with it"));
            }
            (_, Some(name)) => Selection::Named(name),
            (DeviceChoice::Gpu, None) => Selection::Any,
            (DeviceChoice::Auto | DeviceChoice::Cpu, None) => Selection::Hardware,
        };
        Context::open(selection, None)
    }

    pub fn open(subject: &Subject, options: &Options) -> Result<Box<dyn Device>> {
        Ok(Box::new(GpuDevice::new(context(options)?, Arc::clone(&subject.network))?))
    }

    pub fn look(options: &Options) -> Result<Gpu> {
        let context = context(options)?;
        let adapter = context.adapter();
        Ok(Gpu {
            adapter: format!("{} ({})", adapter.name, adapter.backend),
            timestamps: adapter.timestamps,
            peak: peak::of_gpu(&context)?,
        })
    }
}

#[cfg(not(feature = "gpu"))]
mod backend {
    use super::*;
    use crate::error::Error;

    pub fn open(_: &Subject, _: &Options) -> Result<Box<dyn Device>> {
        Err(none())
    }

    pub fn look(_: &Options) -> Result<Gpu> {
        Err(none())
    }

    fn none() -> Error {
        Error::NoDevice("this build has no GPU support; build with the feature `gpu`, or use --device cpu".into())
    }
}
