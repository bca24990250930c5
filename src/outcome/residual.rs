//! How far a code's image is from its observation.

use serde::Serialize;

/// Norms of `G(z) − x` over the observed entries, in f64, from the code as written.
///
/// All of them are `NaN` where there is no code.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Residual {
    /// Largest entry.
    pub linf: f64,
    /// Sum of absolute entries.
    pub l1: f64,
    /// Euclidean norm, divided by that of the observation.
    pub l2_relative: f64,
    /// Root mean square over the observed entries. Not in the report.
    #[serde(skip)]
    pub rms: f64,
    /// Number of observed entries. Not in the report.
    #[serde(skip)]
    pub observed: usize,
}
