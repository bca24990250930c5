//! The kinds of failure: what summaries count and journals keep.

use serde::{Deserialize, Serialize};

/// A [`Failure`](super::Failure) without the numbers of a single observation.
///
/// `to_string()` says what was found; [`FailureKind::remedy`] says what to do. A network of `d`
/// layers has a fixed number of kinds, so a count by kind takes bounded memory.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum FailureKind {
    /// An entry of the observation is infinite.
    InfiniteEntry,
    /// Every entry of the observation is `NaN`.
    NothingObserved,
    /// A layer-wise method found no input of a layer.
    Layer {
        /// The layer, counted from 1 at the code.
        layer: usize,
        /// Why it has none.
        why: LayerFailureKind,
    },
    /// Gradient descent left the finite numbers.
    Diverged,
    /// No run of a search from many starts ended at a finite loss.
    NoFiniteRun,
    /// A recovery could not project onto the range of the generator.
    NoProjection(Box<FailureKind>),
    /// A recovery projected, but no image had a finite residual.
    NoFiniteResidual,
}

/// A [`LayerFailure`](super::LayerFailure) without its numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum LayerFailureKind {
    /// No input reproduces the target.
    NoExactPreImage,
    /// No input reproduces the target, which a later layer did not determine.
    UndeterminedTarget,
    /// The rows are infeasible at every tolerance that was tried.
    NoFeasibleTolerance,
    /// The solver found neither a solution nor a proof of infeasibility.
    SolverFailed,
}
