//! How often the lowest loss has to be found on a network: measured on its own outputs.
//!
//! On many networks every start leads to the same minimum, and the usual stop rule
//! ([`super::search`]) asks for 53 runs where two would do. A search that ends when `f` runs from
//! random codes have ended at the lowest loss so far misses the lowest minimum only if none of its
//! first `f` runs ends there. So for each of `N` outputs of the network with noise, let `t` be the
//! first run that ends at the lowest minimum. The rule takes the least `f` of [`CHOICES`] that no
//! `t` exceeds, and there is no rule if there is no such number.
//!
//! **What is promised.** Let `s_f` be the share of all observations of this kind with `t > f`. Each
//! of the `N` outputs is one of them, drawn at random, so the rule is at most `f` with probability
//! `P_f = (1 − s_f)ᴺ`. The usual search misses nothing that counts here. Over the draws, the
//! expected share missed is then at most `Σ s_f (P_f − P_{f'})`, `f'` the choice before `f`. Its
//! largest value over all `s` is `v/N`, with `v` from `v₁ = 1/e`, `vᵢ = exp(vᵢ₋₁ − 1)`: 0.37, 0.53,
//! 0.63 for one, two and three choices. Nothing is assumed of the network. With a larger set of
//! choices, `v` tends to 1.
//!
//! **What ends the measuring early.** One output with `t > 8` decides that there is no rule,
//! whatever the others are. So the outputs are inverted in blocks of 4, 4, 8, 16, …. A rule also
//! needs half of the outputs so far to agree, in the sense below: otherwise it would save little.
//! Without a rule nothing is missed, so no such end breaks the promise. A rule needs all outputs.
//!
//! **The lowest minimum** of an output is the lowest of the runs that are made and of one from the
//! true code. If that one and the first two random runs agree, no more are made; otherwise all
//! eight are.
//!
//! Losses that differ by a share of at most 1e-3 count as the same: where there are many minima,
//! codes of such losses are about equally likely, and which of them is the lowest takes hundreds of
//! runs to say. The answer is the lowest that was met.

use std::ops::Range;

use nalgebra::DMatrix;
use rayon::prelude::*;

use super::options::{BestOptions, End};
use super::packed_network::PackedNetwork;
use super::progress::Progress;
use super::search::{MARQUARDT, Searcher};
use super::starts::Start;
use super::stored::Stored;
use crate::cancel::CancelToken;
use crate::precision::Precision;

/// The numbers of runs that a rule may ask for.
pub const CHOICES: [usize; 3] = [2, 4, 8];
/// Most random runs per output.
const RUNS: usize = CHOICES[CHOICES.len() - 1];
/// Random runs of an output on which all of them agree with the true code.
const AGREEING: usize = 2;
/// Outputs in the first block. The next ones double the number.
const FIRST_BLOCK: usize = 4;
/// The largest block: as many outputs are in memory.
const LARGEST_BLOCK: usize = 256;
/// What a rule's largest loss adds to the highest of the outputs, as a share of their range. Of new
/// outputs one in `N + 1` is above the highest, and would have the usual search for nothing.
const BEYOND: f64 = 0.5;

/// A rule: a search from random codes ends when so many runs have ended at the lowest loss.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct MeasuredRule {
    /// The number of these runs.
    pub found: usize,
    /// The rule is for observations of at most this loss: larger ones are not explained by the
    /// noise of the outputs.
    pub highest_loss: f64,
}

impl MeasuredRule {
    /// The options of a search by this rule.
    pub fn options(&self, options: &BestOptions) -> BestOptions {
        BestOptions { end: End::Found(self.found), ..options.clone() }
    }
}

/// The largest expected share that a rule misses, times the number of outputs: `v` above.
pub fn missed_times_outputs() -> f64 {
    CHOICES.iter().fold(0.0, |before: f64, _| (before - 1.0).exp())
}

/// The runs of one output.
struct Trial {
    progress: Progress,
    /// The number of the first random run that ended at the lowest loss so far.
    first: Option<usize>,
}

/// Measures the rule on `count` outputs; `None` if there is no rule, or after `cancel`. `draw`: the
/// codes (`k` × length) of some outputs and these outputs with noise (`n` × length).
/// `first_index`: the index of the first, which should not be that of an observation. Of `options`
/// the objective and the seed count.
///
/// # Panics
/// If a shape does not fit the network.
pub fn calibrate(
    network: &PackedNetwork,
    count: usize,
    draw: impl Fn(Range<usize>) -> (DMatrix<f64>, DMatrix<f64>),
    first_index: u64,
    options: &BestOptions,
    cancel: &CancelToken,
) -> Option<MeasuredRule> {
    let all = BestOptions {
        starts: RUNS + 1,
        end: End::AllStarts,
        objective: options.objective,
        seed: options.seed,
        reach: None,
    };
    let (mut found, mut losses) = (CHOICES[0], f64::INFINITY..0.0_f64);
    let (mut next, mut agreed) = (0, 0);
    while next < count {
        let block = next..count.min(next + next.clamp(FIRST_BLOCK, LARGEST_BLOCK));
        let (codes, outputs) = draw(block.clone());
        let stored = Stored { observations: &outputs, stored_as: Precision::F64 };
        let (given, first_index) = ([(Start::Given, &codes)], first_index + block.start as u64);
        let begin = |place| Trial { progress: Progress::new(network, stored, first_index, &given, place), first: None };
        let mut trials: Vec<Trial> = (0..block.len()).map(begin).collect();
        let make_runs = |trials: &mut [Trial], runs: usize| {
            let work = |searcher: &mut Searcher<'_>, (place, trial): (usize, &mut Trial)| {
                if !cancel.is_cancelled() && !trial.has_agreed() {
                    trial.make_runs(runs, searcher, outputs.column(place).as_slice(), &all);
                }
            };
            trials.par_iter_mut().enumerate().for_each_init(|| Searcher::new(network, &all), work);
        };
        next = block.end;
        make_runs(&mut trials, AGREEING);
        agreed += trials.iter().filter(|trial| trial.has_agreed()).count();
        if 2 * agreed < next {
            return None;
        }
        make_runs(&mut trials, RUNS);
        for Trial { progress, first } in trials {
            // The search of an observation that is reproduced ends at once: no rule is needed.
            let first = first.filter(|_| !progress.answer.reproduced)?;
            found = found.max(CHOICES.into_iter().find(|choice| first <= *choice)?);
            let loss = progress.answer.loss;
            losses = losses.start.min(loss)..losses.end.max(loss);
        }
    }
    Some(MeasuredRule { found, highest_loss: losses.end + BEYOND * (losses.end - losses.start) })
}

impl Trial {
    /// Makes the run from the true code and this number of random ones, those made already
    /// included.
    fn make_runs(&mut self, runs: usize, searcher: &mut Searcher<'_>, x: &[f64], options: &BestOptions) {
        let Trial { progress, first } = self;
        while progress.answer.runs <= runs && !progress.is_over(options) {
            let (start, code) = searcher.propose(x, progress, options);
            // The run from the true code is not counted.
            let (random_runs, found) = (progress.answer.runs, progress.answer.found);
            searcher.advance(x, (start, &code), &MARQUARDT, options, progress);
            let answer = &progress.answer;
            if answer.first_found == answer.runs && answer.found == 1 {
                // A lower loss than before: none of the runs so far has ended there.
                *first = (random_runs > 0).then_some(random_runs);
            } else if answer.found > found && random_runs > 0 {
                *first = first.or(Some(random_runs));
            }
        }
    }

    /// Whether the true code and the first random runs, and no others, have led to the same loss.
    fn has_agreed(&self) -> bool {
        let answer = &self.progress.answer;
        self.first == Some(1) && answer.runs == 1 + AGREEING && answer.found == answer.runs
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::{Domain, uniform_vector};

    /// The expected share missed of a network with these shares of observations above each choice,
    /// by its formula.
    fn missed(shares: [f64; 3], outputs: i32) -> f64 {
        let at_most = |share: f64| (1.0 - share).powi(outputs);
        let mut before = 0.0;
        let of_choice = |share: &f64| {
            let chosen = at_most(*share) - before;
            before += chosen;
            share * chosen
        };
        shares.iter().map(of_choice).sum()
    }

    /// No network misses more than is promised, and some miss nearly as much.
    #[test]
    fn the_promise_is_the_worst_of_all_networks() {
        for outputs in [20, 63, 500] {
            let promised = missed_times_outputs() / f64::from(outputs);
            let worst = (0..40_000).fold(0.0_f64, |worst, index| {
                let mut shares: Vec<f64> = uniform_vector(1, Domain::Check, index, 3);
                shares.iter_mut().for_each(|share| *share = (*share * 4.0 / f64::from(outputs)).min(1.0));
                shares.sort_by(|a, b| b.total_cmp(a));
                worst.max(missed([shares[0], shares[1], shares[2]], outputs))
            });
            assert!(worst <= promised && worst > 0.93 * promised, "{outputs}: {worst} of {promised}");
        }
    }

    /// The rule of a network, drawn: the share missed by simulation, where a run ends at the lowest
    /// minimum with a probability that differs from observation to observation.
    #[test]
    fn a_simulated_search_misses_at_most_what_is_promised() {
        let outputs = 63;
        let promised = missed_times_outputs() / outputs as f64;
        // (Share of difficult observations, probability of a run there.)
        for (network, (share, probability)) in [(0.005, 0.0), (0.02, 0.1), (0.05, 0.5), (1.0, 0.8)].iter().enumerate() {
            let mut missed = 0.0;
            let trials = 4000;
            for trial in 0..trials {
                let index = (network * trials + trial) as u64;
                let numbers = uniform_vector(2, Domain::Check, index, (outputs + 1) * (RUNS + 1));
                let first = |output: usize| {
                    let numbers = &numbers[output * (RUNS + 1)..][..RUNS + 1];
                    let probability = if numbers[0] < *share { *probability } else { 1.0 };
                    (1..=RUNS).find(|run| numbers[*run] < probability).unwrap_or(usize::MAX)
                };
                let needed = (0..outputs).map(first).max().unwrap_or(0);
                if let Some(found) = CHOICES.into_iter().find(|choice| needed <= *choice) {
                    missed += f64::from(u8::from(first(outputs) > found)) / trials as f64;
                }
            }
            assert!(missed <= promised + 0.003, "network {network}: {missed} of {promised}");
        }
    }
}
