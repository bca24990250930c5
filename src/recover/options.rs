//! The options of a recovery.

use crate::error::{Error, Result};
use crate::multistart::BestOptions;
use crate::setters::setters;
use crate::{batch, descent::DescentOptions};

/// The options of a [`Recoverer`](super::Recoverer). The default is the search on an available
/// device.
#[derive(Debug, Clone, PartialEq, Default)]
#[non_exhaustive]
pub struct RecoverOptions {
    /// How codes are computed from measurements.
    pub strategy: Strategy,
    /// Device, threads, tolerances and the type of the stored codes. Also the method, for
    /// strategies that use one.
    pub inversion: batch::Options,
}

setters!(RecoverOptions { strategy: Strategy, inversion: batch::Options });

/// The ways to solve `y = A G(z) + e` for the code.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Strategy {
    /// Minimises `½‖A G(z) − y‖²` from many starts, by Levenberg–Marquardt and an active-set
    /// method.
    Search(BestOptions),
    /// Applies `inversion.method` to `A G` as one network. `descent` works for every operator. The
    /// other methods work if the measurements are pixels; they leave out the rows of unmeasured
    /// pixels.
    Direct,
    /// Projected gradient descent, with `inversion.method` as the projection.
    Projected(ProjectedOptions),
}

/// The options of projected gradient descent.
///
/// The iteration is `x ← P(v − η Aᵀ(A v − y))` with `v = x + momentum · (x − x_before)`.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct ProjectedOptions {
    /// The relative step size. The initial step size is `η = step / gain`, where `gain` is the
    /// average of `‖A d‖² / ‖d‖²` over differences `d` of images. For columns of `A` of unit norm,
    /// `gain` is about 1. `η` is halved if `½‖A x − y‖²` does not decrease. Default 0.5.
    pub step: f64,
    /// The momentum: the share of the last change that is added before the step, in `[0, 1)`.
    /// Default 0.
    pub momentum: f64,
    /// Maximum number of outer iterations per run, including rejected ones. Default 300.
    pub iterations: usize,
    /// A run has converged if a full step changes the image by at most this share of its norm.
    /// Default 1e-7.
    pub tolerance: f64,
    /// Number of additional runs from random codes, if the run from 0 does not reproduce the
    /// measurements. Default 0.
    pub restarts: usize,
    /// The seed of these random codes. Default 0.
    pub seed: u64,
}

setters!(ProjectedOptions { step: f64, momentum: f64, iterations: usize, tolerance: f64, restarts: usize, seed: u64 });

impl Default for Strategy {
    fn default() -> Self {
        Strategy::Search(BestOptions::default())
    }
}

impl Default for ProjectedOptions {
    fn default() -> Self {
        ProjectedOptions { step: 0.5, momentum: 0.0, iterations: 300, tolerance: 1e-7, restarts: 0, seed: 0 }
    }
}

impl ProjectedOptions {
    /// # Errors
    /// [`Error::BadOption`] for numbers out of range.
    pub fn validate(&self) -> Result<()> {
        if !(self.step > 0.0 && self.step.is_finite()) {
            return Err(Error::option("step", self.step.to_string(), "a positive number"));
        }
        if !(0.0..1.0).contains(&self.momentum) {
            return Err(Error::option("momentum", self.momentum.to_string(), "a number from 0 to below 1"));
        }
        if self.iterations == 0 || self.iterations > u32::MAX as usize {
            let expected = format!("1 to {}", u32::MAX);
            return Err(Error::option("iterations", self.iterations.to_string(), expected));
        }
        if !(0.0..1.0).contains(&self.tolerance) {
            return Err(Error::option("tolerance", self.tolerance.to_string(), "a number from 0 to below 1"));
        }
        if self.restarts > DescentOptions::MOST_RESTARTS {
            let expected = format!("at most {}", DescentOptions::MOST_RESTARTS);
            return Err(Error::option("restarts", self.restarts.to_string(), expected));
        }
        Ok(())
    }
}
