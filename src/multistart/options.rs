//! Options of the search from many starts.

use super::alternatives::Reach;
use super::objective::Objective;
use super::starts::RUNS_PER_OBSERVATION;
use crate::error::{Error, Result};
use crate::network::Network;
use crate::setters::setters;

/// Options of a search.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct BestOptions {
    /// Maximum number of runs per observation. Default 1,000.
    pub starts: usize,
    /// Seed of the random codes. Each code also depends on the observation's index and the number
    /// of the run. Default 0.
    pub seed: u64,
    /// The objective to minimise. Default [`Objective::L2`].
    pub objective: Objective,
    /// Which other minima are kept; `None`, the default, keeps none. An inverter sets it.
    #[doc(hidden)]
    pub reach: Option<Reach>,
    /// When a search ends. An inverter sets it.
    #[doc(hidden)]
    pub end: End,
}

/// When a search ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum End {
    /// When the lowest loss was found often enough.
    #[default]
    FoundOften,
    /// When this number of runs, all from random codes, has ended at the lowest loss so far. It
    /// converges only if the data determine the code, and ends without that after
    /// [`End::MOST_PER_FOUND`] times as many runs.
    Found(usize),
    /// After [`BestOptions::starts`] runs, from random codes but for given ones.
    AllStarts,
}

impl End {
    /// The largest number of runs, for each that has to end at the lowest loss.
    pub const MOST_PER_FOUND: usize = 6;
}

setters!(BestOptions { starts: usize, seed: u64, objective: Objective });

impl BestOptions {
    /// Largest allowed value of `starts`: the random codes of one observation share a range of this
    /// length.
    pub const MOST_STARTS: usize = RUNS_PER_OBSERVATION as usize;

    #[doc(hidden)]
    /// Checks the number of runs, and whether the network suits the objective.
    ///
    /// # Errors
    /// [`Error::BadOption`] if `starts` is 0 or above [`Self::MOST_STARTS`], or if the network does
    /// not suit the objective.
    pub fn validate(&self, network: &Network) -> Result<()> {
        if (1..=Self::MOST_STARTS).contains(&self.starts) {
            return match self.objective.obstacle(network) {
                None => Ok(()),
                Some((obstacle, expected)) => {
                    Err(Error::option("objective", format!("{} {obstacle}", self.objective), expected))
                }
            };
        }
        Err(Error::option("starts", self.starts.to_string(), format!("1 to {}", Self::MOST_STARTS)))
    }
}

impl Default for BestOptions {
    fn default() -> Self {
        BestOptions { starts: 1000, seed: 0, objective: Objective::L2, reach: None, end: End::default() }
    }
}
