//! Tolerances that the interior point and the simplex share, in the scale of
//! [`super::scaled_rows::ScaledRows`]: the largest weight, bound and objective entry are 1.

/// Multipliers above this are called strictly positive (they sum to about 1, or are at most 1
/// each).
pub const POSITIVE: f64 = 1e-9;
/// The largest violation of a row that counts as none.
pub const VIOLATED: f64 = 1e-11;
/// No answer has a `z` this large.
pub const ENORMOUS: f64 = 1e7;
