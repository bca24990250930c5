//! The iteration: predictor, corrector, step, until the products are negligible. One observation at a time: the work of one
//! reads only the shared weights and its own state, so no answer can depend on its neighbours.

use super::stages::Stage;
use super::state::State;
use crate::linalg::lanes::{numbers, numbers_mut, vectorised};
use crate::linalg::packed_weights::PackedWeights;
use crate::lp::basis::Basis;
use crate::lp::problem::Outcome;
use crate::lp::solver::scaled_rows::Kind;

/// Columns from which single precision pays.
pub const SINGLE_FROM: usize = 32;
/// Total of the products at the end, relative to the objective …
const GAP: f64 = 1e-12;
/// … and to the problem's size: 1 a violation, `Σ|q||z|` for linear ones.
const GAP_OF_SIZE: f64 = 1e-14;

/// Columns from which a factorisation costs enough for centrality correctors to pay.
const CORRECTORS_FROM: usize = 32;
/// Centrality correctors at most.
const CORRECTORS: u32 = 2;
/// How much longer a step one tries for …
const LONGER: f64 = 0.3;
/// … unless both lengths are this already …
const LONG_ENOUGH: f64 = 0.95;
/// … and what it has to gain, in the sum of both lengths, for the next to be tried.
const WORTH_A_CORRECTOR: f64 = 0.02;

/// A predictor's step below this is short.
const SHORT: f64 = 0.1;
/// A dual residual that grows by this factor in one iteration, to more than the multipliers themselves, has left the path. (By less
/// it may grow when units leave.)
const DERAILED: f64 = 1e4;

/// When the iteration ends.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Limits {
    /// Iterations at most.
    pub iterations: u32,
    /// Residuals, relative to their terms.
    pub residual: f64,
    /// Whether units may leave the iteration before its end.
    pub retire: bool,
    /// Normal matrices are formed in single precision while the relative gap is above this.
    pub single_above: f64,
    /// Whether signs of infeasibility and standstill end the iteration.
    pub give_up: bool,
    /// Share of the way to the boundary at most.
    pub boundary: f64,
}

/// How an iteration ended.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct End {
    /// What the point claims to be.
    pub outcome: Outcome,
    /// Iterations taken.
    pub iterations: u32,
    /// Whether the point is the only optimum, shown by strictly positive multipliers of full rank.
    pub is_unique: bool,
}

/// How good a point is: everything relative, smaller is better.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Quality {
    mu: f64,
    gap: f64,
    rows: f64,
    dual: f64,
}

impl Quality {
    fn worst(&self) -> f64 {
        self.gap.max(self.rows).max(self.dual)
    }
}

impl State {
    /// Iterates from the start that stands in the point. The best point is in `point` afterwards.
    /// `finish` is offered a vertex that is likely to be a few pivots from the optimum, once; if it returns `true` nothing is left to do.
    pub fn iterate(
        &mut self,
        weights: &PackedWeights,
        nonnegative: bool,
        limits: Limits,
        mut finish: impl FnMut(&Basis) -> bool,
    ) -> End {
        let mut offered = !limits.give_up;
        let mut best = f64::INFINITY;
        let mut since_best = 0;
        let mut dual = f64::INFINITY;
        let mut iterations = 0;
        let mut kept = false;
        let mut relative = f64::INFINITY;
        let outcome = loop {
            if limits.retire && self.retire_units(weights) {
                // The best point so far has rows that are gone.
                best = f64::INFINITY;
                kept = false;
            }
            self.residuals();
            let single = weights.columns >= SINGLE_FROM && limits.single_above < relative;
            self.predict(weights, nonnegative, single);
            let quality = self.quality(weights, nonnegative);
            let worst = quality.worst();
            if !worst.is_finite() || !self.point.is_finite() {
                break Outcome::Stalled;
            }
            if limits.retire && self.retired.count > 0 && quality.dual > 1.0 && quality.dual > DERAILED * dual {
                // The last direction was worthless: too few rows were left for the normal matrix to be regular.
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
            if limits.give_up && self.rows.kind == Kind::Linear && self.is_infeasible(weights, nonnegative) {
                return End { outcome: Outcome::Infeasible, iterations, is_unique: false };
            }
            self.clock.lap(Stage::Step);
            if iterations >= 2 && self.end_at_vertex(weights, nonnegative) {
                return End { outcome: Outcome::Optimal, iterations, is_unique: true };
            }
            self.clock.lap(Stage::Vertex);
            if !offered
                && iterations >= 2
                && let Some(basis) = self.near_vertex(weights, nonnegative)
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
            self.advance(weights, nonnegative, quality.mu, limits);
        };
        if kept {
            std::mem::swap(&mut self.point, &mut self.best);
        }
        End { outcome, iterations, is_unique: false }
    }

    /// One step from a point whose predictor is known.
    fn advance(&mut self, weights: &PackedWeights, nonnegative: bool, mu: f64, limits: Limits) {
        let columns = weights.columns;
        let (primal, dual) = self.step_lengths(nonnegative, columns);
        let (primal, dual) = (primal.min(1.0), dual.min(1.0));
        let reached = self.mu_after(nonnegative, columns, primal, dual);
        let correctors = if columns < CORRECTORS_FROM { 0 } else { CORRECTORS };
        // With correctors to look after centrality the target may be lower; not for the sum of violations, where starts are poor.
        let exponent = if correctors == 0 || self.rows.kind == Kind::Sum { 3 } else { 4 };
        let target = (reached / mu).powi(exponent).clamp(1e-8, 1.0) * mu;
        // Of a direction that leads almost nowhere the second-order term is of a step that is never taken.
        let share = if primal.min(dual) < SHORT { primal * dual } else { 1.0 };
        self.want_target(nonnegative, columns, target, share);
        self.redirect(weights, nonnegative);
        let (mut primal, mut dual) = self.step_lengths(nonnegative, columns);
        for _ in 0..correctors {
            let lengths = (primal.min(1.0), dual.min(1.0));
            if lengths.0.min(lengths.1) > LONG_ENOUGH {
                break;
            }
            self.other_step.copy_from(&self.step);
            let longer = |length: f64| (length + LONGER).min(1.0);
            self.want_centrality(nonnegative, columns, target, longer(lengths.0), longer(lengths.1));
            self.redirect(weights, nonnegative);
            let found = self.step_lengths(nonnegative, columns);
            if found.0.min(1.0) + found.1.min(1.0) < lengths.0 + lengths.1 + WORTH_A_CORRECTOR {
                std::mem::swap(&mut self.step, &mut self.other_step);
                break;
            }
            (primal, dual) = found;
        }
        let boundary = (1.0 - 0.1 * reached / mu).clamp(0.9, limits.boundary);
        let (primal, dual) = ((boundary * primal).min(1.0), (boundary * dual).min(1.0));
        let (point, step) = (&mut self.point, &self.step);
        add(primal, numbers(&step.z), numbers_mut(&mut point.z));
        add(primal, &step.p, &mut point.p);
        add(primal, &step.e, &mut point.e);
        add(primal, &step.a, &mut point.a);
        add(dual, &step.y, &mut point.y);
        add(dual, &step.eta, &mut point.eta);
        if nonnegative {
            add(dual, numbers(&step.v), numbers_mut(&mut point.v));
        }
        self.clock.lap(Stage::Step);
    }

    /// `r_p` and `r_e`.
    fn residuals(&mut self) {
        let (rows, point) = (&self.rows, &self.point);
        for slot in &rows.slots {
            let slot = slot.clone();
            row_residuals(
                [&rows.bound[slot.clone()], &rows.side[slot.clone()], &rows.slack[slot.clone()]],
                [&point.a, &point.e, &point.p[slot.clone()]],
                &mut self.row_residual[slot],
            );
        }
        match rows.kind {
            Kind::Linear => {}
            Kind::Largest => {
                let used: f64 = rows.slack.iter().zip(&point.y).map(|(slack, y)| slack * y).sum();
                self.violation_residual[0] = 1.0 - used - point.eta[0];
            }
            Kind::Sum => {
                for (residual, eta) in self.violation_residual.iter_mut().zip(&point.eta) {
                    *residual = 1.0 - eta;
                }
                for slot in &rows.slots {
                    let (slack, y) = (&rows.slack[slot.clone()], &point.y[slot.clone()]);
                    for ((residual, slack), y) in self.violation_residual.iter_mut().zip(slack).zip(y) {
                        *residual -= slack * y;
                    }
                }
            }
        }
    }

    fn products_total(&self, nonnegative: bool, columns: usize) -> (f64, usize) {
        let point = &self.point;
        let dot = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>();
        let mut total = dot(&point.p, &point.y);
        let mut count = point.p.len() + point.eta.len();
        total += dot(&point.e[..point.eta.len()], &point.eta);
        if nonnegative {
            total += dot(&numbers(&point.z)[..columns], &numbers(&point.v)[..columns]);
            count += columns;
        }
        (total, count)
    }

    fn quality(&self, weights: &PackedWeights, nonnegative: bool) -> Quality {
        let (total, count) = self.products_total(nonnegative, weights.columns);
        let point = &self.point;
        let z = &numbers(&point.z)[..weights.columns];
        let (objective, size) = match self.rows.kind {
            Kind::Largest => (point.e[0], 1.0),
            Kind::Sum => (point.e.iter().sum(), point.e.len() as f64),
            Kind::Linear => {
                let terms = self.rows.weights.iter().zip(z).map(|(q, z)| q * z);
                let sizes: f64 = self.rows.weights.iter().zip(z).map(|(q, z)| (q * z).abs()).sum();
                (terms.sum::<f64>().abs(), sizes.max(1.0))
            }
        };
        let largest =
            |values: &[f64]| values.iter().fold(0.0f64, |most, x| if x.abs() > most { x.abs() } else { most });
        let z_size = 1.0 + largest(z);
        let y_size = point.y.iter().sum::<f64>() + if self.rows.kind == Kind::Linear { 1.0 } else { 0.0 };
        Quality {
            mu: total / count.max(1) as f64,
            gap: total / (GAP * objective + GAP_OF_SIZE * size),
            rows: largest(&self.row_residual) / z_size,
            dual: largest(&self.dual_residual).max(largest(&self.violation_residual)) / y_size.max(1e-300),
        }
    }

    /// Farkas: `y ≥ 0` with `g ≥ 0` (`= 0`) and `h·y < 0` shows that no `z` satisfies the rows. Only a hint: it is proven
    /// elsewhere.
    fn is_infeasible(&self, weights: &PackedWeights, nonnegative: bool) -> bool {
        let y = &self.point.y;
        let reward: f64 = -self.rows.bound.iter().zip(y).map(|(h, y)| h * y).sum::<f64>();
        let size: f64 = y.iter().sum();
        let g = &numbers(&self.combined[0])[..weights.columns];
        let miss = g.iter().map(|g| if nonnegative { -g } else { g.abs() }).fold(0.0, f64::max);
        reward > 1e-8 * size && miss <= 1e-9 * reward && size > 1e3
    }

    /// The longest steps, unbounded above, that keep everything nonnegative: primal and dual.
    fn step_lengths(&self, nonnegative: bool, columns: usize) -> (f64, f64) {
        let (point, step) = (&self.point, &self.step);
        let mut primal = steepest_fall(&step.p, &self.inverse_p);
        let mut dual = steepest_fall(&step.y, &self.inverse_y);
        let violations = point.eta.len();
        primal = primal.max(steepest_ratio(&step.e[..violations], &point.e));
        dual = dual.max(steepest_ratio(&step.eta, &point.eta));
        if nonnegative {
            primal = primal.max(steepest_ratio(&numbers(&step.z)[..columns], numbers(&point.z)));
            dual = dual.max(steepest_ratio(&numbers(&step.v)[..columns], numbers(&point.v)));
        }
        (1.0 / primal, 1.0 / dual)
    }

    /// `μ` after steps of these lengths.
    fn mu_after(&self, nonnegative: bool, columns: usize, primal: f64, dual: f64) -> f64 {
        let (point, step) = (&self.point, &self.step);
        let mut total = product_after([&point.p, &step.p], [&point.y, &step.y], primal, dual);
        let violations = point.eta.len();
        total += product_after([&point.e[..violations], &step.e[..violations]], [&point.eta, &step.eta], primal, dual);
        let mut count = point.p.len() + violations;
        if nonnegative {
            let of = |lanes| &numbers(lanes)[..columns];
            total += product_after([of(&point.z), of(&step.z)], [of(&point.v), of(&step.v)], primal, dual);
            count += columns;
        }
        total / count.max(1) as f64
    }
}

vectorised! {
    fn add(factor: f64, step: &[f64], to: &mut [f64]) {
        for (to, step) in to.iter_mut().zip(step) {
            *to += factor * step;
        }
    }

    fn row_residuals(row: [&[f64]; 3], point: [&[f64]; 3], out: &mut [f64]) {
        let n = out.len();
        let [bound, side, slack] = row.map(|x| &x[..n]);
        let [a, e, p] = point.map(|x| &x[..n]);
        for i in 0..n {
            out[i] = bound[i] - side[i] * a[i] + slack[i] * e[i] - p[i];
        }
    }

    /// `max −step·inverse`, at least 1e-300.
    fn steepest_fall(step: &[f64], inverse: &[f64]) -> f64 {
        let mut most = [1e-300f64; 8];
        let mut steps = step.chunks_exact(8);
        let mut inverses = inverse.chunks_exact(8);
        for (step, inverse) in (&mut steps).zip(&mut inverses) {
            for i in 0..8 {
                let fall = -step[i] * inverse[i];
                most[i] = if fall > most[i] { fall } else { most[i] };
            }
        }
        for (i, (step, inverse)) in steps.remainder().iter().zip(inverses.remainder()).enumerate() {
            let fall = -step * inverse;
            most[i] = if fall > most[i] { fall } else { most[i] };
        }
        most.into_iter().fold(1e-300, |a, b| if b > a { b } else { a })
    }

    /// `max −step/value`, at least 1e-300.
    fn steepest_ratio(step: &[f64], value: &[f64]) -> f64 {
        let mut most = [1e-300f64; 8];
        let value = &value[..step.len()];
        let mut steps = step.chunks_exact(8);
        let mut values = value.chunks_exact(8);
        for (step, value) in (&mut steps).zip(&mut values) {
            for i in 0..8 {
                let fall = -step[i] / value[i];
                most[i] = if fall > most[i] { fall } else { most[i] };
            }
        }
        for (i, (step, value)) in steps.remainder().iter().zip(values.remainder()).enumerate() {
            let fall = -step / value;
            most[i] = if fall > most[i] { fall } else { most[i] };
        }
        most.into_iter().fold(1e-300, |a, b| if b > a { b } else { a })
    }

    /// `(a + α da)·(b + β db)`.
    fn product_after(left: [&[f64]; 2], right: [&[f64]; 2], alpha: f64, beta: f64) -> f64 {
        let n = left[0].len();
        let [a, da] = left.map(|x| &x[..n]);
        let [b, db] = right.map(|x| &x[..n]);
        let mut sums = [0.0f64; 8];
        for start in (0..n / 8 * 8).step_by(8) {
            for (i, sum) in sums.iter_mut().enumerate() {
                let at = start + i;
                *sum += (a[at] + alpha * da[at]) * (b[at] + beta * db[at]);
            }
        }
        for at in n / 8 * 8..n {
            sums[at % 8] += (a[at] + alpha * da[at]) * (b[at] + beta * db[at]);
        }
        sums.into_iter().sum()
    }
}
