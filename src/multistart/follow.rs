//! Follows the answer of an observation that has changed: the first thing that a loop of
//! projections tries.
//!
//! The previous answer is refined on the new observation. If the new code stays within the linear
//! region of the old one, it is the least-squares answer of that region, and it is as trustworthy
//! as the old one. If it leaves the region, it is still a local minimum, but another region may now
//! contain a lower one. The caller decides whether to search for it.

use nalgebra::DMatrix;
use rayon::prelude::*;

use super::kink::{self, bend};
use super::local_search::LocalSearch;
use super::packed_network::PackedNetwork;
use super::refine::descend;
use crate::network::Activation;

/// Maximum number of Levenberg–Marquardt steps, and of active-set steps.
const STEPS: usize = 200;

/// The result of following one code.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Followed {
    /// The loss ([`Point::loss`](super::point::Point::loss)); not finite if the code is not finite.
    pub loss: f64,
    /// Whether the code is proven to be a local minimum (with a curved output: to first order).
    pub stationary: bool,
    /// Whether no unit changed sides, apart from units that were on their kinks before or after.
    /// False with a curved hidden layer: such a network has no linear regions.
    pub same_region: bool,
    /// Whether the remaining residual is only rounding.
    pub reproduced: bool,
    /// Whether all units of some layer are off, so that no small change of the code changes any
    /// observed entry. Such a minimum says nothing about the observation.
    pub flat: bool,
}

/// Follows every column of `codes` (`k` × count) to a local minimum for the same column of
/// `observations` (`n` × count, `NaN` where unobserved), in place; codes that are `NaN` stay as
/// they are. Each result depends on its own column only.
///
/// # Panics
/// If a shape does not fit the network or the counts differ.
pub fn follow_batch(network: &PackedNetwork, observations: &DMatrix<f64>, codes: &mut DMatrix<f64>) -> Vec<Followed> {
    assert_eq!(observations.nrows(), network.observation_length(), "entries per observation");
    assert_eq!(codes.shape(), (network.code_length(), observations.ncols()), "one code per observation");
    observations
        .as_slice()
        .par_chunks(network.observation_length())
        .zip(codes.as_mut_slice().par_chunks_mut(network.code_length()))
        .map_init(
            || (LocalSearch::new(network), Sides::default()),
            |(search, sides), (x, z)| follow(search, sides, x, z),
        )
        .collect()
}

fn follow(search: &mut LocalSearch, before: &mut Sides, observation: &[f64], code: &mut [f64]) -> Followed {
    search.go_to(observation, code);
    before.take(search, observation);
    let descent = descend(search, observation, 0.0, STEPS);
    let loss = search.point().loss;
    if loss.is_finite() {
        code.copy_from_slice(&search.point().code);
    }
    Followed {
        loss,
        stationary: descent.stationary && loss.is_finite(),
        same_region: loss.is_finite() && has_regions(search) && before.are_those_of(search, observation),
        reproduced: search.reproduces(observation),
        flat: is_flat(search, observation),
    }
}

/// Whether the network has linear regions: not with a curved hidden layer.
fn has_regions(search: &LocalSearch) -> bool {
    !search.network().network().has_curved_hidden_layers()
}

fn is_flat(search: &LocalSearch, observation: &[f64]) -> bool {
    let layers = search.network().layers();
    layers.iter().enumerate().filter(|(_, layer)| layer.activation == Activation::Relu).any(|(index, layer)| {
        let mut received = search.point().received(index)[..layer.units].iter().enumerate();
        received.all(|(unit, &a)| a <= 0.0 || index + 1 == layers.len() && observation[unit].is_nan())
    })
}

/// The side of its kink on which each unit is; `0` for units on the kink, without a kink, or not
/// observed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Sides(Vec<i8>);

impl Sides {
    fn take(&mut self, search: &LocalSearch, observation: &[f64]) {
        self.0.clear();
        self.0.extend(sides(search, observation));
    }

    fn are_those_of(&self, search: &LocalSearch, observation: &[f64]) -> bool {
        self.0.iter().zip(sides(search, observation)).all(|(before, after)| before * after >= 0)
    }
}

fn sides<'a>(search: &'a LocalSearch, observation: &'a [f64]) -> impl Iterator<Item = i8> + 'a {
    let layers = search.network().layers();
    layers.iter().enumerate().filter(|(_, layer)| bend(layer.activation).is_some()).flat_map(move |(index, layer)| {
        let received = &search.point().received(index)[..layer.units];
        let kink = kink::tolerance(kink::IN_COMPARISON, received);
        let counts = move |unit: usize| index + 1 < layers.len() || !observation[unit].is_nan();
        received.iter().enumerate().map(move |(unit, &a)| match a.abs() > kink && counts(unit) {
            true => a.signum() as i8,
            false => 0,
        })
    })
}
