//! Newton steps at the end of a run on a network without kinks.
//!
//! With a residual, the Hessian of the loss is `JᵀJ + Σ_u r_u ∇²G_u`. Gauss–Newton and
//! Levenberg–Marquardt leave the second term out: near a minimum their errors shrink by a constant
//! factor per step only, one that approaches 1 where the residual times the curvature approaches
//! the least eigenvalue of `JᵀJ`. Here the Hessian is formed from `k` differences of gradients,
//! which cost a forward and a backward pass each, so that a few steps reach the rounding of the
//! gradient. A Hessian that is not positive definite ends the attempt: the code is not near a
//! minimum.

use nalgebra::{DMatrix, DVector};

use super::local_search::{Descent, LocalSearch, NEGLIGIBLE_DECREASE};
use crate::linalg::lanes::{Lane, numbers};

/// Steps at most: near a minimum, two or three are needed.
const MOST: usize = 8;
/// The change of an entry in a difference, as a share of the largest entry: the root of the
/// rounding, at which truncation and rounding are alike.
const DIFFERENCE: f64 = 1.5e-8;
/// The shortest fraction of a step that is tried.
const SHORTEST: f64 = 1e-3;
/// A gradient along a step that predicts a decrease below this share of the loss is rounding: the
/// loss itself cannot show it.
const ROUNDING: f64 = 10.0 * NEGLIGIBLE_DECREASE;

impl LocalSearch<'_> {
    /// Descends from near a minimum of a network without kinks. It is stationary where the Hessian
    /// is positive definite and its step predicts a decrease within rounding: a strict local
    /// minimum. The loss rises by rounding at most.
    pub(super) fn newton(&mut self, observation: &[f64]) -> Descent {
        let ended = |steps, stationary| Descent { steps, stationary };
        // Differences of products that are not exact show their errors.
        if self.network.product_error() > 0.0 {
            return ended(0, false);
        }
        let mut out = vec![Lane::ZERO; self.network.layers()[0].input_lanes];
        for steps in 0..MOST {
            if !self.current.loss.is_finite() {
                return ended(steps, false);
            }
            if self.reproduces(observation) {
                return ended(steps, true);
            }
            self.region.take(self.network, &self.current);
            let gradient = self.gradient_of(observation, false, &mut out);
            let Some(hessian) = self.hessian(observation, &gradient, &mut out) else { return ended(steps, false) };
            let Some(factor) = hessian.cholesky() else { return ended(steps, false) };
            let step = -factor.solve(&gradient);
            let predicted = -0.5 * step.dot(&gradient);
            if !predicted.is_finite() {
                return ended(steps, false);
            }
            self.step.copy_from_slice(step.as_slice());
            if predicted <= ROUNDING * self.current.loss || self.step_is_negligible() {
                return ended(steps, true);
            }
            let most_lost = ROUNDING * self.current.loss;
            let mut length = 1.0;
            let mut gain = self.try_step(observation, length);
            // False where the trial's loss is not a number.
            let falls = |gain: f64| gain >= -most_lost;
            while !falls(gain) && length > SHORTEST {
                length *= 0.25;
                gain = self.try_step(observation, length);
            }
            if !falls(gain) {
                return ended(steps, false);
            }
            std::mem::swap(&mut self.current, &mut self.trial);
        }
        ended(MOST, false)
    }

    /// The Hessian at the current code; `None` if an entry is not finite.
    fn hessian(&mut self, observation: &[f64], gradient: &DVector<f64>, out: &mut [Lane]) -> Option<DMatrix<f64>> {
        let k = gradient.len();
        let largest = self.current.code.iter().fold(0.0, |most: f64, z| most.max(z.abs()));
        let change = DIFFERENCE * if largest > 0.0 { largest } else { 1.0 };
        let mut hessian = DMatrix::zeros(k, k);
        for i in 0..k {
            self.trial.code.copy_from_slice(&self.current.code);
            self.trial.code[i] += change;
            // What was really added, after rounding.
            let added = self.trial.code[i] - self.current.code[i];
            self.trial.run(self.network, observation);
            let moved = self.gradient_of(observation, true, out);
            hessian.set_column(i, &((moved - gradient) / added));
        }
        let hessian = 0.5 * (&hessian + hessian.transpose());
        hessian.iter().all(|entry| entry.is_finite()).then_some(hessian)
    }

    /// The gradient of the loss at the trial or at the current code, which has been run against
    /// `observation`.
    fn gradient_of(&mut self, observation: &[f64], at_trial: bool, out: &mut [Lane]) -> DVector<f64> {
        let point = if at_trial { &self.trial } else { &self.current };
        self.linear.take_slopes(self.network, point, &self.region, observation);
        self.adjoints.adjoints(self.network, &self.linear, point, observation, std::iter::empty());
        self.adjoints.at_code(self.network, &self.linear, out);
        let prior = self.network.prior();
        let entries = numbers(out).iter().zip(&point.code).map(|(entry, z)| entry + prior * z);
        DVector::from_iterator(point.code.len(), entries)
    }
}
