//! Refines a code on the linear regions of `G`: the last step of any method, exact if the code's
//! ReLU configuration is right.
//!
//! **Problem.** `min f(z) = ½‖G(z) − x‖²` over the observed entries of `x`, plus `½λ‖z‖²` with a
//! prior, downhill from a given `z`. Gauss–Newton steps come first, damped if a step does not
//! reduce `f` enough ([`LocalSearch::levenberg_marquardt`]). Then [`LocalSearch::active_set`] finds
//! the local minimum exactly, also on a kink.
//!
//! **Degenerate cases.** The code is not changed if `f` does not fall: nothing observed, `f = 0`
//! already, every row of `J` zero (all units of a layer off, as at `z = 0` without biases), or an
//! `f` or a `J` that overflows or is `NaN` (a failed code, an infinite entry). If `J` is
//! rank-deficient, `z` does not move in the null space of `J`.

use nalgebra::DMatrix;
use rayon::prelude::*;

use super::local_search::{Descent, LocalSearch, MarquardtOptions};
use super::packed_network::PackedNetwork;

/// Two steps whose relative decrease of the loss is at most this indicate a kink nearby; the
/// active-set method, which is exact there, takes over.
const SLOW: f64 = 1e-3;

/// Options of the refinement.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RefineOptions {
    /// Maximum number of Gauss–Newton steps per observation, and of active-set steps; 0 refines
    /// nothing. Default 200; from a good code, 1 to 5 are needed.
    pub steps: usize,
}

impl Default for RefineOptions {
    fn default() -> Self {
        RefineOptions { steps: 200 }
    }
}

/// The result of refining one code.
#[derive(Debug, Clone, PartialEq)]
pub struct Refinement {
    /// Whether the loss fell, so that the code was replaced.
    pub refined: bool,
    /// `½‖G(z) − x‖²` over the observed entries at the given code; `NaN` if the code is `NaN`.
    pub loss_before: f64,
    /// The same loss at the returned code; never above `loss_before`.
    pub loss_after: f64,
    /// Number of steps.
    pub steps: usize,
    /// Whether the code is proven to be a local minimum (with a curved output: to first order).
    pub stationary: bool,
}

/// Refines every column of `codes` (`k` × count) against the same column of `observations` (`n` ×
/// count, `NaN` where unobserved), in place. Each result depends on its own column only. Codes that
/// are `NaN` stay `NaN`.
///
/// # Panics
/// If a shape does not fit the network or the counts differ ([`Network::check_codes`],
/// [`Network::check_observations`]).
///
/// [`Network::check_codes`]: crate::network::Network::check_codes
/// [`Network::check_observations`]: crate::network::Network::check_observations
pub fn refine_batch(
    network: &PackedNetwork,
    observations: &DMatrix<f64>,
    codes: &mut DMatrix<f64>,
    options: &RefineOptions,
) -> Vec<Refinement> {
    assert_eq!(observations.nrows(), network.observation_length(), "entries per observation");
    assert_eq!(codes.nrows(), network.code_length(), "entries per code");
    assert_eq!(observations.ncols(), codes.ncols(), "one code per observation");
    observations
        .as_slice()
        .par_chunks(network.observation_length())
        .zip(codes.as_mut_slice().par_chunks_mut(network.code_length()))
        .map_init(|| LocalSearch::new(network), |search, (x, z)| refine(search, x, z, options))
        .collect()
}

/// Refines one code of `k` entries in place; see [`refine_batch`].
///
/// # Panics
/// If a length does not fit the network.
pub fn refine_one(
    network: &PackedNetwork,
    observation: &[f64],
    code: &mut [f64],
    options: &RefineOptions,
) -> Refinement {
    assert_eq!(observation.len(), network.observation_length(), "entries per observation");
    assert_eq!(code.len(), network.code_length(), "entries per code");
    refine(&mut LocalSearch::new(network), observation, code, options)
}

fn refine(search: &mut LocalSearch, observation: &[f64], code: &mut [f64], options: &RefineOptions) -> Refinement {
    search.go_to(observation, code);
    let loss_before = search.point().loss;
    let descent = descend(search, observation, 0.0, options.steps);
    let loss_after = search.point().loss;
    let refined = loss_after < loss_before;
    if refined {
        code.copy_from_slice(&search.point().code);
    }
    let (loss_after, steps) = if refined { (loss_after, descent.steps) } else { (loss_before, 0) };
    Refinement { refined, loss_before, loss_after, steps, stationary: descent.stationary }
}

/// Descends to a local minimum: Levenberg–Marquardt, then the active-set method, each with at most
/// `steps` steps. `damping` is that of the first step ([`MarquardtOptions::damping`]).
pub(super) fn descend(search: &mut LocalSearch, observation: &[f64], damping: f64, steps: usize) -> Descent {
    let near = search.levenberg_marquardt(observation, &MarquardtOptions { damping, slow: SLOW, steps });
    let rest = search.active_set(observation, steps);
    let stationary = rest.stationary || search.is_proven_minimum(observation);
    Descent { steps: near.steps + rest.steps, stationary }
}
