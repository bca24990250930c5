//! The lowest loss that many starts lead to, in bulk: `min ½‖G(z) − x‖²` over the observed entries, or `‖·‖₁`, or `‖·‖_∞`
//! ([`Objective`]).
//!
//! Each run goes from its start to a local minimum. Minima are exact, on kinks too, so that two runs which end at the same one
//! end at the same loss, and *found again* means something. For `l1` and `linf` each minimum of squares is the candidate from which
//! [`super::absolute`] goes on to one of the objective; many runs end at the same candidate, which is taken on once. Among codes of
//! the same largest error, the lower sum of squares is the lower loss.
//!
//! **Stop rule.** With `m` the run that first found the lowest loss so far (counted from 1) and `f` the runs that have ended at it, each
//! from another start, the search is over after `s` runs when `s ≥ 48 + 5m` and `f ≥ 24`: converged. So it is, at once, when
//! the observation is reproduced ([`REPRODUCED`](super::local_search::REPRODUCED)). At `starts` runs it ends unconverged.

use std::cmp::Ordering;

use nalgebra::DMatrix;
use rayon::prelude::*;

use super::absolute::AbsoluteSearch;
use super::local_search::{Approach, LocalSearch};
use super::objective::Objective;
use super::packed_network::PackedNetwork;
use super::point::Point;
use super::starts::{Flips, Move, RUNS_PER_OBSERVATION, SCHEDULE, Start, random_code};
use crate::error::{Error, Result};
use crate::network::Network;
use crate::observation::unusable;

/// How a search runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BestOptions {
    /// Most runs an observation. Default 1,000.
    pub starts: usize,
    /// Seeds the random codes, together with the observation's index and the number of the run. Default 0.
    pub seed: u64,
    /// What is made small. Default [`Objective::L2`].
    pub objective: Objective,
}

impl BestOptions {
    /// Most runs that an observation may have: their random codes share its range.
    pub const MOST_STARTS: usize = RUNS_PER_OBSERVATION as usize;

    /// # Errors
    /// [`Error::BadOption`] for no runs or more than [`Self::MOST_STARTS`], and those of [`Objective::validate`].
    pub fn validate(&self, network: &Network) -> Result<()> {
        if (1..=Self::MOST_STARTS).contains(&self.starts) {
            return self.objective.validate(network);
        }
        Err(Error::option("--starts", self.starts.to_string(), format!("1 to {}", Self::MOST_STARTS)))
    }
}

impl Default for BestOptions {
    fn default() -> Self {
        BestOptions { starts: 1000, seed: 0, objective: Objective::L2 }
    }
}

/// What came of one observation.
#[derive(Debug, Clone, PartialEq)]
pub struct BestAnswer {
    /// The code of the lowest loss, `k` entries; `NaN` where there is none.
    pub code: Vec<f64>,
    /// That loss, of the objective, over the observed entries: `½‖G(z) − x‖²`, `‖G(z) − x‖₁` or `‖G(z) − x‖_∞`.
    pub loss: f64,
    /// Where the run began that found it first.
    pub start: Start,
    /// Its number, from 1.
    pub first_found: usize,
    /// How many runs have ended at it.
    pub found: usize,
    /// Runs made.
    pub runs: usize,
    /// Whether the stop rule was met.
    pub converged: bool,
    /// Whether the data determine the code locally (for `l1` and `linf`: within its linear region).
    pub determined: bool,
    /// Whether it is a minimum to first order for certain.
    pub stationary: bool,
    /// Whether what is left of the residual is rounding.
    pub reproduced: bool,
}

/// Runs before the search turns to the neighbourhood of the best: codes to be near to come from somewhere.
const SCOUTS: usize = 5;
/// The stop rule's numbers.
const LEAST_RUNS: usize = 48;
const PATIENCE: usize = 5;
const LEAST_FOUND: usize = 24;
/// Two losses that differ by no more than this share are those of one minimum.
const SAME: f64 = 1e-9;
/// A run whose approach ends above this multiple of the lowest loss is not followed to its minimum.
const PROMISING: f64 = 1.05;

const APPROACH: Approach = Approach { damping: 1e-3, slow: 1e-3, steps: 200 };
const MOST_STEPS: usize = 300;
/// Linear programs from a candidate.
const MOST_PROGRAMS: usize = 300;

/// Searches for every column of `observations` (`n` × count, `NaN` where unobserved). `given`: codes to start from, a matrix
/// (`k` × count) for each method that found some; columns that are not finite are passed over. `first_index`: that of the first observation in the whole
/// run. An answer depends on its own column, its index and the seed only.
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
    assert_eq!(observations.nrows(), network.observation_length(), "entries an observation");
    for (_, codes) in given {
        assert_eq!(codes.shape(), (network.code_length(), observations.ncols()), "one given code an observation");
    }
    (0..observations.ncols())
        .into_par_iter()
        .with_max_len(1)
        .map_init(
            || Searcher::new(network, options.objective),
            |searcher, place| {
                let observation = observations.column(place);
                let column = |codes: &DMatrix<f64>| codes.column(place).iter().copied().collect::<Vec<_>>();
                let given: Vec<(Start, Vec<f64>)> =
                    given.iter().map(|(start, codes)| (*start, column(codes))).collect();
                searcher.search(observation.as_slice(), first_index.wrapping_add(place as u64), &given, options)
            },
        )
        .collect()
}

struct Searcher<'a> {
    network: &'a PackedNetwork,
    local: LocalSearch<'a>,
    /// Where the objective is not squares.
    absolute: Option<AbsoluteSearch<'a>>,
    best: Point,
    flips: Flips,
    /// The lowest sum of squares of a candidate, halved.
    least_squares: f64,
    /// The lowest minimum, the answer's.
    lowest: Option<Minimum>,
    /// The candidates that were taken on, by their squares, and what each led to.
    led_to: Vec<(f64, Minimum)>,
}

/// Where a run ended.
#[derive(Debug, Clone, Copy)]
struct Minimum {
    loss: f64,
    /// Between minima of the same loss.
    squares: f64,
    stationary: bool,
}

impl Minimum {
    /// Which of the two is lower, up to rounding.
    fn compared(&self, other: &Minimum) -> Ordering {
        compared(self.loss, other.loss).then(compared(self.squares, other.squares))
    }
}

fn compared(a: f64, b: f64) -> Ordering {
    if a < b * (1.0 - SAME) {
        Ordering::Less
    } else if a <= b * (1.0 + SAME) {
        Ordering::Equal
    } else {
        Ordering::Greater
    }
}

impl<'a> Searcher<'a> {
    fn new(network: &'a PackedNetwork, objective: Objective) -> Self {
        Searcher {
            network,
            local: LocalSearch::new(network),
            absolute: (objective != Objective::L2).then(|| AbsoluteSearch::new(network, objective)),
            best: Point::new(network),
            flips: Flips::new(network),
            least_squares: f64::INFINITY,
            lowest: None,
            led_to: Vec::new(),
        }
    }

    fn search(&mut self, x: &[f64], index: u64, given: &[(Start, Vec<f64>)], options: &BestOptions) -> BestAnswer {
        let mut answer = BestAnswer::none(self.network.code_length());
        if unusable(x).is_some() {
            return answer;
        }
        (self.least_squares, self.lowest) = (f64::INFINITY, None);
        self.led_to.clear();
        // Nothing of the observation before.
        self.best.loss = f64::NAN;
        let mut given = given.iter().filter(|(_, code)| code.iter().all(|z| z.is_finite()));
        let mut moves = SCHEDULE.iter().cycle();
        while answer.runs < options.starts && !answer.converged {
            let (start, code) = match given.next() {
                Some((start, code)) => (*start, code.clone()),
                None => self.next_start(index, options.seed, answer.runs, &mut moves),
            };
            answer.runs += 1;
            self.run(x, start, &code, &mut answer);
            let enough = answer.runs >= LEAST_RUNS + PATIENCE * answer.first_found && answer.found >= LEAST_FOUND;
            answer.converged = enough || answer.reproduced;
        }
        answer
    }

    fn next_start<'m>(
        &mut self,
        index: u64,
        seed: u64,
        run: usize,
        moves: &mut impl Iterator<Item = &'m Move>,
    ) -> (Start, Vec<f64>) {
        let mut code = random_code(seed, index, run as u64, self.network.code_length());
        let next = if run < SCOUTS || !self.best.loss.is_finite() { Some(&Move::Random) } else { moves.next() };
        match next {
            Some(Move::Near(share)) => {
                let length = (self.best.code.iter().map(|z| z * z).sum::<f64>() / code.len() as f64).sqrt();
                code.iter_mut().zip(&self.best.code).for_each(|(z, best)| *z = best + share * length * *z);
                (Start::Near, code)
            }
            Some(Move::Flip) => match self.flips.next(self.network, &self.best) {
                Some(flipped) => (Start::Flip, flipped),
                None => (Start::Random, code),
            },
            _ => (Start::Random, code),
        }
    }

    /// One run, from a start to a minimum, and what it adds to the answer.
    fn run(&mut self, x: &[f64], start: Start, code: &[f64], answer: &mut BestAnswer) {
        self.local.go_to(x, code);
        self.local.approach(x, &APPROACH);
        if self.local.point().loss > PROMISING * self.least_squares {
            return;
        }
        let descent = self.local.settle(x, MOST_STEPS);
        let squares = self.local.point().loss;
        if !squares.is_finite() {
            return;
        }
        self.least_squares = self.least_squares.min(squares);
        let minimum = self.take_on(x, Minimum { loss: squares, squares: 0.0, stationary: descent.stationary });
        match self.lowest.map_or(Ordering::Less, |lowest| minimum.compared(&lowest)) {
            Ordering::Less => {}
            Ordering::Equal => {
                answer.found += 1;
                return;
            }
            Ordering::Greater => return,
        }
        self.lowest = Some(minimum);
        let (point, reproduced, determined) = match &self.absolute {
            Some(absolute) => (absolute.point(), absolute.reproduces(x), absolute.is_determined()),
            None => (self.local.point(), self.local.reproduces(x), false),
        };
        self.best.clone_from(point);
        self.flips.around(self.network, &self.best, x);
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

    /// From a minimum of squares to one of the objective; what it led to before, where one like it was taken on.
    fn take_on(&mut self, x: &[f64], candidate: Minimum) -> Minimum {
        let Some(absolute) = &mut self.absolute else { return candidate };
        let before = self.led_to.iter().find(|(squares, _)| compared(candidate.loss, *squares) == Ordering::Equal);
        if let Some((_, minimum)) = before {
            return *minimum;
        }
        let descent = absolute.descend(x, &self.local.point().code, MOST_PROGRAMS);
        let squares = if absolute.objective() == Objective::Linf { absolute.point().loss } else { 0.0 };
        let minimum = Minimum { loss: absolute.misfit(), squares, stationary: descent.stationary };
        self.led_to.push((candidate.loss, minimum));
        minimum
    }
}

impl BestAnswer {
    fn none(code_length: usize) -> Self {
        BestAnswer {
            code: vec![f64::NAN; code_length],
            loss: f64::INFINITY,
            start: Start::Random,
            first_found: 0,
            found: 0,
            runs: 0,
            converged: false,
            determined: false,
            stationary: false,
            reproduced: false,
        }
    }
}
