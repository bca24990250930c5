//! Hit-and-run: a random walk whose law is the density of the codes under the noise (Smith 1984,
//! *Efficient Monte Carlo procedures for generating points uniformly distributed over bounded
//! regions*). Each step draws a direction and moves along it.
//!
//! **Uniform noise** of at most `s`: a step goes to a uniform point of the chord within the bound.
//! If the size is not known, the density is `‖r‖_∞⁻ⁿ`: the likelihood `s⁻ⁿ` of a size
//! `s ≥ ‖r‖_∞`, integrated over `ds/s`. Size and code are then drawn in turn: given the code,
//! `s = ‖r‖_∞ u^{−1/n}` with `u` uniform on `(0, 1]`; given the size, a step of the walk.
//!
//! **Laplace noise** of mean absolute value `b`: the density is `exp(−‖r‖₁/b)`. If the size is not
//! known, it is `‖r‖₁⁻ⁿ`: the likelihood `b⁻ⁿ exp(−‖r‖₁/b)`, integrated over `db/b`. A step goes to
//! a uniform point of the line's slice ([`super::slice`]).

use nalgebra::DMatrix;

use super::polytope::{Limits, Rows};
use super::slice;
use crate::linalg::lanes::{multiply_add, vectorised};
use crate::random::Draws;
use crate::statistics::quantile;

/// Steps of a walk, and how many per entry of the code at least.
const STEPS: usize = 12_000;
const STEPS_PER_ENTRY: usize = 240;
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

/// The density of the codes.
pub enum Density {
    /// Uniform within limits: noise of at most a known size.
    Within(Limits),
    /// `‖r‖_∞⁻ⁿ` for `n` observed entries: uniform noise of unknown size.
    Largest { observed: f64 },
    /// `exp(−‖r‖₁/size)`, or `‖r‖₁⁻ⁿ` if the size is unknown: Laplace noise.
    Sum { size: Option<f64>, observed: f64 },
}

/// The points of a walk, one after another, `length` entries each.
pub struct Visited {
    pub points: Vec<f64>,
    /// The mean size of the noise, if it was unknown.
    pub size: Option<f64>,
}

/// The steps of a walk over codes of `k` entries.
pub fn steps_for(k: usize) -> usize {
    STEPS.max(STEPS_PER_ENTRY * k)
}

impl Visited {
    /// Standard deviations, and the ends of the central 90 % of each entry of the codes
    /// `at + map·w`; infinite where an entry is not determined.
    pub fn intervals(&self, map: &DMatrix<f64>, at: &[f64], is_determined: &[bool]) -> (Vec<f64>, Vec<f64>, Vec<f64>) {
        let k = at.len();
        let (mut sd, mut lower, mut upper) =
            (vec![f64::INFINITY; k], vec![f64::NEG_INFINITY; k], vec![f64::INFINITY; k]);
        let length = map.ncols();
        let points = DMatrix::from_column_slice(length, self.points.len() / length.max(1), &self.points);
        let steps = map * points;
        for entry in (0..k).filter(|entry| is_determined[*entry]) {
            let numbers: Vec<f64> = steps.row(entry).iter().copied().collect();
            let mean = numbers.iter().sum::<f64>() / numbers.len() as f64;
            let squares: f64 = numbers.iter().map(|number| (number - mean) * (number - mean)).sum();
            sd[entry] = (squares / numbers.len() as f64).sqrt();
            lower[entry] = at[entry] + quantile(numbers.clone(), 0.05);
            upper[entry] = at[entry] + quantile(numbers, 0.95);
        }
        (sd, lower, upper)
    }
}

impl Walk<'_> {
    /// Makes `steps` steps; the first tenth is not kept.
    pub fn walk(&self, mut density: Density, steps: usize, draws: &mut Draws) -> Visited {
        let (mut point, mut values) = (vec![0.0; self.length], self.values.clone());
        let (mut direction, mut change) = (vec![0.0; self.length], vec![0.0; values.len()]);
        let mut visited = Visited { points: Vec::new(), size: None };
        let mut sizes = Vec::new();
        for step in 0..steps {
            direction.iter_mut().for_each(|d| *d = draws.normal());
            change.fill(0.0);
            self.add(&direction, &mut change);
            let (length, size) = match &mut density {
                Density::Within(limits) => (uniform(&change, &values, limits, draws), None),
                Density::Largest { observed } => {
                    let size = self.rows.largest(&values) * (1.0 - draws.unit()).powf(-1.0 / *observed);
                    // Not reached: the size is at least the misfit.
                    let Some(limits) = self.rows.limits(size) else { break };
                    (uniform(&change, &values, &limits, draws), Some(size))
                }
                Density::Sum { size, observed } => {
                    let line = slice::Line { rows: self.rows, values: &values, change: &change };
                    let width = direction.iter().map(|d| d * d).sum::<f64>().sqrt().recip();
                    let here = line.sum(0.0);
                    // The mean of `b` given the code, whose law is an inverse gamma.
                    let mean = here / (*observed - 1.0).max(1.0);
                    let noise = (*size, *observed);
                    (slice::step(&line, here, noise, width, draws), size.is_none().then_some(mean))
                }
            };
            sizes.extend(size);
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
        visited.size = (!sizes.is_empty()).then(|| sizes.iter().sum::<f64>() / sizes.len() as f64);
        visited
    }

    /// Adds `columns·w`.
    fn add(&self, w: &[f64], sums: &mut [f64]) {
        for (column, w) in self.columns.chunks_exact(sums.len().max(1)).zip(w) {
            add_multiple(*w, column, sums);
        }
    }
}

/// A uniform point of the chord within the limits.
fn uniform(change: &[f64], values: &[f64], limits: &Limits, draws: &mut Draws) -> f64 {
    let (from, to) = chord(change, values, &limits.0, &limits.1);
    // Rounding may put a point just outside.
    let (from, to) = (from.min(0.0), to.max(0.0));
    from + (to - from) * draws.unit()
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
