//! Where a run of the search ended, and which of two ends is lower.

use std::cmp::Ordering;

/// Two losses that differ by no more than this share are those of one minimum.
const SAME: f64 = 1e-9;

/// Where a run ended.
#[derive(Debug, Clone, Copy)]
pub(super) struct Minimum {
    pub loss: f64,
    /// Breaks ties between minima of the same loss.
    pub squares: f64,
    pub stationary: bool,
}

impl Minimum {
    /// Which of the two is lower, up to rounding.
    pub fn compared(&self, other: &Minimum) -> Ordering {
        compared(self.loss, other.loss).then(compared(self.squares, other.squares))
    }
}

/// Which of two losses is lower; those of one minimum are equal.
pub(super) fn compared(a: f64, b: f64) -> Ordering {
    if a < b * (1.0 - SAME) {
        Ordering::Less
    } else if a <= b * (1.0 + SAME) {
        Ordering::Equal
    } else {
        Ordering::Greater
    }
}
