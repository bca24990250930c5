//! The search for `linf`'s ε, which gives the plain loop's answer in a few solves.
//!
//! The loop raises ε until the LP capped at `δ ≤ ε` is feasible, that is until `δ*(ε_s) ≤ ε_s` for
//! the uncapped optimum `δ*`. Three facts replace the loop:
//!
//! * the capped feasible sets are those of the rows with `δ = ε`, and each contains those of
//!   smaller ε. So every step above a feasible step is feasible, and the least feasible step is the
//!   answer;
//! * one uncapped solve at `ε_s` bounds it from above: the first `ε_{s'} ≥ δ*(ε_s)` is feasible
//!   (`≥ δ*(ε_s)/c` for the printed LeakyReLU rows, whose middle rows are tighter above than the
//!   outer ones by that factor);
//! * except for the printed rows `δ*` never rises with ε, so every step with `ε_{s'} < δ*(ε_s)`,
//!   `s' ≤ s`, is infeasible.
//!
//! Steps whose entries fall into the same cases have equal rows and share one solve.
//!
//! The search begins at a step that is likely to be feasible and goes down from there. Each step
//! has a few more rows than the step above it, whose optimum is known. For an infeasible step, a
//! lower bound above its ε is enough ([`MonotoneSearch::cutoff`]).

use super::target::{Shape, Target};
use super::{EpsilonSteps, RowRule};

/// The search of one observation at one layer.
#[derive(Debug, Clone)]
pub struct MonotoneSearch {
    tolerances: EpsilonSteps,
    /// Number of targets of +∞, which are above every ε.
    saturated: usize,
    /// Finite targets in ascending order, to tell which steps have equal rows.
    sorted: Vec<f64>,
    printed: bool,
    /// `δ*/c` instead of `δ*` in the upper bound.
    upper_factor: f64,
    /// The least step not known to be infeasible.
    least: usize,
    /// The least step known to be feasible.
    feasible: Option<usize>,
    /// `δ*` by case counts.
    solved: Vec<(CaseCounts, f64)>,
    /// The distance of the next try below the least feasible step, in steps.
    stride: usize,
    /// Whether the step directly below those that an optimum answers has been tried.
    stepped: bool,
    /// The step at which the search begins.
    first: usize,
    abandoned: bool,
}

/// How many entries lie above ε and above −ε. Steps with equal counts have equal rows.
type CaseCounts = (usize, usize);

impl MonotoneSearch {
    /// A search that begins at step `first`. The answer does not depend on `first`; the number of
    /// solves does.
    pub fn new(tolerances: EpsilonSteps, shape: Shape, rule: RowRule, target: Target<'_>, first: usize) -> Self {
        let mut sorted: Vec<f64> = target.finite().collect();
        sorted.sort_by(f64::total_cmp);
        let saturated = target.values.iter().filter(|t| **t == f64::INFINITY).count();
        let (printed, upper_factor) = match (shape, rule) {
            (Shape::Leaky(slope), RowRule::Printed) => (true, 1.0 / slope),
            _ => (false, 1.0),
        };
        MonotoneSearch {
            tolerances,
            saturated,
            sorted,
            printed,
            upper_factor,
            least: 0,
            feasible: None,
            solved: Vec::new(),
            stride: 1,
            stepped: false,
            first,
            abandoned: false,
        }
    }

    fn case_counts(&self, step: usize) -> CaseCounts {
        let epsilon = self.tolerances.at(step);
        let above = |threshold: f64| self.sorted.len() - self.sorted.partition_point(|&t| t <= threshold);
        (above(epsilon), if self.printed { above(-epsilon) } else { 0 })
    }

    fn delta(&self, step: usize) -> Option<f64> {
        let counts = self.case_counts(step);
        self.solved.iter().find(|(solved, _)| *solved == counts).map(|&(_, delta)| delta)
    }

    /// The next step to solve, or `None` when the answer is found (see [`Self::answer`]).
    pub fn next_step(&mut self) -> Option<usize> {
        if self.abandoned {
            return None;
        }
        loop {
            let step = match self.feasible {
                None => self.least.max(self.first),
                Some(feasible) if self.delta(feasible).is_none() => feasible,
                Some(feasible) if self.least >= feasible => return None,
                Some(feasible) => match self.first_of_same_rows(feasible).max(self.least) {
                    same if same < feasible => same,
                    _ => feasible.saturating_sub(self.stride).max(self.least),
                },
            };
            match self.delta(step) {
                None => return Some(step),
                Some(delta) => self.learn(step, delta),
            }
        }
    }

    /// The first step whose rows are those of `step`.
    fn first_of_same_rows(&self, step: usize) -> usize {
        let epsilon = self.tolerances.at(step);
        let below = &self.sorted[..self.sorted.partition_point(|&t| t <= epsilon)];
        let last_change = below.last().copied().unwrap_or(0.0);
        if self.printed {
            // The cases also change at −ε, from t > −ε to t ≤ −ε as ε falls: at the largest |t|
            // below ε.
            let inside = &below[below.partition_point(|&t| t <= -epsilon)..];
            let lowest = inside.first().map_or(0.0, |t| -t);
            if lowest > 0.0 && lowest >= last_change {
                // Strict on this side: at ε = |t| the entry is outside already.
                return self.tolerances.first_above(lowest).min(step);
            }
        }
        self.tolerances.first_reaching(last_change).min(step)
    }

    /// The cutoff, if only a bound is needed: an optimum above it makes the step infeasible,
    /// whatever its value is. `None` if the search needs `δ*` itself.
    pub fn cutoff(&self, step: usize) -> Option<f64> {
        self.feasible.filter(|&feasible| step < feasible).map(|_| self.tolerances.at(step))
    }

    /// Records that `δ*` of a step exceeds its [`Self::cutoff`].
    pub fn record_infeasible(&mut self, step: usize) {
        self.least = self.least.max(step + 1);
        self.halve();
    }

    /// After an infeasible step the answer lies between two known ones.
    fn halve(&mut self) {
        let between = self.feasible.map_or(1, |feasible| feasible.saturating_sub(self.least).div_ceil(2));
        self.stride = between.max(1);
    }

    /// Records `δ*` of a step that [`Self::next_step`] returned. `unchanged`: the least tolerance
    /// at whose rows the optimum is still optimal (see [`super::rows::holds_down_to`]), if known.
    /// Returns the least step that this optimum also answers.
    pub fn record(&mut self, step: usize, delta: f64, unchanged: Option<f64>) -> usize {
        self.solved.push((self.case_counts(step), delta));
        let Some(tolerance) = unchanged.filter(|_| delta <= self.tolerances.at(step)) else {
            self.learn(step, delta);
            return step;
        };
        let lowest = self.tolerances.first_reaching(tolerance.max(delta)).clamp(self.least.min(step), step);
        self.solved.push((self.case_counts(lowest), delta));
        self.learn(lowest, delta);
        if !std::mem::replace(&mut self.stepped, true) {
            // The optimum answers no lower step. The next step is probably infeasible; this guess
            // is made only once.
            self.stride = 1;
        }
        lowest
    }

    /// Number of entries above a step's ε.
    pub fn active_count(&self, step: usize) -> usize {
        self.case_counts(step).0 + self.saturated
    }

    fn learn(&mut self, step: usize, delta: f64) {
        let reached = self.tolerances.first_reaching(delta);
        if delta <= self.tolerances.at(step) {
            self.feasible = Some(self.feasible.map_or(step, |feasible| feasible.min(step)));
            if !self.printed && reached > self.least {
                self.least = reached;
            }
            self.stride *= 2;
        } else {
            self.least = self.least.max(step + 1);
            let upper = self.tolerances.first_reaching(delta * self.upper_factor).max(self.least);
            // A step that was taken as feasible but is not (its δ* is within rounding of its ε) is
            // replaced.
            self.feasible = Some(match self.feasible {
                Some(feasible) if feasible > step => feasible.min(upper),
                _ => upper,
            });
            self.halve();
        }
    }

    /// Ends the search without an answer.
    pub fn abandon(&mut self) {
        self.abandoned = true;
        self.feasible = None;
    }

    /// The answer: the least feasible step.
    pub fn answer(&self) -> Option<usize> {
        self.feasible
    }

    /// Whether two steps have the same rows, so that a solve of one answers the other.
    pub fn same_rows(&self, a: usize, b: usize) -> bool {
        self.case_counts(a) == self.case_counts(b)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lp::formulation::Tolerances;
    use crate::lp::formulation::target::{Accuracy, Saturation};
    use crate::precision::Precision;

    /// Runs search and plain loop on a made-up `δ*` that falls with the number of entries above ε.
    fn compare(targets: &[f64], delta_of_count: impl Fn(usize) -> f64) -> (usize, usize) {
        let tolerances = Tolerances::default().steps(|| 1e-6);
        let saturation = Saturation { low: f64::NEG_INFINITY, high: f64::INFINITY };
        let accuracy = Accuracy::of_hidden(Precision::F64);
        let target = Target { values: targets, saturation, accuracy, sensitivity: None, errors: None, epsilon: None };
        let delta = |step: usize| delta_of_count(targets.iter().filter(|t| **t > tolerances.at(step)).count());
        let plain = (0..).find(|&step| delta(step) <= tolerances.at(step)).unwrap();
        let mut most = 0;
        for first in [0, 3, plain.saturating_sub(2), plain, plain + 1, plain + 6, plain + 60] {
            for (bounds_only, handed_down) in [(false, false), (true, false), (false, true), (true, true)] {
                let mut search = MonotoneSearch::new(tolerances, Shape::Relu, RowRule::Corrected, target, first);
                let mut solves = 0;
                while let Some(step) = search.next_step() {
                    solves += 1;
                    // The tolerance down to which the optimum is the same, as `holds_down_to` would
                    // return it.
                    let same = |lower: &usize| delta(*lower) == delta(step);
                    let lowest = (0..=step).rev().take_while(same).last().unwrap_or(step);
                    let unchanged = handed_down.then(|| tolerances.at(lowest));
                    match search.cutoff(step) {
                        Some(cutoff) if bounds_only && delta(step) > cutoff => search.record_infeasible(step),
                        _ => {
                            search.record(step, delta(step), unchanged);
                        }
                    }
                }
                assert_eq!(search.answer(), Some(plain));
                most = most.max(solves);
            }
        }
        (plain, most)
    }

    #[test]
    fn finds_the_plain_loops_step_in_few_solves() {
        let targets: Vec<f64> = (0..200).map(|i| 1e-5 * 1.05f64.powi(i)).collect();
        for scale in [0.0, 1e-7, 1e-6, 1e-4, 1e-2, 1.0] {
            for shape in [0.0, 0.1, 1.0, 5.0] {
                let (plain, solves) = compare(&targets, |count| scale * (1.0 + shape * count as f64 / 200.0));
                assert!(solves <= 14, "{solves} solves for step {plain}");
            }
        }
    }
}
