//! The ladder of `l1` and `relaxed`: each distinct step of ε is solved once, and the lowest loss
//! `‖φ(z) − t‖₁` is returned.
//!
//! `l1` depends on ε only through its rows, so steps with equal rows count as one; `relaxed`
//! differs at every step but has a lower bound on the loss of the following steps
//! ([`super::relaxed::Gain`]). Both end once ε exceeds the largest target, or when the loss is zero
//! to rounding: no later step can have a lower loss.
//!
//! A later step counts as lower if its loss is below the best so far by more than the tolerance to
//! which the certificate proves an optimum. Closer losses are equal, and the smaller ε is kept.
//! Otherwise rounding would decide between steps of equal loss, and each solver would choose
//! another ε.
//!
//! Under the paper's stop rule, Algorithm 3 (`relaxed`) compares only from its third step on: the
//! second replaces the first whatever its loss is.

use super::relaxed::Gain;
use super::target::{Shape, Target};
use super::{EpsilonSteps, RowRule, Stop};
use crate::lp::certificate::{GAP_OF_SCALE, GAP_RELATIVE};

/// A loss below this share of `Σ s_u` is zero to rounding.
const ZERO_LOSS: f64 = 1e-12;
/// A loss above this share of it is not zero, however it was rounded.
const CLEARLY_A_LOSS: f64 = 1e-11;

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
    best: Option<Best>,
    finished: bool,
}

/// The best step so far.
#[derive(Debug, Clone, Copy)]
struct Best {
    loss: f64,
    /// A later loss has to be below this.
    to_beat: f64,
}

impl Best {
    fn of(loss: f64, scale: f64) -> Self {
        Best { loss, to_beat: loss * (1.0 - GAP_RELATIVE) - GAP_OF_SCALE * scale }
    }
}

/// What rounding may change in a loss: a tenth of the difference that counts as one.
fn unclear(loss: f64, scale: f64) -> f64 {
    0.1 * (GAP_RELATIVE * loss + GAP_OF_SCALE * scale)
}

/// The steps that need a solve.
#[derive(Debug, Clone)]
enum Steps {
    /// The steps at which an entry changes its case: the absolute targets at which that happens, in
    /// ascending order.
    Distinct(Vec<f64>),
    /// The steps whose lower bound, if there is one, is below the best loss; the highest objective
    /// so far.
    Bounded { gain: Option<Gain>, objective: f64 },
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

/// How a loss that is known up to rounding compares with the best.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rank {
    /// It is lower.
    Better,
    /// It is not.
    NotBetter,
    /// Rounding decides, or it is so small that the ladder may end there.
    Unclear,
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

    /// `relaxed`: every step that the lower bound does not rule out; without `gain` there is none.
    ///
    /// `surely_feasible`: a tolerance at which the rows hold at `z = 0`; the ladder continues up to
    /// it while no step was feasible.
    pub fn bounded(
        tolerances: EpsilonSteps,
        stop: Stop,
        gain: Option<Gain>,
        target: Target<'_>,
        surely_feasible: f64,
    ) -> Self {
        let last = target.largest();
        let mut search = Self::new(tolerances, stop, Steps::Bounded { gain, objective: f64::NEG_INFINITY }, last);
        search.last_resort = tolerances.first_reaching(surely_feasible);
        if stop == Stop::First {
            // Algorithm 3 always makes its second step.
            search.last_step = search.last_step.max(1);
        }
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
        if let (Steps::Bounded { gain: Some(gain), objective }, Some(best), Stop::Lowest) =
            (&self.steps, self.best, self.stop)
        {
            let worth_solving = |step: &usize| gain.lower_bound(*objective, self.tolerances.at(*step)) < best.to_beat;
            self.upcoming = (self.upcoming..=self.last_step).find(worth_solving)?;
        }
        Some(self.upcoming)
    }

    /// The best loss so far; a later one must be lower. `None` if the next step is taken whatever
    /// its loss is.
    pub fn best_loss(&self) -> Option<f64> {
        self.best.filter(|_| !self.replaces_any(self.upcoming)).map(|best| best.loss)
    }

    /// Whether Algorithm 3 takes this step, if feasible, without a comparison: it compares from
    /// `t > 2`, and `t` is counted from 1.
    fn replaces_any(&self, step: usize) -> bool {
        self.stop == Stop::First && matches!(self.steps, Steps::Bounded { .. }) && step < 2
    }

    /// Records the result of the step that [`Self::next_step`] returned; `None` if it was
    /// infeasible. Returns whether it is the best so far.
    pub fn record(&mut self, step: usize, point: Option<LadderPoint>) -> bool {
        self.upcoming = self.after(step);
        let Some(point) = point else { return false };
        if let Steps::Bounded { objective, .. } = &mut self.steps {
            *objective = objective.max(point.objective);
        }
        let replaces_any = self.replaces_any(step);
        let improved = point.loss.filter(|loss| replaces_any || self.best.is_none_or(|best| *loss < best.to_beat));
        match improved {
            Some(loss) => {
                self.best = Some(Best::of(loss, point.scale));
                // The step after Algorithm 3's first one is taken even if it has a higher loss.
                self.finished = loss <= ZERO_LOSS * point.scale && !self.replaces_any(self.upcoming);
            }
            None => self.finished = self.stop == Stop::First,
        }
        improved.is_some()
    }

    /// How a point compares that is not solved as exactly as those that are recorded.
    pub fn rank(&self, point: &LadderPoint) -> Rank {
        let Some(loss) = point.loss.filter(|loss| *loss > CLEARLY_A_LOSS * point.scale) else { return Rank::Unclear };
        let Some(best) = self.best else { return Rank::Better };
        match loss - best.to_beat {
            below if below < -unclear(loss, point.scale) => Rank::Better,
            above if above > unclear(loss, point.scale) => Rank::NotBetter,
            _ => Rank::Unclear,
        }
    }

    /// Puts a solved point in the place of the best one, `seen`, that was recorded without being
    /// solved. Returns whether they agree.
    pub fn confirm(&mut self, seen: &LadderPoint, point: LadderPoint) -> bool {
        let (Some(seen), Some(loss)) = (seen.loss, point.loss) else { return false };
        self.best = Some(Best::of(loss, point.scale));
        (loss - seen).abs() <= unclear(loss, point.scale)
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
