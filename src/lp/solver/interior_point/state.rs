//! What one observation's iteration carries: the point, the direction, the residuals and the reduced system.
//! One of these a thread, resized for each problem; nothing in the iteration allocates.

use super::complementarity::Wanted;
use super::constraint_reduction::Retired;
use super::stages::StageClock;
use super::vertex::Vertex;
use crate::linalg::lanes::{Lane, lanes_for, numbers};
use crate::linalg::least_squares::LeastSquares;
use crate::linalg::normal_matrix::NormalMatrix;
use crate::lp::solver::scaled_rows::ScaledRows;

/// The primal–dual point. Rows in the order of [`ScaledRows`], violations one a position (all `δ` for the largest violation).
#[derive(Debug, Default, Clone)]
pub struct Point {
    /// `z`.
    pub z: Vec<Lane>,
    /// Multipliers of `z ≥ 0`.
    pub v: Vec<Lane>,
    /// Distances from the rows' bounds.
    pub p: Vec<f64>,
    /// Multipliers of the rows.
    pub y: Vec<f64>,
    /// `e`, one a position.
    pub e: Vec<f64>,
    /// Multipliers of `e ≥ 0`, one a violation variable.
    pub eta: Vec<f64>,
    /// `a = W z`, one a position.
    pub a: Vec<f64>,
}

impl Point {
    /// Sets every length for `rows` and `columns`, with zeros.
    pub fn reset(&mut self, rows: &ScaledRows, columns: usize) {
        let positions = rows.units.len();
        for lanes in [&mut self.z, &mut self.v] {
            lanes.clear();
            lanes.resize(lanes_for(columns), Lane::ZERO);
        }
        for (numbers, length) in [
            (&mut self.p, rows.len()),
            (&mut self.y, rows.len()),
            (&mut self.e, positions),
            (&mut self.eta, rows.violations()),
            (&mut self.a, positions),
        ] {
            numbers.clear();
            numbers.resize(length, 0.0);
        }
    }

    /// Copies another point of the same shape without allocating.
    pub fn copy_from(&mut self, other: &Point) {
        self.z.clone_from(&other.z);
        self.v.clone_from(&other.v);
        self.p.clone_from(&other.p);
        self.y.clone_from(&other.y);
        self.e.clone_from(&other.e);
        self.eta.clone_from(&other.eta);
        self.a.clone_from(&other.a);
    }

    /// Whether every number is finite.
    pub fn is_finite(&self) -> bool {
        let sum = |values: &[f64]| values.iter().map(|x| x * 0.0).sum::<f64>();
        let total =
            sum(numbers(&self.z)) + sum(numbers(&self.v)) + sum(&self.p) + sum(&self.y) + sum(&self.e) + sum(&self.eta);
        total == 0.0
    }
}

/// Sums over the rows of each unit, one entry a position (section 2 of `docs/THE_LP_ENGINE.md`).
#[derive(Debug, Default)]
pub struct Merged {
    /// `D`, or `D'` for the sum of violations.
    pub weight: Vec<f64>,
    /// `m`.
    pub mixed: Vec<f64>,
    /// `K`, or `κ` for the sum of violations.
    pub slack: Vec<f64>,
    /// `f`, reduced by `m ρ/κ` for the sum of violations.
    pub f: Vec<f64>,
    /// `t`, or `ρ` for the sum of violations.
    pub t: Vec<f64>,
    /// `Σ s y`.
    pub signed: Vec<f64>,
}

/// One observation's workspace.
#[derive(Debug, Default)]
pub struct State {
    /// The rows.
    pub rows: ScaledRows,
    /// The point.
    pub point: Point,
    /// The direction in the same layout; its `a` is `W dz`.
    pub step: Point,
    /// Another direction, while the two are compared.
    pub other_step: Point,
    /// What the direction aims at.
    pub wanted: Wanted,
    /// The best point so far.
    pub best: Point,
    /// `r_p`.
    pub row_residual: Vec<f64>,
    /// `r_d`.
    pub dual_residual: Vec<f64>,
    /// `r_e`, one a violation variable.
    pub violation_residual: Vec<f64>,
    /// `1/p`.
    pub inverse_p: Vec<f64>,
    /// `1/y`.
    pub inverse_y: Vec<f64>,
    /// `τ`.
    pub tau: Vec<f64>,
    /// Sums over units.
    pub merged: Merged,
    /// The reduced system.
    pub normal: NormalMatrix,
    /// `ĉ`, the border solved forward.
    pub border: Vec<Lane>,
    /// `κ − ĉ·ĉ`.
    pub border_pivot: f64,
    /// `Wᵀ` times merged sums.
    pub combined: [Vec<Lane>; 3],
    /// The largest violation of the fit that the start began with.
    pub fit_violation: f64,
    /// Workspace of exact reproduction.
    pub least_squares: LeastSquares,
    /// Time by stage.
    pub clock: StageClock,
    /// Units that left.
    pub retired: Retired,
    /// Workspace of the early end.
    pub vertex: Vertex,
}

impl State {
    /// Sets every length for the rows that are loaded.
    pub fn reset(&mut self, columns: usize) {
        self.retired.reset();
        let (rows, positions) = (self.rows.len(), self.rows.units.len());
        self.point.reset(&self.rows, columns);
        self.step.reset(&self.rows, columns);
        for (numbers, length) in [
            (&mut self.wanted.rows, rows),
            (&mut self.wanted.z, columns),
            (&mut self.wanted.violations, self.rows.violations()),
            (&mut self.row_residual, rows),
            (&mut self.dual_residual, columns),
            (&mut self.violation_residual, self.rows.violations()),
            (&mut self.inverse_p, rows),
            (&mut self.inverse_y, rows),
            (&mut self.tau, rows),
            (&mut self.merged.weight, positions),
            (&mut self.merged.mixed, positions),
            (&mut self.merged.slack, positions),
            (&mut self.merged.f, positions),
            (&mut self.merged.t, positions),
            (&mut self.merged.signed, positions),
        ] {
            numbers.clear();
            numbers.resize(length, 0.0);
        }
        for lanes in &mut self.combined {
            lanes.clear();
            lanes.resize(lanes_for(columns), Lane::ZERO);
        }
    }
}
