//! The kinds of failures, which summaries count and journals store.

use serde::{Deserialize, Serialize};

/// A [`Failure`](super::Failure) without its numbers.
///
/// `to_string()` says what was found; [`FailureKind::remedy`] says what to do. A network of `d`
/// layers has a limited number of kinds, so counting by kind needs bounded memory.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(test, derive(strum::EnumCount))]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum FailureKind {
    /// An entry of the observation is infinite.
    InfiniteEntry,
    /// Every entry of the observation is `NaN`.
    NothingObserved,
    /// A layer-wise method found no input for a layer.
    Layer {
        /// The number of the layer, counted from 1 at the code.
        layer: usize,
        /// Why no input was found.
        why: LayerFailureKind,
    },
    /// Gradient descent diverged (non-finite values).
    Diverged,
    /// No run of a search from many starts ended with a finite loss.
    NoFiniteRun,
    /// A recovery could not project onto the range of the generator.
    NoProjection(Box<FailureKind>),
    /// A recovery projected, but no image had a finite residual.
    NoFiniteResidual,
}

/// A [`LayerFailure`](super::LayerFailure) without its numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(test, derive(strum::EnumCount))]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum LayerFailureKind {
    /// No input reproduces the target.
    NoExactPreImage,
    /// No input reproduces the target, and a later layer did not determine the target.
    UndeterminedTarget,
    /// The rows are infeasible at every tolerance that was tried.
    NoFeasibleTolerance,
    /// The solver found neither a solution nor a proof of infeasibility.
    SolverFailed,
}
