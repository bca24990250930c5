//! Gradient descent on `½‖G(z) − x‖²` over the observed entries: the options, the stop rule and the
//! answer that both devices share. The loops themselves are `cpu/descend.rs` and `gpu/descend.rs`.

mod optimizer;

use nalgebra::DMatrix;

pub use optimizer::{Moments, Optimizer};

use crate::error::{Error, Result};
use crate::network::Network;
use crate::observation::unusable;
use crate::random::{Domain, normal_vector};
use crate::setters::setters;

/// How gradient descent runs.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct DescentOptions {
    /// What turns gradients into steps. Default [`Optimizer::Plain`].
    pub optimizer: Optimizer,
    /// Step size; `None` takes [`Optimizer::default_step`] with the inverse of `∏‖W_i‖²`, each norm
    /// found by power iteration, a bound on the curvature.
    pub step: Option<f64>,
    /// Most iterations of one run. Default 1,000.
    pub iterations: usize,
    /// Runs from further random codes beside the first; the lowest loss is kept. Default 0.
    pub restarts: usize,
    /// Seeds the starting codes, together with the observation's index and the number of the
    /// restart. Default 0.
    pub seed: u64,
}

setters!(DescentOptions {
    optimizer: Optimizer,
    step: Option<f64>,
    iterations: usize,
    restarts: usize,
    seed: u64,
});

impl Default for DescentOptions {
    fn default() -> Self {
        DescentOptions { optimizer: Optimizer::Plain, step: None, iterations: 1000, restarts: 0, seed: 0 }
    }
}

impl DescentOptions {
    /// A run has converged when the norm of its gradient is at most this (reached in f64 only) …
    pub const GRADIENT_TOLERANCE: f64 = 1e-9;
    /// … or when its loss has not changed for this many steps.
    pub const UNCHANGED_STEPS: u32 = 20;
    /// Most restarts: the numbers of an observation's runs share its range of starting codes.
    pub const MOST_RESTARTS: usize = RUNS_PER_OBSERVATION as usize - 1;

    /// # Errors
    /// [`Error::BadOption`] for a step that is not positive and finite, no iterations or more than
    /// 32 bits of them, or more than [`Self::MOST_RESTARTS`] restarts.
    pub(crate) fn validate(&self) -> Result<()> {
        if let Some(step) = self.step
            && !(step > 0.0 && step.is_finite())
        {
            return Err(Error::option("step", step.to_string(), "a positive number"));
        }
        if self.iterations == 0 {
            return Err(Error::option("iterations", "0", "at least 1"));
        }
        if self.iterations > u32::MAX as usize {
            return Err(Error::option("iterations", self.iterations.to_string(), format!("at most {}", u32::MAX)));
        }
        if self.restarts > Self::MOST_RESTARTS {
            let expected = format!("at most {}", Self::MOST_RESTARTS);
            return Err(Error::option("restarts", self.restarts.to_string(), expected));
        }
        Ok(())
    }
}

/// The steps of a run, with every choice made.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Steps {
    /// What turns gradients into steps.
    pub optimizer: Optimizer,
    /// Step size.
    pub size: f64,
    /// Most of them in all.
    pub cap: usize,
}

impl DescentOptions {
    #[doc(hidden)]
    /// What the options come to on a network whose [`default_step`] is `inverse_curvature`.
    pub fn steps(&self, inverse_curvature: impl FnOnce() -> f64) -> Steps {
        let size = self.step.unwrap_or_else(|| self.optimizer.default_step(inverse_curvature));
        Steps { optimizer: self.optimizer, size, cap: self.iterations }
    }
}

/// A run to be made, from its beginning or from where another device has brought it.
#[derive(Debug, Clone, PartialEq)]
pub struct Start {
    /// The column of the observations.
    pub observation: usize,
    /// The code that it starts from.
    pub code: Vec<f64>,
    /// What the optimizer has kept of the steps before; empty where it keeps nothing.
    pub moments: Vec<Moments>,
    /// Steps taken.
    pub done: u32,
}

impl Start {
    /// A run from its beginning.
    pub fn fresh(observation: usize, code: Vec<f64>, optimizer: Optimizer) -> Self {
        let moments = vec![[0.0; 2]; optimizer.moments(code.len())];
        Start { observation, code, moments, done: 0 }
    }
}

/// What gradient descent found, one column or entry an observation.
#[derive(Debug, Clone, PartialEq)]
pub struct DescentAnswer {
    /// The code of the lowest loss: `k` × count. `NaN` where the run diverged or the observation
    /// was not finite.
    pub codes: DMatrix<f64>,
    /// `½‖G(z) − x‖²` over observed entries, of that code, computed in f64.
    pub losses: Vec<f64>,
    /// Whether the run that gave the code ended by the stop rule and not by the iteration cap.
    pub converged: Vec<bool>,
    /// Iterations of that run.
    pub iterations: Vec<u32>,
}

impl DescentAnswer {
    /// Room for `count` answers, each still `NaN` and not converged.
    pub fn undetermined(code_length: usize, count: usize) -> Self {
        DescentAnswer {
            codes: DMatrix::from_element(code_length, count, f64::NAN),
            losses: vec![f64::NAN; count],
            converged: vec![false; count],
            iterations: vec![0; count],
        }
    }

    /// Keeps `run` for `observation` if its loss is below what stands there; a diverged run never
    /// is, and of two equal ones the first stays.
    pub fn offer(&mut self, observation: usize, run: &Run) {
        let best = self.losses[observation];
        if run.loss < best || (best.is_nan() && run.loss.is_finite()) {
            self.codes.column_mut(observation).copy_from_slice(&run.code);
            self.losses[observation] = run.loss;
            self.converged[observation] = run.converged;
            self.iterations[observation] = run.iterations;
        }
    }
}

/// One run of gradient descent, from one starting code.
#[derive(Debug, Clone, PartialEq)]
pub struct Run {
    /// The last code.
    pub code: Vec<f64>,
    /// Its loss; not finite where the run diverged.
    pub loss: f64,
    /// Whether the stop rule held.
    pub converged: bool,
    /// Steps taken.
    pub iterations: u32,
}

/// Watches for a loss that no longer changes. A change below four units in the last place is
/// rounding and not descent: sums of squares jitter by that much where the code has long come to
/// rest. It is measured from the loss at the last change, not from step to step, so that slow
/// descent is not mistaken for rest. The device's twin stands in `shaders/descend.wgsl`, with f32's
/// last place.
#[derive(Debug, Clone, Copy)]
pub struct LossWatch {
    anchor: f64,
    unchanged: u32,
}

impl LossWatch {
    /// The relative change of the loss that counts as one, in units of the arithmetic's epsilon.
    pub const ULPS: f64 = 4.0;

    /// Before the first loss.
    pub fn new() -> Self {
        // No loss is negative, so the first one differs from this.
        LossWatch { anchor: -1.0, unchanged: 0 }
    }

    /// Takes the next step's loss; true when it has not changed for
    /// [`DescentOptions::UNCHANGED_STEPS`] steps.
    pub fn rests(&mut self, loss: f64) -> bool {
        if (loss - self.anchor).abs() <= Self::ULPS * f64::EPSILON * loss {
            self.unchanged += 1;
        } else {
            *self = LossWatch { anchor: loss, unchanged: 0 };
        }
        self.unchanged >= DescentOptions::UNCHANGED_STEPS
    }
}

impl Default for LossWatch {
    fn default() -> Self {
        Self::new()
    }
}

/// Watches for a loss computed in f32 that falls no longer, from where f64 goes on. With codes in
/// f64 such a loss never rests: near its floor it is the rounding of one code after another. So
/// what counts is a new lowest one.
#[derive(Debug, Clone, Copy)]
pub struct LowestLoss {
    lowest: f64,
    since: u32,
}

impl LowestLoss {
    /// Steps without a new lowest loss after which f32 has done what it can; momentum and Adam may
    /// climb for some.
    const PATIENCE: u32 = 50;
}

/// Says when a run's loss gives reason to stop.
pub trait Watch: Default + Send {
    /// Takes the next step's loss; true when it is time to stop.
    fn rests(&mut self, loss: f64) -> bool;
}

impl Watch for LossWatch {
    fn rests(&mut self, loss: f64) -> bool {
        LossWatch::rests(self, loss)
    }
}

impl Default for LowestLoss {
    fn default() -> Self {
        LowestLoss { lowest: f64::INFINITY, since: 0 }
    }
}

impl Watch for LowestLoss {
    fn rests(&mut self, loss: f64) -> bool {
        if loss < self.lowest * (1.0 - LossWatch::ULPS * f64::from(f32::EPSILON)) {
            *self = LowestLoss { lowest: loss, since: 0 };
        } else {
            self.since += 1;
        }
        self.since >= Self::PATIENCE
    }
}

/// Starting codes come in ranges of this length, one range an observation.
const RUNS_PER_OBSERVATION: u64 = 4096;

/// The index of run `restart` (0 for the first run) of an observation in the stream of starting
/// codes: `observation · 4096 + restart`.
pub fn start_index(observation: u64, restart: usize) -> u64 {
    observation.wrapping_mul(RUNS_PER_OBSERVATION).wrapping_add(restart as u64)
}

/// The code that run `restart` of observation `observation` (its index in the whole run) starts
/// from: entries N(0, 1), the same on every device, batch size and platform.
pub fn start_code(seed: u64, observation: u64, restart: usize, code_length: usize) -> Vec<f64> {
    normal_vector(seed, Domain::DescentStart, start_index(observation, restart), code_length)
}

/// Whether an observation can be inverted: no entry is infinite and one at least is observed.
pub fn is_usable(observation: &[f64]) -> bool {
    unusable(observation).is_none()
}

/// `1/∏‖W_i‖²`: with it a plain step cannot overshoot the quadratic part of the loss. The same for
/// every device; 1 where the product is 0 or its inverse leaves the range of f64.
pub fn default_step(network: &Network) -> f64 {
    let curvature: f64 = network.layers().iter().map(|layer| squared_norm(&layer.weight)).product();
    let step = 1.0 / curvature;
    if step.is_normal() { step } else { 1.0 }
}

/// `‖W‖²`, the largest eigenvalue of `WᵀW`, by power iteration from a seeded vector until it grows
/// by less than 1e-4 of itself. Never above the truth; a few per cent below it do no harm, descent
/// tolerates a factor of 2.
fn squared_norm(weight: &DMatrix<f64>) -> f64 {
    // Scaled first: squares of weights beyond 1e154 would overflow.
    let scale = weight.amax();
    if scale == 0.0 {
        return 0.0;
    }
    let scaled = weight / scale;
    let mut direction =
        nalgebra::DVector::from_vec(normal_vector(0, Domain::DescentStart, u64::MAX, weight.ncols())).normalize();
    let mut estimate = 0.0;
    for _ in 0..200 {
        let image = scaled.tr_mul(&(&scaled * &direction));
        let next = image.norm();
        if next == 0.0 || next <= estimate * (1.0 + 1e-4) {
            estimate = next.max(estimate);
            break;
        }
        estimate = next;
        direction = image / next;
    }
    estimate * scale * scale
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn power_iteration_finds_the_largest_singular_value() {
        let weight = DMatrix::from_fn(7, 4, |row, column| ((row * 4 + column) as f64 * 0.7).sin() * 1e3);
        let largest = weight.clone().svd(false, false).singular_values.max();
        let found = squared_norm(&weight).sqrt();
        assert!((found / largest - 1.0).abs() < 1e-2, "{found} instead of {largest}");
    }

    #[test]
    fn power_iteration_of_zero_and_of_a_number() {
        assert_eq!(squared_norm(&DMatrix::zeros(3, 2)), 0.0);
        let found = squared_norm(&DMatrix::from_element(1, 1, -3.0));
        assert!((found - 9.0).abs() < 1e-12, "{found}");
    }

    #[test]
    fn a_loss_rests_after_twenty_equal_ones_and_slow_descent_does_not() {
        let mut watch = LossWatch::new();
        assert!(!watch.rests(2.0));
        assert!((0..19).all(|_| !watch.rests(2.0)));
        assert!(watch.rests(2.0));

        let (mut watch, mut loss) = (LossWatch::new(), 1.0);
        for _ in 0..1000 {
            assert!(!watch.rests(loss));
            loss *= 1.0 - 3.0 * f64::EPSILON;
        }
    }

    #[test]
    fn the_lowest_loss_is_kept_and_divergence_never() {
        let run = |loss: f64, code: f64| Run { code: vec![code], loss, converged: true, iterations: 1 };
        let mut answer = DescentAnswer::undetermined(1, 1);
        for (loss, code) in [(f64::INFINITY, 1.0), (3.0, 2.0), (f64::NAN, 3.0), (1.0, 4.0), (1.0, 5.0), (2.0, 6.0)] {
            answer.offer(0, &run(loss, code));
        }
        assert_eq!(answer.codes[(0, 0)], 4.0);
        assert_eq!(answer.losses, [1.0]);
    }

    #[test]
    fn only_finite_and_partly_observed_observations_are_usable() {
        assert!(is_usable(&[f64::NAN, 1.0]));
        assert!(!is_usable(&[f64::NAN, f64::NAN]));
        assert!(!is_usable(&[1.0, f64::INFINITY]));
        assert!(!is_usable(&[f64::NAN, f64::NEG_INFINITY]));
    }

    #[test]
    fn options_are_checked() {
        let good = DescentOptions::default();
        assert!(good.validate().is_ok());
        for bad in [
            DescentOptions { step: Some(0.0), ..good.clone() },
            DescentOptions { step: Some(f64::NAN), ..good.clone() },
            DescentOptions { iterations: 0, ..good.clone() },
            DescentOptions { restarts: 4096, ..good.clone() },
        ] {
            assert!(bad.validate().is_err(), "{bad:?}");
        }
    }
}
