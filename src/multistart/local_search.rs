//! Descends from a code to a local minimum of the loss `f(z) = ½‖G(z) − x‖²` over the observed
//! entries, plus `½λ‖z‖²` with a prior. [`LocalSearch::levenberg_marquardt`] gets near a minimum,
//! [`LocalSearch::active_set`](super::active_set) reaches the minimum itself, on a kink or between
//! kinks.

use super::evaluation_error::EvaluationError;
use super::linearisation::Linearisation;
use super::objective::Objective;
use super::packed_network::PackedNetwork;
use super::pin::Pin;
use super::point::Point;
use super::region::Region;
use super::sensitivities::PerUnit;
use crate::marquardt::{ARMIJO, FIRST_DAMPING, MOST_DAMPING, relaxation};

/// A predicted decrease below this share of the loss is within the rounding of the loss.
pub(super) const NEGLIGIBLE_DECREASE: f64 = 1e-15;
/// A step whose largest entry is below this share of the code's largest entry is rounding.
pub(super) const NEGLIGIBLE_STEP: f64 = 2.0 * f64::EPSILON;
/// A relative residual `‖G(z) − x‖/‖x‖` up to this counts as 0: what remains is rounding.
pub const REPRODUCED: f64 = 1e-12;

/// Options of [`LocalSearch::levenberg_marquardt`].
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct MarquardtOptions {
    /// The damping of the first step, as a share of the mean diagonal of `JᵀJ`. With 0, the steps
    /// are Gauss–Newton steps as long as these reduce the loss enough.
    pub damping: f64,
    /// The run ends after two consecutive steps whose relative decrease of the loss is at most
    /// this.
    pub slow: f64,
    /// Maximum number of steps, rejected ones included.
    pub steps: usize,
}

/// How a descent ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Descent {
    /// Number of accepted steps.
    pub steps: usize,
    /// Whether it ended at a point with no first-order descent direction.
    pub stationary: bool,
}

/// One thread's workspace: the current code, the trial code, and what is known around the current
/// one.
#[derive(Debug, Clone)]
pub struct LocalSearch<'a> {
    pub(super) network: &'a PackedNetwork,
    pub(super) current: Point,
    pub(super) trial: Point,
    pub(super) region: Region,
    pub(super) linear: Linearisation,
    pub(super) step: Vec<f64>,
    pub(super) pins: Vec<Pin>,
    /// Units released because their gradients depend on those of the pinned ones: while these are
    /// pinned, the released units stay on their kinks too.
    pub(super) dependent: Vec<(usize, usize)>,
    pub(super) adjoints: PerUnit,
    pub(super) tangents: PerUnit,
}

impl<'a> LocalSearch<'a> {
    /// Allocates room for codes of this network.
    pub fn new(network: &'a PackedNetwork) -> Self {
        LocalSearch {
            network,
            current: Point::new(network),
            trial: Point::new(network),
            region: Region::new(network),
            linear: Linearisation::new(network),
            step: vec![0.0; network.code_length()],
            pins: Vec::new(),
            dependent: Vec::new(),
            adjoints: PerUnit::new(network),
            tangents: PerUnit::new(network),
        }
    }

    /// The current code, with its loss.
    pub fn point(&self) -> &Point {
        &self.current
    }

    /// The network.
    pub fn network(&self) -> &PackedNetwork {
        self.network
    }

    /// Moves to a code and runs it against the observation.
    pub fn go_to(&mut self, observation: &[f64], code: &[f64]) {
        self.current.code.copy_from_slice(code);
        self.current.run(self.network, observation);
    }

    /// Whether the remaining loss is only rounding.
    pub fn reproduces(&self, observation: &[f64]) -> bool {
        let rounding = 0.5 * REPRODUCED * REPRODUCED * squared_norm(observation);
        self.current.loss <= rounding + self.error_of(observation).least_loss()
    }

    /// The errors of the evaluations of the network.
    pub(super) fn error_of(&self, observation: &[f64]) -> EvaluationError {
        EvaluationError::of(self.network, Objective::L2, observation)
    }

    /// Descends from the current code by Levenberg–Marquardt: `(JᵀJ + λI) p = −Jᵀr`. A step is
    /// accepted if `f` falls by at least a given share of the decrease that the affine map
    /// predicts. `λ` follows Nielsen's rule (Madsen, Nielsen, Tingleff 2004, *Methods for
    /// non-linear least squares problems*, 3.2). The run ends where the predicted decrease is
    /// negligible, where progress becomes slow, or at the maximum number of steps.
    pub fn levenberg_marquardt(&mut self, observation: &[f64], how: &MarquardtOptions) -> Descent {
        self.levenberg_marquardt_until(observation, how, |_, _| false)
    }

    /// [`Self::levenberg_marquardt`], which also ends at the first accepted point that `is_enough`.
    /// Its second argument is the decrease of the loss.
    pub fn levenberg_marquardt_until(
        &mut self,
        observation: &[f64],
        how: &MarquardtOptions,
        mut is_enough: impl FnMut(&Point, f64) -> bool,
    ) -> Descent {
        let (mut damping, mut growth) = (None, 2.0);
        let (mut taken, mut slow) = (0, 0);
        let mut tried = 0;
        let error = self.error_of(observation);
        self.take_zero(observation);
        let ended = |steps, stationary| Descent { steps, stationary };
        while tried < how.steps && self.current.loss.is_finite() {
            if self.reproduces(observation) {
                return ended(taken, true);
            }
            self.region.take(self.network, &self.current);
            if !self.linear.form(self.network, &self.current, &self.region, observation) {
                return ended(taken, true);
            }
            let scale = self.linear.scale();
            let least = self.linear.least_damping();
            let mut lambda: f64 = damping.unwrap_or(how.damping * scale);
            loop {
                tried += 1;
                let predicted = if lambda > least {
                    self.linear.step(lambda, &mut self.step)
                } else {
                    self.linear.newton_step(&mut self.step)
                };
                if !predicted.is_finite() || self.linear.scale() == 0.0 {
                    return ended(taken, false);
                }
                let negligible = NEGLIGIBLE_DECREASE * self.current.loss + error.of_loss(self.current.loss);
                if predicted <= negligible || self.step_is_negligible() {
                    return ended(taken, lambda <= FIRST_DAMPING * scale);
                }
                let gain = self.try_step(observation, 1.0);
                let quality = gain / predicted;
                // False where the trial's loss is not a number.
                if quality > ARMIJO {
                    taken += 1;
                    slow = if gain <= how.slow * self.current.loss { slow + 1 } else { 0 };
                    std::mem::swap(&mut self.current, &mut self.trial);
                    lambda *= relaxation(quality);
                    growth = 2.0;
                    if slow >= 2 || is_enough(&self.current, gain) {
                        return ended(taken, false);
                    }
                    break;
                }
                lambda = if lambda < FIRST_DAMPING * scale { FIRST_DAMPING * scale } else { lambda * growth };
                growth *= 2.0;
                if tried >= how.steps || lambda > MOST_DAMPING * scale {
                    return ended(taken, false);
                }
            }
            damping = Some(lambda);
        }
        ended(taken, false)
    }

    /// Takes the code 0 for an observation of zeros, if its outputs are zeros. Steps would only
    /// come nearer to it until the loss underflows.
    fn take_zero(&mut self, observation: &[f64]) {
        if self.current.loss > 0.0 && observation.iter().all(|x| x.is_nan() || *x == 0.0) {
            self.trial.code.fill(0.0);
            self.trial.run(self.network, observation);
            if self.trial.loss == 0.0 {
                std::mem::swap(&mut self.current, &mut self.trial);
            }
        }
    }

    /// The loss of a code. The current one stays.
    pub(super) fn loss_of(&mut self, observation: &[f64], code: &[f64]) -> f64 {
        self.trial.code.copy_from_slice(code);
        self.trial.run(self.network, observation);
        self.trial.loss
    }

    /// Runs the code moved by `length` times the step; returns the decrease of the loss.
    pub(super) fn try_step(&mut self, observation: &[f64], length: f64) -> f64 {
        for ((trial, z), p) in self.trial.code.iter_mut().zip(&self.current.code).zip(&self.step) {
            *trial = z + length * p;
        }
        self.trial.run(self.network, observation);
        self.current.loss - self.trial.loss
    }

    pub(super) fn step_is_negligible(&self) -> bool {
        let largest = |numbers: &[f64]| numbers.iter().fold(0.0, |most: f64, x| most.max(x.abs()));
        largest(&self.step) <= NEGLIGIBLE_STEP * largest(&self.current.code)
    }
}

/// `‖x‖²` over the observed entries.
fn squared_norm(observation: &[f64]) -> f64 {
    observation.iter().filter(|x| !x.is_nan()).map(|x| x * x).sum()
}
