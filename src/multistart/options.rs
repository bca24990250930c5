//! How the search from many starts runs.

use super::objective::Objective;
use super::starts::RUNS_PER_OBSERVATION;
use crate::error::{Error, Result};
use crate::network::Network;
use crate::setters::setters;

/// How a search runs.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct BestOptions {
    /// Most runs an observation. Default 1,000.
    pub starts: usize,
    /// Seeds the random codes, together with the observation's index and the number of the run.
    /// Default 0.
    pub seed: u64,
    /// What is made small. Default [`Objective::L2`].
    pub objective: Objective,
}

setters!(BestOptions { starts: usize, seed: u64, objective: Objective });

impl BestOptions {
    /// Most runs that an observation may have: their random codes share its range.
    pub const MOST_STARTS: usize = RUNS_PER_OBSERVATION as usize;

    #[doc(hidden)]
    /// Checks the number of runs, and whether the network suits the objective.
    ///
    /// # Errors
    /// [`Error::BadOption`] for no runs or more than [`Self::MOST_STARTS`], or an objective that
    /// the network does not suit.
    pub fn validate(&self, network: &Network) -> Result<()> {
        if (1..=Self::MOST_STARTS).contains(&self.starts) {
            return self.objective.validate(network);
        }
        Err(Error::option("starts", self.starts.to_string(), format!("1 to {}", Self::MOST_STARTS)))
    }
}

impl Default for BestOptions {
    fn default() -> Self {
        BestOptions { starts: 1000, seed: 0, objective: Objective::L2 }
    }
}
