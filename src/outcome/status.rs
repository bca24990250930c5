//! How an observation ended.

use serde::{Serialize, Serializer};

use super::failure::Failure;

/// How an observation ended.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Status {
    /// Every linear program passed the certificate.
    Solved,
    /// There is a code, but some linear program did not pass the certificate.
    NotCertified,
    /// The iteration ended by its stop rule.
    Converged,
    /// The iteration ended at its maximum number of steps.
    NotConverged,
    /// There is no code, for this reason.
    Failed(Failure),
}

impl Status {
    /// Whether the answer has the guarantee of its method.
    pub fn is_good(&self) -> bool {
        matches!(self, Status::Solved | Status::Converged)
    }

    /// Why there is no code, if there is none.
    pub fn failure(&self) -> Option<&Failure> {
        match self {
            Status::Failed(why) => Some(why),
            _ => None,
        }
    }
}

/// As its words.
impl Serialize for Status {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}
