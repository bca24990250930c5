//! Refines a code on the linear regions of `G`: the last step of any method, exact if the code's
//! ReLU configuration is right.
//!
//! **Problem.** Downhill from a given `z` to a local minimum of the [`Objective`].
//!
//! For squares: `min f(z) = ½‖G(z) − x‖²` over the observed entries of `x`, plus `½λ‖z‖²` with a
//! prior. Gauss–Newton steps come first, damped if a step does not reduce `f` enough
//! ([`LocalSearch::levenberg_marquardt`]). Then [`LocalSearch::active_set`] finds the local minimum
//! exactly, also on a kink.
//!
//! For `l1` and `linf`: the candidates are the given code and, for `linf`, its refinement by
//! squares, each followed by hops from region to region ([`AbsoluteSearch::hop`]). Squares are no
//! candidate for `l1`, because a few gross errors lead them astray. The lowest candidate descends
//! by linear programs to a proven minimum ([`AbsoluteSearch::descend`]).
//!
//! **Degenerate cases.** The code is not changed if `f` does not fall: nothing observed, `f = 0`
//! already, every row of `J` zero (all units of a layer off, as at `z = 0` without biases), or an
//! `f` or a `J` that overflows or is `NaN` (a failed code, an infinite entry). If `J` is
//! rank-deficient, `z` does not move in the null space of `J`.

use nalgebra::DMatrix;
use rayon::prelude::*;

use super::absolute::AbsoluteSearch;
use super::local_search::{Descent, LocalSearch, MarquardtOptions};
use super::objective::Objective;
use super::packed_network::PackedNetwork;

/// Two steps whose relative decrease of the loss is at most this indicate a kink nearby; the
/// active-set method, which is exact there, takes over.
const SLOW: f64 = 1e-3;
/// Hops from a candidate, for `l1` and `linf`.
const HOPS: usize = 12;

/// Options of the refinement.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RefineOptions {
    /// Maximum number of Gauss–Newton steps per observation, and of active-set steps, or of linear
    /// programs; 0 refines nothing. Default 200; from a good code, 1 to 5 are needed.
    pub steps: usize,
    /// What is minimised. Default [`Objective::L2`].
    pub objective: Objective,
}

impl Default for RefineOptions {
    fn default() -> Self {
        RefineOptions { steps: 200, objective: Objective::L2 }
    }
}

impl RefineOptions {
    /// The default options for this objective.
    pub fn of(objective: Objective) -> Self {
        RefineOptions { objective, ..Self::default() }
    }
}

/// The result of refining one code.
#[derive(Debug, Clone, PartialEq)]
pub struct Refinement {
    /// Whether the loss fell, so that the code was replaced; for `linf`, also if the loss stayed
    /// and the largest error that a small change of the code can change fell.
    pub refined: bool,
    /// The loss at the given code, over the observed entries: `½‖G(z) − x‖²`, or `‖G(z) − x‖` in
    /// the norm of the objective; `NaN` if the code is `NaN`.
    pub loss_before: f64,
    /// The same loss at the returned code; never above `loss_before`.
    pub loss_after: f64,
    /// Number of steps.
    pub steps: usize,
    /// Whether the code is proven to be a local minimum (with a curved output: to first order).
    pub stationary: bool,
    /// Whether the code is the only minimum within its linear region, as far as the method can
    /// tell: the Jacobian has full rank (squares), or the last linear program has a unique optimum.
    pub determined: bool,
    /// A digest of the linear region of the code, for `l1` and `linf` ([`AbsoluteSearch::digest`]).
    pub region: Option<u64>,
}

/// Refines every column of `codes` (`k` × count) against the same column of `observations` (`n` ×
/// count, `NaN` where unobserved), in place. Each result depends on its own column only. Codes that
/// are `NaN` stay `NaN`.
///
/// # Panics
/// If a shape does not fit the network or the counts differ ([`Network::check_codes`],
/// [`Network::check_observations`]), or the objective does not ([`Network::objective_obstacle`]).
///
/// [`Network::objective_obstacle`]: crate::network::Network::objective_obstacle
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
        .map_init(|| Refiner::new(network, options), |refiner, (x, z)| refiner.refine(x, z))
        .collect()
}

/// Refines one code of `k` entries in place; see [`refine_batch`].
///
/// # Panics
/// If a length does not fit the network, or the objective does not.
pub fn refine_one(
    network: &PackedNetwork,
    observation: &[f64],
    code: &mut [f64],
    options: &RefineOptions,
) -> Refinement {
    assert_eq!(observation.len(), network.observation_length(), "entries per observation");
    assert_eq!(code.len(), network.code_length(), "entries per code");
    Refiner::new(network, options).refine(observation, code)
}

/// One thread's workspace.
struct Refiner<'a> {
    squares: LocalSearch<'a>,
    /// Present if the objective is not squares.
    absolute: Option<AbsoluteSearch<'a>>,
    steps: usize,
}

impl<'a> Refiner<'a> {
    fn new(network: &'a PackedNetwork, options: &RefineOptions) -> Self {
        let objective = options.objective;
        Refiner {
            squares: LocalSearch::new(network),
            absolute: (objective != Objective::L2).then(|| AbsoluteSearch::new(network, objective)),
            steps: options.steps,
        }
    }

    fn refine(&mut self, observation: &[f64], code: &mut [f64]) -> Refinement {
        let refinement = match &mut self.absolute {
            None => refine_squares(&mut self.squares, observation, code, self.steps),
            Some(absolute) => refine_norm(&mut self.squares, absolute, observation, code, self.steps),
        };
        match refinement.refined {
            true => refinement,
            // The loss of the code that stays.
            false => Refinement { loss_after: refinement.loss_before, steps: 0, ..refinement },
        }
    }
}

fn refine_squares(search: &mut LocalSearch, observation: &[f64], code: &mut [f64], steps: usize) -> Refinement {
    search.go_to(observation, code);
    let loss_before = search.point().loss;
    let descent = descend(search, observation, 0.0, steps);
    let loss_after = search.point().loss;
    let refined = loss_after < loss_before;
    if refined {
        code.copy_from_slice(&search.point().code);
    }
    let determined = descent.stationary && search.is_determined(observation);
    let Descent { steps, stationary } = descent;
    Refinement { refined, loss_before, loss_after, steps, stationary, determined, region: None }
}

fn refine_norm(
    squares: &mut LocalSearch,
    search: &mut AbsoluteSearch,
    observation: &[f64],
    code: &mut [f64],
    steps: usize,
) -> Refinement {
    let before = search.misfits_of(observation, code);
    let loss_before = before.0;
    let nothing = Refinement {
        refined: false,
        loss_before,
        loss_after: loss_before,
        steps: 0,
        stationary: false,
        determined: false,
        region: None,
    };
    if steps == 0 || !code.iter().all(|z| z.is_finite()) {
        return nothing;
    }
    let mut starts = vec![code.to_vec()];
    if search.objective() == Objective::Linf {
        squares.go_to(observation, code);
        descend(squares, observation, 0.0, steps);
        starts.push(squares.point().code.clone());
    }
    let hopped = starts.into_iter().map(|start| search.hop(observation, &start, HOPS));
    // Comparisons with NaN are false, so that a start without a loss never wins.
    let lowest = hopped.reduce(|lowest, next| if next.0 < lowest.0 { next } else { lowest });
    let Some((_, start)) = lowest else { return nothing };
    let descent = search.descend(observation, &start, steps);
    let loss_after = search.misfit();
    // At a floor of the largest error, the largest that can change decides.
    let refined = search.misfits() < before;
    if refined {
        code.copy_from_slice(&search.point().code);
    }
    let determined = descent.stationary && search.is_determined();
    let Descent { steps, stationary } = descent;
    let region = Some(search.digest());
    Refinement { refined, loss_before, loss_after, steps, stationary, determined, region }
}

/// Descends to a local minimum: Levenberg–Marquardt, then the active-set method, each with at most
/// `steps` steps. `damping` is that of the first step ([`MarquardtOptions::damping`]).
pub(super) fn descend(search: &mut LocalSearch, observation: &[f64], damping: f64, steps: usize) -> Descent {
    let near = search.levenberg_marquardt(observation, &MarquardtOptions { damping, slow: SLOW, steps });
    let rest = search.active_set(observation, steps);
    let stationary = rest.stationary || search.is_proven_minimum(observation);
    Descent { steps: near.steps + rest.steps, stationary }
}
