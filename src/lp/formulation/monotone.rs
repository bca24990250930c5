//! The search for `linf`'s ε, which gives the plain loop's answer in a few solves.
//!
//! The loop raises ε until the LP capped at `δ ≤ ε` is feasible, that is until `δ*(ε_s) ≤ ε_s` for the uncapped optimum `δ*`.
//! Three facts replace the loop:
//!
//! * the capped feasible sets are those of the rows with `δ = ε`, and they nest as ε grows: the feasible steps are an
//!   up-set, and its least element is the answer;
//! * one uncapped solve at `ε_s` bounds it from above: the first `ε_{s'} ≥ δ*(ε_s)` is feasible (`≥ δ*(ε_s)/c` for the printed
//!   LeakyReLU rows, whose middle rows are tighter above than the outer ones by that factor);
//! * except for the printed rows `δ*` never rises with ε, so every step with `ε_{s'} < δ*(ε_s)`, `s' ≤ s`, is infeasible.
//!
//! Steps whose entries fall into the same cases have equal rows and share one solve.

use super::target::{Shape, Target};
use super::{RowRule, Tolerances};

/// The search of one observation at one layer.
#[derive(Debug, Clone)]
pub struct MonotoneSearch {
    tolerances: Tolerances,
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
    guessed: bool,
    abandoned: bool,
}

/// How many entries lie above ε and above −ε: equal counts, equal rows.
type CaseCounts = (usize, usize);

impl MonotoneSearch {
    /// A search from step 0.
    pub fn new(tolerances: Tolerances, shape: Shape, rule: RowRule, target: Target<'_>) -> Self {
        let mut sorted: Vec<f64> = target.finite().collect();
        sorted.sort_by(f64::total_cmp);
        let (printed, upper_factor) = match (shape, rule) {
            (Shape::Leaky(slope), RowRule::Printed) => (true, 1.0 / slope),
            _ => (false, 1.0),
        };
        MonotoneSearch {
            tolerances,
            sorted,
            printed,
            upper_factor,
            least: 0,
            feasible: None,
            solved: Vec::new(),
            guessed: false,
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
                None => self.least,
                Some(feasible) if self.delta(feasible).is_none() => feasible,
                Some(feasible) if self.least >= feasible => return None,
                Some(feasible) if self.guessed => self.least + (feasible - self.least) / 2,
                Some(_) => self.least,
            };
            match self.delta(step) {
                None => return Some(step),
                Some(delta) => self.learn(step, delta),
            }
        }
    }

    /// Takes `δ*` of a step that [`Self::next_step`] asked for.
    pub fn record(&mut self, step: usize, delta: f64) {
        self.solved.push((self.case_counts(step), delta));
        self.learn(step, delta);
    }

    fn learn(&mut self, step: usize, delta: f64) {
        let reached = self.tolerances.first_reaching(delta);
        if delta <= self.tolerances.at(step) {
            self.feasible = Some(self.feasible.map_or(step, |feasible| feasible.min(step)));
            if !self.printed && reached > self.least {
                self.least = reached;
                // The bound is often the answer: try it once before halving.
                self.guessed = false;
                return;
            }
        } else {
            self.least = self.least.max(step + 1);
            let upper = self.tolerances.first_reaching(delta * self.upper_factor).max(self.least);
            // A step thought feasible that then is not (a δ* within rounding of its ε) is replaced.
            self.feasible = Some(match self.feasible {
                Some(feasible) if feasible > step => feasible.min(upper),
                _ => upper,
            });
        }
        self.guessed = true;
    }

    /// Ends the search without an answer.
    pub fn abandon(&mut self) {
        self.abandoned = true;
        self.feasible = None;
    }

    /// The least feasible step.
    pub fn answer(&self) -> Option<usize> {
        self.feasible
    }

    /// The step whose solve has the same rows as `step`, for finding the stored answer.
    pub fn same_rows(&self, a: usize, b: usize) -> bool {
        self.case_counts(a) == self.case_counts(b)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lp::formulation::target::Saturation;

    /// Runs search and plain loop on a made-up `δ*` that falls with the number of entries above ε.
    fn compare(targets: &[f64], delta_of_count: impl Fn(usize) -> f64) -> (usize, usize) {
        let tolerances = Tolerances::default();
        let saturation = Saturation { low: f64::NEG_INFINITY, high: f64::INFINITY };
        let target = Target { values: targets, saturation, sensitivity: None };
        let delta = |step: usize| delta_of_count(targets.iter().filter(|t| **t > tolerances.at(step)).count());
        let plain = (0..).find(|&step| delta(step) <= tolerances.at(step)).unwrap();
        let mut search = MonotoneSearch::new(tolerances, Shape::Relu, RowRule::Corrected, target);
        let mut solves = 0;
        while let Some(step) = search.next_step() {
            solves += 1;
            search.record(step, delta(step));
        }
        assert_eq!(search.answer(), Some(plain));
        (plain, solves)
    }

    #[test]
    fn finds_the_plain_loops_step_in_few_solves() {
        let targets: Vec<f64> = (0..200).map(|i| 1e-5 * 1.05f64.powi(i)).collect();
        for scale in [0.0, 1e-7, 1e-6, 1e-4, 1e-2, 1.0] {
            for shape in [0.0, 0.1, 1.0, 5.0] {
                let (plain, solves) = compare(&targets, |count| scale * (1.0 + shape * count as f64 / 200.0));
                assert!(solves <= 8, "{solves} solves for step {plain}");
            }
        }
    }
}
