//! Which minima a search keeps besides the lowest: distinct ones within reach of the noise.
//!
//! **Distinct** are two minima of different losses, and two of the same loss if the loss is higher
//! half way between them: otherwise they lie in one flat valley. Where runs end near their minimum
//! only, losses are compared as those of runs that agree.

use super::super::alternatives::{Alternative, MOST};
use super::super::evaluation_error::EvaluationError;
use super::super::minimum::{Minimum, compared};
use super::super::packed_network::PackedNetwork;
use super::super::progress::Progress;
use super::Searcher;
use super::agreement::LOSSES;

impl Searcher<'_> {
    /// The largest loss within reach, so far; infinite before there is a minimum, and 0 if
    /// alternatives are not wanted.
    pub(super) fn limit_of_reach(&self, x: &[f64], progress: &Progress) -> f64 {
        let (Some(reach), Some(lowest)) = (self.reach, progress.lowest) else {
            return if self.reach.is_some() { f64::INFINITY } else { 0.0 };
        };
        let observed = x.iter().filter(|x| !x.is_nan()).count() as f64;
        let prior = prior_part(self.network, &progress.answer.code);
        reach.limit(self.objective(), lowest.loss, prior, observed)
    }

    /// Keeps the minimum at which a run ended, if it is within reach and distinct from the others.
    pub(super) fn note(&mut self, x: &[f64], minimum: &Minimum, progress: &mut Progress) {
        if self.reach.is_none() {
            return;
        }
        let limit = self.limit_of_reach(x, progress);
        progress.minima.retain(|other| other.loss <= limit);
        if minimum.loss.is_nan() || minimum.loss > limit {
            return;
        }
        let objective = self.objective();
        let code = match &self.absolute {
            Some(absolute) => absolute.point().code.clone(),
            None => self.local.point().code.clone(),
        };
        let of_loss = EvaluationError::of(self.network, objective, x).of_minimum(objective, minimum)[0];
        let share = if self.network.goes_by_agreement() { LOSSES } else { 0.0 };
        let error = of_loss + share * minimum.loss;
        for place in 0..progress.minima.len() {
            let other = &progress.minima[place];
            if compared(minimum.loss, other.loss, error).is_ne() {
                continue;
            }
            let half_way: Vec<f64> = code.iter().zip(&other.code).map(|(a, b)| 0.5 * (a + b)).collect();
            if compared(self.loss_of(x, &half_way), minimum.loss.max(other.loss), error).is_le() {
                // The answer is always among them.
                let answer = &progress.answer.code;
                if *answer == code || minimum.loss < other.loss && *answer != other.code {
                    progress.minima[place] = Alternative { code, loss: minimum.loss };
                }
                return;
            }
        }
        progress.minima.push(Alternative { code, loss: minimum.loss });
        if progress.minima.len() > MOST {
            progress.minima.sort_by(|a, b| a.loss.total_cmp(&b.loss));
            progress.minima.truncate(MOST);
        }
    }

    fn loss_of(&mut self, x: &[f64], code: &[f64]) -> f64 {
        match &mut self.absolute {
            Some(absolute) => absolute.misfits_of(x, code).0,
            None => self.local.loss_of(x, code),
        }
    }
}

/// `½λ‖z‖²`.
fn prior_part(network: &PackedNetwork, code: &[f64]) -> f64 {
    0.5 * network.prior() * code.iter().map(|z| z * z).sum::<f64>()
}
