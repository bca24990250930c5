//! The reasons why an observation has no code, with their numbers.

use super::kind::{FailureKind, LayerFailureKind};

/// The reason why an observation has no code.
///
/// `to_string()` gives one sentence for people: what was found, and what to do. [`Failure::kind`]
/// gives the reason without numbers, for counting.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Failure {
    /// An entry of the observation is infinite.
    InfiniteEntry {
        /// The index of the first such entry, counted from 0.
        entry: usize,
        /// Its value, `∞` or `−∞`.
        value: f64,
    },
    /// Every entry of the observation is `NaN`.
    NothingObserved,
    /// A layer-wise method found no input for a layer.
    Layer {
        /// The number of the layer, counted from 1 at the code.
        layer: usize,
        /// Why no input was found.
        why: LayerFailure,
    },
    /// Gradient descent diverged (non-finite values).
    Diverged,
    /// No run of a search from many starts ended with a finite loss.
    NoFiniteRun,
    /// A recovery could not project onto the range of the generator.
    NoProjection(Box<Failure>),
    /// A recovery projected, but no image had a finite residual.
    NoFiniteResidual,
}

/// The reason why a layer-wise method found no input for a layer.
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub enum LayerFailure {
    /// It is proven that no input reproduces the target (`exact`).
    NoExactPreImage {
        /// The minimum, over all inputs, of the largest violation of a row.
        violation: f64,
        /// The largest violation that `exact` accepts.
        tolerance: f64,
    },
    /// As [`LayerFailure::NoExactPreImage`], but a later layer did not determine the target.
    UndeterminedTarget {
        /// The minimum, over all inputs, of the largest violation of a row.
        violation: f64,
        /// The largest violation that `exact` accepts.
        tolerance: f64,
        /// The number of the later layer, counted from 1 at the code.
        undetermined: usize,
    },
    /// It is proven that the rows are infeasible at every tolerance that was tried (`relaxed`).
    NoFeasibleTolerance {
        /// The largest tolerance that was tried.
        largest: f64,
    },
    /// The solver found neither a solution nor a proof of infeasibility.
    SolverFailed,
}

impl Failure {
    /// The kind of the failure, without its numbers.
    pub fn kind(&self) -> FailureKind {
        match self {
            Failure::InfiniteEntry { .. } => FailureKind::InfiniteEntry,
            Failure::NothingObserved => FailureKind::NothingObserved,
            Failure::Layer { layer, why } => FailureKind::Layer { layer: *layer, why: why.kind() },
            Failure::Diverged => FailureKind::Diverged,
            Failure::NoFiniteRun => FailureKind::NoFiniteRun,
            Failure::NoProjection(why) => FailureKind::NoProjection(Box::new(why.kind())),
            Failure::NoFiniteResidual => FailureKind::NoFiniteResidual,
        }
    }
}

impl LayerFailure {
    /// The kind of the failure, without its numbers.
    pub fn kind(&self) -> LayerFailureKind {
        match self {
            LayerFailure::NoExactPreImage { .. } => LayerFailureKind::NoExactPreImage,
            LayerFailure::UndeterminedTarget { .. } => LayerFailureKind::UndeterminedTarget,
            LayerFailure::NoFeasibleTolerance { .. } => LayerFailureKind::NoFeasibleTolerance,
            LayerFailure::SolverFailed => LayerFailureKind::SolverFailed,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_do_not_make_a_kind_and_layers_do() {
        let entry = |entry, value| Failure::InfiniteEntry { entry, value }.kind();
        assert_eq!(entry(3, f64::INFINITY), entry(7, f64::NEG_INFINITY));
        let missed = |layer, violation| {
            let why = LayerFailure::NoExactPreImage { violation, tolerance: 1e-9 };
            Failure::Layer { layer, why }.kind()
        };
        assert_eq!(missed(2, 0.1), missed(2, 0.3));
        assert_ne!(missed(2, 0.1), missed(1, 0.1));
        let projection = |failure| Failure::NoProjection(Box::new(failure)).kind();
        let bad = |entry| Failure::InfiniteEntry { entry, value: f64::INFINITY };
        assert_eq!(projection(bad(0)), projection(bad(1)));
        assert_ne!(projection(bad(0)), projection(Failure::NothingObserved));
        assert_ne!(projection(bad(0)), entry(0, f64::INFINITY));
    }
}
