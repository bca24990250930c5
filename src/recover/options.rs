//! What a caller decides before the first batch.

use crate::error::{Error, Result};
use crate::multistart::BestOptions;
use crate::{batch, descent::DescentOptions};

/// How codes are found.
#[derive(Debug, Clone, PartialEq)]
pub struct RecoverOptions {
    /// How the measurements lead to codes.
    pub strategy: Strategy,
    /// Device, threads, tolerances and what codes are stored as; the method, where the strategy has use for one.
    pub inversion: batch::Options,
}

/// The ways to `y = A G(z) + e`.
#[derive(Debug, Clone, PartialEq)]
pub enum Strategy {
    /// `min ½‖A G(z) − y‖²` itself, by Levenberg–Marquardt and an active-set method from many starts.
    Search(BestOptions),
    /// `inversion.method` on `A G` as one network: `descent` for every operator; the layer-wise methods where pixels were measured,
    /// with the rows of the others left out.
    Direct,
    /// Projected gradient descent, with `inversion.method` as the projection.
    Projected(ProjectedOptions),
}

/// How projected gradient descent runs: `x ← P(v − η Aᵀ(A v − y))`, `v = x + momentum · (x − x_before)`.
#[derive(Debug, Clone, PartialEq)]
pub struct ProjectedOptions {
    /// The first `η`, in units in which `A` keeps the length of a difference of two images on average: for columns of unit
    /// norm just `η`. Halved where `½‖A x − y‖²` does not fall. Default 0.5.
    pub step: f64,
    /// Share of the last change that is added before the step, in `[0, 1)`. Default 0.
    pub momentum: f64,
    /// Most outer iterations of a run, those that were not taken included. Default 300.
    pub iterations: usize,
    /// A run has converged when a full step changes the image by no more than this share. Default 1e-7.
    pub tolerance: f64,
    /// Runs from random codes beside the first from 0, where that did not reproduce the measurements. Default 0.
    pub restarts: usize,
    /// Seeds these codes. Default 0.
    pub seed: u64,
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
            return Err(Error::option("the tolerance", self.tolerance.to_string(), "a number from 0 to below 1"));
        }
        if self.restarts > DescentOptions::MOST_RESTARTS {
            let expected = format!("at most {}", DescentOptions::MOST_RESTARTS);
            return Err(Error::option("restarts", self.restarts.to_string(), expected));
        }
        Ok(())
    }
}
