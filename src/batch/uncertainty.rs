//! The uncertainty of codes: which law it is for, which answers have it, and which other minima are
//! kept.

use nalgebra::DMatrix;

use super::Options;
use super::noise_law::NoiseLaw;
use crate::error::{Error, Result};
use crate::formats::report::UncertaintyColumns;
use crate::multistart::alternatives::{self, Reach};
use crate::multistart::{NoiseModel, Objective, PackedNetwork, UncertaintyOptions, assess_batch};
use crate::outcome::{Fit, Intervals, ObservationRow, Status, UncertaintyRow};

/// The laws that a size makes a density of.
const LAWS: &str = "uniform, gaussian or laplace noise: gross errors of any size have no law";

/// The model of a law of the noise; `None` for gross errors, which have no law.
fn model_of(law: NoiseLaw) -> Option<NoiseModel> {
    match law {
        NoiseLaw::Gaussian => Some(NoiseModel::Gaussian),
        NoiseLaw::Laplace => Some(NoiseModel::Laplace),
        NoiseLaw::Uniform => Some(NoiseModel::Uniform),
        NoiseLaw::Gross => None,
    }
}

/// The law under which a minimum of this objective is the most probable code.
fn law_for(objective: Objective) -> NoiseLaw {
    match objective {
        Objective::L2 => NoiseLaw::Gaussian,
        Objective::L1 => NoiseLaw::Laplace,
        Objective::Linf => NoiseLaw::Uniform,
    }
}

impl Options {
    /// Refuses uncertainty where the codes are no minima, or minima of another norm than that of
    /// the law. `minimised`: the objective of which the codes are minima; `by`: where it was given.
    pub(crate) fn check_uncertainty(&self, minimised: Option<Objective>, by: &str) -> Result<()> {
        if !self.uncertainty {
            return Ok(());
        }
        let refuse = |found: String, expected: &str| Err(Error::option("uncertainty", found, expected));
        let Some(objective) = minimised else {
            let expected = "option `method: best`, or option `refine`: intervals are those of a minimum";
            return refuse("given for codes that are no minima of all layers together".to_owned(), expected);
        };
        let law = self.noise_law.unwrap_or_else(|| law_for(objective));
        if model_of(law).is_none() {
            return refuse(format!("given with noise of the law {law}"), LAWS);
        }
        if law.objective() != objective {
            let found = format!("given with noise of the law {law} and option `{by}: {objective}`");
            return refuse(found, "the objective of the law; or leave out the objective, or the law");
        }
        Ok(())
    }

    /// The columns of a report that the uncertainty of codes of this length needs.
    pub(crate) fn uncertainty_columns(
        &self,
        minimised: Option<Objective>,
        code_length: usize,
    ) -> Option<UncertaintyColumns> {
        // The law is that of the norm, as has been checked.
        let is_uniform = self.noise_law == Some(NoiseLaw::Uniform) || minimised == Some(Objective::Linf);
        let bounds = is_uniform && self.noise.is_some();
        self.uncertainty.then_some(UncertaintyColumns { entries: code_length, bounds })
    }

    /// Refuses alternatives without a search, more than are kept, and those of gross errors.
    pub(crate) fn check_alternatives(&self, searches: bool) -> Result<()> {
        let refuse = |found: String, expected: &str| Err(Error::option("alternatives", found, expected));
        match self.alternatives {
            0 => Ok(()),
            _ if !searches => refuse("given without a search from many starts".to_owned(), "option `method: best`"),
            _ if self.noise_law == Some(NoiseLaw::Gross) => {
                refuse("given with noise of the law gross".to_owned(), LAWS)
            }
            wanted if wanted > alternatives::MOST => refuse(wanted.to_string(), "at most 64 codes per observation"),
            _ => Ok(()),
        }
    }

    /// Which other minima a search keeps.
    pub(crate) fn reach(&self) -> Option<Reach> {
        (self.uncertainty || self.alternatives > 0).then_some(Reach { size: self.noise })
    }

    /// How many codes of a search are listed, if other minima are kept.
    pub(crate) fn listed(&self) -> Option<usize> {
        self.reach().map(|_| self.alternatives)
    }

    /// What intervals of minima of `objective` are for; `None` if there are none.
    fn uncertainty_for(&self, objective: Objective, seed: u64) -> Option<UncertaintyOptions> {
        let law = self.noise_law.unwrap_or_else(|| law_for(objective));
        Some(UncertaintyOptions { model: model_of(law).filter(|_| self.uncertainty)?, size: self.noise, seed })
    }

    /// The uncertainty of each column of `codes`, minima of `objective`; `None` if it was not asked
    /// for. The first has the index `first_index` in the whole run.
    pub(crate) fn assess(
        &self,
        (objective, seed): (Objective, u64),
        network: &PackedNetwork,
        observations: &DMatrix<f64>,
        codes: &DMatrix<f64>,
        first_index: u64,
    ) -> Option<Vec<Option<UncertaintyRow>>> {
        let uncertainty = self.uncertainty_for(objective, seed)?;
        Some(assess_batch(network, observations, codes, first_index, &uncertainty))
    }
}

/// Adds the uncertainty to the rows, which have been judged. A code that does not explain its
/// observation has none: its residual is not noise. Normal intervals of a named size are for a code
/// whose residual noise of that size explains; a prior may leave a larger one.
pub(crate) fn add_uncertainty(
    rows: &mut [ObservationRow],
    assessed: Option<Vec<Option<UncertaintyRow>>>,
    options: &Options,
) {
    for (row, uncertainty) in rows.iter_mut().zip(assessed.into_iter().flatten()) {
        let is_explained = row.status.failure().is_none() && row.status != Status::Unexplained;
        let is_beyond = |found: &UncertaintyRow| {
            let is_normal = options.noise_law != Some(NoiseLaw::Uniform) && found.bound_lower.is_none();
            options.noise.is_some() && is_normal && options.prior == 0.0 && row.fit != Some(Fit::Reproduced)
        };
        row.uncertainty = uncertainty.filter(|_| is_explained).map(|found| {
            if is_beyond(&found) {
                UncertaintyRow::without(Intervals::Empty, found.noise_size, found.sd.len())
            } else {
                found
            }
        });
    }
}

/// Rounds the listed codes as the codes themselves are stored.
pub(crate) fn round_alternatives(rows: &mut [ObservationRow]) {
    for found in rows.iter_mut().filter_map(|row| row.alternatives.as_mut()) {
        found.codes.iter_mut().for_each(|z| *z = f64::from(*z as f32));
    }
}
