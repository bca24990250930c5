//! Which entries of `z` are the same in all codes that are as good.
//!
//! The certificate bounds `Σ y_r p′_r` over the slacks `p′` of such a code by its `room`. So the
//! code satisfies each equation of the face up to the room over the equation's multiplier. Solving
//! the equations for an entry of `z` bounds how far the entry can be from that of `z`.

use super::super::certificate::freedom::unit_freedom;
use super::super::certificate::{Residual, Room};
use super::super::problem::{Objective, Problem};
use super::{Equation, OptimalFace, largest_scale, row_space, unit_end};

/// The most that an equation that counts can leave open, as a share of the largest term: in the
/// first bound, and in the second.
const CLOSE: [f64; 2] = [1e-2, 1e-7];
/// The most by which an entry that is determined can differ between codes as good, as a share of
/// its own size or of the size at which it contributes as much as the largest term.
pub const SAME: f64 = 1e-6;

impl OptimalFace<'_> {
    /// For each entry of `z`, whether all codes that are at least as good agree in it to a
    /// millionth, as far as the certificate of `(z, y)` proves it.
    ///
    /// The room depends on how far such a code can be. So a first bound over the far competitors
    /// is made once more with what it has found.
    pub fn determined(&self, z: &[f64], y: &[f64]) -> Vec<bool> {
        let (system, columns) = (self.system, self.system.columns());
        let scale = largest_scale(system, self.problem, z);
        let room = Room::of(system, self.problem, z, y);
        let freedom = freedom(self.problem, &self.equations, &room.residual);
        let mut reach = vec![f64::INFINITY; columns];
        for close in CLOSE {
            reach = self.reach(&freedom, room.within(&reach), close * scale);
        }
        let is_same =
            |i: usize| reach[i].is_finite() && reach[i] <= SAME * z[i].abs().max(scale / system.largest_of_column(i));
        (0..columns).map(is_same).collect()
    }

    /// Number of entries of `z` that the equations leave free.
    pub fn free(&self) -> usize {
        self.space.free().into_iter().take(self.system.columns()).filter(|free| *free).count()
    }

    /// How far each entry can be, by the equations that leave at most `close` open.
    fn reach(&self, freedom: &[f64], room: f64, close: f64) -> Vec<f64> {
        let open = |index: usize| room * freedom[index];
        let is_close = |&index: &usize| match self.equations[index] {
            Equation::Bound(column) => open(index) * self.system.largest_of_column(column) <= close,
            Equation::NoViolation | Equation::Row(_) | Equation::Unit { .. } => open(index) <= close,
        };
        let used: Vec<usize> = (0..freedom.len()).filter(is_close).collect();
        let open: Vec<f64> = used.iter().map(|&index| open(index)).collect();
        if used.len() == freedom.len() {
            return self.space.reach(&open);
        }
        let equations: Vec<Equation> = used.iter().map(|&index| self.equations[index]).collect();
        row_space(self.system, self.problem, &equations).reach(&open)
    }
}

/// By how much a code can miss each equation where the room is 1.
pub fn freedom(problem: &Problem, equations: &[Equation], residual: &Residual) -> Vec<f64> {
    let y = &residual.y;
    let freedom = |equation: &Equation| match *equation {
        Equation::Row(row) => y[row].recip(),
        Equation::Unit { first_row, .. } => {
            let end = unit_end(&problem.rows, first_row);
            let (rows, y) = (&problem.rows[first_row..end], &y[first_row..end]);
            let used: f64 = rows.iter().zip(y).map(|(row, y)| row.slack * y).sum();
            unit_freedom(rows, y, (1.0 - used).max(0.0))
        }
        Equation::Bound(index) => residual.reduced_cost(index).max(0.0).recip(),
        Equation::NoViolation => residual.unused.first().map_or(f64::INFINITY, |unused| unused.recip()),
    };
    // Without a violation variable `z` itself may be on the other side of a row. The optimum is
    // then lower than its objective, by up to the room.
    let sides = if matches!(problem.objective, Objective::Linear { .. }) { 3.0 } else { 1.0 };
    equations.iter().map(|equation| sides * freedom(equation)).collect()
}
