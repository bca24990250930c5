//! A step of the walk for Laplace noise: to a uniform point of the slice of a line (Neal 2003,
//! *Slice sampling*, figures 3 and 5: stepping out and shrinkage). A level is drawn below the
//! density of the current code; the slice is where the density is above it. The density falls as
//! `‖r‖₁` grows, so that the slice is where `‖r‖₁` is at most some sum.

use super::polytope::Rows;
use crate::random::Draws;

/// Widths by which the ends are moved outwards, at most.
const MOST_WIDTHS: f64 = 50.0;
/// After this many points beyond the slice, rounding has closed it: the code stays.
const MOST_TRIES: usize = 200;

/// The codes along a direction: the rows have the values `values + t·change`.
pub struct Line<'a> {
    pub rows: &'a Rows,
    pub values: &'a [f64],
    pub change: &'a [f64],
}

impl Line<'_> {
    /// `‖r‖₁` at the length `t`.
    pub fn sum(&self, t: f64) -> f64 {
        self.rows.sum(self.values.iter().zip(self.change).map(|(value, change)| value + t * change))
    }
}

/// The length of a step along the line. `here`: its `‖r‖₁` at 0; `size`: that of the noise, if it
/// is known; `observed`: the number of entries; `width`: about half the length of a usual slice.
pub fn step(line: &Line, here: f64, (size, observed): (Option<f64>, f64), width: f64, draws: &mut Draws) -> f64 {
    let drop = -libm::log(1.0 - draws.unit());
    let most = match size {
        Some(size) => here + size * drop,
        None => here * libm::exp(drop / observed),
    };
    let is_in = |t: f64| line.sum(t) <= most;
    let mut from = -width * draws.unit();
    let mut to = from + width;
    let left = (MOST_WIDTHS * draws.unit()).floor();
    let (mut before, mut after) = (left, MOST_WIDTHS - 1.0 - left);
    while before > 0.0 && is_in(from) {
        (from, before) = (from - width, before - 1.0);
    }
    while after > 0.0 && is_in(to) {
        (to, after) = (to + width, after - 1.0);
    }
    for _ in 0..MOST_TRIES {
        let t = from + (to - from) * draws.unit();
        if is_in(t) {
            return t;
        }
        if t < 0.0 { from = t } else { to = t }
    }
    0.0
}
