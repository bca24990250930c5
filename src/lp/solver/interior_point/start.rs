//! The start: least squares on the rows that fix a value (see [`super::fit`]), moved into the
//! interior.
//!
//! The fit is near the optimum already. From it `z` is kept off its bounds, the violations are made
//! large enough for every row to hold, and `y = μ/p`, `η = μ/e`, `v = μ/z` with the `μ` that
//! satisfies the violations' equations: then every product is `μ`, and every equation except `r_d =
//! 0` holds. The linear problem has no violations that could be made large, so its rows start
//! infeasible.

use super::fit::Fit;
use super::iterate::{Point, Shared};
use crate::linalg::lanes::{numbers, numbers_mut};
use crate::linalg::normal_matrix::NormalMatrix;
use crate::linalg::products::products;
use crate::lp::solver::scaled_rows::{Kind, ScaledRows};

/// Minimum distance between a row and its bound, in units of the largest bound.
const LEAST_ROOM: f64 = 1e-3;
/// The same for a linear problem that begins close to its optimum, in units of the largest bound.
const LEAST_CLOSE: f64 = 1e-12;
/// Minimum of the entries of `z`, relative to their mean size.
const LEAST_Z: f64 = 0.02;
/// The same, relative to the largest violation of the fit.
const LEAST_Z_OF_VIOLATION: f64 = 0.1;

/// Where an iteration begins.
#[derive(Debug, Clone, Copy, Default)]
pub struct Near<'a> {
    /// `z`; `None`: at the fit.
    pub z: Option<&'a [f64]>,
    /// Whether `z` is as close to the optimum as its violations are large, however small they are.
    /// Otherwise the point keeps off its bounds by at least [`LEAST_ROOM`].
    pub is_close: bool,
}

impl Near<'_> {
    /// The minimum distance from a bound, where the violations are of this size.
    fn least_room(self, violation: f64) -> f64 {
        if self.is_close { LEAST_Z_OF_VIOLATION * violation } else { LEAST_ROOM }
    }
}

/// Workspace of the start, and what it found.
#[derive(Debug, Default)]
pub struct Start {
    /// The largest violation of the fit that the last start began with.
    pub fit_violation: f64,
    fit: Fit,
    kappa: Vec<f64>,
}

impl Start {
    /// Sets the point. `pushed`: units that a linear objective pushes up (1) or down (−1), with the
    /// multiplier to begin with, in ascending order. `near`: where to begin, instead of the fit.
    pub fn place(
        &mut self,
        shared: Shared<'_>,
        rows: &ScaledRows,
        pushed: &[(usize, f64)],
        near: Near<'_>,
        normal: &mut NormalMatrix,
        point: &mut Point,
    ) {
        match near.z {
            Some(near) => {
                let scale = 1.0 / rows.z_scale;
                numbers_mut(&mut point.z).iter_mut().zip(near).for_each(|(scaled, z)| *scaled = z * scale);
            }
            None => self.fit.solve(shared, rows, pushed, normal, &mut point.z),
        }
        let columns = shared.columns();
        products(shared.weights, &rows.units, &point.z, &mut point.a);
        let violation = rows.largest_violation(&point.a);
        self.fit_violation = violation;
        if shared.nonnegative {
            let z = &mut numbers_mut(&mut point.z)[..columns];
            let mean = z.iter().map(|z| z.abs()).sum::<f64>() / columns as f64;
            // If the fit gives no value, as without rows on both sides, the violation shows how far
            // `z` has to move.
            let least = match near.least_room(violation) {
                room if near.is_close => room,
                room => (LEAST_Z * mean).max(LEAST_Z_OF_VIOLATION * violation).max(room),
            };
            z.iter_mut().for_each(|z| *z = z.max(least));
            products(shared.weights, &rows.units, &point.z, &mut point.a);
        }
        match rows.kind {
            Kind::Largest => start_largest(rows, point, near),
            Kind::Sum => start_sum(rows, point, near, &mut self.kappa),
            Kind::Linear => start_linear(rows, point, pushed, near.is_close.then_some(violation.max(LEAST_CLOSE))),
        }
        if shared.nonnegative {
            let total: f64 = point.p.iter().zip(&point.y).map(|(p, y)| p * y).sum();
            let mu = total / rows.len().max(1) as f64;
            let (z, v) = (numbers(&point.z), numbers_mut(&mut point.v));
            for i in 0..columns {
                v[i] = mu / z[i];
            }
        }
    }
}

fn start_largest(rows: &ScaledRows, point: &mut Point, near: Near<'_>) {
    let violation = rows.largest_violation(&point.a);
    let delta = violation + (0.25 * violation).max(near.least_room(violation));
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

fn start_sum(rows: &ScaledRows, point: &mut Point, near: Near<'_>, kappa: &mut Vec<f64>) {
    point.e.fill(0.0);
    for slot in &rows.slots {
        for ((row, &a), e) in slot.clone().zip(&point.a).zip(&mut point.e) {
            *e = e.max((rows.side[row] * a - rows.bound[row]) / rows.slack[row]);
        }
    }
    let mean = point.e.iter().sum::<f64>() / point.e.len().max(1) as f64;
    let room = mean.max(near.least_room(mean));
    point.e.iter_mut().for_each(|e| *e += room);
    // `κ` of each unit: y = κ/p and η = κ/e satisfy its violation equation.
    kappa.clear();
    kappa.extend(point.e.iter().map(|e| 1.0 / e));
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

/// `close`: the largest violation, where the point is close to the optimum.
fn start_linear(rows: &ScaledRows, point: &mut Point, pushed: &[(usize, f64)], close: Option<f64>) {
    let mut total = 0.0;
    for slot in &rows.slots {
        for (row, &a) in slot.clone().zip(&point.a) {
            point.p[row] = rows.bound[row] - rows.side[row] * a;
            total += point.p[row].abs();
        }
    }
    let room = close.unwrap_or_else(|| (total / rows.len().max(1) as f64).max(LEAST_ROOM));
    point.p.iter_mut().for_each(|p| *p = p.max(0.1 * room));
    let largest = pushed.iter().fold(0.0f64, |most, (_, push)| most.max(push.abs()));
    let multiplier =
        if largest > 0.0 { pushed.iter().map(|(_, push)| push.abs()).sum::<f64>() / pushed.len() as f64 } else { 1.0 };
    // Equal products rather than equal multipliers: rows far from their bound do not matter.
    point.y.iter_mut().zip(&point.p).for_each(|(y, p)| *y = multiplier * (room / p).min(10.0));
}
