//! Where a problem's pivots begin: the least-squares fit, and from it the room of every row in
//! units of the largest violation. What is small beside the data, noise of 1e-6 say, is then as
//! large as anything else, and single precision tells its rows apart.

use crate::linalg::lanes::{Lane, lanes_for, numbers, numbers_mut};
use crate::linalg::normal_matrix::NormalMatrix;
use crate::linalg::products::products;
use crate::lp::problem::{LayerSystem, Problem};
use crate::lp::solver::interior_point::fit::Fit;
use crate::lp::solver::interior_point::iterate::Shared;
use crate::lp::solver::interior_point::pushed_units;
use crate::lp::solver::reproduction::NEARLY;
use crate::lp::solver::scaled_rows::{Kind, ScaledRows};

/// The most rows of a unit: two on the upper side, one on the lower.
pub const SLOTS: usize = 3;
/// The side of the rows in each slot.
pub const SIDES: [f64; SLOTS] = [1.0, -1.0, 1.0];
/// No row, no position.
pub const NO_ROW: u32 = u32::MAX;

/// A problem at its start, in units of its largest violation.
#[derive(Debug, Default, Clone)]
pub struct Start {
    /// The unit at each position.
    pub units: Vec<u32>,
    /// Whether units are left out.
    pub is_reduced: bool,
    /// The room of each row, slot by slot; infinite where a unit has none.
    pub rooms: Vec<f32>,
    /// `σ` of each row.
    pub slacks: Vec<f32>,
    /// The place of each row in the problem.
    pub rows: Vec<u32>,
    /// Number of slots that have rows.
    pub slots: usize,
    /// The room of each `z_i ≥ 0`; infinite where there is no such bound, or `z_i = 0`.
    pub bounds: Vec<f32>,
    /// Whether `z_i = 0` is a bound that holds.
    pub at_bound: Vec<bool>,
    /// The row that is violated most, where one is.
    pub worst: Option<usize>,
    /// The largest violation.
    pub delta: f32,
    /// The objective's gradient over `z`, to be minimised; empty for the largest violation.
    pub gradient: Vec<f32>,
}

/// Workspace.
#[derive(Debug, Default)]
pub struct Starts {
    fit: Fit,
    normal: NormalMatrix,
    z: Vec<Lane>,
    a: Vec<f64>,
    fitted: Vec<f64>,
    /// The position of the unit at each place.
    positions: Vec<u32>,
}

impl Starts {
    /// Writes the start of `problem`, of the largest violation or linear, with its rows, from a
    /// point `near` its optimum where there is one. `false` where a unit has more rows than slots,
    /// and where the target may be reproduced. `keep`: units all of whose rows have more room than
    /// this, in units of the largest violation, are left out.
    pub fn write(
        &mut self,
        system: &LayerSystem,
        (problem, rows): (&Problem, &ScaledRows),
        near: Option<&[f64]>,
        keep: Option<f64>,
        start: &mut Start,
    ) -> bool {
        if !self.place(system, (problem, rows), near) {
            return false;
        }
        let Starts { z, a, .. } = self;
        let loosened = rows.kind == Kind::Linear;
        let slack_of = |row: usize| if loosened { 1.0 } else { rows.slack[row] };
        let (mut delta, mut worst, mut total) = (0.0f64, None, 0.0);
        for slot in &rows.slots {
            for (row, a) in slot.clone().zip(a.iter()) {
                let violation = (rows.side[row] * a - rows.bound[row]) / slack_of(row);
                total += violation.abs();
                if violation > delta {
                    (delta, worst) = (violation, Some(row));
                }
            }
        }
        let size = if loosened { total / rows.len().max(1) as f64 } else { delta };
        if !size.is_finite() || size <= 0.0 {
            return false;
        }
        let room = |row: usize, a: f64| rows.bound[row] - rows.side[row] * a + slack_of(row) * delta;
        self.positions.clear();
        start.units.clear();
        start.is_reduced = keep.is_some();
        if let Some(keep) = keep {
            self.positions.resize(rows.units.len(), NO_ROW);
            for slot in &rows.slots {
                for ((row, a), position) in slot.clone().zip(a.iter()).zip(&mut self.positions) {
                    if room(row, *a) <= keep * size * slack_of(row) {
                        *position = 0;
                    }
                }
            }
            for (position, unit) in self.positions.iter_mut().zip(&rows.units).filter(|(kept, _)| **kept == 0) {
                *position = start.units.len() as u32;
                start.units.push(*unit);
            }
        } else {
            self.positions.extend(&rows.units);
            start.units.extend(0..system.units() as u32);
        }
        let count = start.units.len();
        let fill = |numbers: &mut Vec<f32>, count: usize, value: f32| {
            numbers.clear();
            numbers.resize(count, value);
        };
        fill(&mut start.rooms, SLOTS * count, f32::INFINITY);
        fill(&mut start.slacks, SLOTS * count, 1.0);
        start.rows.clear();
        start.rows.resize(SLOTS * count, NO_ROW);
        (start.slots, start.worst) = (0, None);
        let per_size = 1.0 / size;
        for slot in &rows.slots {
            for ((row, a), &position) in slot.clone().zip(a.iter()).zip(&self.positions) {
                if position == NO_ROW {
                    continue;
                }
                let choices: &[usize] = if rows.side[row] > 0.0 { &[0, 2] } else { &[1] };
                let mut places = choices.iter().map(|slot| (slot, slot * count + position as usize));
                let Some((slot, at)) = places.find(|(_, at)| start.rows[*at] == NO_ROW) else { return false };
                start.slots = start.slots.max(slot + 1);
                start.rows[at] = rows.origin[row];
                start.slacks[at] = slack_of(row) as f32;
                start.rooms[at] = (room(row, *a) * per_size).max(0.0) as f32;
                if worst == Some(row) {
                    start.worst = Some(at);
                }
            }
        }
        let z = &numbers(z)[..system.columns()];
        start.at_bound.clear();
        start.at_bound.extend(z.iter().map(|z| system.nonnegative && *z == 0.0));
        start.bounds.clear();
        let room = |z: &f64| if system.nonnegative && *z > 0.0 { (z * per_size) as f32 } else { f32::INFINITY };
        start.bounds.extend(z.iter().map(room));
        start.gradient.clear();
        if loosened {
            start.gradient.extend(rows.weights.iter().map(|q| -q as f32));
        }
        start.delta = (delta * per_size) as f32;
        start.worst.is_some() == worst.is_some()
    }

    /// The least-squares fit, in the problem's numbers, where [`Self::write`] made one.
    pub fn fit(&self, near: Option<&[f64]>) -> Option<Vec<f64>> {
        near.is_none().then(|| self.fitted.clone())
    }

    /// Sets `z`, within its signs, and `a = W z`. `false` where the target may be reproduced.
    fn place(&mut self, system: &LayerSystem, (problem, rows): (&Problem, &ScaledRows), near: Option<&[f64]>) -> bool {
        let Starts { fit, normal, z, a, fitted, .. } = self;
        let shared = Shared::of(system);
        z.clear();
        z.resize(lanes_for(shared.columns()), Lane::ZERO);
        match near {
            Some(near) => {
                let scale = 1.0 / rows.z_scale;
                numbers_mut(z).iter_mut().zip(near).for_each(|(scaled, z)| *scaled = z * scale);
            }
            None => {
                fit.solve(shared, rows, &pushed_units(problem, rows.y_scale), normal, z);
                fitted.clear();
                fitted.extend(numbers(z)[..shared.columns()].iter().map(|z| z * rows.z_scale));
            }
        }
        a.clear();
        a.resize(rows.units.len(), 0.0);
        products(shared.weights, &rows.units, z, a);
        if rows.kind == Kind::Largest && rows.largest_violation(a) <= NEARLY {
            return false;
        }
        if system.nonnegative && numbers(z).iter().any(|z| *z < 0.0) {
            numbers_mut(z).iter_mut().for_each(|z| *z = z.max(0.0));
            products(shared.weights, &rows.units, z, a);
        }
        true
    }
}
