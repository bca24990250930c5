//! A constraint as one number: rows slot by slot, then the bounds, then `δ ≥ 0`. Of constraints
//! that are met together, the one with the least number enters.

use super::start::Start;
use crate::lp::basis::{Basis, Tight};
use crate::lp::problem::Problem;

/// A constraint of the first vertex that is not the problem's.
pub const MADE_UP: u32 = u32::MAX - 1;

/// What the numbers of constraints depend on.
#[derive(Debug, Clone, Copy, Default)]
pub struct Codes {
    /// Columns of `W`.
    pub columns: usize,
    /// Units of the layer.
    pub units: usize,
    /// Slots with rows.
    pub slots: usize,
}

/// A constraint.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Constraint {
    /// A unit's row in a slot.
    Row {
        /// The slot.
        slot: usize,
        /// The unit.
        unit: usize,
    },
    /// `x_i ≥ 0`; beyond the columns, `δ ≥ 0`.
    Bound(usize),
}

impl Codes {
    /// The number of `z_i ≥ 0`.
    pub fn of_bound(&self, column: usize) -> u32 {
        (self.slots * self.units + column) as u32
    }

    /// The number of `δ ≥ 0`.
    pub fn of_delta(&self) -> u32 {
        self.of_bound(self.columns)
    }

    /// The constraint of a number; `None` for one that is made up, or none.
    pub fn read(&self, code: u32) -> Option<Constraint> {
        let (code, rows) = (code as usize, self.slots * self.units);
        match code {
            row if row < rows => Some(Constraint::Row { slot: row / self.units, unit: row % self.units }),
            bound if bound - rows <= self.columns => Some(Constraint::Bound(bound - rows)),
            _ => None,
        }
    }

    /// The vertex in terms of the problem; `None` where a constraint is made up.
    pub fn basis(&self, problem: &Problem, start: &Start, constraints: &[u32]) -> Option<Basis> {
        let is_loosened = !start.gradient.is_empty();
        let mut tight = Vec::with_capacity(constraints.len());
        for &code in constraints {
            match self.read(code)? {
                Constraint::Row { slot, unit } => {
                    let row = problem.rows.get(*start.rows.get(slot * self.units + unit)? as usize)?;
                    tight.push(Tight::Row { unit: row.unit, side: row.side, slack: row.slack, bound: row.bound });
                }
                Constraint::Bound(column) if column < self.columns => tight.push(Tight::Bound(column)),
                Constraint::Bound(_) if !is_loosened => tight.push(Tight::NoViolation),
                Constraint::Bound(_) => {}
            }
        }
        Some(Basis { tight })
    }
}
