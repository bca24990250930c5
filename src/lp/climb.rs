//! A chain of programs of one observation, each solved from the optimal vertex of the one before:
//! the steps of a ladder. The inverse of the vertex is kept from one to the next, and no answer is
//! finished or certified. So a search can learn at little cost which step it has to solve.

use super::basis::Basis;
use super::problem::Problem;

/// The programs, and what is done with their optima.
pub trait Climb {
    /// The next program; `None` at the end.
    fn next(&mut self) -> Option<Problem>;

    /// Receives its optimum. Returns whether the climb continues.
    fn found(&mut self, optimum: Optimum<'_>) -> bool;
}

/// The only optimum of a program, as the simplex found it.
pub struct Optimum<'a> {
    /// The point, one entry per column.
    pub z: &'a [f64],
    /// `w_u · z` of a unit that has rows.
    pub product: &'a dyn Fn(usize) -> f64,
    /// `q · z` of a linear program; otherwise 0.
    pub gain: f64,
    /// The vertex.
    pub basis: &'a Basis,
    /// Number of pivots from the program before.
    pub pivots: u32,
}
