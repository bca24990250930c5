//! Moves from a vertex near the optimum to the optimum. The vertex is that of the same observation
//! at another ε, that of the problem with fewer rows, or the one that the interior point came near
//! to.
//!
//! [`primal`] and [`dual`] serve the largest violation and linear objectives, [`piecewise`] the sum
//! of violations; both work on a [`tableau`], a vertex with its explicit inverse. They are only a
//! shortcut: if a result is not proven to be the only optimum, the interior point solves the
//! problem.

mod breakpoints;
mod climb;
mod dual;
mod kinks;
mod piecewise;
mod primal;
mod tableau;

use super::scaled_rows::{Kind, ScaledRows};
use super::tolerances::ENORMOUS;
use crate::linalg::lanes::numbers;
use crate::lp::basis::{Basis, WarmStart};
use crate::lp::certificate::Held;
use crate::lp::problem::{LayerSystem, Problem};
use crate::lp::solution::{Attempt, Outcome, Solution};
use dual::{Candidates, DualEnd};
use piecewise::Descent;
use tableau::{Constraint, Tableau};

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
    /// Solves `problem` from the vertex of a neighbouring problem. `rows`: all of the problem's.
    /// Returns the only optimum, or a lower bound above the cutoff, or `None`.
    pub fn solve(
        &mut self,
        system: &LayerSystem,
        (problem, rows): (&Problem, &mut ScaledRows),
        warm: WarmStart<'_>,
    ) -> Option<Solution> {
        let basis = warm.basis?;
        if problem.rows.is_empty() || system.columns() == 0 {
            return None;
        }
        self.with_rows(rows, |simplex| simplex.solve_from(system, problem, basis, warm.cutoff))
    }

    /// Does some work with the rows of a problem in the tableau, which it does not change.
    fn with_rows<T>(&mut self, rows: &mut ScaledRows, work: impl FnOnce(&mut Self) -> T) -> T {
        std::mem::swap(&mut self.tableau.rows, rows);
        let done = work(self);
        std::mem::swap(&mut self.tableau.rows, rows);
        done
    }

    fn solve_from(
        &mut self,
        system: &LayerSystem,
        problem: &Problem,
        basis: &Basis,
        cutoff: Option<f64>,
    ) -> Option<Solution> {
        let weights = system.packed();
        if !self.take(system, basis, true) {
            return None;
        }
        let Simplex { tableau, candidates, descent } = self;
        let mut solution = Solution { attempt: Attempt::WarmStart, ..Solution::empty(system, problem) };
        if tableau.rows.kind == Kind::Sum {
            let (is_unique, pivots) = tableau.descend(system, weights, descent);
            if !is_unique {
                return None;
            }
            solution.pivots = pivots;
            tableau.spread_multipliers(descent, &mut solution.y);
        } else {
            let scale = tableau.rows.bound_scale(weights);
            let cutoff = cutoff.map(|cutoff| cutoff * (1.0 + CLEARLY) / scale);
            let (end, pivots) = tableau.dual_simplex(system, weights, cutoff, candidates);
            solution.pivots = pivots;
            match end {
                DualEnd::GaveUp => return None,
                DualEnd::AboveCutoff => solution.outcome = Outcome::AboveCutoff,
                DualEnd::Optimal => {}
            }
            for (constraint, &y) in tableau.constraints.iter().zip(&tableau.multipliers) {
                if let Constraint::Row { row: Some(row), .. } = *constraint {
                    solution.y[tableau.rows.origin[row as usize] as usize] = y * tableau.rows.y_scale;
                }
            }
        }
        if solution.outcome == Outcome::Optimal {
            if numbers(&tableau.point).iter().any(|x| x.is_nan() || x.abs() > ENORMOUS) {
                return None;
            }
            solution.is_unique = true;
            solution.vertex = Some(tableau.basis(weights));
            let scaled = numbers(&tableau.point);
            for (z, scaled) in solution.z.iter_mut().zip(scaled) {
                *z = scaled * tableau.rows.z_scale;
            }
            solution.held = solution
                .vertex
                .as_ref()
                .and_then(|basis| tableau.held(system, problem, &solution, basis, weights.scale));
        }
        Some(solution)
    }

    /// How close the multipliers of a vertex hold codes that are as good, by its inverse. `rows`:
    /// all of the problem's.
    pub fn held(
        &mut self,
        system: &LayerSystem,
        (problem, rows): (&Problem, &mut ScaledRows),
        solution: &Solution,
        basis: &Basis,
    ) -> Option<Held> {
        self.with_rows(rows, |simplex| {
            let taken = simplex.take(system, basis, true);
            taken.then(|| simplex.tableau.held(system, problem, solution, basis, system.packed().scale))?
        })
    }

    /// Takes a vertex of the rows, with its inverse where it is to be formed `afresh`; otherwise
    /// the tableau holds it. `false` where the constraints do not fit the problem or are not of
    /// full rank.
    fn take(&mut self, system: &LayerSystem, basis: &Basis, afresh: bool) -> bool {
        let Simplex { tableau, descent, .. } = self;
        let weights = system.packed();
        tableau.fit_to_rows(system);
        if tableau.rows.kind == Kind::Sum {
            descent.kinks.load(&tableau.rows);
        }
        let taken = tableau.take_basis(weights, basis, |place, value| descent.kinks.closest(place, value));
        taken && (!(afresh || tableau.is_stale()) || tableau.invert(weights))
    }
}
