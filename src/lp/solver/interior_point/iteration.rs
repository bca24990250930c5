//! The iteration: predictor, corrector, step, until the products are negligible. One observation at
//! a time: the work of one reads only the shared weights and its own state, so no answer depends on
//! other observations.

use super::InteriorPoint;
use super::crossover::near_vertex;
use super::indicators::Indicators;
use super::iterate::{Iterate, Shared};
use super::quality::{GAP, Quality, looks_infeasible};
use super::stages::Stage;
use super::step::{longest_steps, mu_after, take};
use crate::linalg::normal_matrix::SINGLE_FROM;
use crate::lp::basis::Basis;
use crate::lp::solution::Outcome;
use crate::lp::solver::scaled_rows::Kind;

/// Number of columns from which a factorisation is so expensive that centrality correctors are
/// worth their cost.
const CORRECTORS_FROM: usize = 32;
/// Maximum number of centrality correctors.
const CORRECTORS: u32 = 2;
/// A corrector aims at steps longer by this …
const LONGER: f64 = 0.3;
/// … unless both lengths have this value already …
const LONG_ENOUGH: f64 = 0.95;
/// … and it must gain this much, in the sum of both lengths, before the next corrector is tried.
const WORTH_A_CORRECTOR: f64 = 0.02;

/// A predictor's step below this is short.
const SHORT: f64 = 0.1;
/// A dual residual that grows by this factor in one iteration, to more than the multipliers
/// themselves, has left the central path. (By less it may grow when units leave.)
const DERAILED: f64 = 1e4;

/// When the iteration ends.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Limits {
    /// Maximum number of iterations.
    pub iterations: u32,
    /// Residuals, relative to their terms.
    pub residual: f64,
    /// Whether units may leave the iteration before its end.
    pub reduce: bool,
    /// Normal matrices are formed in single precision while the relative gap is above this.
    pub single_above: f64,
    /// Whether signs of infeasibility, or no more progress, end the iteration.
    pub give_up: bool,
    /// Maximum length of a step, as a share of the way to the boundary.
    pub boundary: f64,
}

/// How an iteration ended.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct End {
    /// The solver's claim about the point.
    pub outcome: Outcome,
    /// Iterations taken.
    pub iterations: u32,
    /// Whether the point is the only optimum, shown by strictly positive multipliers of full rank.
    pub is_unique: bool,
}

impl InteriorPoint {
    /// Iterates from the start in `point`; afterwards, `point` holds the best point. `finish` is
    /// called at most once, with a vertex that is probably a few pivots from the optimum. If it
    /// returns `true`, the problem is solved.
    pub fn iterate(&mut self, shared: Shared<'_>, limits: Limits, mut finish: impl FnMut(&Basis) -> bool) -> End {
        let mut offered = !limits.give_up;
        let mut best = f64::INFINITY;
        let mut since_best = 0;
        let mut dual = f64::INFINITY;
        let mut iterations = 0;
        let mut kept = false;
        let mut relative = f64::INFINITY;
        let outcome = loop {
            if limits.reduce && self.reduce(shared) {
                // The best point so far contains rows that have left.
                best = f64::INFINITY;
                kept = false;
            }
            let single = shared.columns() >= SINGLE_FROM && limits.single_above < relative;
            self.predict(shared, single);
            let quality = Quality::of(self.at(shared), &self.residuals);
            let worst = quality.worst();
            if !worst.is_finite() || !self.point.is_finite() {
                break Outcome::Stalled;
            }
            if limits.reduce && self.reduction.count > 0 && quality.dual > 1.0 && quality.dual > DERAILED * dual {
                // The last direction was useless: there were too few rows for a regular normal
                // matrix.
                break Outcome::Stalled;
            }
            dual = quality.dual;
            let enough = quality.gap <= 1.0 && quality.rows <= limits.residual && quality.dual <= limits.residual;
            relative = quality.gap * GAP;
            if worst < best {
                since_best = if worst < 0.5 * best { 0 } else { since_best + 1 };
                best = worst;
                if worst < 1e9 {
                    self.best.copy_from(&self.point);
                    kept = true;
                }
            } else {
                since_best += 1;
            }
            if enough {
                break Outcome::Optimal;
            }
            if limits.give_up
                && self.rows.kind == Kind::Linear
                && looks_infeasible(self.at(shared), self.newton.row_combination())
            {
                return End { outcome: Outcome::Infeasible, iterations, is_unique: false };
            }
            self.clock.lap(Stage::Step);
            if iterations >= 2 && self.end_at_vertex(shared) {
                return End { outcome: Outcome::Optimal, iterations, is_unique: true };
            }
            self.clock.lap(Stage::Vertex);
            if !offered
                && iterations >= 2
                && let Some(basis) = near_vertex(self.indicators(shared))
            {
                offered = true;
                let finished = finish(&basis);
                self.clock.lap(Stage::Crossover);
                if finished {
                    return End { outcome: Outcome::Optimal, iterations, is_unique: true };
                }
            }
            if iterations >= limits.iterations || since_best > if limits.give_up { 15 } else { 60 } {
                break Outcome::Stalled;
            }
            iterations += 1;
            self.advance(shared, quality.mu, limits);
        };
        if kept {
            std::mem::swap(&mut self.point, &mut self.best);
        }
        End { outcome, iterations, is_unique: false }
    }

    fn at<'a>(&'a self, shared: Shared<'a>) -> Iterate<'a> {
        Iterate { shared, rows: &self.rows, point: &self.point }
    }

    fn indicators<'a>(&'a self, shared: Shared<'a>) -> Indicators<'a> {
        Indicators { at: self.at(shared), step: &self.step, inverse_p: &self.newton.merged.inverse_p }
    }

    /// Drops units whose rows will not bind. Returns whether there were any.
    fn reduce(&mut self, shared: Shared<'_>) -> bool {
        let reduced = self.reduction.reduce(shared, &mut self.rows, &mut self.point, &self.step);
        if reduced {
            self.step.truncate(&self.rows);
            self.targets.truncate(&self.rows);
            self.residuals.truncate(&self.rows);
            self.newton.merged.truncate(&self.rows);
        }
        reduced
    }

    /// Residuals, targets, factors and direction of the predictor.
    fn predict(&mut self, shared: Shared<'_>, single: bool) {
        let at = Iterate { shared, rows: &self.rows, point: &self.point };
        self.residuals.update(at);
        self.targets.predict(at);
        let (residuals, step) = (&mut self.residuals, &mut self.step);
        self.newton.predict(at, &self.targets, residuals, single, step, &mut self.clock);
    }

    /// Computes the direction to other targets.
    fn redirect(&mut self, shared: Shared<'_>) {
        let at = Iterate { shared, rows: &self.rows, point: &self.point };
        self.newton.redirect(at, &self.targets, &self.residuals, &mut self.step, &mut self.clock);
    }

    /// Tries to end at the vertex that the predictor points to. `true`: `z` and `y` of the point
    /// are that vertex.
    fn end_at_vertex(&mut self, shared: Shared<'_>) -> bool {
        let at = Iterate { shared, rows: &self.rows, point: &self.point };
        let inverse_p = &self.newton.merged.inverse_p;
        let found = self.vertex.reach(Indicators { at, step: &self.step, inverse_p });
        if found {
            self.point.z.copy_from_slice(&self.vertex.z);
            self.point.y.copy_from_slice(&self.vertex.y);
        }
        found
    }

    fn longest_steps(&self, shared: Shared<'_>) -> (f64, f64) {
        longest_steps(self.at(shared), &self.step, &self.newton.merged)
    }

    /// One step from a point whose predictor is known.
    fn advance(&mut self, shared: Shared<'_>, mu: f64, limits: Limits) {
        let (primal, dual) = self.longest_steps(shared);
        let (primal, dual) = (primal.min(1.0), dual.min(1.0));
        let reached = mu_after(self.at(shared), &self.step, primal, dual);
        let correctors = if shared.columns() < CORRECTORS_FROM { 0 } else { CORRECTORS };
        // Correctors keep the products close to each other, so the target may be lower; not for the
        // sum of violations, where starts are poor.
        let exponent = if correctors == 0 || self.rows.kind == Kind::Sum { 3 } else { 4 };
        let target = (reached / mu).powi(exponent).clamp(1e-8, 1.0) * mu;
        // If the step along a direction is very short, its second-order term belongs to a full step
        // that is never made.
        let share = if primal.min(dual) < SHORT { primal * dual } else { 1.0 };
        let at = Iterate { shared, rows: &self.rows, point: &self.point };
        self.targets.correct(at, &self.step, target, share);
        self.redirect(shared);
        let (mut primal, mut dual) = self.longest_steps(shared);
        for _ in 0..correctors {
            let lengths = (primal.min(1.0), dual.min(1.0));
            if lengths.0.min(lengths.1) > LONG_ENOUGH {
                break;
            }
            self.other_step.copy_from(&self.step);
            let longer = |length: f64| (length + LONGER).min(1.0);
            let at = Iterate { shared, rows: &self.rows, point: &self.point };
            self.targets.centre(at, &self.step, target, longer(lengths.0), longer(lengths.1));
            self.redirect(shared);
            let found = self.longest_steps(shared);
            if found.0.min(1.0) + found.1.min(1.0) < lengths.0 + lengths.1 + WORTH_A_CORRECTOR {
                std::mem::swap(&mut self.step, &mut self.other_step);
                break;
            }
            (primal, dual) = found;
        }
        let boundary = (1.0 - 0.1 * reached / mu).clamp(0.9, limits.boundary);
        take(shared, &mut self.point, &self.step, (boundary * primal).min(1.0), (boundary * dual).min(1.0));
        self.clock.lap(Stage::Step);
    }
}
