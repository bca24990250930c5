//! Searches for the lowest loss from many starts, in bulk: `min ½‖G(z) − x‖²` over the observed
//! entries, or `‖·‖₁`, or `‖·‖_∞` ([`Objective`]).
//!
//! Each run ends at a local minimum. Minima are exact, also on kinks. So two runs that end at the
//! same minimum have the same loss, and the number of runs that *found it again* is meaningful. For
//! `l1` and `linf`, squares bring a run near a minimum, and [`super::absolute`] descends to it
//! ([`other_norms`]). Among codes of the same largest error, the lower sum of squares counts
//! as the lower loss.
//!
//! **Stop rule.** `m` is the run that first found the lowest loss so far (counted from 1). `f` is
//! the number of runs that have found it, each from another start. The search ends after `s`
//! runs when `s ≥ r + 5m` and `f ≥ 24`, where `r` is 48 (192 for `l1` and `linf` on small
//! networks), or 256 while the best code is not determined
//! ([`Progress::has_found_enough`]); for `l1` also when `s ≥ 240 + 5m` and `f ≥ 3`. It has
//! converged if its code is proven to be a local minimum, or to first order if an output is curved.
//! For squares, a code without that proof gets another look, and so does one with a curved output
//! whose Hessian does not prove it ([`super::second_order`]): its surroundings are sampled, and the
//! search continues from any lower loss. The search also ends, converged, when the observation is
//! reproduced: to rounding in f64 ([`REPRODUCED`](super::local_search::REPRODUCED)), or to the
//! rounding of the observation's own numbers ([`Precision`](crate::precision::Precision)). Without
//! meeting the rule it ends at `starts` runs, unconverged.
//!
//! With a prior ([`PackedNetwork::with_prior`]) reproducing the observation ends nothing. `r` is
//! 256 where the data alone do not determine the best code: the prior leaves no flats, but many
//! minima.
//!
//! Networks with convolutions or curved hidden layers have another rule ([`agreement`]).

mod agreement;
mod kept_minima;
mod measured;
pub mod other_norms;

use std::cmp::Ordering;

use nalgebra::DMatrix;
use rayon::prelude::*;

use super::absolute::AbsoluteSearch;
use super::alternatives::Reach;
use super::answer::BestAnswer;
use super::evaluation_error::EvaluationError;
use super::local_search::{LocalSearch, MarquardtOptions};
use super::minimum::Minimum;
use super::objective::Objective;
use super::options::{BestOptions, End};
use super::packed_network::PackedNetwork;
use super::point::Point;
use super::progress::Progress;
use super::starts::{Flips, Move, Start, far_distance, random_code, schedule};
use super::stored::Stored;
use super::surroundings::{lower_nearby, scale_of};

/// Random runs before the search turns to the neighbourhood of the best code: it first needs a best
/// code.
const SCOUTS: usize = 5;
/// A run stops early if its Levenberg–Marquardt steps end above this multiple of the lowest loss.
const PROMISING: f64 = 1.05;

pub(super) const MARQUARDT: MarquardtOptions = MarquardtOptions { damping: 1e-3, slow: 1e-3, steps: 200 };
const MOST_STEPS: usize = 300;

/// Searches for every column of `stored` (`n` × count, `NaN` where unobserved). `given`:
/// codes to start from, one matrix (`k` × count) per method that found some; columns that are not
/// finite are skipped. `first_index`: the index of the first observation in the whole job. An
/// answer depends only on its own column, its index and the seed.
///
/// # Panics
/// If a shape does not fit the network, or the objective does not ([`BestOptions::validate`]).
pub fn best_batch<'a>(
    network: &PackedNetwork,
    stored: impl Into<Stored<'a>>,
    first_index: u64,
    given: &[(Start, &DMatrix<f64>)],
    options: &BestOptions,
) -> Vec<BestAnswer> {
    let stored = stored.into();
    let observations = stored.observations;
    check_shapes(network, observations, given);
    (0..observations.ncols())
        .into_par_iter()
        .map_init(
            || Searcher::new(network, options),
            |searcher, place| {
                let observation = observations.column(place);
                let mut progress = Progress::new(network, stored, first_index, given, place);
                searcher.search(observation.as_slice(), &mut progress, options);
                progress.into_answer()
            },
        )
        .collect()
}

pub(super) fn check_shapes(network: &PackedNetwork, observations: &DMatrix<f64>, given: &[(Start, &DMatrix<f64>)]) {
    assert_eq!(observations.nrows(), network.observation_length(), "entries per observation");
    for (_, codes) in given {
        assert_eq!(codes.shape(), (network.code_length(), observations.ncols()), "one given code per observation");
    }
}

/// One thread's workspace, for one search at a time.
pub(super) struct Searcher<'a> {
    network: &'a PackedNetwork,
    local: LocalSearch<'a>,
    /// Present if the objective is not squares.
    absolute: Option<AbsoluteSearch<'a>>,
    /// Whether programs from any start are affordable ([`other_norms`]).
    is_small: bool,
    best: Point,
    flips: Flips,
    /// The owner of the code in `best`: the observation's index, and the run that found the code.
    best_of: Option<(u64, usize)>,
    /// Which other minima are kept.
    reach: Option<Reach>,
    /// The share of a loss by which another counts as the same; 0 but for [`End::Found`] and its
    /// measurement.
    level: f64,
}

impl<'a> Searcher<'a> {
    pub fn new(network: &'a PackedNetwork, options: &BestOptions) -> Self {
        let objective = options.objective;
        Searcher {
            network,
            local: LocalSearch::new(network),
            absolute: (objective != Objective::L2).then(|| AbsoluteSearch::new(network, objective)),
            is_small: other_norms::is_small(&network.unit_counts()),
            best: Point::new(network),
            flips: Flips::new(network),
            best_of: None,
            reach: options.reach,
            level: measured::level_of(options.end),
        }
    }

    /// Continues a search from its current state to its end.
    pub fn search(&mut self, x: &[f64], progress: &mut Progress, options: &BestOptions) {
        while !progress.is_over(options) {
            let (start, code) = self.propose(x, progress, options);
            self.advance(x, (start, &code), &MARQUARDT, options, progress);
        }
    }

    /// The start of the next run: its kind and its code.
    pub fn propose(&mut self, x: &[f64], progress: &mut Progress, options: &BestOptions) -> (Start, Vec<f64>) {
        progress.given.next().unwrap_or_else(|| self.next_start(x, options, progress))
    }

    /// Makes the run that starts at `code`, and decides whether it was the last.
    pub fn advance(
        &mut self,
        x: &[f64],
        (start, code): (Start, &[f64]),
        how: &MarquardtOptions,
        options: &BestOptions,
        progress: &mut Progress,
    ) {
        progress.answer.runs += 1;
        self.run(x, start, code, how, progress);
        match options.end {
            End::FoundOften if self.network.goes_by_agreement() => self.end_by_agreement(x, options, progress),
            End::FoundOften if progress.has_found_enough(self.objective(), self.least_runs(options)) => {
                self.end(x, options, progress);
            }
            End::Found(times) => self.end_when_found(times, x, options, progress),
            End::FoundOften | End::AllStarts => {}
        }
        progress.answer.converged |= progress.answer.reproduced;
    }

    /// The stop rule is met. Ends the search, unless the best code is not proven to be a minimum
    /// and a lower loss is found around it: then the search continues from there.
    fn end(&mut self, x: &[f64], options: &BestOptions, progress: &mut Progress) {
        if !progress.answer.stationary && self.absolute.is_none() {
            self.local.go_to(x, &progress.answer.code);
            progress.answer.stationary = self.local.is_proven_minimum(x);
        }
        // With a curved output a first-order minimum may be none.
        let is_proven = self.network.is_piecewise_linear() || progress.is_strict;
        let is_open = !progress.answer.stationary || !is_proven;
        if is_open && self.absolute.is_none() && progress.answer.runs < options.starts {
            self.return_to(x, progress);
            if let Some(lower) = lower_nearby(self.network, &self.best, x, options.seed, progress.index) {
                progress.answer.runs += 1;
                self.run(x, Start::Near, &lower, &MARQUARDT, progress);
                return;
            }
        }
        progress.has_ended = true;
        progress.answer.converged = progress.answer.stationary;
    }

    fn next_start(&mut self, x: &[f64], options: &BestOptions, progress: &mut Progress) -> (Start, Vec<f64>) {
        let (run, seed) = (progress.answer.runs, options.seed);
        let mut code = random_code(seed, progress.index, run as u64, self.network.code_length());
        let is_random = run < SCOUTS
            || progress.answer.found == 0
            || self.network.goes_by_agreement()
            || options.end != End::FoundOften;
        let next = if is_random { Move::Random } else { self.next_move(progress) };
        match next {
            Move::Near(share) => {
                let best = &progress.answer.code;
                let length = scale_of(best);
                code.iter_mut().zip(best).for_each(|(z, best)| *z = best + share * length * *z);
                (Start::Near, code)
            }
            Move::Far => {
                let distance = far_distance(self.network.radii(), seed, progress.index, run as u64);
                code.iter_mut().for_each(|z| *z *= distance);
                (Start::Far, code)
            }
            Move::Flip => {
                self.return_to(x, progress);
                match self.flips.next(self.network, &self.best, x, &mut progress.flips) {
                    Some(flipped) => (Start::Flip, flipped),
                    None => (Start::Random, code),
                }
            }
            Move::Random => (Start::Random, code),
        }
    }

    fn next_move(&self, progress: &mut Progress) -> Move {
        let schedule = schedule(self.network.radii(), progress.answer.determined);
        progress.moves += 1;
        schedule[(progress.moves - 1) % schedule.len()]
    }

    /// Restores the best code of a search if another search was processed since.
    fn return_to(&mut self, x: &[f64], progress: &Progress) {
        let wanted = Some((progress.index, progress.answer.first_found));
        if self.best_of != wanted {
            self.best_of = wanted;
            self.best.code.copy_from_slice(&progress.answer.code);
            self.best.run(self.network, x);
            self.flips.leave();
        }
    }

    /// Makes one run, from a start to a minimum, and updates the answer.
    fn run(&mut self, x: &[f64], start: Start, code: &[f64], how: &MarquardtOptions, progress: &mut Progress) {
        self.local.go_to(x, code);
        if self.absolute.is_some() {
            return self.run_to_misfit(x, start, how, progress);
        }
        if self.network.goes_by_agreement() {
            return self.run_to_agree(x, start, how, progress);
        }
        if self.has_come_to_the_lowest(x, how, progress) {
            return;
        }
        let error = self.local.error_of(x);
        let promising = PROMISING * progress.least_squares + error.of_loss(progress.least_squares);
        if self.local.point().loss > promising.max(self.limit_of_reach(x, progress)) {
            return;
        }
        let descent = self.local.active_set(x, MOST_STEPS);
        let squares = self.local.point().loss;
        if !squares.is_finite() {
            return;
        }
        progress.least_squares = progress.least_squares.min(squares);
        let minimum = Minimum { loss: squares, squares: 0.0, stationary: descent.stationary };
        self.judge(x, start, (minimum, true), progress);
    }

    fn objective(&self) -> Objective {
        self.absolute.as_ref().map_or(Objective::L2, |absolute| absolute.objective())
    }

    /// Compares the minimum at which a run ended with the lowest. `is_here`: whether the run made
    /// the descent itself, and the searcher is at its code.
    fn judge(&mut self, x: &[f64], start: Start, (minimum, is_here): (Minimum, bool), progress: &mut Progress) {
        if !minimum.loss.is_finite() {
            return;
        }
        let objective = self.objective();
        let errors = EvaluationError::of(self.network, objective, x).of_minimum(objective, &minimum);
        let compared = progress.lowest.map_or(Ordering::Less, |lowest| minimum.compared(&lowest, errors));
        // A known minimum is never below the lowest, but for rounding.
        match if is_here { compared } else { compared.max(Ordering::Equal) } {
            Ordering::Less => {
                let before = progress.answer.found;
                let is_level = self.level > 0.0
                    && progress.lowest.is_some_and(|lowest| lowest.loss * (1.0 - self.level) <= minimum.loss);
                self.take(x, start, minimum, progress);
                if is_level {
                    progress.answer.found += before;
                }
            }
            Ordering::Equal => {
                let answer = &progress.answer;
                let (first, found) = ((answer.start, answer.first_found), answer.found + 1);
                // The same minimum, or another one of its loss; this one is proven.
                if is_here && minimum.stationary && !answer.stationary {
                    self.take(x, start, minimum, progress);
                    (progress.answer.start, progress.answer.first_found) = first;
                    self.best_of = Some((progress.index, first.1));
                }
                progress.answer.found = found;
            }
            Ordering::Greater => {
                let highest = progress.lowest.map_or(0.0, |lowest| lowest.loss * (1.0 + self.level));
                progress.answer.found += usize::from(self.level > 0.0 && minimum.loss <= highest);
            }
        }
        if is_here {
            self.note(x, &minimum, progress);
        }
    }

    /// Takes the minimum at which the run ended as the answer.
    fn take(&mut self, x: &[f64], start: Start, minimum: Minimum, progress: &mut Progress) {
        let Progress { index, lowest, is_strict, flips, rounding, answer, .. } = progress;
        *lowest = Some(minimum);
        let (point, reproduced) = match &self.absolute {
            Some(absolute) => (absolute.point(), absolute.reproduces(x)),
            None => (self.local.point(), self.local.reproduces(x)),
        };
        // A code that reproduces the data may still not have the lowest loss with a prior.
        let has_prior = self.network.prior() > 0.0;
        let reproduced = reproduced || !has_prior && is_rounding(self.network, point, x, *rounding);
        self.best.clone_from(point);
        self.best_of = Some((*index, answer.runs));
        // By a measured rule all starts are random.
        if !self.network.goes_by_agreement() && self.level == 0.0 {
            *flips = self.flips.around(self.network, &self.best, x);
        }
        let determined = match &self.absolute {
            Some(absolute) if !reproduced => absolute.is_determined(),
            // No linear program has decided this. The local search may be at another code.
            Some(_) => {
                self.local.go_to(x, &self.best.code);
                self.local.active_set(x, 0);
                self.local.is_determined(x)
            }
            None => self.local.is_determined(x),
        };
        let may_be_strict = self.absolute.is_none() && !self.network.goes_by_agreement() && minimum.stationary;
        *is_strict = may_be_strict && self.local.is_strict_minimum(x);
        *answer = BestAnswer {
            code: self.best.code.clone(),
            loss: minimum.loss,
            start,
            first_found: answer.runs,
            found: 1,
            runs: answer.runs,
            converged: false,
            determined,
            stationary: minimum.stationary,
            reproduced,
            alternatives: Vec::new(),
        };
    }
}

/// Whether no entry of the residual is larger than `rounding`, the rounding of the observation.
fn is_rounding(network: &PackedNetwork, point: &Point, observation: &[f64], rounding: f64) -> bool {
    let last = network.layers().len() - 1;
    let misfit = || Objective::Linf.misfit(network.layers()[last].activation, point.received(last), observation);
    rounding > 0.0 && misfit() <= rounding
}
