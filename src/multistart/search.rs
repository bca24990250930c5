//! The lowest loss that many starts lead to, in bulk: `min ½‖G(z) − x‖²` over the observed entries,
//! or `‖·‖₁`, or `‖·‖_∞` ([`Objective`]).
//!
//! Each run goes from its start to a local minimum. Minima are exact, on kinks too, so that two
//! runs which end at the same one end at the same loss, and *found again* means something. For `l1`
//! and `linf` each minimum of squares is the candidate from which [`super::absolute`] goes on to
//! one of the objective; many runs end at the same candidate, which is taken on once. Among codes
//! of the same largest error, the lower sum of squares is the lower loss.
//!
//! **Stop rule.** With `m` the run that first found the lowest loss so far (counted from 1) and `f`
//! the runs that have ended at it, each from another start, the search is over after `s` runs when
//! `s ≥ 48 + 5m` and `f ≥ 24`: converged. So it is, at once, when the observation is reproduced
//! ([`REPRODUCED`](super::local_search::REPRODUCED)). At `starts` runs it ends unconverged.

use std::cmp::Ordering;

use nalgebra::DMatrix;
use rayon::prelude::*;

use super::absolute::AbsoluteSearch;
use super::answer::BestAnswer;
use super::local_search::{LocalSearch, MarquardtOptions};
use super::minimum::{Minimum, compared};
use super::objective::Objective;
use super::options::BestOptions;
use super::packed_network::PackedNetwork;
use super::point::Point;
use super::progress::Progress;
use super::starts::{Flips, Move, Start, random_code};

/// Runs before the search turns to the neighbourhood of the best: codes to be near to come from
/// somewhere.
const SCOUTS: usize = 5;
/// The stop rule's numbers.
const LEAST_RUNS: usize = 48;
const PATIENCE: usize = 5;
const LEAST_FOUND: usize = 24;
/// A run whose Levenberg–Marquardt steps end above this multiple of the lowest loss is not followed
/// to its minimum.
const PROMISING: f64 = 1.05;

pub(super) const MARQUARDT: MarquardtOptions = MarquardtOptions { damping: 1e-3, slow: 1e-3, steps: 200 };
const MOST_STEPS: usize = 300;
/// Linear programs from a candidate.
const MOST_PROGRAMS: usize = 300;

/// Searches for every column of `observations` (`n` × count, `NaN` where unobserved). `given`:
/// codes to start from, a matrix (`k` × count) for each method that found some; columns that are
/// not finite are passed over. `first_index`: that of the first observation in the whole run. An
/// answer depends on its own column, its index and the seed only.
///
/// # Panics
/// If a shape does not fit the network, or the objective does not ([`BestOptions::validate`]).
pub fn best_batch(
    network: &PackedNetwork,
    observations: &DMatrix<f64>,
    first_index: u64,
    given: &[(Start, &DMatrix<f64>)],
    options: &BestOptions,
) -> Vec<BestAnswer> {
    check_shapes(network, observations, given);
    (0..observations.ncols())
        .into_par_iter()
        .map_init(
            || Searcher::new(network, options.objective),
            |searcher, place| {
                let observation = observations.column(place);
                let mut progress = Progress::new(network, observations, first_index, given, place);
                searcher.search(observation.as_slice(), &mut progress, options);
                progress.answer
            },
        )
        .collect()
}

pub(super) fn check_shapes(network: &PackedNetwork, observations: &DMatrix<f64>, given: &[(Start, &DMatrix<f64>)]) {
    assert_eq!(observations.nrows(), network.observation_length(), "entries an observation");
    for (_, codes) in given {
        assert_eq!(codes.shape(), (network.code_length(), observations.ncols()), "one given code an observation");
    }
}

/// What a thread works with, on one search at a time.
pub(super) struct Searcher<'a> {
    network: &'a PackedNetwork,
    local: LocalSearch<'a>,
    /// Where the objective is not squares.
    absolute: Option<AbsoluteSearch<'a>>,
    best: Point,
    flips: Flips,
    /// Whose best code `best` is: the observation's index, and the run that found it.
    best_of: Option<(u64, usize)>,
}

impl<'a> Searcher<'a> {
    pub fn new(network: &'a PackedNetwork, objective: Objective) -> Self {
        Searcher {
            network,
            local: LocalSearch::new(network),
            absolute: (objective != Objective::L2).then(|| AbsoluteSearch::new(network, objective)),
            best: Point::new(network),
            flips: Flips::new(network),
            best_of: None,
        }
    }

    /// From where the search stands to its end.
    pub fn search(&mut self, x: &[f64], progress: &mut Progress, options: &BestOptions) {
        while !progress.is_over(options) {
            let (start, code) = self.propose(x, progress, options);
            self.advance(x, start, &code, &MARQUARDT, progress);
        }
    }

    /// Where the next run begins.
    pub fn propose(&mut self, x: &[f64], progress: &mut Progress, options: &BestOptions) -> (Start, Vec<f64>) {
        progress.given.next().unwrap_or_else(|| self.next_start(x, options.seed, progress))
    }

    /// Makes the run that begins at `code` and asks whether it was the last.
    pub fn advance(&mut self, x: &[f64], start: Start, code: &[f64], how: &MarquardtOptions, progress: &mut Progress) {
        progress.answer.runs += 1;
        self.run(x, start, code, how, progress);
        let answer = &mut progress.answer;
        let enough = answer.runs >= LEAST_RUNS + PATIENCE * answer.first_found && answer.found >= LEAST_FOUND;
        answer.converged = enough || answer.reproduced;
    }

    fn next_start(&mut self, x: &[f64], seed: u64, progress: &mut Progress) -> (Start, Vec<f64>) {
        let run = progress.answer.runs;
        let mut code = random_code(seed, progress.index, run as u64, self.network.code_length());
        let next = if run < SCOUTS || progress.answer.found == 0 { Some(&Move::Random) } else { progress.moves.next() };
        match next {
            Some(Move::Near(share)) => {
                let best = &progress.answer.code;
                let length = (best.iter().map(|z| z * z).sum::<f64>() / code.len() as f64).sqrt();
                code.iter_mut().zip(best).for_each(|(z, best)| *z = best + share * length * *z);
                (Start::Near, code)
            }
            Some(Move::Flip) => {
                self.return_to(x, progress);
                match self.flips.next(self.network, &self.best, x, &mut progress.flips) {
                    Some(flipped) => (Start::Flip, flipped),
                    None => (Start::Random, code),
                }
            }
            _ => (Start::Random, code),
        }
    }

    /// Back to the best code of a search, where another was worked on since.
    fn return_to(&mut self, x: &[f64], progress: &Progress) {
        let wanted = Some((progress.index, progress.answer.first_found));
        if self.best_of != wanted {
            self.best_of = wanted;
            self.best.code.copy_from_slice(&progress.answer.code);
            self.best.run(self.network, x);
            self.flips.leave();
        }
    }

    /// One run, from a start to a minimum, and what it adds to the answer.
    fn run(&mut self, x: &[f64], start: Start, code: &[f64], how: &MarquardtOptions, progress: &mut Progress) {
        self.local.go_to(x, code);
        self.local.levenberg_marquardt(x, how);
        // For another objective high squares say nothing: a gross error makes them.
        if self.absolute.is_none() && self.local.point().loss > PROMISING * progress.least_squares {
            return;
        }
        let descent = self.local.active_set(x, MOST_STEPS);
        let squares = self.local.point().loss;
        if !squares.is_finite() {
            return;
        }
        progress.least_squares = progress.least_squares.min(squares);
        let candidate = Minimum { loss: squares, squares: 0.0, stationary: descent.stationary };
        let minimum = self.minimise_objective(x, candidate, &mut progress.seen_minima);
        let Progress { index, lowest, flips, answer, .. } = progress;
        match lowest.map_or(Ordering::Less, |lowest| minimum.compared(&lowest)) {
            Ordering::Less => {}
            Ordering::Equal => {
                answer.found += 1;
                return;
            }
            Ordering::Greater => return,
        }
        *lowest = Some(minimum);
        let (point, reproduced, determined) = match &self.absolute {
            Some(absolute) => (absolute.point(), absolute.reproduces(x), absolute.is_determined()),
            None => (self.local.point(), self.local.reproduces(x), false),
        };
        self.best.clone_from(point);
        self.best_of = Some((*index, answer.runs));
        *flips = self.flips.around(self.network, &self.best, x);
        *answer = BestAnswer {
            code: self.best.code.clone(),
            loss: minimum.loss,
            start,
            first_found: answer.runs,
            found: 1,
            runs: answer.runs,
            converged: false,
            // Where nothing is left to lower no linear program has told.
            determined: if self.absolute.is_none() || reproduced { self.local.is_determined(x) } else { determined },
            stationary: minimum.stationary,
            reproduced,
        };
    }

    /// From a minimum of squares to one of the objective; what it led to before, where one like it
    /// was taken on.
    fn minimise_objective(&mut self, x: &[f64], candidate: Minimum, seen_minima: &mut Vec<(f64, Minimum)>) -> Minimum {
        let Some(absolute) = &mut self.absolute else { return candidate };
        let before = seen_minima.iter().find(|(squares, _)| compared(candidate.loss, *squares) == Ordering::Equal);
        if let Some((_, minimum)) = before {
            return *minimum;
        }
        let descent = absolute.descend(x, &self.local.point().code, MOST_PROGRAMS);
        let squares = if absolute.objective() == Objective::Linf { absolute.point().loss } else { 0.0 };
        let minimum = Minimum { loss: absolute.misfit(), squares, stationary: descent.stationary };
        seen_minima.push((candidate.loss, minimum));
        minimum
    }
}
