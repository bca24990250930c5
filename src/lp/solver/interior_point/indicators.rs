//! Tapia's indicators: `−dp/p` of the predictor tends to 1 for constraints that are tight at the
//! optimum and to 0 for the others, long before the sizes of `p` and `y` distinguish them
//! (El-Bakry, Tapia and Zhang 1994).

use super::iterate::{Iterate, Point};
use crate::linalg::lanes::numbers;

/// Predicted relative fall of a distance that will vanish.
const TIGHT: f64 = 0.5;

/// The predictor's view of an iterate.
#[derive(Debug, Clone, Copy)]
pub struct Indicators<'a> {
    /// The iterate.
    pub at: Iterate<'a>,
    /// The predictor's direction.
    pub step: &'a Point,
    /// `1/p`.
    pub inverse_p: &'a [f64],
}

impl Indicators<'_> {
    /// The indicator of a row, `−dp/p`.
    pub fn row(&self, row: usize) -> f64 {
        -self.step.p[row] * self.inverse_p[row]
    }

    /// The indicator of a violation, `−de/e`.
    pub fn violation(&self, place: usize) -> f64 {
        -self.step.e[place] / self.at.point.e[place]
    }

    /// The indicator of an entry of `z`, `−dz/z`.
    pub fn bound(&self, column: usize) -> f64 {
        -numbers(&self.step.z)[column] / numbers(&self.at.point.z)[column]
    }

    /// The second largest indicator among a unit's rows and `e ≥ 0`.
    pub fn second(&self, place: usize) -> f64 {
        let (mut first, mut second) = (self.violation(place), f64::NEG_INFINITY);
        for row in self.at.rows.at(place) {
            let indicator = self.row(row);
            (first, second) = if indicator > first { (indicator, first) } else { (first, second.max(indicator)) };
        }
        second
    }

    /// Whether a row will be tight.
    pub fn row_is_tight(&self, row: usize) -> bool {
        self.row(row) > TIGHT
    }

    /// Whether a violation will vanish.
    pub fn violation_vanishes(&self, place: usize) -> bool {
        -self.step.e[place] > TIGHT * self.at.point.e[place]
    }

    /// Whether an entry of `z` will stay away from its bound.
    pub fn stays_positive(&self, column: usize) -> bool {
        -numbers(&self.step.z)[column] <= TIGHT * numbers(&self.at.point.z)[column]
    }
}
