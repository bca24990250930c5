//! The time of a run per stage.

use serde::{Deserialize, Serialize};

/// Wall-clock seconds per stage.
///
/// Batches can overlap. The time of a stage is the time during which at least one batch was in it,
/// so the sum over the stages can exceed the total.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct Seconds {
    /// Reading observations.
    pub read: f64,
    /// Classification of the ReLU configurations, on the device.
    pub classify: f64,
    /// Linear programs, and the searches of `best`.
    pub solve: f64,
    /// Forward passes for the stop rules, on the device.
    pub forward: f64,
    /// Gradient descent, and the Levenberg–Marquardt steps of `best`, on the device.
    pub descent: f64,
    /// Refinement.
    pub refine: f64,
    /// Computing residuals in f64.
    pub residuals: f64,
    /// Writing codes and report.
    pub write: f64,
    /// Time during which the device was in use: classify, forward or descent.
    pub device: f64,
    /// Time during which the pool was in use: solve, refine or residuals.
    pub pool: f64,
    /// Total time of the run.
    pub total: f64,
}

impl Seconds {
    /// The stage with the most time: its name and its seconds.
    pub fn slowest(&self) -> (&'static str, f64) {
        let stages = [("pool", self.pool), ("device", self.device), ("read", self.read), ("write", self.write)];
        stages.into_iter().fold(("pool", self.pool), |most, stage| if stage.1 > most.1 { stage } else { most })
    }

    /// Adds the seconds of another part of the run.
    pub fn add(&mut self, other: &Seconds) {
        let Seconds { read, classify, solve, forward, descent, refine, residuals, write, device, pool, total } = other;
        let pairs = [
            (&mut self.read, read),
            (&mut self.classify, classify),
            (&mut self.solve, solve),
            (&mut self.forward, forward),
            (&mut self.descent, descent),
            (&mut self.refine, refine),
            (&mut self.residuals, residuals),
            (&mut self.write, write),
            (&mut self.device, device),
            (&mut self.pool, pool),
            (&mut self.total, total),
        ];
        for (sum, seconds) in pairs {
            *sum += seconds;
        }
    }
}
