//! Comes near a minimum of the sum of errors `‖G(z) − x‖₁` by weighted squares, before linear
//! programs find the minimum itself: a step costs what one of least squares costs, a hundredth of
//! a program.
//!
//! The sum is smoothed: an error `r` counts as `|r|`, but below `μ` as `r²/2μ + μ/2` (Huber). At
//! the errors `r` of a code, `½ Σ w r² + const` with `w = 1/max(|r|, μ)` touches the smoothed sum
//! from above, so that a step that lowers the one lowers the other (iteratively reweighted least
//! squares; Green, *Iteratively reweighted least squares for maximum likelihood estimation*, 1984).
//! `μ` falls in stages, each from where the one before became slow. The sum lies between the
//! smoothed one and `½ n μ` below it.

use super::local_search::LocalSearch;
use super::objective::Objective;
use crate::marquardt::{ARMIJO, FIRST_DAMPING, MOST_DAMPING, relaxation};

/// `μ` of the stages, as shares of the mean error. After the last the sum is within 5e-4 of the
/// smoothed one.
const STAGES: [f64; 4] = [1.0, 0.1, 1e-2, 1e-3];
/// `μ` of the stage for codes that are compared with known minima.
const LAST_STAGE: f64 = 1e-5;
/// A stage ends with a step that lowers the smoothed sum by at most this share.
const SLOW: f64 = 1e-3;
/// Maximum number of steps of a stage, rejected ones included.
const STEPS: usize = 40;

impl LocalSearch<'_> {
    /// Descends from the current code to the neighbourhood of a local minimum of the sum of errors.
    pub fn approach_sum(&mut self, observation: &[f64]) {
        let observed = observation.iter().filter(|x| !x.is_nan()).count();
        for stage in STAGES {
            let mean = self.smoothed(observation, 0.0, false) / observed as f64;
            // Also where nothing is observed.
            if !(mean > 0.0 && mean.is_finite()) {
                return;
            }
            self.lower_smoothed(observation, stage * mean);
        }
    }

    /// A stage more, for a code that [`Self::approach_sum`] has reached: nearer to the minimum, so
    /// that it usually lies in a region that has the minimum on its border.
    pub fn approach_sum_further(&mut self, observation: &[f64]) {
        let observed = observation.iter().filter(|x| !x.is_nan()).count();
        self.lower_smoothed(observation, LAST_STAGE * self.sum_of_errors(observation) / observed as f64);
    }

    /// One stage.
    fn lower_smoothed(&mut self, observation: &[f64], width: f64) {
        let mut sum = self.smoothed(observation, width, false);
        let (mut damping, mut growth, mut tried) = (None, 2.0, 0);
        while tried < STEPS {
            self.region.take(self.network, &self.current);
            let weight = |error: f64| 1.0 / error.abs().max(width);
            if !self.linear.form_weighted(self.network, &self.current, &self.region, observation, weight) {
                return;
            }
            let scale = self.linear.scale();
            let mut lambda: f64 = damping.unwrap_or(FIRST_DAMPING * scale);
            loop {
                tried += 1;
                let predicted = self.linear.step(lambda.max(self.linear.least_damping()), &mut self.step);
                if !(predicted > SLOW * SLOW * sum) || self.step_is_negligible() {
                    return;
                }
                self.try_step(observation, 1.0);
                let after = self.smoothed(observation, width, true);
                let quality = (sum - after) / predicted;
                // False where the trial's sum is not a number.
                if quality > ARMIJO {
                    let is_slow = sum - after <= SLOW * sum;
                    std::mem::swap(&mut self.current, &mut self.trial);
                    sum = after;
                    if is_slow {
                        return;
                    }
                    lambda *= relaxation(quality);
                    growth = 2.0;
                    break;
                }
                lambda = if lambda < FIRST_DAMPING * scale { FIRST_DAMPING * scale } else { lambda * growth };
                growth *= 2.0;
                if tried >= STEPS || lambda > MOST_DAMPING * scale {
                    return;
                }
            }
            damping = Some(lambda);
        }
    }

    /// The smoothed sum of errors of the current code, or of the trial.
    fn smoothed(&self, observation: &[f64], width: f64, trial: bool) -> f64 {
        let last = self.network.layers().len() - 1;
        let point = if trial { &self.trial } else { &self.current };
        let activation = self.network.layers()[last].activation;
        let errors = point.received(last).iter().zip(observation).filter(|(_, x)| !x.is_nan());
        let smoothed = |error: f64| if error < width { 0.5 * (error * error / width + width) } else { error };
        errors.map(|(a, x)| smoothed((activation.apply(*a) - x).abs())).sum()
    }

    /// The sum of errors of the current code.
    pub(super) fn sum_of_errors(&self, observation: &[f64]) -> f64 {
        let last = self.network.layers().len() - 1;
        Objective::L1.misfit(self.network.layers()[last].activation, self.current.received(last), observation)
    }
}
