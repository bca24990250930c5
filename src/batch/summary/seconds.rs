//! Where the time of a run went.

use serde::{Deserialize, Serialize};

/// Wall-clock seconds by stage. Where batches overlap, the time of a stage is that during which at least one batch was in it, and the
/// stages add up to more than the total.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct Seconds {
    /// Reading observations.
    pub read: f64,
    /// ReLU configurations, on the device.
    pub classify: f64,
    /// Linear programs, and the searches of `best`.
    pub solve: f64,
    /// Forward passes for the stop rules, on the device.
    pub forward: f64,
    /// Gradient descent, and Levenberg–Marquardt of `best`, on the device.
    pub descent: f64,
    /// Refinement.
    pub refine: f64,
    /// Residuals in f64.
    pub residuals: f64,
    /// Writing codes and report.
    pub write: f64,
    /// The device: any of classify, forward and descent.
    pub device: f64,
    /// The pool: any of solve, refine and residuals.
    pub pool: f64,
    /// From start to end.
    pub total: f64,
}

impl Seconds {
    /// The stage that bounds the run: its name and seconds.
    pub fn slowest(&self) -> (&'static str, f64) {
        let stages = [("pool", self.pool), ("device", self.device), ("read", self.read), ("write", self.write)];
        stages.into_iter().fold(("pool", self.pool), |most, stage| if stage.1 > most.1 { stage } else { most })
    }

    /// Adds those of another part of the work.
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
