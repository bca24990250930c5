//! A vertex in terms that neighbouring problems share. The same observation at another ε has
//! different rows, but most constraints that are tight at one optimum are tight at the next.

/// A constraint that a vertex holds with equality.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Tight {
    /// A row, `side · (w_unit · z) − slack · e = bound`.
    Row {
        /// The row's unit.
        unit: usize,
        /// Its side.
        side: f64,
        /// Its slack factor.
        slack: f64,
        /// Its bound.
        bound: f64,
    },
    /// Sum of violations: `w_unit · z = value`, where two of the unit's constraints meet.
    Kink {
        /// The unit.
        unit: usize,
        /// The value of `w_unit · z`.
        value: f64,
    },
    /// `z_i = 0`.
    Bound(usize),
    /// `δ = 0`.
    NoViolation,
}

/// As many constraints as there are unknowns, of full rank.
#[derive(Debug, Clone, PartialEq)]
pub struct Basis {
    /// The constraints, in no particular order.
    pub tight: Vec<Tight>,
}

/// What a problem can be started from: results of other steps of the same observation.
#[derive(Debug, Clone, Copy, Default)]
pub struct WarmStart<'a> {
    /// A point near the optimum.
    pub near: Option<&'a [f64]>,
    /// The optimal vertex of a neighbouring step.
    pub basis: Option<&'a Basis>,
    /// The cutoff. If the optimum is above it, its value is not needed: a proven lower bound above
    /// the cutoff is enough.
    pub cutoff: Option<f64>,
}
