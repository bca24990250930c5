//! The status of an observation.

use serde::{Serialize, Serializer};

use super::failure::Failure;
#[cfg(doc)]
use super::fit::Fit;

/// The status of an observation.
///
/// ```
/// use unrelu::{Activation, Failure, Inverter, Network, Options, Status};
///
/// # fn main() -> unrelu::Result<()> {
/// let network = Network::random(&[2, 6, 20], Activation::Relu, 1)?;
/// let inverter = Inverter::new(network, Options::default())?;
/// let inverted = inverter.invert(&nalgebra::DMatrix::from_element(20, 1, f64::NAN))?;
/// assert_eq!(inverted.rows[0].status, Status::Failed(Failure::NothingObserved));
/// assert!(inverted.codes.iter().all(|entry| entry.is_nan()));
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Status {
    /// Every linear program passed the certificate, and the code explains the observation.
    Solved,
    /// There is a code, but at least one linear program failed the certificate.
    NotCertified,
    /// The iteration met its stopping criterion, or the code reproduces the observation. The
    /// criterion of `best` includes a proof that the code is a local minimum (to first order where
    /// the network is curved), except on networks with convolutions and more than 5,000 units with
    /// a kink: there it is the agreement of three runs.
    Converged,
    /// The iteration reached its maximum number of steps. For `best`: or the code is not proven to
    /// be a local minimum.
    NotConverged,
    /// There is a code, but it does not explain the observation ([`Fit::Unexplained`]), whatever
    /// the method found about its own programs or steps.
    Unexplained,
    /// There is no code, for this reason.
    Failed(Failure),
}

impl Status {
    /// Whether the answer has the guarantee of its method and explains the observation: solved or
    /// converged.
    pub fn is_good(&self) -> bool {
        matches!(self, Status::Solved | Status::Converged)
    }

    /// The reason why there is no code; `None` if there is a code.
    pub fn failure(&self) -> Option<&Failure> {
        match self {
            Status::Failed(why) => Some(why),
            _ => None,
        }
    }
}

/// Serialised as its words.
impl Serialize for Status {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}
