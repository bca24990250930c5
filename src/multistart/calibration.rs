//! How often the lowest loss has to be found on a network: measured on its own outputs.
//!
//! On many networks most starts lead to the same minimum, and the usual stop rule
//! ([`super::search`]) asks for 53 runs where three would do. Let a run from a random code end at
//! the lowest minimum of an observation with probability `p`. A search that ends when `f` runs have
//! ended at the lowest loss so far misses the lowest minimum only if none of the first `f` runs
//! ends there, which has the probability `(1 − p)ᶠ`.
//!
//! Losses that differ by a share of at most 1e-3 count as the same here: where there are many
//! minima, codes of such losses are about equally likely, and which of them is the lowest takes
//! hundreds of runs to say. The answer is the lowest that was met.
//!
//! The share missed is the mean of this over the observations. Here it is estimated on `N` outputs
//! of the network with noise, of which `R` random runs are made each. If `w` of them did not end at
//! the lowest, `C(w, f) / C(R, f)` is the share of the sets of `f` runs without any that did: an
//! unbiased estimate of `(1 − p)ᶠ` where the lowest is known. So that it is, one more run starts
//! from the true code. To the `N` outputs comes one of which nothing is known: with `p` uniform in
//! (0, 1), `E (1 − p)ᶠ = 1 / (f + 1)`. It stands for the observations that are too rare to be among
//! the outputs.

use nalgebra::DMatrix;

use super::answer::BestAnswer;
use super::options::{BestOptions, End};
use super::packed_network::PackedNetwork;
use super::search::best_batch;
use super::starts::Start;
use super::stored::Stored;
use crate::precision::Precision;

/// Random runs per output; no rule asks for more runs at the lowest loss.
pub const RUNS: usize = 8;
/// The least number that a rule asks for.
const LEAST: usize = 3;

/// A rule: a search from random codes ends when so many runs have ended at the lowest loss.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct MeasuredRule {
    /// The number of these runs.
    pub found: usize,
    /// The largest loss among the outputs. The rule is for observations of at most this loss.
    pub highest_loss: f64,
    /// The estimated share of observations whose lowest minimum is missed.
    pub share_missed: f64,
}

impl MeasuredRule {
    /// The options of a search by this rule.
    pub fn options(&self, options: &BestOptions) -> BestOptions {
        BestOptions { end: End::Found(self.found), ..options.clone() }
    }
}

/// Measures the rule whose estimated share missed is at most `rate`; `None` if no number up to
/// [`RUNS`] has that. `outputs`: `n` × count, outputs of the network at `codes` (`k` × count)
/// with noise. `first_index`: the index of the first, which should not be that of an observation.
/// Of `options` the objective and the seed count.
///
/// # Panics
/// If a shape does not fit the network.
pub fn calibrate(
    network: &PackedNetwork,
    (codes, outputs): (&DMatrix<f64>, &DMatrix<f64>),
    first_index: u64,
    options: &BestOptions,
    rate: f64,
) -> Option<MeasuredRule> {
    let all = BestOptions {
        starts: RUNS + 1,
        end: End::AllStarts,
        objective: options.objective,
        seed: options.seed,
        reach: None,
    };
    let stored = Stored { observations: outputs, stored_as: Precision::F64 };
    let answers = best_batch(network, stored, first_index, &[(Start::Given, codes)], &all);
    // An answer that reproduces its observation ended the search, at the lowest loss there is. Of
    // the others one run is taken to be that from the true code.
    let others =
        |answer: &BestAnswer| if answer.reproduced { 0 } else { RUNS.min(RUNS + 1 - answer.found.min(RUNS + 1)) };
    let others: Vec<usize> = answers.iter().map(others).collect();
    let highest_loss = answers.iter().map(|answer| answer.loss).filter(|loss| loss.is_finite()).fold(0.0, f64::max);
    let rule = |found: usize| MeasuredRule { found, highest_loss, share_missed: share_missed(&others, found) };
    (LEAST..=RUNS).map(rule).find(|rule| rule.share_missed <= rate)
}

/// The estimated share missed where `runs` runs have to end at the lowest loss. `others`: of each
/// output, how many of its [`RUNS`] runs did not end at the lowest minimum.
fn share_missed(others: &[usize], runs: usize) -> f64 {
    // C(w, f) / C(R, f), factor by factor.
    let none_of = |others: usize| -> f64 {
        (0..runs).map(|drawn| others.saturating_sub(drawn) as f64 / (RUNS - drawn) as f64).product()
    };
    let unknown = 1.0 / (runs + 1) as f64;
    (others.iter().map(|others| none_of(*others)).sum::<f64>() + unknown) / (others.len() + 1) as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Against the enumeration of all sets of runs.
    #[test]
    fn the_share_is_that_of_all_sets_of_runs() {
        for runs in 1..=RUNS {
            for others in 0..=RUNS {
                let sets: Vec<u32> = (0_u32..1 << RUNS).filter(|set| set.count_ones() as usize == runs).collect();
                let missed = sets.iter().filter(|set| **set < 1 << others).count() as f64 / sets.len() as f64;
                let expected = (missed + 1.0 / (runs + 1) as f64) / 2.0;
                assert!((share_missed(&[others], runs) - expected).abs() < 1e-15, "{runs} {others}");
            }
        }
    }

    #[test]
    fn a_rule_takes_more_outputs_than_the_rate_allows_unknown_ones() {
        // Nothing was measured: the unknown output alone counts.
        assert_eq!(share_missed(&[], 3), 0.25);
        assert!(share_missed(&[0; 23], 3) > 0.01 && share_missed(&[0; 64], 3) < 0.01);
        // One output of 64 that no run of eight solves is above one in a hundred, whatever is
        // asked.
        assert!((LEAST..=RUNS).all(|runs| share_missed(&[[0; 63].as_slice(), &[RUNS]].concat(), runs) > 0.01));
    }
}
