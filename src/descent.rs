//! Gradient descent on `½‖G(z) − x‖²` over the observed entries: the options, the stop rule and the answer
//! that both devices share. The loops themselves are `cpu/descend.rs` and `gpu/descend.rs`.

use nalgebra::DMatrix;

use crate::error::{Error, Result};

/// How gradient descent runs.
#[derive(Debug, Clone, PartialEq)]
pub struct DescentOptions {
    /// Step size; `None` takes the inverse of `∏‖W_i‖²`, each norm found by power iteration, a bound on the curvature.
    pub step: Option<f64>,
    /// Most iterations of one run. Default 1,000.
    pub iterations: usize,
    /// Runs from further random codes beside the first; the lowest loss is kept. Default 0.
    pub restarts: usize,
    /// Seeds the starting codes, together with the observation's index and the number of the restart. Default 0.
    pub seed: u64,
}

impl Default for DescentOptions {
    fn default() -> Self {
        DescentOptions { step: None, iterations: 1000, restarts: 0, seed: 0 }
    }
}

impl DescentOptions {
    /// A run has converged when the norm of its gradient is at most this (reached in f64 only) …
    pub const GRADIENT_TOLERANCE: f64 = 1e-9;
    /// … or when its loss has not changed for this many steps.
    pub const UNCHANGED_STEPS: u32 = 20;

    /// # Errors
    /// [`Error::BadOption`] for a step that is not positive and finite, or no iterations.
    pub fn validate(&self) -> Result<()> {
        if let Some(step) = self.step
            && !(step > 0.0 && step.is_finite())
        {
            return Err(Error::option("--step", step.to_string(), "a positive number"));
        }
        if self.iterations == 0 {
            return Err(Error::option("--iterations", "0", "at least 1"));
        }
        Ok(())
    }
}

/// What gradient descent found, one column or entry an observation.
#[derive(Debug, Clone, PartialEq)]
pub struct DescentAnswer {
    /// The code of the lowest loss: `k` × count. `NaN` where the run diverged or the observation was not finite.
    pub codes: DMatrix<f64>,
    /// `½‖G(z) − x‖²` over observed entries, of that code, computed in f64.
    pub losses: Vec<f64>,
    /// Whether the run that gave the code ended by the stop rule and not by the iteration cap.
    pub converged: Vec<bool>,
    /// Iterations of that run.
    pub iterations: Vec<u32>,
}
