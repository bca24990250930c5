//! The minimum at which a run of the search ended, and the comparison of two minima.

use std::cmp::Ordering;

/// Two losses whose relative difference is at most this belong to the same minimum.
const SAME: f64 = 1e-9;

/// The minimum at which a run ended.
#[derive(Debug, Clone, Copy)]
pub(super) struct Minimum {
    pub loss: f64,
    /// The sum of squares: it breaks ties between minima of the same loss.
    pub squares: f64,
    pub stationary: bool,
}

impl Minimum {
    /// Compares two minima by their loss, up to rounding.
    pub fn compared(&self, other: &Minimum) -> Ordering {
        compared(self.loss, other.loss).then(compared(self.squares, other.squares))
    }
}

/// Compares two losses; those of the same minimum are equal.
pub(super) fn compared(a: f64, b: f64) -> Ordering {
    if a < b * (1.0 - SAME) {
        Ordering::Less
    } else if a <= b * (1.0 + SAME) {
        Ordering::Equal
    } else {
        Ordering::Greater
    }
}
