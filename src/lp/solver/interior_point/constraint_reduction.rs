//! Few rows: units that will not bind leave the iteration.
//!
//! Of the hundreds of rows about as many as columns are tight at the optimum. A row whose multiplier `≈ μ/p` has become
//! negligible among the others is on its way to 0; its unit leaves, and every product, the normal matrix above all, gets
//! smaller. For the sum of violations a unit settled on its violated side leaves as well: its multiplier is `1/σ`, and
//! `−s w/σ` joins the objective's weights.
//!
//! This is a guess. At the end every retired unit is checked against the point reached. If some are violated the simplex takes them in
//! from the vertex reached; where there is none the problem is solved again with the units that stayed and those (*readmission*), if
//! that happens too often, or for the sum of violations, with all its rows.

use super::state::State;
use crate::linalg::lanes::{Lane, numbers};
use crate::linalg::packed_weights::PackedWeights;
use crate::linalg::products::{combine, products};
use crate::lp::problem::Problem;
use crate::lp::solver::scaled_rows::Kind;
use crate::lp::solver::tolerances::VIOLATED;

/// Multipliers under these shares of the average tight row's (`1/columns` of all) and of the average row's, and falling, are on
/// their way to 0. At the start, when all are about the average, only the second says anything.
const NEGLIGIBLE: [f64; 2] = [0.2, 0.8];
/// The same for linear problems.
const NEGLIGIBLE_LINEAR: [f64; 2] = [0.1, 0.05];
/// For the sum of violations: how close to 0 or 1 the share of a unit must be.
const SETTLED: f64 = 0.01;
/// Leaving has a price; it is paid when at least one in so many can leave.
const WORTH: usize = 20;

/// The units that left, and workspace.
#[derive(Debug, Default)]
pub struct Retired {
    /// How many units left.
    pub count: usize,
    /// Rows that left with their violation on them, with `1/σ`.
    pub settled: Vec<(u32, f64)>,
    /// Units whose rows the point reached violates, in ascending order.
    violated: Vec<u32>,
    stays: Vec<bool>,
    units: Vec<u32>,
    factors: Vec<f64>,
    change: Vec<Lane>,
    all_units: Vec<u32>,
    a: Vec<f64>,
}

impl Retired {
    /// Nobody has left.
    pub fn reset(&mut self) {
        self.count = 0;
        self.settled.clear();
    }
}

impl State {
    /// Lets units leave whose rows will not bind; whether any did.
    pub fn retire_units(&mut self, weights: &PackedWeights) -> bool {
        let columns = weights.columns;
        let positions = self.rows.units.len();
        if positions <= columns + columns / 2 {
            return false;
        }
        let mut retired = std::mem::take(&mut self.retired);
        let leaving = match self.rows.kind {
            Kind::Sum => self.settled_units(&mut retired.stays),
            Kind::Largest | Kind::Linear => self.negligible_units(&mut retired.stays, columns),
        };
        // Where all multipliers vanish, as at an optimum of 0, they tell nobody apart.
        let worth_it = leaving * WORTH >= positions && positions - leaving >= columns;
        if worth_it {
            if self.rows.kind == Kind::Sum {
                self.move_settled_to_objective(&mut retired, weights);
            }
            retired.count += leaving;
            self.keep(&retired.stays);
        }
        self.retired = retired;
        worth_it
    }

    /// Marks who stays; returns how many do not.
    fn negligible_units(&self, stays: &mut Vec<bool>, columns: usize) -> usize {
        let (rows, point, step) = (&self.rows, &self.point, &self.step);
        let (total, [of_tight, of_average]) = match rows.kind {
            Kind::Largest => (1.0, NEGLIGIBLE),
            // The linear start is far from the central path; its multipliers say less.
            _ => (point.y.iter().sum::<f64>(), NEGLIGIBLE_LINEAR),
        };
        let negligible = (of_tight * total / columns as f64).min(of_average * total / rows.len() as f64);
        stays.clear();
        stays.resize(rows.units.len(), false);
        for slot in &rows.slots {
            for (stays, row) in stays.iter_mut().zip(slot.clone()) {
                // Per unit of violation, so that rows in which it counts for more are not less.
                let slack = if rows.kind == Kind::Largest { rows.slack[row] } else { 1.0 };
                let (y, p) = (slack * point.y[row], point.p[row] / slack);
                *stays |= y >= negligible || p <= 10.0 * y || step.y[row] > 0.0;
            }
        }
        stays.iter().filter(|stays| !**stays).count()
    }

    fn settled_units(&self, stays: &mut Vec<bool>) -> usize {
        let (rows, point) = (&self.rows, &self.point);
        let settled = SETTLED;
        stays.clear();
        stays.extend(point.eta.iter().map(|&eta| eta < 1.0 - settled && eta > settled));
        for slot in &rows.slots {
            for (stays, row) in stays.iter_mut().zip(slot.clone()) {
                let share = rows.slack[row] * point.y[row];
                *stays |= share < 1.0 - settled && share > settled;
            }
        }
        stays.iter().filter(|stays| !**stays).count()
    }

    fn move_settled_to_objective(&mut self, retired: &mut Retired, weights: &PackedWeights) {
        retired.units.clear();
        retired.factors.clear();
        for slot in &self.rows.slots {
            for (place, row) in slot.clone().enumerate().filter(|&(place, _)| !retired.stays[place]) {
                if self.rows.slack[row] * self.point.y[row] > 0.5 {
                    let multiplier = 1.0 / self.rows.slack[row];
                    retired.units.push(self.rows.units[place]);
                    retired.factors.push(self.rows.side[row] * multiplier);
                    retired.settled.push((self.rows.origin[row], multiplier));
                }
            }
        }
        retired.change.clear();
        retired.change.resize(weights.lanes, Lane::ZERO);
        combine(weights, &retired.units, &retired.factors, &mut retired.change);
        for (q, change) in self.rows.weights.iter_mut().zip(numbers(&retired.change)) {
            *q -= change;
        }
    }

    /// Drops every position that does not stay from the rows and the point.
    fn keep(&mut self, stays: &[bool]) {
        let (rows, point) = (&mut self.rows, &mut self.point);
        let mut end = 0;
        for slot in &mut rows.slots {
            let start = end;
            for (place, row) in slot.clone().enumerate() {
                if stays[place] {
                    for numbers in [&mut rows.side, &mut rows.slack, &mut rows.bound, &mut point.p, &mut point.y] {
                        numbers[end] = numbers[row];
                    }
                    rows.origin[end] = rows.origin[row];
                    end += 1;
                }
            }
            *slot = start..end;
        }
        for numbers in [
            &mut rows.side,
            &mut rows.slack,
            &mut rows.bound,
            &mut point.p,
            &mut point.y,
            &mut self.step.p,
            &mut self.step.y,
            &mut self.wanted.rows,
            &mut self.row_residual,
            &mut self.inverse_p,
            &mut self.inverse_y,
            &mut self.tau,
        ] {
            numbers.truncate(end);
        }
        rows.origin.truncate(end);
        let mut place = 0;
        rows.units.retain(|_| {
            place += 1;
            stays[place - 1]
        });
        let positions = rows.units.len();
        let retain = |numbers: &mut Vec<f64>| {
            let mut place = 0;
            numbers.retain(|_| {
                place += 1;
                stays[place - 1]
            });
        };
        retain(&mut point.e);
        retain(&mut point.a);
        if rows.kind == Kind::Sum {
            retain(&mut point.eta);
        }
        let merged = &mut self.merged;
        for numbers in [
            &mut self.step.e,
            &mut self.step.a,
            &mut merged.weight,
            &mut merged.mixed,
            &mut merged.slack,
            &mut merged.f,
            &mut merged.t,
            &mut merged.signed,
        ] {
            numbers.truncate(positions);
        }
        self.step.eta.truncate(rows.violations());
        self.violation_residual.truncate(rows.violations());
        self.wanted.violations.truncate(rows.violations());
        rows.slots.retain(|slot| !slot.is_empty());
    }

    /// Which units to try again with after some turned out to be violated: those that stayed, and these. `None`: all.
    pub fn readmitted(&self) -> Option<Vec<u32>> {
        // What leaves with its violation on it has changed the objective.
        if self.rows.kind == Kind::Sum {
            return None;
        }
        let mut units: Vec<u32> = self.rows.units.iter().chain(&self.retired.violated).copied().collect();
        units.sort_unstable();
        units.dedup();
        Some(units)
    }

    /// Whether the point reached satisfies the rows that left: one product with the units of all rows.
    pub fn retired_rows_hold(&mut self, weights: &PackedWeights, problem: &Problem) -> bool {
        self.retired.violated.clear();
        if self.retired.count == 0 {
            return true;
        }
        let retired = &mut self.retired;
        let by_unit = || problem.rows.chunk_by(|a, b| a.unit == b.unit);
        retired.all_units.clear();
        retired.all_units.extend(by_unit().map(|rows| rows[0].unit as u32));
        retired.a.clear();
        retired.a.resize(retired.all_units.len(), 0.0);
        products(weights, &retired.all_units, &self.point.z, &mut retired.a);
        let bound_scale = self.rows.bound_scale(weights);
        let excess = |index: usize, a: f64| problem.rows[index].side * a - problem.rows[index].bound / bound_scale;
        let delta = match self.rows.kind {
            Kind::Largest => {
                let mut delta = 0.0f64;
                for slot in &self.rows.slots {
                    for (row, &unit) in slot.clone().zip(&self.rows.units) {
                        // The working rows' own violation at this point.
                        let place = retired.all_units.partition_point(|&other| other < unit);
                        let index = self.rows.origin[row] as usize;
                        delta = delta.max(excess(index, retired.a[place]) / self.rows.slack[row]);
                    }
                }
                delta
            }
            _ => 0.0,
        };
        let mut settled = vec![false; if retired.settled.is_empty() { 0 } else { problem.rows.len() }];
        retired.settled.iter().for_each(|&(row, _)| settled[row as usize] = true);
        let working = &mut retired.stays;
        working.clear();
        working.resize(weights.rows.len() / weights.lanes.max(1), false);
        self.rows.units.iter().for_each(|&unit| working[unit as usize] = true);
        let mut first = 0;
        for (rows, &a) in by_unit().zip(&retired.a) {
            let range = first..first + rows.len();
            first = range.end;
            if self.rows.kind == Kind::Sum && working[rows[0].unit] {
                continue;
            }
            let on = range.clone().find(|&index| settled.get(index).copied().unwrap_or(false));
            let violation = |index: usize| excess(index, a) / problem.rows[index].slack.max(f64::MIN_POSITIVE);
            let holds = match (self.rows.kind, on) {
                (Kind::Sum, Some(on)) => {
                    violation(on) >= -VIOLATED
                        && range.clone().all(|index| violation(index) <= violation(on) + VIOLATED)
                }
                (Kind::Linear, _) => range.clone().all(|index| excess(index, a) <= VIOLATED),
                _ => range.clone().all(|index| excess(index, a) <= problem.rows[index].slack * delta + VIOLATED),
            };
            if !holds {
                retired.violated.push(rows[0].unit as u32);
            }
        }
        retired.violated.is_empty()
    }
}
