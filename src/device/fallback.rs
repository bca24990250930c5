//! A device that may be lost, with the CPU as its replacement. The call that lost the device is
//! repeated on the CPU, and all later calls run there. Only the speed changes, and one line tells
//! the user.

use std::sync::{Arc, OnceLock};

use nalgebra::DMatrix;

use super::Device;
use crate::configuration::Configurations;
use crate::cpu::CpuDevice;
use crate::descent::{DescentAnswer, DescentOptions};
use crate::error::{Error, Result};
use crate::network::Network;
use crate::observation::View;

/// Uses `primary` until a call returns [`Error::DeviceLost`], and the CPU after that.
pub struct FallbackDevice<D> {
    primary: D,
    network: Arc<Network>,
    successor: OnceLock<Successor>,
}

struct Successor {
    device: CpuDevice,
    reason: String,
}

impl<D: Device> FallbackDevice<D> {
    /// Creates the device; `primary` holds `network`, and the CPU will hold it if needed.
    pub fn new(primary: D, network: Arc<Network>) -> Self {
        FallbackDevice { primary, network, successor: OnceLock::new() }
    }

    /// The device that is used until it is lost.
    pub fn primary(&self) -> &D {
        &self.primary
    }

    fn run<T>(&self, call: impl Fn(&dyn Device) -> Result<T>) -> Result<T> {
        if let Some(successor) = self.successor.get() {
            return call(&successor.device);
        }
        match call(&self.primary) {
            // Another thread may lose it at the same time: the first reason is kept.
            Err(Error::DeviceLost(reason)) => {
                let successor = self
                    .successor
                    .get_or_init(|| Successor { device: CpuDevice::new(Arc::clone(&self.network)), reason });
                call(&successor.device)
            }
            other => other,
        }
    }
}

impl<D: Device> Device for FallbackDevice<D> {
    fn description(&self) -> String {
        match self.successor.get() {
            None => self.primary.description(),
            Some(successor) => {
                format!("{} until it was lost, then {}", self.primary.description(), successor.device.description())
            }
        }
    }

    fn forward(&self, layers: std::ops::Range<usize>, inputs: &DMatrix<f64>) -> Result<DMatrix<f64>> {
        self.run(|device| device.forward(layers.clone(), inputs))
    }

    fn classify(&self, targets: &DMatrix<f64>, thresholds: &[f64]) -> Result<Configurations> {
        self.run(|device| device.classify(targets, thresholds))
    }

    fn descend(
        &self,
        observations: View<'_>,
        first_index: u64,
        options: &DescentOptions,
        prior: f64,
    ) -> Result<DescentAnswer> {
        self.run(|device| device.descend(observations, first_index, options, prior))
    }

    fn levenberg_marquardt(
        &self,
        observations: &DMatrix<f64>,
        which: &[usize],
        starts: &DMatrix<f64>,
        prior: f64,
    ) -> Result<Option<DMatrix<f64>>> {
        self.run(|device| device.levenberg_marquardt(observations, which, starts, prior))
    }

    fn dispatches(&self) -> u64 {
        self.primary.dispatches() + self.successor.get().map_or(0, |successor| successor.device.dispatches())
    }

    fn kernel_seconds(&self) -> Option<f64> {
        // The successor is the CPU, which has no clock of its own, so the time of the lost device
        // is final.
        self.primary.kernel_seconds()
    }

    fn is_asynchronous(&self) -> bool {
        self.successor.get().is_none() && self.primary.is_asynchronous()
    }

    fn observations_at_once(&self, options: &DescentOptions) -> usize {
        match self.successor.get() {
            None => self.primary.observations_at_once(options),
            Some(successor) => successor.device.observations_at_once(options),
        }
    }

    fn warning(&self) -> Option<String> {
        let lost = self.successor.get().map(|successor| {
            // Joined to one line, whatever the driver's message is.
            let reason = successor.reason.split_whitespace().collect::<Vec<_>>().join(" ");
            format!("{} was lost ({reason}); continuing on the CPU", self.primary.description())
        });
        lost.or_else(|| self.primary.warning())
    }
}
