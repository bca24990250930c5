//! Gradient descent on `½‖G(z) − x‖²` over the observed entries, plus `½λ‖z‖²` with a prior: the
//! options, the stop rule and the
//! answer that both devices share. The loops themselves are `cpu/descend.rs` and `gpu/descend.rs`.

mod optimizer;

use nalgebra::{DMatrix, DVector};

pub use optimizer::{Moments, Optimizer};

use crate::error::{Error, Result};
use crate::network::{Layer, Map, Network};
use crate::random::{Domain, normal_vector};
use crate::setters::setters;

/// Options of gradient descent.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct DescentOptions {
    /// The rule that turns gradients into steps. Default [`Optimizer::Plain`].
    pub optimizer: Optimizer,
    /// Step size. The default, `None`, is [`Optimizer::default_step`] for the inverse of `∏‖W_i‖²`.
    /// This product is an upper bound of the curvature; each norm is computed by power iteration.
    pub step: Option<f64>,
    /// Maximum number of iterations of one run. Default 1,000.
    pub iterations: usize,
    /// Number of additional runs from further random codes; the lowest loss is kept. Default 0.
    pub restarts: usize,
    /// Seed of the starting codes. Each code also depends on the observation's index and the number
    /// of the restart. Default 0.
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
    /// A run has converged when the norm of its gradient is at most this, in units of
    /// `loss_unit` (reachable in f64 only) …
    pub const GRADIENT_TOLERANCE: f64 = 1e-9;
    /// … or when its loss has not changed for this number of steps.
    pub const UNCHANGED_STEPS: u32 = 20;
    /// Largest allowed value of `restarts`: all runs of an observation share one range of starting
    /// codes.
    pub const MOST_RESTARTS: usize = RUNS_PER_OBSERVATION as usize - 1;

    /// Checks the options.
    ///
    /// # Errors
    /// [`Error::BadOption`] for a step size that is not positive and finite, for 0 iterations or
    /// more than `u32::MAX`, or for more than [`Self::MOST_RESTARTS`] restarts.
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

/// The options of a run's steps, with all defaults resolved.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Steps {
    /// The rule that turns gradients into steps.
    pub optimizer: Optimizer,
    /// Step size.
    pub size: f64,
    /// Maximum number of steps in total.
    pub cap: usize,
    /// `λ` of `½λ‖z‖²`, which is added to the loss; 0 without a prior.
    pub prior: f64,
}

impl DescentOptions {
    #[doc(hidden)]
    /// Resolves the options for a network whose [`default_step`] is `inverse_curvature`. A prior
    /// adds its `λ` to the curvature.
    pub fn steps(&self, inverse_curvature: impl FnOnce() -> f64, prior: f64) -> Steps {
        let with_prior = || {
            let inverse = inverse_curvature();
            if prior > 0.0 { inverse / (1.0 + prior * inverse) } else { inverse }
        };
        let size = self.step.unwrap_or_else(|| self.optimizer.default_step(with_prior));
        Steps { optimizer: self.optimizer, size, cap: self.iterations, prior }
    }
}

impl Steps {
    /// The same steps where outputs and observations are divided by `unit`: gradients and the prior
    /// are divided by its square. A step of Adam is a length in code space.
    pub(crate) fn with_outputs_in(self, unit: f64) -> Steps {
        let size = if self.optimizer == Optimizer::Adam { self.size } else { self.size * unit * unit };
        Steps { size, prior: self.prior / unit / unit, ..self }
    }
}

/// Moments of an optimizer in the units of the outputs, from those where the outputs are divided by
/// `unit`: a gradient, and for Adam the square of one.
pub(crate) fn moments_from(unit: f64, [first, second]: Moments) -> Moments {
    let gradients = unit * unit;
    [first * gradients, second * gradients * gradients]
}

/// A run to make: from its beginning, or from where another device has stopped.
#[derive(Debug, Clone, PartialEq)]
pub struct Start {
    /// The column of the run in the observations.
    pub observation: usize,
    /// The code from which it starts.
    pub code: Vec<f64>,
    /// The optimizer's moments after the previous steps; empty for an optimizer without moments.
    pub moments: Vec<Moments>,
    /// Number of steps made before.
    pub done: u32,
}

impl Start {
    /// A run from its beginning.
    pub fn fresh(observation: usize, code: Vec<f64>, optimizer: Optimizer) -> Self {
        let moments = vec![[0.0; 2]; optimizer.moments(code.len())];
        Start { observation, code, moments, done: 0 }
    }
}

/// The result of gradient descent, one column or entry per observation.
#[derive(Debug, Clone, PartialEq)]
pub struct DescentAnswer {
    /// The codes with the lowest loss: `k` × count. `NaN` if the run diverged or the observation
    /// was not finite.
    pub codes: DMatrix<f64>,
    /// `½‖G(z) − x‖² + ½λ‖z‖²` of that code over the observed entries, computed in f64.
    pub losses: Vec<f64>,
    /// Whether the run of that code ended by the stop rule, not by the iteration cap.
    pub converged: Vec<bool>,
    /// Number of iterations of that run.
    pub iterations: Vec<u32>,
}

impl DescentAnswer {
    /// Room for `count` answers, all `NaN` and not converged.
    pub fn undetermined(code_length: usize, count: usize) -> Self {
        DescentAnswer {
            codes: DMatrix::from_element(code_length, count, f64::NAN),
            losses: vec![f64::NAN; count],
            converged: vec![false; count],
            iterations: vec![0; count],
        }
    }

    /// Keeps `run` for `observation` if its loss is lower than the current one. A diverged run is
    /// never lower, and of two equal runs the first is kept.
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
    /// Its loss; not finite if the run diverged.
    pub loss: f64,
    /// Whether the stop rule held.
    pub converged: bool,
    /// Number of steps made.
    pub iterations: u32,
}

/// Detects a loss that no longer changes. A change below four units in the last place is rounding:
/// sums of squares vary by that much even when the code has converged. The change is measured from
/// the loss at the last change, not from step to step, so that slow descent does not count as
/// converged. The device's twin is in `shaders/descend.wgsl`, with the last place of f32.
#[derive(Debug, Clone, Copy)]
pub struct LossWatch {
    anchor: f64,
    unchanged: u32,
}

impl LossWatch {
    /// The relative change up to which the loss counts as unchanged, in units of the arithmetic's
    /// epsilon.
    pub const ULPS: f64 = 4.0;

    /// The state before the first loss.
    pub fn new() -> Self {
        // No loss is negative, so the first loss differs from this.
        LossWatch { anchor: -1.0, unchanged: 0 }
    }

    /// Records the next step's loss; returns true if it has not changed for
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

/// Detects an f32 loss that no longer falls; from there, f64 continues. With codes in f64, such a
/// loss never becomes constant: near its floor, it varies with the rounding of each code. So only a
/// new lowest loss counts as a change.
#[derive(Debug, Clone, Copy)]
pub struct LowestLoss {
    lowest: f64,
    since: u32,
}

impl LowestLoss {
    /// Number of steps without a new lowest loss after which f32 stops. Momentum and Adam may
    /// increase the loss for some steps.
    const PATIENCE: u32 = 50;
}

/// A rule that stops a run by its loss.
pub trait Watch: Default + Send {
    /// Records the next step's loss; returns true if the run should stop.
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

/// Each observation has a range of this length for the numbers of its starting codes.
const RUNS_PER_OBSERVATION: u64 = 4096;

/// The index of run `restart` (0 for the first run) of an observation in the sequence of starting
/// codes: `observation · 4096 + restart`.
pub fn start_index(observation: u64, restart: usize) -> u64 {
    observation.wrapping_mul(RUNS_PER_OBSERVATION).wrapping_add(restart as u64)
}

/// The starting code of run `restart` of observation `observation` (its index in the whole job):
/// entries N(0, 1), the same for every device, batch size and platform.
pub fn start_code(seed: u64, observation: u64, restart: usize, code_length: usize) -> Vec<f64> {
    normal_vector(seed, Domain::DescentStart, start_index(observation, restart), code_length)
}

/// `1/∏‖W_i‖²`: with this step size, a plain step cannot overshoot the quadratic part of the loss.
/// It is the same for every device. It is 1 if the product is 0 or its inverse is out of the range
/// of f64.
pub fn default_step(network: &Network) -> f64 {
    default_step_by(network, |_, map, scale| products(map, scale))
}

/// [`default_step`] with products that the caller computes: `WᵀW v / scale²` of the layer of an
/// index, of its map and of this scale.
pub fn default_step_by<'a>(network: &'a Network, products: impl Fn(usize, &'a Map, f64) -> Image<'a>) -> f64 {
    let of_layer = |(index, layer): (usize, &'a Layer)| {
        let map = layer.map();
        squared_norm(map, |scale| products(index, map, scale)) * layer.activation.largest_slope().powi(2)
    };
    let curvature: f64 = network.layers().iter().enumerate().map(of_layer).product();
    let step = 1.0 / curvature;
    if step.is_normal() { step } else { 1.0 }
}

/// The unit of losses and gradients: the square of the network's [`Network::output_unit`]. The
/// absolute constants of descent are meant in it, so they do not depend on the units of outputs.
pub fn loss_unit(network: &Network) -> f64 {
    let unit = network.output_unit();
    Some(unit * unit).filter(|unit| unit.is_normal()).unwrap_or(1.0)
}

/// `‖W‖²`, the largest eigenvalue of `WᵀW`, by power iteration from a seeded vector, until its
/// relative growth is below 1e-4. The result is never above the true value. A few per cent too low
/// is harmless, because descent tolerates a factor of 2.
fn squared_norm<'a>(map: &Map, products: impl FnOnce(f64) -> Image<'a>) -> f64 {
    // Scaled first, because squares of weights beyond 1e154 would overflow.
    let scale = map.largest();
    if scale == 0.0 {
        return 0.0;
    }
    let image_of = products(scale);
    let mut direction =
        nalgebra::DVector::from_vec(normal_vector(0, Domain::DescentStart, u64::MAX, map.inputs())).normalize();
    let mut estimate = 0.0;
    for _ in 0..200 {
        let image = image_of(&direction);
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

/// `WᵀW v / scale²` as a function of `v`.
pub type Image<'a> = Box<dyn Fn(&DVector<f64>) -> DVector<f64> + 'a>;

fn products(map: &Map, scale: f64) -> Image<'_> {
    if let Map::Dense(weight) = map {
        let scaled = weight / scale;
        return Box::new(move |v| scaled.tr_mul(&(&scaled * v)));
    }
    Box::new(move |v| {
        let (mut sums, mut image) = (DVector::<f64>::zeros(map.outputs()), DVector::<f64>::zeros(map.inputs()));
        map.for_each_entry(|output, input, w| sums[output] += w / scale * v[input]);
        map.for_each_entry(|output, input, w| image[input] += w / scale * sums[output]);
        image
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn norm_of(map: &Map) -> f64 {
        squared_norm(map, |scale| products(map, scale))
    }

    #[test]
    fn power_iteration_finds_the_largest_singular_value() {
        let weight = DMatrix::from_fn(7, 4, |row, column| ((row * 4 + column) as f64 * 0.7).sin() * 1e3);
        let largest = weight.clone().svd(false, false).singular_values.max();
        let found = norm_of(&Map::Dense(weight.clone())).sqrt();
        assert!((found / largest - 1.0).abs() < 1e-2, "{found} instead of {largest}");
    }

    #[test]
    fn power_iteration_of_zero_and_of_a_number() {
        assert_eq!(norm_of(&Map::Dense(DMatrix::zeros(3, 2))), 0.0);
        let found = norm_of(&Map::Dense(DMatrix::from_element(1, 1, -3.0)));
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
