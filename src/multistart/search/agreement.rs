//! The stop rule of networks with convolutions or curved hidden layers.
//!
//! There a run takes long, and it comes near its minimum only to a few digits. Two runs *agree* if
//! their losses differ by at most a share of 1e-3, and their outputs by at most a tenth of the
//! residual. All starts are random codes. The search ends when three runs agree with the lowest
//! (twelve, while the data do not determine its code), or when the observation is reproduced, and
//! unconverged after 24 runs.
//!
//! A run need not reach its minimum. It ends at the first code that agrees with the lowest: from
//! there it would usually come to the same minimum. It also ends where its loss is far above the
//! lowest, beyond the reach of the noise if other minima are wanted, and falls slowly. The others
//! end at their minimum where minima on kinks are found exactly, because runs that end on different
//! sides of a kink may not agree. On a network without kinks, or with too many, they end where
//! their Levenberg–Marquardt steps become slow: that suffices to compare them. The last digits take
//! more steps than all others, above all on an ill-conditioned network with noise. So only the
//! answer, the lowest of all runs, descends to its minimum, once, when the search ends.
//!
//! It has converged if its code is proven to be a minimum: to first order with curved layers, and
//! exactly on kinks otherwise. With too many units to look at every kink
//! ([`PackedNetwork::has_too_many_kinks`](super::PackedNetwork::has_too_many_kinks)) nothing can be
//! proven, and the agreement alone decides.

use super::super::answer::BestAnswer;
use super::super::evaluation_error::EvaluationError;
use super::super::local_search::MarquardtOptions;
use super::super::minimum::Minimum;
use super::super::objective::Objective;
use super::super::options::BestOptions;
use super::super::packed_network::PackedNetwork;
use super::super::point::Point;
use super::super::progress::Progress;
use super::super::starts::Start;
use super::{MOST_STEPS, PROMISING, Searcher};

/// The largest relative difference of the losses of runs that agree. With less, minima on two sides
/// of a kink would not agree, although their losses differ by far less than noise changes them.
pub(super) const LOSSES: f64 = 1e-3;
/// The largest difference of their outputs, as a share of the residual.
const OUTPUTS: f64 = 0.1;
/// A run ends after two steps in a row that lower the loss by at most this share: so far below
/// [`LOSSES`] that steps of slow, linear convergence do not end a run too early to agree.
const SLOW: f64 = 1e-5;
/// A run whose loss is above [`PROMISING`] times the lowest ends after two steps in a row that
/// lower it by at most this share.
const HOPELESS: f64 = 1e-2;

impl Searcher<'_> {
    /// Descends from the current code, and compares the end with the lowest.
    pub(super) fn run_to_agree(&mut self, x: &[f64], start: Start, how: &MarquardtOptions, progress: &mut Progress) {
        let ends_exactly = !(self.local.has_no_kinks() || self.network.has_too_many_kinks());
        let slow = if ends_exactly { how.slow } else { SLOW };
        let lowest = progress.lowest.map(|lowest| lowest.loss);
        let reach = self.limit_of_reach(x, progress);
        if lowest.is_some() {
            self.return_to(x, progress);
        }
        let Searcher { network, local, best, .. } = self;
        let error = EvaluationError::of(network, Objective::L2, x);
        let is_level = |loss: f64, lowest: f64| is_near(loss, lowest, error) && is_near(lowest, loss, error);
        let agrees = |point: &Point| {
            lowest.is_some_and(|lowest| is_level(point.loss, lowest)) && outputs_agree(network, point, best, x)
        };
        let is_far = |point: &Point| lowest.is_some_and(|lowest| point.loss > reach.max(PROMISING * lowest));
        let mut slow_and_far = 0;
        local.levenberg_marquardt_until(x, &MarquardtOptions { slow, ..*how }, |point, gain| {
            slow_and_far = if is_far(point) && gain <= HOPELESS * point.loss { slow_and_far + 1 } else { 0 };
            slow_and_far >= 2 || agrees(point)
        });
        let (has_agreed, is_far) = (agrees(local.point()), is_far(local.point()));
        let minimum = self.minimum_after(x, if ends_exactly && !(has_agreed || is_far) { MOST_STEPS } else { 0 });
        if minimum.loss.is_finite() {
            self.judge_agreement(x, start, minimum, progress);
        }
    }

    /// The minimum at which the local search is, after at most `steps` steps of the exact method.
    fn minimum_after(&mut self, x: &[f64], steps: usize) -> Minimum {
        let stationary = self.local.active_set(x, steps).stationary;
        Minimum { loss: self.local.point().loss, squares: 0.0, stationary }
    }

    /// Compares the minimum at which a run ended with the lowest. The answer is the lower of two
    /// codes that agree.
    fn judge_agreement(&mut self, x: &[f64], start: Start, minimum: Minimum, progress: &mut Progress) {
        let Some(lowest) = progress.lowest else {
            progress.seen_minima = vec![(minimum.loss, minimum)];
            self.take(x, start, minimum, progress);
            return self.note(x, &minimum, progress);
        };
        self.return_to(x, progress);
        let error = EvaluationError::of(self.network, Objective::L2, x);
        let (low, high) = (minimum.loss.min(lowest.loss), minimum.loss.max(lowest.loss));
        let agrees = is_near(high, low, error) && outputs_agree(self.network, self.local.point(), &self.best, x);
        let first = progress.answer.first_found;
        let is_lower = minimum.loss < lowest.loss;
        if is_lower {
            if agrees {
                progress.forget_answer();
            }
            self.take(x, start, minimum, progress);
        }
        if agrees {
            progress.answer.first_found = first;
            self.best_of = Some((progress.index, first));
            progress.seen_minima.push((minimum.loss, minimum));
            // Runs that agreed with a code that has since been replaced may be too high now.
            progress.seen_minima.retain(|(loss, _)| is_near(*loss, low, error));
            progress.answer.found = progress.seen_minima.len();
        } else if is_lower {
            progress.seen_minima = vec![(minimum.loss, minimum)];
        }
        // A run that agrees is at the answer's minimum.
        if is_lower || !agrees {
            self.note(x, &minimum, progress);
        }
    }

    /// Ends the search if the stop rule says so or no run is left: the answer descends to its
    /// minimum.
    pub(super) fn end_by_agreement(&mut self, x: &[f64], options: &BestOptions, progress: &mut Progress) {
        let enough = progress.has_found_enough(Objective::L2, self.least_runs(options));
        let Some(lowest) = progress.lowest else { return };
        if progress.answer.reproduced || !(enough || progress.is_over(options)) {
            return;
        }
        let BestAnswer { start, first_found, found, stationary, .. } = progress.answer;
        if !stationary {
            self.local.go_to(x, &progress.answer.code);
            let minimum = self.minimum_after(x, MOST_STEPS);
            if minimum.loss <= lowest.loss {
                progress.forget_answer();
                self.take(x, start, minimum, progress);
                (progress.answer.first_found, progress.answer.found) = (first_found, found);
                self.note(x, &minimum, progress);
            }
        }
        progress.has_ended = true;
        progress.answer.converged = enough && (progress.answer.stationary || self.network.has_too_many_kinks());
    }
}

/// Whether a loss is that of the lowest, up to a share of it.
fn is_near(loss: f64, lowest: f64, error: EvaluationError) -> bool {
    loss <= lowest * (1.0 + LOSSES) + 2.0 * error.of_loss(loss)
}

/// Whether the outputs of two codes differ by at most a share of the residual of `best`, over the
/// observed entries. A prior counts as `k` more outputs `√λ z`.
pub(super) fn outputs_agree(network: &PackedNetwork, point: &Point, best: &Point, x: &[f64]) -> bool {
    let last = network.layers().len() - 1;
    let activation = network.layers()[last].activation;
    let observed = x.iter().zip(point.received(last).iter().zip(best.received(last))).filter(|(x, _)| !x.is_nan());
    let mut apart: f64 = observed.map(|(_, (a, b))| (activation.apply(*a) - activation.apply(*b)).powi(2)).sum();
    if network.prior() > 0.0 {
        apart += network.prior() * point.code.iter().zip(&best.code).map(|(a, b)| (a - b).powi(2)).sum::<f64>();
    }
    apart <= OUTPUTS * OUTPUTS * 2.0 * best.loss
}
