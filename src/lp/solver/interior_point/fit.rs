//! The least-squares fit to the units whose rows say where `w_u·z` should be: units with rows on
//! both sides, and units that a linear objective pushes against a bound. In single precision where
//! that is faster, because it is only a first estimate.

use super::iterate::Shared;
use crate::linalg::lanes::{LANE, Lane, lanes_for, numbers, numbers_mut};
use crate::linalg::normal_matrix::{NormalMatrix, SINGLE_FROM};
use crate::linalg::products::combine;
use crate::lp::problem::{LayerSystem, Problem};
use crate::lp::solver::scaled_rows::{Kind, ScaledRows};

/// Ridge of the least squares, in units of the matrix's mean diagonal entry: rows need not have
/// full rank.
const RIDGE: f64 = 1e-6;

/// Workspace.
#[derive(Debug, Default)]
pub struct Fit {
    values: Vec<f64>,
    right: Vec<Lane>,
}

impl Fit {
    /// Writes the fit to `z`; if no row fixes a value, `z` does not change. `pushed`: units that a
    /// linear objective pushes against a bound, in ascending order.
    pub fn solve(
        &mut self,
        shared: Shared<'_>,
        rows: &ScaledRows,
        pushed: &[(usize, f64)],
        normal: &mut NormalMatrix,
        z: &mut [Lane],
    ) {
        let (weights, columns) = (shared.weights, shared.columns());
        let lanes = weights.lanes;
        normal.reset(lanes);
        normal.units.clear();
        normal.roots.clear();
        self.values.clear();
        for (place, &unit) in rows.units.iter().enumerate() {
            let push = pushed.binary_search_by_key(&(unit as usize), |&(unit, _)| unit).map_or(0.0, |at| pushed[at].1);
            if let Some(value) = fitted_value(rows, place, push) {
                normal.units.push(unit);
                normal.roots.push(1.0);
                self.values.push(value);
            }
        }
        if normal.units.is_empty() {
            return;
        }
        normal.add_products(weights, columns >= SINGLE_FROM);
        self.right.clear();
        self.right.resize(lanes, Lane::ZERO);
        combine(weights, &normal.units, &self.values, &mut self.right);
        let trace: f64 = (0..columns).map(|i| normal.diagonal(i)).sum();
        let ridge = (RIDGE * trace / columns as f64).max(f64::MIN_POSITIVE);
        for i in 0..lanes * LANE {
            normal.add_diagonal(i, if i < columns { ridge } else { 1.0 });
            normal.set_right(i, 0, numbers(&self.right)[i]);
        }
        normal.factor();
        normal.forward_solved(0, numbers_mut(z));
        normal.solve_backward(z);
    }
}

/// Where the unit at `place` should be: between its tightest opposite rows, or at the bound it is
/// pushed against.
pub fn fitted_value(rows: &ScaledRows, place: usize, push: f64) -> Option<f64> {
    let tightest = |side: f64| {
        let of_side = rows.at(place).filter(|&row| rows.side[row] == side);
        of_side.min_by(|&a, &b| rows.bound[a].total_cmp(&rows.bound[b]))
    };
    let bound = |row: usize| rows.side[row] * rows.bound[row];
    if rows.kind == Kind::Linear {
        return if push == 0.0 { None } else { tightest(push.signum()).map(bound) };
    }
    if place >= rows.with_second_row() {
        return None;
    }
    let (upper, lower) = (tightest(1.0)?, tightest(-1.0)?);
    let (p, q) = (rows.slack[upper], rows.slack[lower]);
    Some((bound(upper) * q + bound(lower) * p) / (p + q))
}

/// The fit of a single problem, with its workspace. One per thread.
#[derive(Debug, Default)]
pub struct ProblemFit {
    rows: ScaledRows,
    fit: Fit,
    normal: NormalMatrix,
    z: Vec<Lane>,
}

impl ProblemFit {
    /// The fit of `z` (free) to the units that have rows on both sides.
    pub fn solve(&mut self, system: &LayerSystem, problem: &Problem) -> Vec<f64> {
        let columns = system.columns();
        if problem.rows.is_empty() || columns == 0 {
            return vec![0.0; columns];
        }
        self.rows.load_all(system, problem);
        self.z.clear();
        self.z.resize(lanes_for(columns), Lane::ZERO);
        self.fit.solve(Shared::of(system), &self.rows, &[], &mut self.normal, &mut self.z);
        numbers(&self.z)[..columns].iter().map(|z| z * self.rows.z_scale).collect()
    }
}
