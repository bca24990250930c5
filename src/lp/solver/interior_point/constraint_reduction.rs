//! Constraint reduction: units that will not bind leave the iteration.
//!
//! Of the hundreds of rows, only about as many as there are columns are tight at the optimum. If
//! the multiplier `≈ μ/p` of a row has become negligible among the others, it tends to 0. The unit
//! of the row leaves, and every product becomes smaller, above all the normal matrix. For the sum
//! of violations, a unit that stays on its violated side leaves as well: its multiplier is `1/σ`,
//! and `−s w/σ` joins the objective's weights.
//!
//! This is a guess. At the end every dropped unit is checked against the point reached. If some are
//! violated, the simplex adds them, starting at the vertex that was reached. If there is no vertex,
//! the problem is solved again with the units that stayed, and the violated ones are *restored*. If
//! that happens too often, or for the sum of violations, it is solved with all its rows.

mod check;

use super::iterate::{Point, Shared};
use crate::linalg::lanes::{Lane, numbers};
use crate::linalg::products::combine;
use crate::lp::solver::scaled_rows::{Kind, ScaledRows};

/// A falling multiplier tends to 0 if it is below these shares of the average tight row's
/// (`1/columns` of all) and of the average row's. At the start all are about the average, so only
/// the second share has an effect.
const NEGLIGIBLE: [f64; 2] = [0.2, 0.8];
/// The same for linear problems.
const NEGLIGIBLE_LINEAR: [f64; 2] = [0.1, 0.05];
/// For the sum of violations: how close to 0 or 1 the share of a unit must be.
const SETTLED: f64 = 0.01;
/// Dropping units has a cost, so it is done only if at least one unit in this many can leave.
const WORTH: usize = 20;

/// The units that left, and workspace.
#[derive(Debug, Default)]
pub struct ConstraintReduction {
    /// Number of units that left.
    pub count: usize,
    /// The rows that left on their violated side, with `1/σ`.
    pub settled: Vec<(u32, f64)>,
    /// Units with a row that is violated at the point that was reached, in ascending order.
    violated: Vec<u32>,
    stays: Vec<bool>,
    units: Vec<u32>,
    factors: Vec<f64>,
    change: Vec<Lane>,
    all_units: Vec<u32>,
    a: Vec<f64>,
}

impl ConstraintReduction {
    /// Starts a new problem, in which `left_out` units do not take part.
    pub fn reset(&mut self, left_out: usize) {
        self.count = left_out;
        self.settled.clear();
    }

    /// Drops the units whose rows will not bind, from the rows and the point. Returns whether there
    /// were any. `step`: the last direction.
    pub fn reduce(&mut self, shared: Shared<'_>, rows: &mut ScaledRows, point: &mut Point, step: &Point) -> bool {
        let columns = shared.columns();
        let positions = rows.units.len();
        if positions <= columns + columns / 2 {
            return false;
        }
        let leaving = match rows.kind {
            Kind::Sum => self.settled_units(rows, point),
            Kind::Largest | Kind::Linear => self.negligible_units(rows, point, step, columns),
        };
        // Where all multipliers vanish, as at an optimum of 0, they do not distinguish the units.
        let worth_it = leaving * WORTH >= positions && positions - leaving >= columns;
        if worth_it {
            if rows.kind == Kind::Sum {
                self.move_settled_to_objective(shared, rows, point);
            }
            self.count += leaving;
            point.keep(rows.kind, &rows.slots, &self.stays);
            rows.keep(&self.stays);
        }
        worth_it
    }

    /// The units of the next attempt, after some were found to be violated: those that stayed, and
    /// the violated ones. `None`: all.
    pub fn restored(&self, rows: &ScaledRows) -> Option<Vec<u32>> {
        // A row that left on its violated side has changed the objective.
        if rows.kind == Kind::Sum {
            return None;
        }
        let mut units: Vec<u32> = rows.units.iter().chain(&self.violated).copied().collect();
        units.sort_unstable();
        units.dedup();
        Some(units)
    }

    /// Marks the units that stay; returns the number of units that leave.
    fn negligible_units(&mut self, rows: &ScaledRows, point: &Point, step: &Point, columns: usize) -> usize {
        let stays = &mut self.stays;
        let (total, [of_tight, of_average]) = match rows.kind {
            Kind::Largest => (1.0, NEGLIGIBLE),
            // The linear start is far from the central path, so its multipliers are less reliable.
            _ => (point.y.iter().sum::<f64>(), NEGLIGIBLE_LINEAR),
        };
        let negligible = (of_tight * total / columns as f64).min(of_average * total / rows.len() as f64);
        stays.clear();
        stays.resize(rows.units.len(), false);
        for slot in &rows.slots {
            for (stays, row) in stays.iter_mut().zip(slot.clone()) {
                // Per unit of violation: otherwise a row with a large slack factor would count too
                // little.
                let slack = if rows.kind == Kind::Largest { rows.slack[row] } else { 1.0 };
                let (y, p) = (slack * point.y[row], point.p[row] / slack);
                // Without branches, which would be guessed wrong at many rows.
                *stays |= (y >= negligible) | (p <= 10.0 * y) | (step.y[row] > 0.0);
            }
        }
        stays.iter().filter(|stays| !**stays).count()
    }

    /// The same for the sum of violations.
    fn settled_units(&mut self, rows: &ScaledRows, point: &Point) -> usize {
        let stays = &mut self.stays;
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

    fn move_settled_to_objective(&mut self, shared: Shared<'_>, rows: &mut ScaledRows, point: &Point) {
        self.units.clear();
        self.factors.clear();
        for slot in &rows.slots {
            for (place, row) in slot.clone().enumerate().filter(|&(place, _)| !self.stays[place]) {
                if rows.slack[row] * point.y[row] > 0.5 {
                    let multiplier = 1.0 / rows.slack[row];
                    self.units.push(rows.units[place]);
                    self.factors.push(rows.side[row] * multiplier);
                    self.settled.push((rows.origin[row], multiplier));
                }
            }
        }
        self.change.clear();
        self.change.resize(shared.weights.lanes, Lane::ZERO);
        combine(shared.weights, &self.units, &self.factors, &mut self.change);
        for (q, change) in rows.weights.iter_mut().zip(numbers(&self.change)) {
            *q -= change;
        }
    }
}
