//! Other minima that a search has found, within reach of the noise.
//!
//! **Within reach** is a minimum that noise of the named size can leave: `Σr² ≤ σ² χ²₀.₉₉₉(n)`,
//! `Σ|r| ≤ b (n + 4 √n)` or `max|r| ≤ a` over `n` observed entries. Without a size, it is one whose
//! likelihood, with the size that fits it best, is at least a thousandth of that of the lowest: the
//! likelihood is in proportion to `‖r‖₂⁻ⁿ`, `‖r‖₁⁻ⁿ` or `‖r‖_∞⁻ⁿ`. With a prior, its part of the
//! loss is that of the lowest minimum.
//!
//! **Distinct** are two minima of different losses, and two of the same loss if the loss is higher
//! half way between them: otherwise they lie in one flat valley.

use super::evaluation_error::EvaluationError;
use super::minimum::{Minimum, compared};
use super::objective::Objective;
use super::packed_network::PackedNetwork;
use super::progress::Progress;
use super::search::Searcher;
use crate::statistics::largest_mean_square;

/// The least share of the likelihood of the lowest minimum.
const LEAST_LIKELIHOOD: f64 = 1e-3;
/// The largest number of minima that are kept.
pub const MOST: usize = 64;
/// The largest relative difference of the losses of runs that ended in one valley, where runs end
/// near their minimum only.
const ONE_VALLEY: f64 = 1e-4;

/// A minimum that a search has found.
#[derive(Debug, Clone, PartialEq)]
pub struct Alternative {
    /// The code, `k` entries.
    pub code: Vec<f64>,
    /// Its loss, by the objective; see [`BestAnswer::loss`](super::BestAnswer::loss).
    pub loss: f64,
}

/// Which minima are within reach of the noise.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Reach {
    /// The size of the noise, if it is known.
    pub size: Option<f64>,
}

impl Reach {
    /// The largest loss within reach. `lowest`: the lowest loss; `prior`: the part of it that the
    /// prior adds; `observed`: the number of observed entries.
    pub fn limit(self, objective: Objective, lowest: f64, prior: f64, observed: f64) -> f64 {
        let limit = match (self.size, objective) {
            (Some(size), Objective::L2) => 0.5 * size * size * observed * largest_mean_square(observed),
            (Some(size), Objective::L1) => size * (observed + 4.0 * observed.sqrt()),
            (Some(size), Objective::Linf) => size,
            // Half the sum of squares is `‖r‖²/2`.
            (None, Objective::L2) => (lowest - prior) * LEAST_LIKELIHOOD.powf(-2.0 / observed),
            (None, _) => lowest * LEAST_LIKELIHOOD.powf(-1.0 / observed),
        };
        (limit + prior).max(lowest)
    }
}

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
        let share = if self.network.goes_by_agreement() { ONE_VALLEY } else { 0.0 };
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
