//! A solver's answer to one linear program.

use super::basis::Basis;
use super::certificate::Held;
use super::problem::{LayerSystem, Problem};

/// The outcome of a solver for one problem. It counts only after [`crate::lp::certificate`] has
/// checked it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// The solver claims that `z` and `y` are an optimal pair.
    Optimal,
    /// No `z` satisfies the rows.
    Infeasible,
    /// The optimum is above the cutoff that was asked about; `y` proves it.
    AboveCutoff,
    /// The solver gave up; `z` and `y` are its last iterate.
    Stalled,
}

/// The attempt that gave an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Attempt {
    /// A warm start: pivots from the optimum of a neighbouring problem.
    WarmStart,
    /// The solver's usual run.
    #[default]
    Usual,
    /// The same solver with its patient settings.
    Patient,
    /// Another solver.
    Fallback,
}

/// A solver's answer to one problem.
#[derive(Debug, Clone, PartialEq)]
pub struct Solution {
    /// The solver's claim about the answer.
    pub outcome: Outcome,
    /// The primal point, one entry per column.
    pub z: Vec<f64>,
    /// The multipliers, one per row.
    pub y: Vec<f64>,
    /// Number of interior-point iterations.
    pub iterations: u32,
    /// The attempt that gave this answer.
    pub attempt: Attempt,
    /// Number of simplex pivots.
    pub pivots: u32,
    /// Whether the solver has shown that this is the only optimum. Otherwise that is left to
    /// `lp/face.rs`.
    pub is_unique: bool,
    /// Where it ended at a vertex with strictly positive multipliers, that vertex.
    pub vertex: Option<Basis>,
    /// What the certificate found of that vertex's inverse, where the solver has it.
    pub held: Option<Held>,
}

impl Solution {
    /// Zeros, to be filled in.
    pub(crate) fn empty(system: &LayerSystem, problem: &Problem) -> Self {
        Solution {
            outcome: Outcome::Optimal,
            z: vec![0.0; system.columns()],
            y: vec![0.0; problem.rows.len()],
            iterations: 0,
            attempt: Attempt::Usual,
            pivots: 0,
            is_unique: false,
            vertex: None,
            held: None,
        }
    }
}
