//! From a code to a local minimum of the loss `f(z) = ½‖G(z) − x‖²` over the observed entries:
//! [`LocalSearch::levenberg_marquardt`] goes down to near one by Levenberg–Marquardt,
//! [`LocalSearch::active_set`](super::active_set) to the minimum itself, on a kink or between them.

use super::linearisation::{LEAST_DAMPING, Linearisation};
use super::packed_network::PackedNetwork;
use super::pin::Pin;
use super::point::Point;
use super::region::Region;
use super::sensitivities::PerUnit;
use crate::marquardt::{ARMIJO, FIRST_DAMPING, MOST_DAMPING, relaxation};

/// A predicted decrease below this share of the loss is lost in its rounding.
pub(super) const NEGLIGIBLE_DECREASE: f64 = 1e-15;
/// So is a step this small against the code.
pub(super) const NEGLIGIBLE_STEP: f64 = 2.0 * f64::EPSILON;
/// A relative residual `‖G(z) − x‖/‖x‖` up to this is none: what is left is rounding.
pub const REPRODUCED: f64 = 1e-12;

/// How [`LocalSearch::levenberg_marquardt`] runs.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct MarquardtOptions {
    /// The damping of the first step, as a share of the mean diagonal of `JᵀJ`; 0 takes
    /// Gauss–Newton steps as long as they are good.
    pub damping: f64,
    /// Two steps in a row that lower the loss by no more than this share of it end the run.
    pub slow: f64,
    /// Most steps, those that were not taken included.
    pub steps: usize,
}

/// How a descent ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Descent {
    /// Steps that were taken.
    pub steps: usize,
    /// Whether it ended where no first-order descent is left.
    pub stationary: bool,
}

/// Where a thread keeps the code it has, the code it tries, and what it knows around the first.
#[derive(Debug, Clone)]
pub struct LocalSearch<'a> {
    pub(super) network: &'a PackedNetwork,
    pub(super) current: Point,
    pub(super) trial: Point,
    pub(super) region: Region,
    pub(super) linear: Linearisation,
    pub(super) step: Vec<f64>,
    pub(super) pins: Vec<Pin>,
    /// Units let go because their gradients depend on those of the pinned ones: with these they
    /// stay on their kinks.
    pub(super) dependent: Vec<(usize, usize)>,
    pub(super) adjoints: PerUnit,
    pub(super) tangents: PerUnit,
}

impl<'a> LocalSearch<'a> {
    /// Room for codes of this network.
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

    /// The code that it is at, with its loss.
    pub fn point(&self) -> &Point {
        &self.current
    }

    /// The network.
    pub fn network(&self) -> &PackedNetwork {
        self.network
    }

    /// Goes to a code.
    pub fn go_to(&mut self, observation: &[f64], code: &[f64]) {
        self.current.code.copy_from_slice(code);
        self.current.run(self.network, observation);
    }

    /// Whether what is left of the loss is rounding.
    pub fn reproduces(&self, observation: &[f64]) -> bool {
        self.current.loss <= 0.5 * REPRODUCED * REPRODUCED * squared_norm(observation)
    }

    /// Goes down from where it is by Levenberg–Marquardt: `(JᵀJ + λI) p = −Jᵀr`, taken where `f`
    /// falls by at least a share of what the affine map promises; `λ` by Nielsen's rule (Madsen,
    /// Nielsen, Tingleff 2004, *Methods for non-linear least squares problems*, 3.2). It ends where
    /// nothing is left to gain, where gains become slow, or at the cap.
    pub fn levenberg_marquardt(&mut self, observation: &[f64], how: &MarquardtOptions) -> Descent {
        let (mut damping, mut growth) = (None, 2.0);
        let (mut taken, mut slow) = (0, 0);
        let mut tried = 0;
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
            let least = LEAST_DAMPING * scale;
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
                if predicted <= NEGLIGIBLE_DECREASE * self.current.loss || self.step_is_negligible() {
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
                    if slow >= 2 {
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

    /// Runs the code a share of the step further on; returns what the loss falls by.
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
