//! The resources of a layer's inversion: the layer, device and solver, and the clock.

use std::time::{Duration, Instant};

use nalgebra::DMatrix;

use super::super::certified::CertifiedSolution;
use super::super::formulation::open::{Known, Optimum};
use super::super::formulation::target::{Shape, Target};
use super::super::formulation::{EpsilonSteps, LayerwiseMethod};
use super::super::problem::LayerSystem;
use super::super::solver::Solver;
use super::super::spread::spread;
use super::options::LayerwiseOptions;
use crate::configuration::Configurations;
use crate::cpu::classify::classify;
use crate::device::Device;
use crate::error::Result;
use crate::network::Activation;
use crate::precision::default_epsilon;

/// The resources of one layer's inversion.
pub struct LayerContext<'a> {
    /// The layer, from 0.
    pub index: usize,
    /// Its `W`, `b` and sign.
    pub system: &'a LayerSystem,
    /// Its activation.
    pub activation: Activation,
    /// Where classification and forward passes run. `None`: the layer is not one of the device's
    /// network (`lp/own_layer.rs`), and all is computed here.
    pub device: Option<&'a dyn Device>,
    /// The solver of the LPs.
    pub solver: &'a dyn Solver,
    /// The method and its parameters.
    pub options: &'a LayerwiseOptions,
}

/// Wall-clock time by stage, and how often each ran.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
#[non_exhaustive]
pub struct StageTimes {
    /// Classification on the device.
    pub classify: Duration,
    /// Building, solving and certifying the LPs.
    pub solve: Duration,
    /// Forward passes for the stop rules.
    pub forward: Duration,
}

impl StageTimes {
    /// A share of the times.
    pub(crate) fn part(&self, share: f64) -> StageTimes {
        let StageTimes { classify, solve, forward } = self;
        let [classify, solve, forward] = [classify, solve, forward].map(|time| time.mul_f64(share));
        StageTimes { classify, solve, forward }
    }
}

impl LayerContext<'_> {
    /// The tolerances that are tried for this target.
    pub fn tolerances(&self, target: Target<'_>) -> EpsilonSteps {
        let size = || target.size(self.system.bias.as_slice(), &self.system.weight);
        let steps = self.options.tolerances.steps(|| default_epsilon(size(), target.accuracy.rounding));
        match target.epsilon {
            Some(epsilon) => EpsilonSteps { epsilon, ..steps },
            None => steps,
        }
    }

    /// The configuration of each target ([`Device::classify`]).
    pub(super) fn above(&self, targets: &DMatrix<f64>, thresholds: &[f64]) -> Result<Configurations> {
        match self.device {
            Some(device) => device.classify(targets, thresholds),
            None => Ok(classify(targets, thresholds)),
        }
    }

    /// What the target tells of the input, at the optimum of `l1` or `relaxed`.
    pub(super) fn known_of(&self, target: Target<'_>, epsilon: f64, solution: &CertifiedSolution) -> Known {
        // The objective of `relaxed` says nothing of the loss.
        let violations = (self.options.method == LayerwiseMethod::L1).then(|| solution.objective());
        let optimum = Optimum { z: &solution.z, epsilon, violations, is_handed_on: self.index > 0 };
        Known::of(self.system, (self.shape(), self.options.rows), target, optimum)
    }

    /// The spread of each entry of an answer at this tolerance.
    pub(in super::super) fn spread(&self, target: Target<'_>, epsilon: f64) -> Vec<f64> {
        spread(self.system, self.shape(), target, epsilon)
    }

    pub(super) fn shape(&self) -> Shape {
        Shape::of(self.activation)
    }
}

/// Adds the time that `work` takes.
pub(in super::super) fn timed<T>(total: &mut Duration, work: impl FnOnce() -> T) -> T {
    let start = Instant::now();
    let result = work();
    *total += start.elapsed();
    result
}
