//! Solvers of a layer's linear programs. A solver takes the problems of many observations on one
//! shared `W` and returns as many answers, so a solver may also process the whole batch at once.

mod approach;
pub mod clarabel_reference;
pub mod engine;
pub mod interior_point;
mod reproduction;
mod scaled_rows;

mod simplex;
mod tolerances;

use crate::lp::basis::{Basis, WarmStart};
use crate::lp::climb::Climb;
use crate::lp::problem::{LayerSystem, Problem};
use crate::lp::solution::{Attempt, Solution};

/// Solves a layer's problems for a batch of observations.
pub trait Solver: Send + Sync {
    /// The name that reports and benchmarks print.
    fn name(&self) -> &'static str;

    /// One answer per problem, in order. An answer must not depend on the other problems. Never
    /// panics: a problem that cannot be solved gives `Outcome::Stalled`.
    fn solve(&self, system: &LayerSystem, problems: &[Problem]) -> Vec<Solution> {
        self.solve_warm(system, problems, &vec![WarmStart::default(); problems.len()])
    }

    /// As [`Self::solve`], with starting information for each problem. A solver may ignore it.
    fn solve_warm(&self, system: &LayerSystem, problems: &[Problem], warm: &[WarmStart<'_>]) -> Vec<Solution>;

    /// Solves a problem from the vertex of `warm`, and in no other way: its only optimum, or a
    /// bound above the cutoff. `None` where the vertex does not lead to that; a solver may always
    /// say so.
    fn solve_from(&self, _system: &LayerSystem, _problem: &Problem, _warm: WarmStart<'_>) -> Option<Solution> {
        None
    }

    /// Solves a chain of programs of one observation from a vertex, as far as it can; it may end at
    /// once. What it finds is neither finished nor certified.
    fn climb(&self, _system: &LayerSystem, _start: &Basis, _climb: &mut dyn Climb) {}

    /// A slower try at a problem whose answers so far did not pass the certificate; `retry` counts
    /// from 0. `None` if this solver has nothing else to try.
    fn retry(&self, system: &LayerSystem, problem: &Problem, retry: usize) -> Option<(Attempt, Solution)>;
}
