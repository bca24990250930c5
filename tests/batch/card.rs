//! A device in place of a card: another device, with a descent of the test's own around its.

use std::ops::Range;

use nalgebra::DMatrix;
use unrelu::internals::configuration::Configurations;
use unrelu::internals::descent::DescentAnswer;
use unrelu::internals::device::Device;
use unrelu::internals::observation::View;
use unrelu::{DescentOptions, Result};

/// The arguments of a descent.
#[derive(Clone, Copy)]
pub struct Descent<'a> {
    pub observations: View<'a>,
    pub first_index: u64,
    pub options: &'a DescentOptions,
    pub prior: f64,
}

impl Descent<'_> {
    /// Makes the descent on this device.
    pub fn on(self, device: &impl Device) -> Result<DescentAnswer> {
        device.descend(self.observations, self.first_index, self.options, self.prior)
    }
}

/// A device that wants `full` observations at once.
pub struct Card<D, F> {
    pub device: D,
    pub full: usize,
    pub is_asynchronous: bool,
    /// The descent.
    pub descend: F,
}

impl<D: Device, F: Fn(&D, Descent<'_>) -> Result<DescentAnswer> + Send + Sync> Device for Card<D, F> {
    fn description(&self) -> String {
        self.device.description()
    }

    fn forward(&self, layers: Range<usize>, inputs: &DMatrix<f64>) -> Result<DMatrix<f64>> {
        self.device.forward(layers, inputs)
    }

    fn classify(&self, targets: &DMatrix<f64>, thresholds: &[f64]) -> Result<Configurations> {
        self.device.classify(targets, thresholds)
    }

    fn descend(
        &self,
        observations: View<'_>,
        first_index: u64,
        options: &DescentOptions,
        prior: f64,
    ) -> Result<DescentAnswer> {
        (self.descend)(&self.device, Descent { observations, first_index, options, prior })
    }

    fn levenberg_marquardt(
        &self,
        x: &DMatrix<f64>,
        which: &[usize],
        starts: &DMatrix<f64>,
        prior: f64,
    ) -> Result<Option<DMatrix<f64>>> {
        self.device.levenberg_marquardt(x, which, starts, prior)
    }

    fn dispatches(&self) -> u64 {
        self.device.dispatches()
    }

    fn kernel_seconds(&self) -> Option<f64> {
        self.device.kernel_seconds()
    }

    fn is_asynchronous(&self) -> bool {
        self.is_asynchronous
    }

    fn observations_at_once(&self, _: &DescentOptions) -> usize {
        self.full
    }

    fn warning(&self) -> Option<String> {
        self.device.warning()
    }
}
