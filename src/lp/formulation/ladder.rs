//! The ladder of `l1` and `relaxed`: each distinct step of ε is solved once, and the lowest loss
//! `‖φ(z) − t‖₁` is returned.
//!
//! `l1` depends on ε only through its rows, so steps with equal rows count as one; `relaxed`
//! differs at every step but has a lower bound on the loss of the following steps
//! ([`super::relaxed::Gain`]). Both end once ε exceeds the largest target, or when the loss is zero
//! to rounding: no later step can have a lower loss. Of two equal losses, the one at the smaller ε
//! is kept.

use super::relaxed::Gain;
use super::target::{Shape, Target};
use super::{EpsilonSteps, RowRule, Stop};

/// A loss below this share of `Σ s_u` is zero to rounding.
const ZERO_LOSS: f64 = 1e-12;

/// The search of one observation at one layer.
#[derive(Debug, Clone)]
pub struct LadderSearch {
    tolerances: EpsilonSteps,
    steps: Steps,
    stop: Stop,
    upcoming: usize,
    last_step: usize,
    /// The step up to which the search continues if no step was feasible.
    last_resort: usize,
    best: Option<(usize, f64)>,
    finished: bool,
}

/// The steps that need a solve.
#[derive(Debug, Clone)]
enum Steps {
    /// The steps at which an entry changes its case: the absolute targets at which that happens, in
    /// ascending order.
    Distinct(Vec<f64>),
    /// The steps whose lower bound is below the best loss; the highest objective so far.
    Bounded { gain: Gain, objective: f64 },
}

/// The result of a solved step.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct LadderPoint {
    /// `‖φ(z) − t‖₁`, in f64; `None` where the device's value already showed that it is not the
    /// lowest.
    pub loss: Option<f64>,
    /// `Σ s_u` at `z`.
    pub scale: f64,
    /// The LP's objective.
    pub objective: f64,
}

impl LadderSearch {
    /// The ladder of `l1`: steps with equal rows are solved once.
    pub fn distinct(tolerances: EpsilonSteps, stop: Stop, shape: Shape, rule: RowRule, target: Target<'_>) -> Self {
        let printed = matches!(shape, Shape::Leaky(_)) && rule == RowRule::Printed;
        let mut changes: Vec<f64> =
            target.finite().map(|t| if printed { t.abs() } else { t }).filter(|t| *t > 0.0).collect();
        changes.sort_by(f64::total_cmp);
        let last = changes.last().copied().unwrap_or(0.0);
        Self::new(tolerances, stop, Steps::Distinct(changes), last)
    }

    /// `relaxed`: every step that the lower bound does not rule out.
    ///
    /// `surely_feasible`: a tolerance at which the rows hold at `z = 0`; the ladder continues up to
    /// it while no step was feasible.
    pub fn bounded(tolerances: EpsilonSteps, stop: Stop, gain: Gain, target: Target<'_>, surely_feasible: f64) -> Self {
        let last = target.largest();
        let mut search = Self::new(tolerances, stop, Steps::Bounded { gain, objective: f64::NEG_INFINITY }, last);
        search.last_resort = tolerances.first_reaching(surely_feasible);
        search
    }

    fn new(tolerances: EpsilonSteps, stop: Stop, steps: Steps, largest_target: f64) -> Self {
        let last_step = tolerances.first_reaching(largest_target).saturating_sub(1);
        LadderSearch {
            tolerances,
            steps,
            stop,
            upcoming: 0,
            last_step,
            last_resort: last_step,
            best: None,
            finished: false,
        }
    }

    /// The next step to solve, or `None` at the end of the ladder.
    pub fn next_step(&mut self) -> Option<usize> {
        let last_step = if self.best.is_some() { self.last_step } else { self.last_step.max(self.last_resort) };
        if self.finished || self.upcoming > last_step {
            return None;
        }
        if let (Steps::Bounded { gain, objective }, Some((_, loss)), Stop::Lowest) = (&self.steps, self.best, self.stop)
        {
            let worth_solving = |step: &usize| gain.lower_bound(*objective, self.tolerances.at(*step)) < loss;
            self.upcoming = (self.upcoming..=self.last_step).find(worth_solving)?;
        }
        Some(self.upcoming)
    }

    /// The best loss so far; a later one must be lower.
    pub fn best_loss(&self) -> Option<f64> {
        self.best.map(|(_, loss)| loss)
    }

    /// Records the result of the step that [`Self::next_step`] returned; `None` if it was
    /// infeasible. Returns whether it is the best so far.
    pub fn record(&mut self, step: usize, point: Option<LadderPoint>) -> bool {
        self.upcoming = self.after(step);
        let Some(point) = point else { return false };
        if let Steps::Bounded { objective, .. } = &mut self.steps {
            *objective = objective.max(point.objective);
        }
        let improved = point.loss.filter(|loss| self.best.is_none_or(|(_, best)| *loss < best));
        match improved {
            Some(loss) => {
                self.best = Some((step, loss));
                self.finished = loss <= ZERO_LOSS * point.scale;
            }
            None => self.finished = self.stop == Stop::First,
        }
        improved.is_some()
    }

    /// The next step whose rows differ from those of `step`. Under the paper's stop rule equal rows
    /// end the search instead.
    fn after(&self, step: usize) -> usize {
        match (&self.steps, self.stop) {
            (Steps::Distinct(changes), Stop::Lowest) => {
                let passed = changes.partition_point(|t| *t <= self.tolerances.at(step));
                match changes.get(passed) {
                    Some(next_change) => self.tolerances.first_reaching(*next_change),
                    None => usize::MAX,
                }
            }
            (Steps::Distinct(changes), Stop::First) => {
                let count = |s: usize| changes.partition_point(|t| *t <= self.tolerances.at(s));
                // The next LP has the same rows, so its loss cannot fall and the rule stops here.
                if count(step + 1) == count(step) { usize::MAX } else { step + 1 }
            }
            (Steps::Bounded { .. }, _) => step + 1,
        }
    }
}
