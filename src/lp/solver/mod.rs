//! Solvers of a layer's linear programs. Batch first: a solver takes the problems of many observations on one shared
//! `W` and returns as many answers, so that one that factors, multiplies or pivots for the whole batch fits behind it.

pub mod clarabel_reference;
pub mod interior_point;

use crate::lp::problem::{LayerSystem, Problem, Solution};

/// Solves a layer's problems for a batch of observations.
pub trait Solver: Send + Sync {
    /// The name that reports and benchmarks print.
    fn name(&self) -> &'static str;

    /// One answer a problem, in order. A problem's answer must not depend on its neighbours. Never panics: what cannot be
    /// solved comes back as [`crate::lp::problem::Outcome::Stalled`].
    fn solve(&self, system: &LayerSystem, problems: &[Problem]) -> Vec<Solution>;

    /// A second, slower try at a problem whose first answer did not pass the certificate.
    fn retry(&self, system: &LayerSystem, problem: &Problem) -> Solution;
}
