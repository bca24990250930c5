//! The minimum at which a run of the search ended, and the comparison of two minima.

use std::cmp::Ordering;

/// Two losses whose relative difference is at most this belong to the same minimum.
pub(super) const SAME: f64 = 1e-9;

/// The minimum at which a run ended.
#[derive(Debug, Clone, Copy)]
pub(super) struct Minimum {
    pub loss: f64,
    /// The sum of squares: it breaks ties between minima of the same loss.
    pub squares: f64,
    pub stationary: bool,
}

impl Minimum {
    /// Compares two minima by their loss, up to rounding and to these errors of the loss and of the
    /// squares.
    pub fn compared(&self, other: &Minimum, [of_loss, of_squares]: [f64; 2]) -> Ordering {
        compared(self.loss, other.loss, of_loss).then(compared(self.squares, other.squares, of_squares))
    }
}

/// Compares two losses; those of the same minimum are equal. `error`: how much each may be wrong.
pub(super) fn compared(a: f64, b: f64, error: f64) -> Ordering {
    if a < b * (1.0 - SAME) - 2.0 * error {
        Ordering::Less
    } else if a <= b * (1.0 + SAME) + 2.0 * error {
        Ordering::Equal
    } else {
        Ordering::Greater
    }
}
