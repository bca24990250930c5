//! The start: least squares on the rows that fix a value, moved into the interior.
//!
//! A unit with rows on both sides (or one that the linear objective pushes against its bound) says where `w_u·z` should be;
//! the least-squares fit to those is near the optimum already. From it `z` is kept off its bounds, the violations are made
//! large enough for every row to hold, and `y = μ/p`, `η = μ/e`, `v = μ/z` with the `μ` that satisfies the violations'
//! equations: every product is `μ`, every equation but `r_d = 0` holds. The linear problem has no violation to make room
//! with: its rows start infeasible.

use super::iteration::SINGLE_FROM;
use super::state::State;
use crate::linalg::lanes::{LANE, numbers, numbers_mut};
use crate::linalg::packed_weights::PackedWeights;
use crate::linalg::products::{combine, products};
use crate::lp::solver::scaled_rows::Kind;

/// Least room between a row and its bound, in units of the largest bound.
const LEAST_ROOM: f64 = 1e-3;
/// Ridge of the least squares, in units of the matrix's mean diagonal entry: rows need not have full rank.
const RIDGE: f64 = 1e-6;
/// Least `z`, relative to the mean size of its entries.
const LEAST_Z: f64 = 0.02;
/// The same, relative to the largest violation of the fit.
const LEAST_Z_OF_VIOLATION: f64 = 0.1;

impl State {
    /// Sets the point. `pushed`: units that a linear objective rewards (1) or punishes (−1), with the multiplier to begin with,
    /// in ascending order. `near`: a `z` to begin near, instead of the fit.
    pub fn start(&mut self, weights: &PackedWeights, nonnegative: bool, pushed: &[(usize, f64)], near: Option<&[f64]>) {
        match near {
            Some(near) => {
                let scale = 1.0 / self.rows.z_scale;
                numbers_mut(&mut self.point.z).iter_mut().zip(near).for_each(|(scaled, z)| *scaled = z * scale);
            }
            None => self.fit(weights, pushed),
        }
        let columns = weights.columns;
        products(weights, &self.rows.units, &self.point.z, &mut self.point.a);
        let violation = self.largest_violation();
        self.fit_violation = violation;
        if nonnegative {
            let z = &mut numbers_mut(&mut self.point.z)[..columns];
            let mean = z.iter().map(|z| z.abs()).sum::<f64>() / columns as f64;
            // Where the fit says nothing, as without rows on both sides, what is violated says how far `z` will have to go.
            let least = (LEAST_Z * mean).max(LEAST_Z_OF_VIOLATION * violation).max(LEAST_ROOM);
            z.iter_mut().for_each(|z| *z = z.max(least));
            products(weights, &self.rows.units, &self.point.z, &mut self.point.a);
        }
        match self.rows.kind {
            Kind::Largest => self.start_largest(),
            Kind::Sum => self.start_sum(),
            Kind::Linear => self.start_linear(pushed),
        }
        if nonnegative {
            let mu = self.mean_row_product();
            let (z, v) = (numbers(&self.point.z), numbers_mut(&mut self.point.v));
            for i in 0..columns {
                v[i] = mu / z[i];
            }
        }
    }

    fn mean_row_product(&self) -> f64 {
        let total: f64 = self.point.p.iter().zip(&self.point.y).map(|(p, y)| p * y).sum();
        total / self.rows.len().max(1) as f64
    }

    /// Least squares on the units that have a value to be at; leaves it in `z`.
    pub fn fit(&mut self, weights: &PackedWeights, pushed: &[(usize, f64)]) {
        let (lanes, columns) = (weights.lanes, weights.columns);
        self.normal.reset(lanes);
        self.normal.units.clear();
        self.normal.roots.clear();
        self.merged.f.clear();
        let second = self.rows.slots.get(1).map_or(0, |slot| slot.len());
        for (place, &unit) in self.rows.units.iter().enumerate() {
            let push = pushed.binary_search_by_key(&(unit as usize), |&(unit, _)| unit).map_or(0.0, |at| pushed[at].1);
            if let Some(value) = self.fitted_value(place, second, push) {
                self.normal.units.push(unit);
                self.normal.roots.push(1.0);
                self.merged.f.push(value);
            }
        }
        let (normal, values) = (&mut self.normal, &mut self.merged.f);
        if normal.units.is_empty() {
            values.resize(self.rows.units.len(), 0.0);
            return;
        }
        normal.add_products(weights, columns >= SINGLE_FROM);
        combine(weights, &normal.units, values, &mut self.combined[0]);
        let trace: f64 = (0..columns).map(|i| normal.diagonal(i)).sum();
        let ridge = (RIDGE * trace / columns as f64).max(f64::MIN_POSITIVE);
        for i in 0..lanes * LANE {
            normal.add_diagonal(i, if i < columns { ridge } else { 1.0 });
            normal.set_right(i, 0, numbers(&self.combined[0])[i]);
        }
        normal.factor();
        normal.forward_solved(0, numbers_mut(&mut self.point.z));
        normal.solve_backward(&mut self.point.z);
        self.merged.f.resize(self.rows.units.len(), 0.0);
    }

    /// Where the unit at `place` should be: between its tightest opposite rows, or at the bound it is pushed against.
    pub fn fitted_value(&self, place: usize, second_slot: usize, push: f64) -> Option<f64> {
        let rows = || self.rows.at(place);
        let tightest = |side: f64| {
            let of_side = rows().filter(|&row| self.rows.side[row] == side);
            of_side.min_by(|&a, &b| self.rows.bound[a].total_cmp(&self.rows.bound[b]))
        };
        let bound = |row: usize| self.rows.side[row] * self.rows.bound[row];
        if self.rows.kind == Kind::Linear {
            return if push == 0.0 { None } else { tightest(push.signum()).map(bound) };
        }
        if place >= second_slot {
            return None;
        }
        let (upper, lower) = (tightest(1.0)?, tightest(-1.0)?);
        let (p, q) = (self.rows.slack[upper], self.rows.slack[lower]);
        Some((bound(upper) * q + bound(lower) * p) / (p + q))
    }

    /// `max(0, s a − h)`, over the slack factor where there is one.
    pub fn largest_violation(&self) -> f64 {
        let rows = &self.rows;
        let mut violation = 0.0f64;
        for slot in &rows.slots {
            for (row, &a) in slot.clone().zip(&self.point.a) {
                let slack = if rows.kind == Kind::Linear { 1.0 } else { rows.slack[row] };
                violation = violation.max((rows.side[row] * a - rows.bound[row]) / slack);
            }
        }
        violation
    }

    fn start_largest(&mut self) {
        let violation = self.largest_violation();
        let rows = &self.rows;
        let point = &mut self.point;
        let delta = violation + (0.25 * violation).max(LEAST_ROOM);
        point.e.fill(delta);
        let mut total = 1.0 / delta;
        for slot in &rows.slots {
            for (row, &a) in slot.clone().zip(&point.a) {
                point.p[row] = rows.bound[row] - rows.side[row] * a + rows.slack[row] * delta;
                total += rows.slack[row] / point.p[row];
            }
        }
        let mu = 1.0 / total;
        point.y.iter_mut().zip(&point.p).for_each(|(y, p)| *y = mu / p);
        point.eta[0] = mu / delta;
    }

    fn start_sum(&mut self) {
        let rows = &self.rows;
        let point = &mut self.point;
        point.e.fill(0.0);
        for slot in &rows.slots {
            for ((row, &a), e) in slot.clone().zip(&point.a).zip(&mut point.e) {
                *e = e.max((rows.side[row] * a - rows.bound[row]) / rows.slack[row]);
            }
        }
        let mean = point.e.iter().sum::<f64>() / point.e.len().max(1) as f64;
        let room = mean.max(LEAST_ROOM);
        point.e.iter_mut().for_each(|e| *e += room);
        // `κ` of each unit: y = κ/p and η = κ/e satisfy its violation equation.
        let kappa = &mut self.merged.t;
        kappa.iter_mut().zip(&point.e).for_each(|(kappa, e)| *kappa = 1.0 / e);
        for slot in &rows.slots {
            for (place, row) in slot.clone().enumerate() {
                point.p[row] = rows.bound[row] - rows.side[row] * point.a[place] + rows.slack[row] * point.e[place];
                kappa[place] += rows.slack[row] / point.p[row];
            }
        }
        for slot in &rows.slots {
            for (place, row) in slot.clone().enumerate() {
                point.y[row] = 1.0 / (kappa[place] * point.p[row]);
            }
        }
        for (place, eta) in point.eta.iter_mut().enumerate() {
            *eta = 1.0 / (kappa[place] * point.e[place]);
        }
    }

    fn start_linear(&mut self, pushed: &[(usize, f64)]) {
        let rows = &self.rows;
        let point = &mut self.point;
        let mut total = 0.0;
        for slot in &rows.slots {
            for (row, &a) in slot.clone().zip(&point.a) {
                point.p[row] = rows.bound[row] - rows.side[row] * a;
                total += point.p[row].abs();
            }
        }
        let room = (total / rows.len().max(1) as f64).max(LEAST_ROOM);
        point.p.iter_mut().for_each(|p| *p = p.max(0.1 * room));
        let largest = pushed.iter().fold(0.0f64, |most, (_, push)| most.max(push.abs()));
        let multiplier = if largest > 0.0 {
            pushed.iter().map(|(_, push)| push.abs()).sum::<f64>() / pushed.len() as f64
        } else {
            1.0
        };
        // Equal products rather than equal multipliers: rows far from their bound do not matter.
        point.y.iter_mut().zip(&point.p).for_each(|(y, p)| *y = multiplier * (room / p).min(10.0));
    }
}
