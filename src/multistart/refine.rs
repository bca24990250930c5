//! Refines a code on the linear regions of `G`: the last step of any method, exact where the code's
//! ReLU configuration is right.
//!
//! **Problem.** `min f(z) = ½‖G(z) − x‖²` over the observed entries of `x`, from a given `z`,
//! downhill: Gauss–Newton, damped where a step is no good ([`LocalSearch::levenberg_marquardt`]),
//! then to the local minimum itself, on a kink where it lies on one ([`LocalSearch::active_set`]).
//!
//! **Degenerate cases.** The code is left as it is where `f` does not fall: nothing observed,
//! `f = 0` already, every row of `J` zero (all units of a layer off, as at `z = 0` without biases),
//! an `f` or a `J` that overflows or is `NaN` (a failed code, an infinite entry). Where `J` lacks
//! rank, `z` moves only in the directions that `J` sees.

use nalgebra::DMatrix;
use rayon::prelude::*;

use super::local_search::{Descent, LocalSearch, MarquardtOptions};
use super::packed_network::PackedNetwork;

/// Two steps that lower the loss by no more than this share of it are creeping up to a kink, on
/// which the rest is exact.
const SLOW: f64 = 1e-3;

/// How refinement runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RefineOptions {
    /// Most Gauss–Newton steps an observation, and most steps from kink to kink; 0 refines nothing.
    /// Default 200; from a good code 1 to 5 are needed.
    pub steps: usize,
}

impl Default for RefineOptions {
    fn default() -> Self {
        RefineOptions { steps: 200 }
    }
}

/// What became of one code.
#[derive(Debug, Clone, PartialEq)]
pub struct Refinement {
    /// Whether the loss fell, and so the code was replaced.
    pub refined: bool,
    /// `½‖G(z) − x‖²` over the observed entries at the code given; `NaN` where the code is.
    pub loss_before: f64,
    /// The same at the code now in its place; never above `loss_before`.
    pub loss_after: f64,
    /// Steps taken.
    pub steps: usize,
    /// Whether it ended at a local minimum to first order, and not at the cap or for numbers out of
    /// range.
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
    assert_eq!(observations.nrows(), network.observation_length(), "entries an observation");
    assert_eq!(codes.nrows(), network.code_length(), "entries a code");
    assert_eq!(observations.ncols(), codes.ncols(), "one code an observation");
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
    assert_eq!(observation.len(), network.observation_length(), "entries an observation");
    assert_eq!(code.len(), network.code_length(), "entries a code");
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

/// Down to a local minimum: Levenberg–Marquardt and the exact rest, each of at most `steps` steps.
/// `damping` is that of the first step ([`MarquardtOptions::damping`]).
pub(super) fn descend(search: &mut LocalSearch, observation: &[f64], damping: f64, steps: usize) -> Descent {
    let near = search.levenberg_marquardt(observation, &MarquardtOptions { damping, slow: SLOW, steps });
    let rest = search.active_set(observation, steps);
    Descent { steps: near.steps + rest.steps, stationary: rest.stationary }
}
