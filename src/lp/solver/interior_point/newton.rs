//! The Newton system of one iteration: rows merged into one weight per unit, the normal matrix
//! factored, directions found by back-substitution. Section 2 of `docs/THE_LP_ENGINE.md` derives
//! every line; names are the ones there.

use super::complementarity::Targets;
use super::iterate::{Iterate, Point};
use super::merged::Merged;
use super::residuals::Residuals;
use super::stages::{Stage, StageClock};
use crate::linalg::lanes::{LANE, Lane, lanes_for, numbers, numbers_mut};
use crate::linalg::normal_matrix::NormalMatrix;
use crate::linalg::products::{combine, combine_three, products};
use crate::lp::solver::scaled_rows::{Kind, ScaledRows};

/// A unit whose weight is below this share of the largest is left out of the normal matrix.
const NEGLIGIBLE_WEIGHT: f64 = 1e-16;

/// Added to the diagonal. It keeps `z` bounded where the optimal face is unbounded and neither a
/// row nor a bound limits `z`.
const PROXIMAL: f64 = 1e-10;

/// A pivot of the border below this share of `κ` is lost to rounding.
const LOST_BORDER: f64 = 1e-14;

/// The reduced system, with its factors.
#[derive(Debug, Default)]
pub struct NewtonSystem {
    /// Sums over units.
    pub merged: Merged,
    /// The normal matrix. The start uses it, too.
    pub normal: NormalMatrix,
    /// `Wᵀ` times the merged sums `Σ s y`, `f`, `m`.
    combined: [Vec<Lane>; 3],
    /// `ĉ`, the border after forward substitution.
    border: Vec<Lane>,
    /// `κ − ĉ·ĉ`.
    border_pivot: f64,
}

impl NewtonSystem {
    /// Resizes all vectors for `rows` and `columns`, filled with zeros.
    pub fn reset(&mut self, rows: &ScaledRows, columns: usize) {
        self.merged.reset(rows);
        for lanes in self.combined.iter_mut().chain([&mut self.border]) {
            lanes.clear();
            lanes.resize(lanes_for(columns), Lane::ZERO);
        }
    }

    /// `g = Wᵀ Σ s y` at the point of the last [`Self::predict`].
    pub fn row_combination(&self) -> &[f64] {
        numbers(&self.combined[0])
    }

    /// Forms and factors the reduced system at the iterate and writes the predictor's direction
    /// into `step`. `targets`: those of the predictor. Needs the residuals of rows and violations;
    /// sets the dual ones. `single`: whether the normal matrix is formed in single precision.
    pub fn predict(
        &mut self,
        at: Iterate<'_>,
        targets: &Targets,
        residuals: &mut Residuals,
        single: bool,
        step: &mut Point,
        clock: &mut StageClock,
    ) {
        let Iterate { shared, rows, point } = at;
        let merged = &mut self.merged;
        merged.merge_weights(rows, point);
        merged.merge_targets(at, residuals, targets);
        clock.lap(Stage::Rows);
        let [signed, f, border] = &mut self.combined;
        combine_three(shared.weights, &rows.units, [&merged.signed, &merged.f, &merged.mixed], [signed, f, border]);
        residuals.update_dual(at, numbers(signed));
        clock.lap(Stage::Products);
        let normal = &mut self.normal;
        normal.reset(shared.weights.lanes);
        select_units(&rows.units, &merged.weight, &mut normal.units, &mut normal.roots);
        normal.add_products(shared.weights, single);
        clock.lap(Stage::NormalMatrix);
        self.add_bounds(at, residuals);
        self.normal.factor();
        clock.lap(Stage::Factor);
        self.normal.forward_solved(0, numbers_mut(&mut self.border));
        if rows.kind == Kind::Largest {
            let kappa = self.merged.slack.iter().sum::<f64>() + point.eta[0] / point.e[0];
            let square: f64 = numbers(&self.border).iter().map(|c| c * c).sum();
            // As for a pivot of the factorisation: if it is lost to rounding, δ is frozen.
            let pivot = kappa - square;
            self.border_pivot = if pivot > LOST_BORDER * kappa { pivot } else { f64::INFINITY };
        }
        self.normal.forward_solved(1, numbers_mut(&mut step.z));
        self.finish_direction(at, targets, residuals, step, clock);
    }

    /// The direction towards other targets, with the factors of the last [`Self::predict`].
    pub fn redirect(
        &mut self,
        at: Iterate<'_>,
        targets: &Targets,
        residuals: &Residuals,
        step: &mut Point,
        clock: &mut StageClock,
    ) {
        let Iterate { shared, rows, point } = at;
        let columns = shared.columns();
        self.merged.merge_targets(at, residuals, targets);
        clock.lap(Stage::Rows);
        combine(shared.weights, &rows.units, &self.merged.f, &mut self.combined[1]);
        clock.lap(Stage::Products);
        let f = numbers(&self.combined[1]);
        let z = numbers(&point.z);
        let right = numbers_mut(&mut step.z);
        for i in 0..columns {
            let bound = if shared.nonnegative { targets.z[i] / z[i] } else { 0.0 };
            right[i] = residuals.dual[i] + bound - f[i];
        }
        right[columns..].fill(0.0);
        self.normal.solve_forward(&mut step.z);
        self.finish_direction(at, targets, residuals, step, clock);
    }

    /// Bounds and right-hand sides: column 0 the border `c`, column 1 the predictor's.
    fn add_bounds(&mut self, at: Iterate<'_>, residuals: &Residuals) {
        let Iterate { shared, rows, point } = at;
        let columns = shared.columns();
        let z = &numbers(&point.z)[..columns];
        let v = &numbers(&point.v)[..columns];
        let normal = &mut self.normal;
        let f = numbers(&self.combined[1]);
        let c = numbers(&self.combined[2]);
        for i in 0..columns {
            normal.add_diagonal(i, PROXIMAL);
            // r_z/z = −v for the predictor.
            normal.set_right(i, 1, residuals.dual[i] - v[i] - f[i]);
            if rows.kind == Kind::Largest {
                normal.set_right(i, 0, c[i]);
            }
            if shared.nonnegative {
                normal.add_diagonal(i, v[i] / z[i]);
            }
        }
        for i in columns..shared.weights.lanes * LANE {
            normal.add_diagonal(i, 1.0);
        }
    }

    /// Computes the whole direction from the right-hand side after forward substitution (in
    /// `step.z`).
    fn finish_direction(
        &mut self,
        at: Iterate<'_>,
        targets: &Targets,
        residuals: &Residuals,
        step: &mut Point,
        clock: &mut StageClock,
    ) {
        let Iterate { shared, rows, point } = at;
        if rows.kind == Kind::Largest {
            let product = targets.violations[0];
            let rho = self.merged.t.iter().sum::<f64>() + product / point.e[0] - residuals.violations[0];
            let x = numbers_mut(&mut step.z);
            let border = numbers(&self.border);
            let along: f64 = border.iter().zip(x.iter()).map(|(c, x)| c * x).sum();
            let change = (rho + along) / self.border_pivot;
            x.iter_mut().zip(border).for_each(|(x, c)| *x += change * c);
            step.e.fill(change);
            step.eta[0] = (product - point.eta[0] * change) / point.e[0];
        }
        self.normal.solve_backward(&mut step.z);
        clock.lap(Stage::Direction);
        products(shared.weights, &rows.units, &step.z, &mut step.a);
        clock.lap(Stage::Products);
        if rows.kind == Kind::Sum {
            self.merged.finish_violations(at, targets, step);
        }
        if shared.nonnegative {
            let (z, v) = (numbers(&point.z), numbers(&point.v));
            let dz = numbers(&step.z);
            let dv = numbers_mut(&mut step.v);
            for i in 0..shared.columns() {
                dv[i] = (targets.z[i] - v[i] * dz[i]) / z[i];
            }
        }
        clock.lap(Stage::Direction);
        self.merged.finish_rows(at, residuals, step);
    }
}

fn select_units(units: &[u32], weight: &[f64], chosen: &mut Vec<u32>, roots: &mut Vec<f64>) {
    let largest = weight.iter().fold(0.0f64, |most, w| if *w > most { *w } else { most });
    chosen.clear();
    roots.clear();
    for (&unit, &weight) in units.iter().zip(weight) {
        if weight > NEGLIGIBLE_WEIGHT * largest {
            chosen.push(unit);
            roots.push(weight.sqrt());
        }
    }
}
