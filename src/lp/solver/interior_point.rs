//! A primal–dual interior point for a layer's linear programs, one observation at a time on a
//! shared `W`.
//!
//! Rows, violations and bounds are eliminated by hand, so that an iteration factors one symmetric
//! `columns × columns` matrix (`newton`; derived in `docs/THE_LP_ENGINE.md`). Each stage owns its
//! workspace and borrows rows and point (an `Iterate`). [`super::engine`] decides what
//! is tried before and after.

mod complementarity;
mod constraint_reduction;
mod crossover;
pub(crate) mod fit;
mod indicators;
pub(crate) mod iterate;
pub(crate) mod iteration;
mod merged;
mod newton;
mod quality;
mod residuals;
pub mod stage_benches;
pub mod stages;
pub(super) mod start;
mod step;
mod vertex;

use super::scaled_rows::ScaledRows;
use crate::linalg::lanes::numbers;
use crate::lp::basis::Basis;
use crate::lp::problem::{LayerSystem, Objective, Problem};
use crate::lp::solution::Solution;
use complementarity::Targets;
use constraint_reduction::ConstraintReduction;
use iterate::{Iterate, Point, Shared};
use newton::NewtonSystem;
use residuals::Residuals;
use stages::{Stage, StageClock};
use start::{Near, Start};
use vertex::Vertex;

/// The state of one observation's iteration, and the workspaces of its stages. One per thread,
/// resized for each problem; nothing in the iteration allocates.
#[derive(Debug, Default)]
pub struct InteriorPoint {
    /// Time by stage.
    pub clock: StageClock,
    /// The rows that take part.
    pub(super) rows: ScaledRows,
    pub(super) point: Point,
    start: Start,
    /// The units that a linear objective pushes against a bound, with their scaled weights.
    pushed: Vec<(usize, f64)>,
    /// The direction in the layout of the point; its `a` is `W dz`.
    step: Point,
    /// Another direction, while the two are compared.
    other_step: Point,
    /// The best point so far.
    best: Point,
    targets: Targets,
    residuals: Residuals,
    newton: NewtonSystem,
    reduction: ConstraintReduction,
    vertex: Vertex,
}

impl InteriorPoint {
    /// Takes a problem and sets the starting point, with the rows of `units` (in ascending order),
    /// or with `all` of its rows.
    pub fn begin(
        &mut self,
        system: &LayerSystem,
        (problem, all): (&Problem, &ScaledRows),
        near: Near<'_>,
        units: Option<&[u32]>,
    ) {
        let shared = Shared::of(system);
        let columns = shared.columns();
        let left_out = match units {
            Some(units) => {
                let wanted = |unit: usize| units.binary_search(&(unit as u32)).is_ok();
                self.rows.load(system, problem, wanted)
            }
            None => {
                self.rows.copy_loaded(all);
                0
            }
        };
        let rows = &self.rows;
        self.point.reset(rows, columns);
        self.step.reset(rows, columns);
        self.targets.reset(rows, columns);
        self.residuals.reset(rows, columns);
        self.newton.reset(rows, columns);
        self.reduction.reset(left_out);
        self.pushed = pushed_units(problem, rows.y_scale);
        self.start.place(shared, rows, &self.pushed, near, &mut self.newton.normal, &mut self.point);
        self.clock.lap(Stage::Start);
    }

    /// The largest violation of the fit that the start began with.
    pub fn fit_violation(&self) -> f64 {
        self.start.fit_violation
    }

    /// By how much a linear objective pushes a unit, with its sign.
    pub(super) fn push(&self, unit: u32) -> f64 {
        let place = self.pushed.binary_search_by_key(&(unit as usize), |&(unit, _)| unit);
        place.map_or(0.0, |place| self.pushed[place].1)
    }

    /// Whether units do not take part.
    pub fn is_reduced(&self) -> bool {
        self.reduction.count > 0
    }

    /// Whether the point reached satisfies the rows of the units that do not take part.
    pub fn dropped_rows_hold(&mut self, shared: Shared<'_>, problem: &Problem) -> bool {
        let at = Iterate { shared, rows: &self.rows, point: &self.point };
        self.reduction.dropped_rows_hold(at, problem)
    }

    /// The units to try again with where [`Self::dropped_rows_hold`] fails; `None`: all.
    pub fn restored(&self) -> Option<Vec<u32>> {
        self.reduction.restored(&self.rows)
    }

    /// The vertex at which the iteration ended, in the problem's own numbers.
    pub fn basis(&self, shared: Shared<'_>) -> Basis {
        self.vertex.basis(&self.rows, shared.weights)
    }

    /// Whether an entry of `z` is larger than this, in the scale in which the largest bound and the
    /// largest weight are 1.
    pub fn exceeds(&self, size: f64) -> bool {
        numbers(&self.point.z).iter().any(|z| z.abs() > size)
    }

    /// Writes the point, in the problem's own numbers.
    pub fn write_point(&self, solution: &mut Solution) {
        for (z, scaled) in solution.z.iter_mut().zip(numbers(&self.point.z)) {
            *z = scaled * self.rows.z_scale;
        }
        for (&origin, y) in self.rows.origin.iter().zip(&self.point.y) {
            solution.y[origin as usize] = y * self.rows.y_scale;
        }
        for &(row, y) in &self.reduction.settled {
            solution.y[row as usize] = y;
        }
    }
}

/// The units that a linear objective pushes against a bound, with their scaled weights.
pub(super) fn pushed_units(problem: &Problem, y_scale: f64) -> Vec<(usize, f64)> {
    let Objective::Linear { units, .. } = &problem.objective else { return Vec::new() };
    let mut pushed: Vec<_> = units.iter().map(|&(unit, weight, _)| (unit, weight / y_scale)).collect();
    pushed.sort_by_key(|&(unit, _)| unit);
    pushed
}
