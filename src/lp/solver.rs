//! Solvers of a layer's linear programs. Batch first: a solver takes the problems of many
//! observations on one shared `W` and returns as many answers, so that one that factors, multiplies
//! or pivots for the whole batch fits behind it.

pub mod clarabel_reference;
pub mod engine;
pub mod interior_point;
mod reproduction;
mod scaled_rows;
mod simplex;
mod tolerances;

use crate::lp::basis::WarmStart;
use crate::lp::problem::{Attempt, LayerSystem, Problem, Solution};

/// Solves a layer's problems for a batch of observations.
pub trait Solver: Send + Sync {
    /// The name that reports and benchmarks print.
    fn name(&self) -> &'static str;

    /// One answer a problem, in order. A problem's answer must not depend on its neighbours. Never
    /// panics: what cannot be solved comes back as `Outcome::Stalled`.
    fn solve(&self, system: &LayerSystem, problems: &[Problem]) -> Vec<Solution> {
        self.solve_warm(system, problems, &vec![WarmStart::default(); problems.len()])
    }

    /// As [`Self::solve`], each problem with what is known of it. A solver may ignore that.
    fn solve_warm(&self, system: &LayerSystem, problems: &[Problem], warm: &[WarmStart<'_>]) -> Vec<Solution>;

    /// A slower try at a problem whose answers so far did not pass the certificate; `retry` counts
    /// from 0. `None` where this solver has nothing left to try.
    fn retry(&self, system: &LayerSystem, problem: &Problem, retry: usize) -> Option<(Attempt, Solution)>;
}
