//! Targets of a direction: the wanted changes `r_c`, `r_z`, `r_η` of the complementarity products
//! `p y`, `z v`, `e η`.
//!
//! The predictor aims at 0. The corrector aims at one `μ` for all products and takes the
//! predictor's second-order term into account (Mehrotra). Centrality correctors look at the
//! products that a longer step would lead to, and bring back those that are far too small or too
//! large (Gondzio, *Multiple centrality corrections*, 1996). This allows a longer step at the cost
//! of one solve with the same factors.

use super::iterate::{Iterate, Point, reset};
use crate::linalg::lanes::{numbers, vectorised};
use crate::lp::solver::scaled_rows::ScaledRows;

/// Products below this share of the target, or above the target divided by it, are off centre.
const OFF_CENTRE: f64 = 0.1;

/// Wanted changes of the products.
#[derive(Debug, Default)]
pub struct Targets {
    /// `r_c`, one entry per row.
    pub rows: Vec<f64>,
    /// `r_z`, one entry per column.
    pub z: Vec<f64>,
    /// `r_η`, one entry per violation variable.
    pub violations: Vec<f64>,
}

impl Targets {
    /// Resizes all vectors for `rows` and `columns`, filled with zeros.
    pub fn reset(&mut self, rows: &ScaledRows, columns: usize) {
        reset(&mut self.rows, rows.len());
        reset(&mut self.z, columns);
        reset(&mut self.violations, rows.violations());
    }

    /// Cuts the vectors to the lengths of `rows`.
    pub fn truncate(&mut self, rows: &ScaledRows) {
        self.rows.truncate(rows.len());
        self.violations.truncate(rows.violations());
    }

    /// The predictor's targets: every product 0.
    pub fn predict(&mut self, at: Iterate<'_>) {
        let point = at.point;
        to_zero(&point.p, &point.y, &mut self.rows);
        to_zero(&point.e, &point.eta, &mut self.violations);
        if at.shared.nonnegative {
            to_zero(&numbers(&point.z)[..at.shared.columns()], numbers(&point.v), &mut self.z);
        }
    }

    /// The corrector's targets: every product `mu`. `predictor`: the predictor's direction;
    /// `share`: how much of its second-order term counts.
    pub fn correct(&mut self, at: Iterate<'_>, predictor: &Point, mu: f64, share: f64) {
        correct(&predictor.p, &predictor.y, mu, share, &mut self.rows);
        correct(&predictor.e, &predictor.eta, mu, share, &mut self.violations);
        if at.shared.nonnegative {
            correct(&numbers(&predictor.z)[..at.shared.columns()], numbers(&predictor.v), mu, share, &mut self.z);
        }
    }

    /// Changes the targets to bring back products that steps of these lengths along `step` would
    /// move off centre.
    pub fn centre(&mut self, at: Iterate<'_>, step: &Point, mu: f64, primal: f64, dual: f64) {
        let point = at.point;
        recentre([&point.p, &step.p], [&point.y, &step.y], [primal, dual, mu], &mut self.rows);
        recentre([&point.e, &step.e], [&point.eta, &step.eta], [primal, dual, mu], &mut self.violations);
        if at.shared.nonnegative {
            let of = |lanes| &numbers(lanes)[..at.shared.columns()];
            let (left, right) = ([of(&point.z), of(&step.z)], [of(&point.v), of(&step.v)]);
            recentre(left, right, [primal, dual, mu], &mut self.z);
        }
    }
}

vectorised! {
    /// `−a·b`.
    fn to_zero(a: &[f64], b: &[f64], changes: &mut [f64]) {
        for ((change, a), b) in changes.iter_mut().zip(a).zip(b) {
            *change = -a * b;
        }
    }

    /// Adds `mu − share·da·db`.
    fn correct(da: &[f64], db: &[f64], mu: f64, share: f64, changes: &mut [f64]) {
        for ((change, da), db) in changes.iter_mut().zip(da).zip(db) {
            *change += mu - share * da * db;
        }
    }

    /// Adds what brings `(a + α da)·(b + β db)` back to within a factor of `μ`, never less than
    /// `−μ/OFF_CENTRE`.
    fn recentre(left: [&[f64]; 2], right: [&[f64]; 2], by: [f64; 3], changes: &mut [f64]) {
        let n = changes.len();
        let [a, da] = left.map(|x| &x[..n]);
        let [b, db] = right.map(|x| &x[..n]);
        let [alpha, beta, mu] = by;
        let (least, most) = (OFF_CENTRE * mu, mu / OFF_CENTRE);
        for i in 0..n {
            let product = (a[i] + alpha * da[i]) * (b[i] + beta * db[i]);
            let inside = product.max(least).min(most);
            changes[i] += (inside - product).max(-most);
        }
    }
}
