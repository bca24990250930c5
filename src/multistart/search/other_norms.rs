//! A run of `best` with the objective `l1` or `linf`: squares come near a minimum, and linear
//! programs find the minimum itself, unless it is known already.
//!
//! **Weighted squares** ([`reweighted`](super::super::reweighted)) are for `l1`, and for `linf` on
//! small networks. A run that ends well above the lowest minimum ends there. Otherwise its code
//! lies in some linear region. Over a region whose output is piecewise linear, the misfit is
//! convex. So a proven minimum in the region, or on its border, is its lowest code. A run that
//! reaches the region has found that minimum again, from a start of its own, and needs no programs.
//! With `linf` this holds only of a minimum that is
//! the only one within its region: of several codes with the same largest error the one with the
//! lower squares is wanted.
//!
//! **Minima of squares** are for `linf` on larger networks: each is a candidate, from which
//! programs descend. Many runs end at the same candidate, which is processed once. Weighted squares
//! take three to five times as long there, because a step of `linf` ends at the border of its
//! region.
//!
//! On small networks programs cost little, and the same number of starts leads to more different
//! minima by programs than by squares: there every second run makes its programs at once, and the
//! search makes more runs.

use std::cmp::Ordering;

use super::super::evaluation_error::EvaluationError;
use super::super::local_search::MarquardtOptions;
use super::super::minimum::{Minimum, compared};
use super::super::objective::Objective;
use super::super::options::BestOptions;
use super::super::progress::{LEAST_RUNS, Progress};
use super::super::region::{ON_KINK, sides};
use super::super::starts::Start;
use super::{MOST_STEPS, Searcher};

/// Up to this many hidden units a network is small.
const FEW_HIDDEN_UNITS: usize = 32;
/// The least number of runs on a small network.
const LEAST_RUNS_OF_SMALL: usize = 192;
/// Maximum number of linear programs of a run.
const MOST_PROGRAMS: usize = 300;
/// A run makes programs only if its squares end within this multiple of the lowest misfit. Those of
/// the sum come within 5e-4 of their minimum, those of the largest error within a tenth.
const PROMISING: [f64; 2] = [1.01, 1.1];

impl Searcher<'_> {
    /// Descends from the current code of the local search, and judges the minimum. For objectives
    /// other than squares.
    pub(super) fn run_to_misfit(&mut self, x: &[f64], start: Start, how: &MarquardtOptions, progress: &mut Progress) {
        if self.objective() == Objective::Linf && !self.is_small {
            return self.run_from_squares(x, start, how, progress);
        }
        if self.is_small && progress.answer.runs.is_multiple_of(2) {
            let minimum = self.descend(x);
            return self.judge(x, start, (minimum, true), progress);
        }
        self.run_by_weighted_squares(x, start, progress);
    }

    /// The least number of runs of a search: half of those allowed leave room for the stop rule.
    pub(super) fn least_runs(&self, options: &BestOptions) -> usize {
        if self.absolute.is_some() && self.is_small {
            LEAST_RUNS_OF_SMALL.min(options.starts / 2).max(LEAST_RUNS)
        } else {
            LEAST_RUNS
        }
    }

    /// From a minimum of squares, unless an equal one was processed before.
    fn run_from_squares(&mut self, x: &[f64], start: Start, how: &MarquardtOptions, progress: &mut Progress) {
        self.local.levenberg_marquardt(x, how);
        self.local.active_set(x, MOST_STEPS);
        let squares = self.local.point().loss;
        if !squares.is_finite() {
            return;
        }
        let error = self.local.error_of(x).of_loss(squares);
        let is_same = |other: f64| compared(squares, other, error) == Ordering::Equal;
        let before = progress.seen_minima.iter().find(|(other, _)| is_same(*other)).map(|(_, minimum)| *minimum);
        if let Some(minimum) = before {
            return self.judge(x, start, (minimum, false), progress);
        }
        let minimum = self.descend(x);
        progress.seen_minima.push((squares, minimum));
        self.judge(x, start, (minimum, true), progress);
    }

    fn run_by_weighted_squares(&mut self, x: &[f64], start: Start, progress: &mut Progress) {
        let objective = self.objective();
        let error = EvaluationError::of(self.network, objective, x).of_misfit();
        let lowest = progress.lowest.map_or(f64::INFINITY, |lowest| lowest.loss);
        let promising = PROMISING[usize::from(objective == Objective::Linf)] * lowest + 2.0 * error;
        let promising = promising.max(self.limit_of_reach(x, progress));
        self.local.approach(objective, x);
        // False where it is not a number.
        let is_promising = self.local.misfit(objective, x) <= promising;
        if !is_promising {
            return;
        }
        if !progress.known_regions.is_empty() {
            self.local.approach_further(objective, x);
        }
        let here = sides(self.network, self.local.point());
        let is_here = |known: &Vec<u8>| known.iter().zip(&here).all(|(known, here)| *known == ON_KINK || known == here);
        let known = progress.known_regions.iter().find(|(sides, _)| is_here(sides)).map(|(_, minimum)| *minimum);
        if let Some(minimum) = known {
            return self.judge(x, start, (minimum, false), progress);
        }
        let minimum = self.descend(x);
        let Some(absolute) = &self.absolute else { return };
        let (misfit, moving) = absolute.misfits();
        let is_single = objective == Objective::L1 || absolute.is_determined() && moving >= misfit;
        if minimum.stationary && is_single && self.network.is_piecewise_linear() && misfit <= promising {
            progress.known_regions.push((sides(self.network, absolute.point()), minimum));
        }
        self.judge(x, start, (minimum, true), progress);
    }

    /// The minimum that programs reach from the current code of the local search.
    fn descend(&mut self, x: &[f64]) -> Minimum {
        let Some(absolute) = self.absolute.as_mut() else {
            return Minimum { loss: f64::NAN, squares: 0.0, stationary: false };
        };
        let descent = absolute.descend(x, &self.local.point().code, MOST_PROGRAMS);
        let squares = if absolute.objective() == Objective::Linf { absolute.point().loss } else { 0.0 };
        Minimum { loss: absolute.misfit(), squares, stationary: descent.stationary }
    }
}

/// Whether runs begin with steps that lower the sum of squares.
pub fn begins_with_squares(objective: Objective, units: &[usize]) -> bool {
    objective == Objective::L2 || objective == Objective::Linf && !is_small(units)
}

/// Whether a descent by programs from any start is affordable. `units`: of each layer. Before a
/// linear map, the outputs of the generator count as hidden units.
pub(super) fn is_small(units: &[usize]) -> bool {
    units.iter().rev().skip(1).sum::<usize>() <= FEW_HIDDEN_UNITS
}
