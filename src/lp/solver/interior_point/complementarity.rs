//! What a direction aims at: the wanted changes `r_c`, `r_z`, `r_η` of the products `p y`, `z v`, `e η`.
//!
//! The predictor wants every product gone. The corrector wants all of them at one `μ` and takes the predictor's second-order
//! term into account (Mehrotra). Centrality correctors look at the products a longer step would lead to and ask for those
//! that are far too small or too large to come back (Gondzio, *Multiple centrality corrections*, 1996): a longer step for
//! the price of a solve with the factors there are.

use super::state::State;
use crate::linalg::lanes::{numbers, vectorised};

/// Products under this share of the target, or over its inverse, are off centre.
const OFF_CENTRE: f64 = 0.1;

/// Wanted changes of the products.
#[derive(Debug, Default)]
pub struct Wanted {
    /// `r_c`, one a row.
    pub rows: Vec<f64>,
    /// `r_z`, one a column.
    pub z: Vec<f64>,
    /// `r_η`, one a violation variable.
    pub violations: Vec<f64>,
}

impl State {
    /// The predictor's aim.
    pub fn want_nothing_left(&mut self, nonnegative: bool, columns: usize) {
        let (point, wanted) = (&self.point, &mut self.wanted);
        want_zero(&point.p, &point.y, &mut wanted.rows);
        want_zero(&point.e, &point.eta, &mut wanted.violations);
        if nonnegative {
            want_zero(&numbers(&point.z)[..columns], numbers(&point.v), &mut wanted.z);
        }
    }

    /// The corrector's aim; the predictor's direction stands in `step`. `share`: how much of its second-order term counts.
    pub fn want_target(&mut self, nonnegative: bool, columns: usize, target: f64, share: f64) {
        let (step, wanted) = (&self.step, &mut self.wanted);
        correct(&step.p, &step.y, target, share, &mut wanted.rows);
        correct(&step.e, &step.eta, target, share, &mut wanted.violations);
        if nonnegative {
            correct(&numbers(&step.z)[..columns], numbers(&step.v), target, share, &mut wanted.z);
        }
    }

    /// Asks for the products that steps of these lengths would lead off centre.
    pub fn want_centrality(&mut self, nonnegative: bool, columns: usize, target: f64, primal: f64, dual: f64) {
        let (point, step, wanted) = (&self.point, &self.step, &mut self.wanted);
        recentre([&point.p, &step.p], [&point.y, &step.y], [primal, dual, target], &mut wanted.rows);
        recentre([&point.e, &step.e], [&point.eta, &step.eta], [primal, dual, target], &mut wanted.violations);
        if nonnegative {
            let of = |lanes| &numbers(lanes)[..columns];
            let (left, right) = ([of(&point.z), of(&step.z)], [of(&point.v), of(&step.v)]);
            recentre(left, right, [primal, dual, target], &mut wanted.z);
        }
    }
}

vectorised! {
    /// `−a·b`.
    fn want_zero(a: &[f64], b: &[f64], wanted: &mut [f64]) {
        for ((wanted, a), b) in wanted.iter_mut().zip(a).zip(b) {
            *wanted = -a * b;
        }
    }

    /// Adds `target − share·da·db`.
    fn correct(da: &[f64], db: &[f64], target: f64, share: f64, wanted: &mut [f64]) {
        for ((wanted, da), db) in wanted.iter_mut().zip(da).zip(db) {
            *wanted += target - share * da * db;
        }
    }

    /// Adds what brings `(a + α da)·(b + β db)` back to within a factor of the target, never less than `−target/OFF_CENTRE`.
    fn recentre(left: [&[f64]; 2], right: [&[f64]; 2], by: [f64; 3], wanted: &mut [f64]) {
        let n = wanted.len();
        let [a, da] = left.map(|x| &x[..n]);
        let [b, db] = right.map(|x| &x[..n]);
        let [alpha, beta, target] = by;
        let (least, most) = (OFF_CENTRE * target, target / OFF_CENTRE);
        for i in 0..n {
            let product = (a[i] + alpha * da[i]) * (b[i] + beta * db[i]);
            let inside = product.max(least).min(most);
            wanted[i] += (inside - product).max(-most);
        }
    }
}
