//! The Newton system of one iteration: rows merged into one weight a unit, the normal matrix factored, directions found by
//! back-substitution. Section 2 of `docs/THE_LP_ENGINE.md` derives every line; names are the ones there.

use super::stages::Stage;
use super::state::State;
use crate::linalg::lanes::{LANE, Lane, numbers, numbers_mut, vectorised};
use crate::linalg::packed_weights::PackedWeights;
use crate::linalg::products::{combine, combine_three, products};
use crate::lp::solver::scaled_rows::Kind;

/// A unit whose weight is under this share of the largest is left out of the normal matrix.
const NEGLIGIBLE_WEIGHT: f64 = 1e-16;

/// Added to the diagonal: keeps `z` from running away where the optimal face has no bound and no row or bound would hold it.
const PROXIMAL: f64 = 1e-10;

impl State {
    /// Forms and factors the reduced system at the current point. The predictor's direction is in `step` afterwards.
    /// Needs `row_residual` and `violation_residual`; sets `dual_residual`.
    pub fn predict(&mut self, weights: &PackedWeights, nonnegative: bool, single: bool) {
        self.merge_weights();
        self.want_nothing_left(nonnegative, weights.columns);
        self.merge_targets();
        let merged = &self.merged;
        let [signed, f, border] = &mut self.combined;
        self.clock.lap(Stage::Rows);
        combine_three(weights, &self.rows.units, [&merged.signed, &merged.f, &merged.mixed], [signed, f, border]);
        let (columns, lanes) = (weights.columns, weights.lanes);
        let z = &numbers(&self.point.z)[..columns];
        let v = &numbers(&self.point.v)[..columns];
        let g = &numbers(&self.combined[0])[..columns];
        for (i, residual) in self.dual_residual.iter_mut().enumerate() {
            *residual = self.rows.weights[i] + v[i] - g[i];
        }
        self.clock.lap(Stage::Products);
        let normal = &mut self.normal;
        normal.reset(lanes);
        select_units(&self.rows.units, &self.merged.weight, &mut normal.units, &mut normal.roots);
        normal.add_products(weights, single);
        self.clock.lap(Stage::NormalMatrix);
        let f = numbers(&self.combined[1]);
        let c = numbers(&self.combined[2]);
        for i in 0..columns {
            normal.add_diagonal(i, PROXIMAL);
            // r_z/z = −v for the predictor.
            normal.set_right(i, 1, self.dual_residual[i] - v[i] - f[i]);
            if self.rows.kind == Kind::Largest {
                normal.set_right(i, 0, c[i]);
            }
            if nonnegative {
                normal.add_diagonal(i, v[i] / z[i]);
            }
        }
        for i in columns..lanes * LANE {
            normal.add_diagonal(i, 1.0);
        }
        normal.factor();
        self.clock.lap(Stage::Factor);
        self.border.clear();
        self.border.resize(lanes, Lane::ZERO);
        normal.forward_solved(0, numbers_mut(&mut self.border));
        if self.rows.kind == Kind::Largest {
            let kappa = self.merged.slack.iter().sum::<f64>() + self.point.eta[0] / self.point.e[0];
            let square: f64 = numbers(&self.border).iter().map(|c| c * c).sum();
            // As a pivot of the factorisation: lost to rounding, it freezes δ.
            let pivot = kappa - square;
            self.border_pivot = if pivot > 1e-14 * kappa { pivot } else { f64::INFINITY };
        }
        normal.forward_solved(1, numbers_mut(&mut self.step.z));
        self.finish_direction(weights, nonnegative);
    }

    /// The direction towards the wanted products (`wanted`) with the factors that [`Self::predict`] left.
    pub fn redirect(&mut self, weights: &PackedWeights, nonnegative: bool) {
        let columns = weights.columns;
        self.merge_targets();
        self.clock.lap(Stage::Rows);
        combine(weights, &self.rows.units, &self.merged.f, &mut self.combined[1]);
        self.clock.lap(Stage::Products);
        let f = numbers(&self.combined[1]);
        let z = numbers(&self.point.z);
        let right = numbers_mut(&mut self.step.z);
        for i in 0..columns {
            let bound = if nonnegative { self.wanted.z[i] / z[i] } else { 0.0 };
            right[i] = self.dual_residual[i] + bound - f[i];
        }
        right[columns..].fill(0.0);
        self.normal.solve_forward(&mut self.step.z);
        self.finish_direction(weights, nonnegative);
    }

    /// `d = y/p`, `D`, `m`, `K` and `Σ s y`; for the sum of violations `D'` and `κ`.
    fn merge_weights(&mut self) {
        let merged = &mut self.merged;
        for sums in [&mut merged.weight, &mut merged.mixed, &mut merged.slack, &mut merged.signed] {
            sums.fill(0.0);
        }
        // D' before the division by κ: the sum over pairs of rows.
        let pairs = &mut merged.f;
        pairs.fill(0.0);
        for slot in &self.rows.slots {
            let slot = slot.clone();
            merge_slot(
                &self.point.p[slot.clone()],
                &self.point.y[slot.clone()],
                &self.rows.side[slot.clone()],
                &self.rows.slack[slot.clone()],
                &mut self.inverse_p[slot.clone()],
                &mut self.inverse_y[slot],
                [&mut merged.weight, &mut merged.mixed, &mut merged.slack, &mut merged.signed, pairs],
            );
        }
        if self.rows.kind == Kind::Sum {
            let [weight, slack] = [&mut merged.weight, &mut merged.slack];
            weigh_violations(pairs, &self.point.e, &self.point.eta, weight, slack);
        }
    }

    /// `τ`, `f` and `t` (`ρ`) for the wanted products.
    fn merge_targets(&mut self) {
        let merged = &mut self.merged;
        merged.f.fill(0.0);
        merged.t.fill(0.0);
        for slot in &self.rows.slots {
            let slot = slot.clone();
            merge_slot_targets(
                &self.wanted.rows[slot.clone()],
                [&self.point.y[slot.clone()], &self.inverse_p[slot.clone()], &self.row_residual[slot.clone()]],
                [&self.rows.side[slot.clone()], &self.rows.slack[slot.clone()]],
                &mut self.tau[slot],
                [&mut merged.f, &mut merged.t],
            );
        }
        if self.rows.kind == Kind::Sum {
            let violations = [&self.wanted.violations[..], &self.point.e, &self.violation_residual];
            aim_violations(violations, [&merged.mixed, &merged.slack], [&mut merged.f, &mut merged.t]);
        }
    }

    /// From the right-hand side solved forward (in `step.z`) to the whole direction.
    fn finish_direction(&mut self, weights: &PackedWeights, nonnegative: bool) {
        let normal = &self.normal;
        if self.rows.kind == Kind::Largest {
            let product = self.wanted.violations[0];
            let rho = self.merged.t.iter().sum::<f64>() + product / self.point.e[0] - self.violation_residual[0];
            let x = numbers_mut(&mut self.step.z);
            let border = numbers(&self.border);
            let along: f64 = border.iter().zip(x.iter()).map(|(c, x)| c * x).sum();
            let change = (rho + along) / self.border_pivot;
            x.iter_mut().zip(border).for_each(|(x, c)| *x += change * c);
            self.step.e.fill(change);
            self.step.eta[0] = (product - self.point.eta[0] * change) / self.point.e[0];
        }
        normal.solve_backward(&mut self.step.z);
        self.clock.lap(Stage::Direction);
        products(weights, &self.rows.units, &self.step.z, &mut self.step.a);
        self.clock.lap(Stage::Products);
        if self.rows.kind == Kind::Sum {
            let merged = &self.merged;
            finish_violations(
                [&merged.t, &merged.mixed, &merged.slack],
                [&self.wanted.violations, &self.point.e, &self.point.eta],
                &self.step.a,
                &mut self.step.e,
                &mut self.step.eta,
            );
        }
        if nonnegative {
            let (z, v) = (numbers(&self.point.z), numbers(&self.point.v));
            let dz = numbers(&self.step.z);
            let dv = numbers_mut(&mut self.step.v);
            for i in 0..weights.columns {
                dv[i] = (self.wanted.z[i] - v[i] * dz[i]) / z[i];
            }
        }
        self.clock.lap(Stage::Direction);
        for slot in &self.rows.slots {
            let slot = slot.clone();
            finish_rows(
                [&self.step.a, &self.step.e],
                [&self.rows.side[slot.clone()], &self.rows.slack[slot.clone()]],
                [&self.row_residual[slot.clone()], &self.tau[slot.clone()]],
                [&self.point.y[slot.clone()], &self.inverse_p[slot.clone()]],
                &mut self.step.p[slot.clone()],
                &mut self.step.y[slot],
            );
        }
    }
}

fn select_units(units: &[u32], weight: &[f64], chosen: &mut Vec<u32>, roots: &mut Vec<f64>) {
    let largest = weight.iter().fold(0.0f64, |most, w| if *w > most { *w } else { most });
    chosen.clear();
    roots.clear();
    for (&unit, &weight) in units.iter().zip(weight) {
        if weight > NEGLIGIBLE_WEIGHT * largest {
            chosen.push(unit);
            roots.push(weight.sqrt());
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
