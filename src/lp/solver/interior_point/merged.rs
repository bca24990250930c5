//! Rows merged by unit: all rows of a unit act on the same `a_u`, so that their terms in the Newton
//! system add up to one weight and one right-hand side per unit. Section 2 of
//! `docs/THE_LP_ENGINE.md` derives every line; names are the ones there.

use super::complementarity::Targets;
use super::iterate::{Iterate, Point, reset};
use super::residuals::Residuals;
use crate::linalg::lanes::vectorised;
use crate::lp::solver::scaled_rows::{Kind, ScaledRows};

/// Sums over the rows of each unit, one entry per position, and what they were made from.
#[derive(Debug, Default)]
pub struct Merged {
    /// `D`, or `D'` for the sum of violations.
    pub weight: Vec<f64>,
    /// `m`.
    pub mixed: Vec<f64>,
    /// `K`, or `κ` for the sum of violations.
    pub slack: Vec<f64>,
    /// `f`, reduced by `m ρ/κ` for the sum of violations.
    pub f: Vec<f64>,
    /// `t`, or `ρ` for the sum of violations.
    pub t: Vec<f64>,
    /// `Σ s y`.
    pub signed: Vec<f64>,
    /// `1/p`, one entry per row.
    pub inverse_p: Vec<f64>,
    /// `1/y`, one entry per row.
    pub inverse_y: Vec<f64>,
    /// `τ`, one entry per row.
    tau: Vec<f64>,
}

impl Merged {
    fn vectors(&mut self) -> ([&mut Vec<f64>; 6], [&mut Vec<f64>; 3]) {
        (
            [&mut self.weight, &mut self.mixed, &mut self.slack, &mut self.f, &mut self.t, &mut self.signed],
            [&mut self.inverse_p, &mut self.inverse_y, &mut self.tau],
        )
    }

    /// Resizes all vectors for `rows`, filled with zeros.
    pub fn reset(&mut self, rows: &ScaledRows) {
        let (by_unit, by_row) = self.vectors();
        by_unit.into_iter().for_each(|numbers| reset(numbers, rows.units.len()));
        by_row.into_iter().for_each(|numbers| reset(numbers, rows.len()));
    }

    /// Cuts every vector to the lengths of `rows`.
    pub fn truncate(&mut self, rows: &ScaledRows) {
        let (by_unit, by_row) = self.vectors();
        by_unit.into_iter().for_each(|numbers| numbers.truncate(rows.units.len()));
        by_row.into_iter().for_each(|numbers| numbers.truncate(rows.len()));
    }

    /// `d = y/p`, `D`, `m`, `K` and `Σ s y`; for the sum of violations `D'` and `κ`.
    pub fn merge_weights(&mut self, rows: &ScaledRows, point: &Point) {
        for sums in [&mut self.weight, &mut self.mixed, &mut self.slack, &mut self.signed] {
            sums.fill(0.0);
        }
        // D' before the division by κ: the sum over pairs of rows.
        let pairs = &mut self.f;
        pairs.fill(0.0);
        for slot in &rows.slots {
            let slot = slot.clone();
            merge_slot(
                &point.p[slot.clone()],
                &point.y[slot.clone()],
                &rows.side[slot.clone()],
                &rows.slack[slot.clone()],
                &mut self.inverse_p[slot.clone()],
                &mut self.inverse_y[slot],
                [&mut self.weight, &mut self.mixed, &mut self.slack, &mut self.signed, pairs],
            );
        }
        if rows.kind == Kind::Sum {
            weigh_violations(pairs, &point.e, &point.eta, &mut self.weight, &mut self.slack);
        }
    }

    /// `τ`, `f` and `t` (`ρ`) for the targets.
    pub fn merge_targets(&mut self, at: Iterate<'_>, residuals: &Residuals, targets: &Targets) {
        let Iterate { rows, point, .. } = at;
        self.f.fill(0.0);
        self.t.fill(0.0);
        for slot in &rows.slots {
            let slot = slot.clone();
            merge_slot_targets(
                &targets.rows[slot.clone()],
                [&point.y[slot.clone()], &self.inverse_p[slot.clone()], &residuals.rows[slot.clone()]],
                [&rows.side[slot.clone()], &rows.slack[slot.clone()]],
                &mut self.tau[slot],
                [&mut self.f, &mut self.t],
            );
        }
        if rows.kind == Kind::Sum {
            let violations = [&targets.violations[..], &point.e, &residuals.violations];
            aim_violations(violations, [&self.mixed, &self.slack], [&mut self.f, &mut self.t]);
        }
    }

    /// `de` and `dη` of the sum of violations, from `da`.
    pub fn finish_violations(&self, at: Iterate<'_>, targets: &Targets, step: &mut Point) {
        finish_violations(
            [&self.t, &self.mixed, &self.slack],
            [&targets.violations, &at.point.e, &at.point.eta],
            &step.a,
            &mut step.e,
            &mut step.eta,
        );
    }

    /// `dp` and `dy`, from `da` and `de`.
    pub fn finish_rows(&self, at: Iterate<'_>, residuals: &Residuals, step: &mut Point) {
        let Iterate { rows, point, .. } = at;
        for slot in &rows.slots {
            let slot = slot.clone();
            finish_rows(
                [&step.a, &step.e],
                [&rows.side[slot.clone()], &rows.slack[slot.clone()]],
                [&residuals.rows[slot.clone()], &self.tau[slot.clone()]],
                [&point.y[slot.clone()], &self.inverse_p[slot.clone()]],
                &mut step.p[slot.clone()],
                &mut step.y[slot],
            );
        }
    }
}

vectorised! {
    /// Adds one slot's rows to `[D, m, K, Σ s y, Σ pairs]` and leaves `1/p` and `1/y`.
    fn merge_slot(
        p: &[f64],
        y: &[f64],
        side: &[f64],
        slack: &[f64],
        inverse_p: &mut [f64],
        inverse_y: &mut [f64],
        sums: [&mut Vec<f64>; 5],
    ) {
        let n = p.len();
        let (y, side, slack) = (&y[..n], &side[..n], &slack[..n]);
        let (inverse_p, inverse_y) = (&mut inverse_p[..n], &mut inverse_y[..n]);
        let [weight, mixed, square, signed, pairs] = sums.map(|sums| &mut sums[..n]);
        for i in 0..n {
            // One division for both.
            let inverse = 1.0 / (p[i] * y[i]);
            inverse_p[i] = y[i] * inverse;
            inverse_y[i] = p[i] * inverse;
            let d = y[i] * inverse_p[i];
            let (s, sigma) = (side[i], slack[i]);
            pairs[i] += d * (weight[i] * sigma * sigma - 2.0 * s * sigma * mixed[i] + square[i]).max(0.0);
            weight[i] += d;
            mixed[i] += d * s * sigma;
            square[i] += d * sigma * sigma;
            signed[i] += s * y[i];
        }
    }

    /// `κ = K + η/e` and `D' = (pairs + D η/e)/κ`.
    fn weigh_violations(pairs: &[f64], e: &[f64], eta: &[f64], weight: &mut [f64], slack: &mut [f64]) {
        let n = pairs.len();
        let (e, eta, weight, slack) = (&e[..n], &eta[..n], &mut weight[..n], &mut slack[..n]);
        for i in 0..n {
            let ratio = eta[i] / e[i];
            slack[i] += ratio;
            weight[i] = (pairs[i] + weight[i] * ratio) / slack[i];
        }
    }

    /// `ρ = t + r_η/e − r_e` in the place of `t`, and `f − m ρ/κ` in that of `f`.
    fn aim_violations(violations: [&[f64]; 3], units: [&[f64]; 2], sums: [&mut Vec<f64>; 2]) {
        let [f, t] = sums;
        let n = t.len();
        let [wanted, e, residual] = violations.map(|x| &x[..n]);
        let [mixed, slack] = units.map(|x| &x[..n]);
        let (f, t) = (&mut f[..n], &mut t[..n]);
        for i in 0..n {
            let rho = t[i] + wanted[i] / e[i] - residual[i];
            t[i] = rho;
            f[i] -= mixed[i] * rho / slack[i];
        }
    }

    /// `de = (ρ + m da)/κ` and `dη = (r_η − η de)/e`.
    fn finish_violations(units: [&[f64]; 3], violations: [&[f64]; 3], da: &[f64], de: &mut [f64], deta: &mut [f64]) {
        let n = de.len();
        let [rho, mixed, slack] = units.map(|x| &x[..n]);
        let [wanted, e, eta] = violations.map(|x| &x[..n]);
        let (da, deta) = (&da[..n], &mut deta[..n]);
        for i in 0..n {
            de[i] = (rho[i] + mixed[i] * da[i]) / slack[i];
            deta[i] = (wanted[i] - eta[i] * de[i]) / e[i];
        }
    }

    /// `τ = (r_c − y r_p)/p`, added to `[f, t]` by unit.
    fn merge_slot_targets(
        wanted: &[f64],
        point: [&[f64]; 3],
        row: [&[f64]; 2],
        tau: &mut [f64],
        sums: [&mut Vec<f64>; 2],
    ) {
        let n = tau.len();
        let wanted = &wanted[..n];
        let [y, inverse_p, residual] = point.map(|x| &x[..n]);
        let [side, slack] = row.map(|x| &x[..n]);
        let [f, t] = sums.map(|x| &mut x[..n]);
        for i in 0..n {
            let value = (wanted[i] - y[i] * residual[i]) * inverse_p[i];
            tau[i] = value;
            f[i] += side[i] * value;
            t[i] += slack[i] * value;
        }
    }

    /// `dp = r_p − s da + σ de`, `dy = τ + d (s da − σ de)`.
    fn finish_rows(
        step: [&[f64]; 2],
        row: [&[f64]; 2],
        known: [&[f64]; 2],
        point: [&[f64]; 2],
        dp: &mut [f64],
        dy: &mut [f64],
    ) {
        let n = dp.len();
        let [da, de] = step.map(|x| &x[..n]);
        let [side, slack] = row.map(|x| &x[..n]);
        let [residual, tau] = known.map(|x| &x[..n]);
        let [y, inverse_p] = point.map(|x| &x[..n]);
        let dy = &mut dy[..n];
        for i in 0..n {
            let moved = side[i] * da[i] - slack[i] * de[i];
            dp[i] = residual[i] - moved;
            dy[i] = tau[i] + y[i] * inverse_p[i] * moved;
        }
    }
}
