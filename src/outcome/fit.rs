//! How well a code explains its observation.

use serde::{Deserialize, Serialize};

/// How well a code explains its observation. docs/INVERSION.md has the rule and its calibration.
///
/// The residual is compared with the noise that was named. Where none was named, it is compared
/// with `ε₀`, the tolerance for observations without noise.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Fit {
    /// The residual is at most twice the tolerance, or noise of the named size can cause it. With
    /// `exact`: the code is a pre-image, up to ten times the tolerance of the last layer.
    Reproduced,
    /// The residual is larger, but at most half of what the observation varies around its mean.
    Approximate,
    /// The residual is larger than that: the code says little about the observation.
    Unexplained,
}
