//! Hit-and-run: a random walk whose law is uniform on the codes within the bound of the noise
//! (Smith 1984, *Efficient Monte Carlo procedures for generating points uniformly distributed over
//! bounded regions*).
//!
//! Each step draws a direction and moves to a uniform point of the chord. If the size of the noise
//! is not known, the density is `‖r‖_∞⁻ⁿ`: the likelihood `s⁻ⁿ` of a size `s ≥ ‖r‖_∞`, integrated
//! over `ds/s`. Size and code are then drawn in turn: given the code, `s = ‖r‖_∞ u^{−1/n}` with `u`
//! uniform on `(0, 1]`; given the size, a step of the walk.

use super::polytope::{Limits, Rows};
use crate::linalg::lanes::{multiply_add, vectorised};
use crate::random::Draws;

/// Minima and maxima at a time: one alone would wait for each comparison.
const SUMS: usize = 8;
/// A step is kept after this many.
const KEPT: usize = 3;
/// The values are computed anew after this many steps, against the drift of sums.
const REFRESHED: usize = 1_000;

/// The place of a walk: where rows have the values `values + columns·w`.
pub struct Walk<'a> {
    pub rows: &'a Rows,
    /// Column after column, one entry per row.
    pub columns: Vec<f64>,
    /// The values of the rows at the start, `w = 0`, within the limits.
    pub values: Vec<f64>,
    /// Entries of `w`.
    pub length: usize,
}

/// What the walk knows about the size of the noise.
pub enum Size {
    Known(Limits),
    /// The number of observed entries.
    Unknown(f64),
}

/// The points of a walk, one after another, `length` entries each.
pub struct Visited {
    pub points: Vec<f64>,
    /// The mean size of the noise, if it was unknown.
    pub size: Option<f64>,
}

impl Walk<'_> {
    /// Makes `steps` steps; the first tenth is not kept.
    pub fn walk(&self, size: Size, steps: usize, draws: &mut Draws) -> Visited {
        let (mut point, mut values) = (vec![0.0; self.length], self.values.clone());
        let (mut direction, mut change) = (vec![0.0; self.length], vec![0.0; values.len()]);
        let mut visited = Visited { points: Vec::new(), size: None };
        let (mut sizes, mut drawn) = (0.0, 0.0);
        let (mut limits, observed) = match size {
            Size::Known(limits) => (limits, None),
            Size::Unknown(observed) => ((Vec::new(), Vec::new()), Some(observed)),
        };
        for step in 0..steps {
            if let Some(observed) = observed {
                let size = self.rows.misfit(&values) * (1.0 - draws.unit()).powf(-1.0 / observed);
                // Not reached: the size is at least the misfit.
                let Some(found) = self.rows.limits(size) else { break };
                limits = found;
                (sizes, drawn) = (sizes + size, drawn + 1.0);
            }
            direction.iter_mut().for_each(|d| *d = draws.normal());
            change.fill(0.0);
            self.add(&direction, &mut change);
            let (from, to) = chord(&change, &values, &limits.0, &limits.1);
            // Rounding may put a point just outside.
            let (from, to) = (from.min(0.0), to.max(0.0));
            let length = from + (to - from) * draws.unit();
            if length.is_finite() {
                point.iter_mut().zip(&direction).for_each(|(w, d)| *w += length * d);
                values.iter_mut().zip(&change).for_each(|(v, c)| *v += length * c);
            }
            if step % REFRESHED == REFRESHED - 1 {
                values.copy_from_slice(&self.values);
                self.add(&point, &mut values);
            }
            if step >= steps / 10 && step % KEPT == 0 {
                visited.points.extend(&point);
            }
        }
        visited.size = observed.map(|_| sizes / drawn);
        visited
    }

    /// Adds `columns·w`.
    fn add(&self, w: &[f64], sums: &mut [f64]) {
        for (column, w) in self.columns.chunks_exact(sums.len().max(1)).zip(w) {
            add_multiple(*w, column, sums);
        }
    }
}

vectorised! {
    fn add_multiple(factor: f64, numbers: &[f64], sums: &mut [f64]) -> () {
        for (sum, number) in sums.iter_mut().zip(numbers) {
            *sum = multiply_add::<FUSED>(factor, *number, *sum);
        }
    }

    fn chord(change: &[f64], values: &[f64], lower: &[f64], upper: &[f64]) -> (f64, f64) {
        let (mut from, mut to) = ([f64::NEG_INFINITY; SUMS], [f64::INFINITY; SUMS]);
        let mut take = |place: usize, change: f64, value: f64, lower: f64, upper: f64| {
            let scale = 1.0 / change;
            let (a, b) = ((lower - value) * scale, (upper - value) * scale);
            let (low, high) = if change > 0.0 { (a, b) } else { (b, a) };
            // False for NaN.
            from[place] = if change != 0.0 && low > from[place] { low } else { from[place] };
            to[place] = if change != 0.0 && high < to[place] { high } else { to[place] };
        };
        let whole = change.len() / SUMS * SUMS;
        for first in (0..whole).step_by(SUMS) {
            for i in 0..SUMS {
                take(i, change[first + i], values[first + i], lower[first + i], upper[first + i]);
            }
        }
        for i in whole..change.len() {
            take(i - whole, change[i], values[i], lower[i], upper[i]);
        }
        let least = to.into_iter().fold(f64::INFINITY, f64::min);
        (from.into_iter().fold(f64::NEG_INFINITY, f64::max), least)
    }
}
