//! What the engine asks of a device, always for a whole batch. Two devices answer: the CPU (`cpu/`,
//! in f64, the oracle of the other) and the GPU (`gpu/`, WGSL through wgpu).
//!
//! Matrices hold one observation or code a column. Inputs are f64 on every device; what a device
//! computes in f32 comes back widened, and nothing that a certificate rests on is taken from it
//! undecided (see [`Device::classify`]). [`open`] chooses one; a GPU that is lost in the middle
//! hands over to the CPU ([`fallback`]).

#[cfg(feature = "gpu")]
mod accelerated;
pub mod fallback;
mod open;
mod two_precisions;

use nalgebra::DMatrix;

pub use open::{DeviceChoice, list_adapters, open};

use self::two_precisions::Waves;
use crate::configuration::{Configurations, check_thresholds};
use crate::cpu::blocked::descend::prepared;
use crate::cpu::{CpuDevice, blocked, classify};
use crate::descent::{DescentAnswer, DescentOptions};
use crate::error::Result;

/// A device that holds one network. No method has a default: a device that stands for another has
/// to hand each of them on.
pub trait Device: Send + Sync {
    /// What a person calls it: `CPU (2 threads)`, or the adapter's name and backend.
    fn description(&self) -> String;

    /// `φ_i(A)` for the layers `layers.start .. layers.end` (from 0) of the network, one after the
    /// other. `inputs`: inputs of the first of them × count. Returns units of the last of them ×
    /// count.
    fn forward(&self, layers: std::ops::Range<usize>, inputs: &DMatrix<f64>) -> Result<DMatrix<f64>>;

    /// The configuration of each target: entry `j` of observation `b` is active when
    /// `targets[(j, b)] > thresholds[b]`, decided as f64 decides it on every device: where f32
    /// cannot tell, f64 does. `NaN` and `−∞` are not active, `+∞` is.
    ///
    /// `targets`: rows × count; `thresholds`: count, each finite.
    fn classify(&self, targets: &DMatrix<f64>, thresholds: &[f64]) -> Result<Configurations>;

    /// Gradient descent for every observation (`n` × count, `NaN` where unobserved), the loop on
    /// the device. `first_index` is the index of the first column in the whole run: starting codes
    /// are seeded by index.
    fn descend(&self, observations: &DMatrix<f64>, first_index: u64, options: &DescentOptions)
    -> Result<DescentAnswer>;

    /// Codes near minima of `½‖G(z) − x‖²` over the observed entries, by Levenberg–Marquardt from
    /// `starts` (`k` × as many as `which`); start `i` is for column `which[i]` of `observations`
    /// (`n` × count, `NaN` where unobserved). A code whose run left the device's range is its
    /// start, bit by bit. `None` where the device has nothing faster to offer than what the caller
    /// does himself: the CPU, and a GPU for whose kernels `k` is too large.
    ///
    /// # Errors
    /// [`Error::DeviceLost`](crate::Error::DeviceLost) when the device fails.
    fn levenberg_marquardt(
        &self,
        observations: &DMatrix<f64>,
        which: &[usize],
        starts: &DMatrix<f64>,
    ) -> Result<Option<DMatrix<f64>>>;

    /// How many kernels have run on this device so far (parallel sweeps, on the CPU).
    fn dispatches(&self) -> u64;

    /// Seconds that kernels have run on this device so far by its own clock; `None` where it has
    /// none: the CPU, and adapters without timestamp queries.
    fn kernel_seconds(&self) -> Option<f64>;

    /// Whether it works while this process waits, so that the pool can do something else meanwhile.
    fn is_asynchronous(&self) -> bool;

    /// One line for the person who waits, when the device has been lost and another has taken over.
    fn warning(&self) -> Option<String>;
}

impl Device for CpuDevice {
    fn description(&self) -> String {
        let threads = rayon::current_num_threads();
        format!("CPU ({threads} {})", if threads == 1 { "thread" } else { "threads" })
    }

    fn forward(&self, layers: std::ops::Range<usize>, inputs: &DMatrix<f64>) -> Result<DMatrix<f64>> {
        self.network().check_layer_inputs(&layers, inputs)?;
        self.count_sweep();
        Ok(blocked::forward::forward(self.double(), layers, inputs))
    }

    fn classify(&self, targets: &DMatrix<f64>, thresholds: &[f64]) -> Result<Configurations> {
        check_thresholds(targets, thresholds)?;
        self.count_sweep();
        Ok(classify::classify(targets, thresholds))
    }

    fn descend(
        &self,
        observations: &DMatrix<f64>,
        first_index: u64,
        options: &DescentOptions,
    ) -> Result<DescentAnswer> {
        options.validate()?;
        self.network().check_observations(observations)?;
        self.count_sweep();
        let steps = options.steps(|| self.default_step());
        let waves = Waves { network: self.double(), observations, first_index, options, steps: &steps };
        waves.descend(|starts| Ok(prepared(self.single(), observations, starts, &steps)))
    }

    fn levenberg_marquardt(&self, _: &DMatrix<f64>, _: &[usize], _: &DMatrix<f64>) -> Result<Option<DMatrix<f64>>> {
        Ok(None)
    }

    fn dispatches(&self) -> u64 {
        self.sweeps()
    }

    fn kernel_seconds(&self) -> Option<f64> {
        None
    }

    fn is_asynchronous(&self) -> bool {
        false
    }

    fn warning(&self) -> Option<String> {
        None
    }
}
