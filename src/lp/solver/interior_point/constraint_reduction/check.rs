//! The check of the units that left, against the point reached.

use super::super::iterate::{Iterate, Shared};
use super::ConstraintReduction;
use crate::linalg::products::products;
use crate::lp::problem::Problem;
use crate::lp::solver::scaled_rows::Kind;
use crate::lp::solver::tolerances::{VIOLATED, violated};

impl ConstraintReduction {
    /// Whether the point reached satisfies the rows that left: one product with the units of all
    /// rows.
    pub fn dropped_rows_hold(&mut self, at: Iterate<'_>, problem: &Problem) -> bool {
        let Iterate { shared: Shared { weights, .. }, rows: working_rows, point } = at;
        self.violated.clear();
        if self.count == 0 {
            return true;
        }
        let by_unit = || problem.rows.chunk_by(|a, b| a.unit == b.unit);
        self.all_units.clear();
        self.all_units.extend(by_unit().map(|rows| rows[0].unit as u32));
        self.a.clear();
        self.a.resize(self.all_units.len(), 0.0);
        products(weights, &self.all_units, &point.z, &mut self.a);
        let bound_scale = working_rows.bound_scale(weights);
        let excess = |index: usize, a: f64| problem.rows[index].side * a - problem.rows[index].bound / bound_scale;
        let delta = match working_rows.kind {
            Kind::Largest => {
                let mut delta = 0.0f64;
                for slot in &working_rows.slots {
                    for (row, &unit) in slot.clone().zip(&working_rows.units) {
                        // The violation of the working rows at this point.
                        let place = self.all_units.partition_point(|&other| other < unit);
                        let index = working_rows.origin[row] as usize;
                        delta = delta.max(excess(index, self.a[place]) / working_rows.slack[row]);
                    }
                }
                delta
            }
            _ => 0.0,
        };
        let mut settled = vec![false; if self.settled.is_empty() { 0 } else { problem.rows.len() }];
        self.settled.iter().for_each(|&(row, _)| settled[row as usize] = true);
        let working = &mut self.stays;
        working.clear();
        working.resize(weights.rows.len() / weights.lanes.max(1), false);
        working_rows.units.iter().for_each(|&unit| working[unit as usize] = true);
        let mut first = 0;
        for (rows, &a) in by_unit().zip(&self.a) {
            let range = first..first + rows.len();
            first = range.end;
            if working_rows.kind == Kind::Sum && working[rows[0].unit] {
                continue;
            }
            let on = range.clone().find(|&index| settled.get(index).copied().unwrap_or(false));
            let violation = |index: usize| excess(index, a) / problem.rows[index].slack.max(f64::MIN_POSITIVE);
            let holds = match (working_rows.kind, on) {
                (Kind::Sum, Some(on)) => {
                    violation(on) >= -VIOLATED
                        && range.clone().all(|index| violation(index) <= violation(on) + VIOLATED)
                }
                (Kind::Linear, _) => range.clone().all(|index| excess(index, a) <= VIOLATED),
                _ => range.clone().all(|index| excess(index, a) <= problem.rows[index].slack * delta + violated(delta)),
            };
            if !holds {
                self.violated.push(rows[0].unit as u32);
            }
        }
        self.violated.is_empty()
    }
}
