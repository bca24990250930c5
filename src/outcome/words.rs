//! The words for people: what was found, and what to do. They stand only in this file of the
//! library.
//!
//! They name no flag of the command line. The command line adds its own advice where a flag helps.

use std::fmt;

use super::failure::{Failure, LayerFailure};
use super::fit::Fit;
use super::kind::{FailureKind, LayerFailureKind};
use super::status::Status;

/// The words in reports: `solved`, or `failed: ` and the words of the failure.
impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Status::Solved => f.write_str("solved"),
            Status::NotCertified => f.write_str("not-certified"),
            Status::Converged => f.write_str("converged"),
            Status::NotConverged => f.write_str("not-converged"),
            Status::Unexplained => f.write_str("unexplained"),
            Status::Failed(why) => write!(f, "failed: {why}"),
        }
    }
}

/// The words in reports.
impl fmt::Display for Fit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Fit::Reproduced => "reproduced",
            Fit::Approximate => "approximate",
            Fit::Unexplained => "unexplained",
        })
    }
}

/// What was found, with its numbers, and what to do.
impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}; {}", self.found(), self.kind().remedy())
    }
}

impl Failure {
    /// What was found: the words for its kind, followed by the numbers of this observation.
    fn found(&self) -> String {
        match self {
            Failure::InfiniteEntry { entry, value } => format!("entry {entry} is infinite ({value})"),
            Failure::NoProjection(why) => format!("no projection: {}", why.found()),
            Failure::Layer { why, .. } => self.kind().to_string() + &why.details(),
            Failure::NothingObserved | Failure::Diverged | Failure::NoFiniteRun | Failure::NoFiniteResidual => {
                self.kind().to_string()
            }
        }
    }
}

impl LayerFailure {
    /// The numbers that follow the words of the kind.
    fn details(&self) -> String {
        match self {
            LayerFailure::NoExactPreImage { violation, tolerance } => {
                format!(": its rows are violated by at least {violation:.3e}, more than the tolerance {tolerance:.3e}")
            }
            LayerFailure::UndeterminedTarget { violation, tolerance, undetermined } => format!(
                " (layer {undetermined} does not determine it): its rows are violated by at least {violation:.3e}, \
                 more than the tolerance {tolerance:.3e}"
            ),
            LayerFailure::NoFeasibleTolerance { largest } => format!(" up to {largest:.3e}"),
            LayerFailure::SolverFailed => String::new(),
        }
    }
}

/// What was found.
impl fmt::Display for FailureKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            FailureKind::InfiniteEntry => f.write_str("an entry is infinite"),
            FailureKind::NothingObserved => f.write_str("no entry is observed"),
            FailureKind::Layer { layer, why } => match why {
                LayerFailureKind::NoExactPreImage => write!(f, "layer {layer} has no exact pre-image"),
                LayerFailureKind::UndeterminedTarget => {
                    write!(f, "layer {layer} has no exact pre-image of a target that is not unique")
                }
                LayerFailureKind::NoFeasibleTolerance => write!(f, "layer {layer} is infeasible at every tolerance"),
                LayerFailureKind::SolverFailed => {
                    write!(f, "the solver failed in layer {layer}: ")?;
                    f.write_str("it found neither a solution nor a proof of infeasibility")
                }
            },
            FailureKind::Diverged => f.write_str("gradient descent diverged (non-finite values)"),
            FailureKind::NoFiniteRun => f.write_str("no run of the search ended with a finite loss"),
            FailureKind::NoProjection(why) => write!(f, "no projection: {why}"),
            FailureKind::NoFiniteResidual => f.write_str("no projection had a finite residual"),
        }
    }
}

impl FailureKind {
    /// What to do about it, as an imperative.
    pub fn remedy(&self) -> &'static str {
        match self {
            FailureKind::InfiniteEntry => "set entries that were not observed to NaN",
            FailureKind::NothingObserved => "give at least one finite entry",
            FailureKind::Layer { why, .. } => match why {
                LayerFailureKind::NoExactPreImage => "for noisy data use linf or l1",
                LayerFailureKind::UndeterminedTarget => "use linf or l1, which need no exact pre-image",
                LayerFailureKind::NoFeasibleTolerance => "use linf or l1, which are always feasible",
                LayerFailureKind::SolverFailed => "use another method, or scale the data to entries near 1",
            },
            FailureKind::Diverged => "use a smaller step size",
            FailureKind::NoFiniteRun => "scale the data to entries near 1",
            FailureKind::NoProjection(why) => match &**why {
                // The projected image is not user data: a gradient step computed it.
                FailureKind::InfiniteEntry | FailureKind::NothingObserved => "use a smaller step size",
                why => why.remedy(),
            },
            FailureKind::NoFiniteResidual => "scale the measurements to entries near 1",
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeSet, HashSet};
    use std::mem::discriminant;

    use strum::EnumCount;

    use super::*;

    const NO_PRE_IMAGE: LayerFailure = LayerFailure::NoExactPreImage { violation: 0.0125, tolerance: 1e-9 };

    /// Every variant, with its words.
    fn all() -> Vec<(Failure, &'static str)> {
        let layer = |why| Failure::Layer { layer: 2, why };
        let undetermined = LayerFailure::UndeterminedTarget { violation: 0.5, tolerance: 1e-9, undetermined: 3 };
        let infinite = || Failure::InfiniteEntry { entry: 3, value: f64::NEG_INFINITY };
        vec![
            (infinite(), "entry 3 is infinite (-inf); set entries that were not observed to NaN"),
            (Failure::NothingObserved, "no entry is observed; give at least one finite entry"),
            (
                layer(NO_PRE_IMAGE),
                "layer 2 has no exact pre-image: its rows are violated by at least 1.250e-2, \
                 more than the tolerance 1.000e-9; for noisy data use linf or l1",
            ),
            (
                layer(undetermined),
                "layer 2 has no exact pre-image of a target that is not unique (layer 3 does not determine it): \
                 its rows are violated by at least 5.000e-1, more than the tolerance 1.000e-9; \
                 use linf or l1, which need no exact pre-image",
            ),
            (
                layer(LayerFailure::NoFeasibleTolerance { largest: 3.25 }),
                "layer 2 is infeasible at every tolerance up to 3.250e0; use linf or l1, which are always feasible",
            ),
            (
                layer(LayerFailure::SolverFailed),
                "the solver failed in layer 2: it found neither a solution nor a proof of infeasibility; \
                 use another method, or scale the data to entries near 1",
            ),
            (Failure::Diverged, "gradient descent diverged (non-finite values); use a smaller step size"),
            (Failure::NoFiniteRun, "no run of the search ended with a finite loss; scale the data to entries near 1"),
            (
                Failure::NoProjection(Box::new(infinite())),
                "no projection: entry 3 is infinite (-inf); use a smaller step size",
            ),
            (
                Failure::NoProjection(Box::new(layer(NO_PRE_IMAGE))),
                "no projection: layer 2 has no exact pre-image: its rows are violated by at least 1.250e-2, \
                 more than the tolerance 1.000e-9; for noisy data use linf or l1",
            ),
            (
                Failure::NoFiniteResidual,
                "no projection had a finite residual; scale the measurements to entries near 1",
            ),
        ]
    }

    #[test]
    fn each_failure_says_what_was_found_and_what_to_do() {
        for (failure, words) in all() {
            assert_eq!(failure.to_string(), words);
            assert_eq!(Status::Failed(failure.clone()).to_string(), format!("failed: {words}"));
            let kind = failure.kind();
            assert!(words.ends_with(&format!("; {}", kind.remedy())), "{words}");
            assert!(!words.contains("--") && !kind.to_string().contains(';'), "{words}");
        }
    }

    #[test]
    fn no_variant_is_left_out_above() {
        let kinds: Vec<FailureKind> = all().iter().map(|(failure, _)| failure.kind()).collect();
        let variants: HashSet<_> = kinds.iter().map(discriminant).collect();
        assert_eq!(variants.len(), FailureKind::COUNT);
        let layer = |kind: &FailureKind| match kind {
            FailureKind::Layer { why, .. } => Some(*why),
            _ => None,
        };
        let variants: HashSet<_> = kinds.iter().filter_map(layer).collect();
        assert_eq!(variants.len(), LayerFailureKind::COUNT);
    }

    #[test]
    fn no_two_kinds_share_their_words() {
        let kinds: BTreeSet<_> = all().iter().map(|(failure, _)| failure.kind()).collect();
        let words: BTreeSet<_> = kinds.iter().map(ToString::to_string).collect();
        assert_eq!((kinds.len(), words.len()), (all().len(), all().len()));
    }
}
