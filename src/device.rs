//! The operations that the engine needs from a device, always for a whole batch. There are two
//! devices: the CPU (`cpu/`, in f64, the reference for the other) and the GPU (`gpu/`, WGSL through
//! wgpu).
//!
//! Matrices hold one observation or code per column. Inputs are f64 on every device; observations
//! for a descent may be f32. f32 results are converted to f64. No certificate relies on an f32
//! result that f64 has not decided (see [`Device::classify`]). [`open`] chooses a device; if a GPU
//! is lost during a run, the CPU takes over ([`fallback`]).

#[cfg(feature = "gpu")]
mod accelerated;
pub mod fallback;
mod open;
mod two_precisions;

use nalgebra::DMatrix;

pub use open::{DeviceChoice, Request, list_adapters, open};

use self::two_precisions::Waves;
use crate::configuration::{Configurations, check_thresholds};
use crate::cpu::{CpuDevice, blocked, classify};
use crate::descent::{DescentAnswer, DescentOptions};
use crate::error::Result;
use crate::observation::View;

/// A device that holds one network. No method has a default, so that a device that wraps another
/// one must forward each of them.
pub trait Device: Send + Sync {
    /// The name shown to users: `CPU (2 threads)`, or the adapter's name and backend.
    fn description(&self) -> String;

    /// Applies the layers `layers.start .. layers.end` (from 0) of the network, one after the
    /// other: `φ_i(A)`. `inputs`: inputs of the first layer × count. Returns units of the last
    /// layer × count.
    fn forward(&self, layers: std::ops::Range<usize>, inputs: &DMatrix<f64>) -> Result<DMatrix<f64>>;

    /// The configuration of each target: entry `j` of observation `b` is active when
    /// `targets[(j, b)] > thresholds[b]`. Every device decides as f64 does: where f32 cannot
    /// decide, f64 does. `NaN` and `−∞` are not active, `+∞` is.
    ///
    /// `targets`: rows × count; `thresholds`: count, each finite.
    fn classify(&self, targets: &DMatrix<f64>, thresholds: &[f64]) -> Result<Configurations>;

    /// Gradient descent for every observation (`n` × count, `NaN` where unobserved), with the loop
    /// on the device. f32 and f64 observations give the same answers. `first_index` is the index of
    /// the first column in the whole job: starting codes are seeded by index. `prior`: `λ` of
    /// `½λ‖z‖²`, which is added to the loss.
    fn descend(
        &self,
        observations: View<'_>,
        first_index: u64,
        options: &DescentOptions,
        prior: f64,
    ) -> Result<DescentAnswer>;

    /// Finds codes near minima of `½‖G(z) − x‖² + ½λ‖z‖²` over the observed entries (`λ` is
    /// `prior`), by Levenberg–Marquardt from `starts` (`k` × the length of `which`). Start `i` is
    /// for column `which[i]` of `observations` (`n` × count, `NaN` where unobserved). If a run left
    /// the device's range, its code is its start, bit for bit. Returns `None` if the device is not
    /// faster than the caller's own search: the CPU, and a GPU whose kernels do not support such a
    /// large `k`.
    ///
    /// # Errors
    /// [`Error::DeviceLost`](crate::Error::DeviceLost) if the device fails.
    fn levenberg_marquardt(
        &self,
        observations: &DMatrix<f64>,
        which: &[usize],
        starts: &DMatrix<f64>,
        prior: f64,
    ) -> Result<Option<DMatrix<f64>>>;

    /// Number of kernels run on this device so far (on the CPU: parallel sweeps).
    fn dispatches(&self) -> u64;

    /// Kernel time on this device so far in seconds, by its own clock; `None` if it has none: the
    /// CPU, and adapters without timestamp queries.
    fn kernel_seconds(&self) -> Option<f64>;

    /// Whether the device works while this process waits, so that the thread pool can do other
    /// work.
    fn is_asynchronous(&self) -> bool;

    /// The number of observations whose descents fill the device, at least 1: it makes them in
    /// little more time than those of a small batch. 1 if every batch is as fast per observation:
    /// the CPU, and adapters that compute on it or beside it.
    fn observations_at_once(&self, options: &DescentOptions) -> usize;

    /// One line for the user if the device was lost and another one has taken over, or if it ran
    /// out of memory and continues with smaller batches.
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
        observations: View<'_>,
        first_index: u64,
        options: &DescentOptions,
        prior: f64,
    ) -> Result<DescentAnswer> {
        options.validate()?;
        self.network().check_observation_length(observations.nrows())?;
        self.count_sweep();
        let double = observations.double();
        let observations = View::Double(&double);
        let steps = options.steps(|| self.default_step(), prior);
        let waves = Waves { network: self.double(), observations, first_index, options, steps: &steps };
        waves.descend(|starts| Ok(waves.sorted(starts, |begun| self.prepared(&double, begun, &steps))))
    }

    fn levenberg_marquardt(
        &self,
        _: &DMatrix<f64>,
        _: &[usize],
        _: &DMatrix<f64>,
        _: f64,
    ) -> Result<Option<DMatrix<f64>>> {
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

    fn observations_at_once(&self, _: &DescentOptions) -> usize {
        1
    }

    fn warning(&self) -> Option<String> {
        None
    }
}
