//! Tolerances that the interior point and the simplex share, in the scale of
//! [`super::scaled_rows::ScaledRows`]: the largest weight, bound and objective entry are 1.

/// Multipliers above this are called strictly positive (they sum to about 1, or are at most 1
/// each).
pub const POSITIVE: f64 = 1e-9;
/// The largest violation of a row that counts as none.
pub const VIOLATED: f64 = 1e-11;
/// That of a vertex with a small `δ`, as a share of `δ` …
const OF_VIOLATION: f64 = 1e-3;
/// … but not below what rounding makes of a row.
const LEAST_VIOLATED: f64 = 1e-13;

/// The largest violation of a row that counts as none, where `δ` is allowed. A vertex that was
/// accepted with a violation near its own `δ` would not pass the test of the gap.
pub fn violated(delta: f64) -> f64 {
    (OF_VIOLATION * delta).clamp(LEAST_VIOLATED, VIOLATED)
}
/// No answer has a `z` this large.
pub const ENORMOUS: f64 = 1e7;
