//! The distance between a code's image and its observation.

use serde::Serialize;

/// Norms of the residual `G(z) − x` over the observed entries, in f64.
///
/// The code is taken in its stored precision. All norms are `NaN` if there is no code.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Residual {
    /// The largest absolute entry.
    pub linf: f64,
    /// The sum of the absolute entries.
    pub l1: f64,
    /// The Euclidean norm, divided by that of the observation.
    pub l2_relative: f64,
    /// The root mean square over the observed entries. Not in the report.
    #[serde(skip)]
    pub rms: f64,
    /// The number of observed entries. Not in the report.
    #[serde(skip)]
    pub observed: usize,
}
