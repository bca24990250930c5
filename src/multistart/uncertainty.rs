//! How uncertain a code is: standard deviations and 90 % intervals of its entries, for noise of a
//! known law. docs/UNCERTAINTY.md has the mathematics and what was measured.
//!
//! For Gaussian noise of standard deviation `σ`, the covariance of the code is `σ² (JᵀJ + λI)⁻¹`
//! ([`spread`]), where `J` is the Jacobian of the code's linear region and `λ` the prior. A size
//! that is not given is estimated from the residual `r` of `n` observed entries:
//! `σ² = ‖r‖²/(n − k)`.
//!
//! For Laplace noise of mean absolute value `b`, the density of the codes is `exp(−‖r‖₁/b)`, which
//! a random walk samples ([`laplace`], [`walk`], [`slice`]).
//!
//! For uniform noise between `−s` and `s`, every code with `‖G(z) − x‖_∞ ≤ s` is as likely as any
//! other. Those of the linear region are a polytope ([`polytope`]): linear programs give the bounds
//! of each entry, and a random walk the law of each entry ([`bounded`]).

mod bounded;
mod laplace;
mod polytope;
mod slice;
mod spread;
mod walk;

use nalgebra::DMatrix;
use rayon::prelude::*;

use super::gradients::Gradients;
use super::local_search::LocalSearch;
use super::objective::Objective;
use super::packed_network::PackedNetwork;
use crate::observation::largest_entry;
use crate::outcome::{Intervals, UncertaintyRow};
use crate::random::{Domain, Draws};
use bounded::Bounded;
use laplace::Laplace;
use polytope::Rows;
use spread::Spread;

/// The 95 % quantile of the standard normal distribution.
const QUANTILE: f64 = 1.644_853_626_951_472_2;

/// A largest residual below this share of the largest observed entry is rounding.
const ROUNDING: f64 = 1e-12;

/// The law of the noise, as far as intervals are known for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NoiseModel {
    /// Normal; the size is the standard deviation.
    Gaussian,
    /// Laplace; the size is the mean absolute value.
    Laplace,
    /// Uniform between minus and plus its size.
    Uniform,
}

/// What the intervals are for.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct UncertaintyOptions {
    /// The law of the noise.
    pub model: NoiseModel,
    /// Its size; `None`: estimated from the residual.
    pub size: Option<f64>,
    /// The seed of the random walk for [`NoiseModel::Laplace`] and [`NoiseModel::Uniform`], which
    /// also depends on the index of the observation.
    pub seed: u64,
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
    first_index: u64,
    options: &UncertaintyOptions,
) -> Vec<Option<UncertaintyRow>> {
    assert_eq!(observations.nrows(), network.observation_length(), "entries per observation");
    assert_eq!(codes.shape(), (network.code_length(), observations.ncols()), "one code per observation");
    (0..codes.ncols())
        .into_par_iter()
        .map_init(
            || Assessor::new(network),
            |assessor, place| {
                let (observation, code) = (observations.column(place), codes.column(place));
                let index = first_index.wrapping_add(place as u64);
                assessor.assess(observation.as_slice(), code.as_slice(), index, options)
            },
        )
        .collect()
}

/// Assesses the code of the observation with this index; see `assess_batch`.
///
/// # Panics
/// If a length does not fit the network.
pub fn assess_one(
    network: &PackedNetwork,
    observation: &[f64],
    code: &[f64],
    index: u64,
    options: &UncertaintyOptions,
) -> Option<UncertaintyRow> {
    assert_eq!(observation.len(), network.observation_length(), "entries per observation");
    Assessor::new(network).assess(observation, code, index, options)
}

/// One thread's workspace.
struct Assessor<'a> {
    search: LocalSearch<'a>,
    gradients: Option<Gradients>,
}

impl<'a> Assessor<'a> {
    fn new(network: &'a PackedNetwork) -> Self {
        Assessor { search: LocalSearch::new(network), gradients: None }
    }

    fn assess(
        &mut self,
        observation: &[f64],
        code: &[f64],
        index: u64,
        options: &UncertaintyOptions,
    ) -> Option<UncertaintyRow> {
        if code.iter().any(|z| !z.is_finite()) {
            return None;
        }
        self.search.go_to(observation, code);
        let observed = observation.iter().filter(|x| !x.is_nan()).count() as f64;
        let largest = largest_entry(observation);
        let misfit = misfit_of(&self.search, observation, Objective::Linf);
        if options.size.is_none() && misfit <= ROUNDING * largest {
            return Some(UncertaintyRow::without(Intervals::NoNoiseSize, f64::NAN, code.len()));
        }
        if options.model == NoiseModel::Uniform {
            return Some(self.by_polytope(observation, (observed, misfit), index, options));
        }
        let spread = self.search.spread(observation)?;
        let left = observed - spread.freedom;
        let size = options.size.unwrap_or_else(|| estimated_size(&self.search, observation, options.model, left));
        if !size.is_finite() {
            return Some(UncertaintyRow::without(Intervals::NoNoiseSize, f64::NAN, code.len()));
        }
        let is_open = spread.entries.iter().all(|entry| entry.is_infinite());
        if options.model == NoiseModel::Gaussian || is_open {
            return Some(by_spread(code, &spread, size));
        }
        let mut draws = Draws::new(options.seed, Domain::Walk, index);
        let gradients = self.gradients.get_or_insert_with(|| Gradients::new(self.search.network()));
        // With the sides that the spread is for.
        gradients.take(self.search.network(), &self.search.region);
        let rows = Rows::of_outputs(self.search.network(), (&self.search.current, gradients), observation);
        let noise = Laplace { size: options.size, estimate: size, observed, draws: &mut draws };
        Some(laplace::assess(&rows, &spread, code, noise))
    }

    /// Intervals and bounds by the codes within the bound of the noise.
    fn by_polytope(
        &mut self,
        observation: &[f64],
        (observed, misfit): (f64, f64),
        index: u64,
        options: &UncertaintyOptions,
    ) -> UncertaintyRow {
        let k = self.search.point().code.len();
        // The density ‖r‖⁻ⁿ has to have a finite integral.
        if options.size.is_none() && observed <= k as f64 + 1.0 {
            return UncertaintyRow::without(Intervals::NoNoiseSize, f64::NAN, k);
        }
        let within = |search: &Self, gradients: &mut Gradients| {
            let LocalSearch { network, current, region, .. } = &search.search;
            gradients.take(network, region);
            let rows = Rows::around(network, (current, region, gradients), observation);
            let mut draws = Draws::new(options.seed, Domain::Walk, index);
            bounded::assess(rows, &current.code, Bounded { size: options.size, misfit, observed, draws: &mut draws })
        };
        let mut gradients = self.gradients.take().unwrap_or_else(|| Gradients::new(self.search.network()));
        self.search.take_off_side();
        let mut row = within(self, &mut gradients);
        // Kinks that depend on each other may leave no code on all these sides together.
        if row.intervals == Intervals::Empty && self.search.take_any_side() {
            row = within(self, &mut gradients);
        }
        self.gradients = Some(gradients);
        row
    }
}

fn misfit_of(search: &LocalSearch, observation: &[f64], objective: Objective) -> f64 {
    let last = search.network().layers().len() - 1;
    objective.misfit(search.network().layers()[last].activation, search.point().received(last), observation)
}

/// Normal intervals around the code, for noise of this size.
fn by_spread(code: &[f64], spread: &Spread, size: f64) -> UncertaintyRow {
    // Not 0 · ∞.
    let of_size = |entry: &f64| if entry.is_finite() { size * entry } else { f64::INFINITY };
    let sd: Vec<f64> = spread.entries.iter().map(of_size).collect();
    let lower = code.iter().zip(&sd).map(|(z, sd)| z - QUANTILE * sd).collect();
    let upper = code.iter().zip(&sd).map(|(z, sd)| z + QUANTILE * sd).collect();
    UncertaintyRow::of(size, sd, lower, upper)
}

/// The size of the noise by the residual; `NaN` if the fit has used up all entries.
fn estimated_size(search: &LocalSearch, observation: &[f64], model: NoiseModel, left: f64) -> f64 {
    let misfit = |objective| misfit_of(search, observation, objective);
    match model {
        _ if left < 0.5 => f64::NAN,
        NoiseModel::Gaussian => (2.0 * misfit(Objective::L2) / left).sqrt(),
        NoiseModel::Laplace => misfit(Objective::L1) / left,
        NoiseModel::Uniform => misfit(Objective::Linf),
    }
}
