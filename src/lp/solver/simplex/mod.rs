//! From one optimum to the next: the same observation at another ε has nearly the same problem, and its optimal vertex is a
//! few pivots away.
//!
//! [`dual`] serves the largest violation and linear objectives, [`piecewise`] the sum of violations; both work on a
//! [`tableau`], a vertex with its explicit inverse. They are a short cut and no more: whatever is not proven to be the only
//! optimum goes back to the interior point.

mod dual;
mod inverse;
mod kinks;
mod piecewise;
mod tableau;

use super::interior_point::lanes::numbers;
use super::interior_point::packed::PackedWeights;
use super::interior_point::rows::Kind;
use crate::lp::basis::Known;
use crate::lp::problem::{LayerSystem, Outcome, Problem, Solution};
use crate::lp::solver::Path;
use dual::{Candidates, DualEnd};
use piecewise::Descent;
use tableau::{Constraint, Tableau};

/// Multipliers are called strictly positive from here (they sum to about 1, or are at most 1 each).
const POSITIVE: f64 = 1e-9;
/// How far a row may be violated, in units of the largest bound.
const VIOLATED: f64 = 1e-11;
/// By how much a lower bound has to exceed the cutoff.
const CLEARLY: f64 = 1e-6;

/// One thread's workspace.
#[derive(Debug, Default)]
pub struct Simplex {
    tableau: Tableau,
    candidates: Candidates,
    descent: Descent,
}

impl Simplex {
    /// Solves `problem` from its neighbour's vertex: the only optimum, or a lower bound above the cutoff, or `None`.
    pub fn solve(
        &mut self,
        system: &LayerSystem,
        weights: &PackedWeights,
        problem: &Problem,
        known: Known<'_>,
    ) -> Option<Solution> {
        let basis = known.basis?;
        if problem.rows.is_empty() || system.columns() == 0 {
            return None;
        }
        let Simplex { tableau, candidates, descent } = self;
        tableau.load(system, weights, problem);
        let mut solution = Solution { path: Path::Neighbour, ..Solution::empty(system, problem) };
        if tableau.rows.kind == Kind::Sum {
            descent.kinks.load(&tableau.rows);
            if !tableau.take_basis(weights, basis, |place, value| descent.kinks.closest(place, value)) {
                return None;
            }
            let (only, pivots) = tableau.descend(weights, system.nonnegative, descent);
            if !only {
                return None;
            }
            solution.pivots = pivots;
            tableau.spread_multipliers(descent, &mut solution.y);
        } else {
            if !tableau.take_basis(weights, basis, |_, _| None) {
                return None;
            }
            let scale = tableau.bound_scale(weights);
            let cutoff = known.cutoff.map(|cutoff| cutoff * (1.0 + CLEARLY) / scale);
            let (end, pivots) = tableau.dual_simplex(weights, system.nonnegative, cutoff, candidates);
            solution.pivots = pivots;
            match end {
                DualEnd::GaveUp => return None,
                DualEnd::AboveCutoff => solution.outcome = Outcome::AboveCutoff,
                DualEnd::Optimal => {}
            }
            for (constraint, &y) in tableau.constraints.iter().zip(&tableau.multipliers) {
                match *constraint {
                    Constraint::Row { row: Some(row), .. } => {
                        solution.y[tableau.rows.origin[row as usize] as usize] = y * tableau.rows.y_scale;
                    }
                    // A row that is gone proves nothing here.
                    Constraint::Row { row: None, .. } if y > 0.0 => return None,
                    _ => {}
                }
            }
        }
        if solution.outcome == Outcome::Optimal {
            solution.only = true;
            solution.vertex = Some(tableau.basis(weights));
            let scaled = numbers(&tableau.point);
            for (z, scaled) in solution.z.iter_mut().zip(scaled) {
                *z = scaled * tableau.rows.z_scale;
            }
        }
        Some(solution)
    }
}
