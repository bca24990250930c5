//! How uncertain a code is: standard deviations and 90 % intervals of its entries, for noise of a
//! known law. docs/UNCERTAINTY.md has the mathematics and what was measured.
//!
//! For Gaussian noise of standard deviation `σ`, the covariance of the code is `σ² (JᵀJ + λI)⁻¹`
//! ([`spread`]), where `J` is the Jacobian of the code's linear region and `λ` the prior. For
//! Laplace noise of mean absolute value `b` it is `b² (JᵀJ)⁻¹`, the limit for many entries of the
//! minimiser of `‖G(z) − x‖₁` (Koenker and Bassett 1978, *Regression quantiles*). A size that is not
//! given is estimated from the residual `r` of `n` observed entries: `σ² = ‖r‖²/(n − k)` and
//! `b = ‖r‖₁/(n − k)`.

mod spread;

use nalgebra::DMatrix;
use rayon::prelude::*;

use super::local_search::LocalSearch;
use super::objective::Objective;
use super::packed_network::PackedNetwork;
use crate::outcome::{Intervals, UncertaintyRow};
use spread::Spread;

/// The 95 % quantile of the standard normal distribution.
const QUANTILE: f64 = 1.644_853_626_951_472_2;

/// The law of the noise, as far as intervals are known for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NoiseModel {
    /// Normal; the size is the standard deviation.
    Gaussian,
    /// Laplace; the size is the mean absolute value.
    Laplace,
}

/// What the intervals are for.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct UncertaintyOptions {
    /// The law of the noise.
    pub model: NoiseModel,
    /// Its size; `None`: estimated from the residual.
    pub size: Option<f64>,
}

/// Assesses every column of `codes` (`k` × count), which should be minima of the loss for the same
/// column of `observations` (`n` × count, `NaN` where unobserved). `None` for a code that is not
/// finite. Each result depends on its own column only.
///
/// # Panics
/// If a shape does not fit the network or the counts differ.
pub fn assess_batch(
    network: &PackedNetwork,
    observations: &DMatrix<f64>,
    codes: &DMatrix<f64>,
    options: &UncertaintyOptions,
) -> Vec<Option<UncertaintyRow>> {
    assert_eq!(observations.nrows(), network.observation_length(), "entries per observation");
    assert_eq!(codes.shape(), (network.code_length(), observations.ncols()), "one code per observation");
    (0..codes.ncols())
        .into_par_iter()
        .map_init(
            || LocalSearch::new(network),
            |search, place| {
                let (observation, code) = (observations.column(place), codes.column(place));
                assess(search, observation.as_slice(), code.as_slice(), options)
            },
        )
        .collect()
}

/// Assesses one code; see [`assess_batch`].
///
/// # Panics
/// If a length does not fit the network.
pub fn assess_one(
    network: &PackedNetwork,
    observation: &[f64],
    code: &[f64],
    options: &UncertaintyOptions,
) -> Option<UncertaintyRow> {
    assert_eq!(observation.len(), network.observation_length(), "entries per observation");
    assess(&mut LocalSearch::new(network), observation, code, options)
}

fn assess(
    search: &mut LocalSearch,
    observation: &[f64],
    code: &[f64],
    options: &UncertaintyOptions,
) -> Option<UncertaintyRow> {
    if code.iter().any(|z| !z.is_finite()) {
        return None;
    }
    search.go_to(observation, code);
    let spread = search.spread(observation)?;
    let observed = observation.iter().filter(|x| !x.is_nan()).count() as f64;
    Some(by_spread(search, observation, &spread, observed - spread.freedom, options))
}

/// Normal intervals around the code. `left`: the observed entries that the fit has not used.
fn by_spread(
    search: &LocalSearch,
    observation: &[f64],
    spread: &Spread,
    left: f64,
    options: &UncertaintyOptions,
) -> UncertaintyRow {
    let code = &search.point().code;
    let size = options.size.unwrap_or_else(|| estimated_size(search, observation, options.model, left));
    if !size.is_finite() {
        return UncertaintyRow::without(Intervals::NoNoiseSize, f64::NAN, code.len());
    }
    let sd: Vec<f64> = spread.entries.iter().map(|entry| size * entry).collect();
    let lower = code.iter().zip(&sd).map(|(z, sd)| z - QUANTILE * sd).collect();
    let upper = code.iter().zip(&sd).map(|(z, sd)| z + QUANTILE * sd).collect();
    UncertaintyRow::of(size, sd, lower, upper)
}

/// The size of the noise by the residual; `NaN` if the fit has used up all entries.
fn estimated_size(search: &LocalSearch, observation: &[f64], model: NoiseModel, left: f64) -> f64 {
    if left < 0.5 {
        return f64::NAN;
    }
    let last = search.network().layers().len() - 1;
    let activation = search.network().layers()[last].activation;
    let misfit = |objective: Objective| objective.misfit(activation, search.point().received(last), observation);
    match model {
        NoiseModel::Gaussian => (2.0 * misfit(Objective::L2) / left).sqrt(),
        NoiseModel::Laplace => misfit(Objective::L1) / left,
    }
}
