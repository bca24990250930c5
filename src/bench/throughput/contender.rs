//! A device that takes part, holding one network. A GPU is used here without its CPU fallback. If
//! it is lost, its rows say so, and no CPU time is reported as a GPU time.

use std::hint::black_box;
use std::sync::Arc;

use super::batches::{Batch, NOISE};
use super::machine::Kind;
use super::quantity::Quantity;
use super::{Options, adapters};
use crate::batch::{Inverter, Method};
use crate::bench::subject::Subject;
use crate::cpu::CpuDevice;
use crate::descent::DescentOptions;
use crate::device::Device;
use crate::error::Result;
use crate::lp::formulation::Tolerances;
use crate::lp::layer::LayerwiseOptions;
use crate::outcome::Status;

/// A device with a network, ready for every quantity.
pub(super) struct Contender {
    pub kind: Kind,
    inverter: Inverter,
    descent: DescentOptions,
}

/// The result of a pass.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Done {
    /// Number of passes, observations, iterations or inversions.
    pub units: f64,
    /// Observations without a certified answer.
    pub not_certified: usize,
}

impl Contender {
    pub fn cpu(subject: &Subject, options: &Options) -> Result<Self> {
        Self::on(Kind::Cpu, Box::new(CpuDevice::new(Arc::clone(&subject.network))), subject, options)
    }

    /// Opens the GPU for the network.
    ///
    /// # Errors
    /// [`crate::Error::NoDevice`] if the adapter is missing or the network does not fit it.
    pub fn gpu(subject: &Subject, options: &Options) -> Result<Self> {
        Self::on(Kind::Gpu, adapters::open(subject, options)?, subject, options)
    }

    fn on(kind: Kind, device: Box<dyn Device>, subject: &Subject, options: &Options) -> Result<Self> {
        let tolerances = Tolerances::default().epsilon(NOISE);
        let inversion = crate::batch::Options {
            method: Method::Layerwise(LayerwiseOptions { tolerances, ..LayerwiseOptions::default() }),
            threads: options.threads,
            ..crate::batch::Options::default()
        };
        let inverter = Inverter::with_device(Arc::clone(&subject.network), inversion, device, None)?;
        let descent = DescentOptions { iterations: options.descent_iterations, ..DescentOptions::default() };
        Ok(Contender { kind, inverter, descent })
    }

    /// Kernel time so far in seconds, if the device has a clock.
    pub fn kernel_seconds(&self) -> Option<f64> {
        self.inverter.runtime().device().kernel_seconds()
    }

    /// Runs one pass over `batch`, from arrays on the host to arrays on the host.
    pub fn pass(&self, quantity: Quantity, batch: &Batch) -> Result<Done> {
        let device = self.inverter.runtime().device();
        let all = |count: usize| Done { units: count as f64, not_certified: 0 };
        match quantity {
            Quantity::Forward => {
                let depth = self.inverter.network().depth();
                Ok(all(black_box(device.forward(0..depth, &batch.codes)?).ncols()))
            }
            Quantity::Classify => Ok(all(black_box(device.classify(&batch.observations, &batch.thresholds)?).count())),
            Quantity::Descend => {
                let answer = black_box(device.descend((&batch.observations).into(), 0, &self.descent, 0.0)?);
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
