//! The stop rule of networks with convolutions or curved hidden layers.
//!
//! There a run takes long, and it comes near its minimum only to a few digits. Two runs *agree* if
//! their losses differ by at most a share of 1e-4, and their outputs by at most a tenth of the
//! residual. All starts are random codes. The search ends when three runs agree with the lowest
//! (twelve, while the data do not determine its code), or when the observation is reproduced, and
//! unconverged after 24 runs.
//!
//! It has converged if its code is proven to be a minimum: to first order with curved layers, and
//! exactly on kinks otherwise. With too many units to look at every kink
//! ([`PackedNetwork::has_too_many_kinks`](super::PackedNetwork::has_too_many_kinks)) nothing can be
//! proven, and the agreement alone decides.

use super::super::evaluation_error::EvaluationError;
use super::super::minimum::Minimum;
use super::super::objective::Objective;
use super::super::progress::Progress;
use super::super::starts::Start;
use super::Searcher;

/// The largest relative difference of the losses of runs that agree.
const LOSSES: f64 = 1e-4;
/// The largest difference of their outputs, as a share of the residual.
const OUTPUTS: f64 = 0.1;

impl Searcher<'_> {
    /// Compares the minimum at which a run ended with the lowest. The answer is the lower of two
    /// codes that agree.
    pub(super) fn judge_agreement(&mut self, x: &[f64], start: Start, minimum: Minimum, progress: &mut Progress) {
        let Some(lowest) = progress.lowest else {
            progress.seen_minima = vec![(minimum.loss, minimum)];
            return self.take(x, start, minimum, progress);
        };
        self.return_to(x, progress);
        let error = EvaluationError::of(self.network, Objective::L2, x).of_loss(minimum.loss);
        let is_near = |loss: f64, lowest: f64| loss <= lowest * (1.0 + LOSSES) + 2.0 * error;
        let (low, high) = (minimum.loss.min(lowest.loss), minimum.loss.max(lowest.loss));
        let agrees = is_near(high, low) && self.outputs_agree(x);
        let first = progress.answer.first_found;
        if minimum.loss < lowest.loss {
            self.take(x, start, minimum, progress);
        }
        if agrees {
            progress.answer.first_found = first;
            self.best_of = Some((progress.index, first));
            progress.seen_minima.push((minimum.loss, minimum));
            // Runs that agreed with a code that has since been replaced may be too high now.
            progress.seen_minima.retain(|(loss, _)| is_near(*loss, low));
            progress.answer.found = progress.seen_minima.len();
        } else if minimum.loss < lowest.loss {
            progress.seen_minima = vec![(minimum.loss, minimum)];
        }
    }

    /// Ends the search.
    pub(super) fn end_by_agreement(&self, progress: &mut Progress) {
        progress.has_ended = true;
        progress.answer.converged = progress.answer.stationary || self.network.has_too_many_kinks();
    }

    /// Whether the outputs of the run and of the best code differ by at most a share of the
    /// residual, over the observed entries. A prior counts as `k` more outputs `√λ z`.
    fn outputs_agree(&self, x: &[f64]) -> bool {
        let last = self.network.layers().len() - 1;
        let activation = self.network.layers()[last].activation;
        let (here, there) = (self.local.point().received(last), self.best.received(last));
        let observed = x.iter().zip(here.iter().zip(there)).filter(|(x, _)| !x.is_nan());
        let mut apart: f64 = observed.map(|(_, (a, b))| (activation.apply(*a) - activation.apply(*b)).powi(2)).sum();
        if self.network.prior() > 0.0 {
            let codes = self.local.point().code.iter().zip(&self.best.code);
            apart += self.network.prior() * codes.map(|(a, b)| (a - b).powi(2)).sum::<f64>();
        }
        apart <= OUTPUTS * OUTPUTS * 2.0 * self.best.loss
    }
}
