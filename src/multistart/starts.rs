//! Starts of a search: codes that other methods found, random codes at several distances, codes
//! near the best code so far, and codes beyond its nearest kinks.
//!
//! Each start is a function of the seed, the observation's index, the number of the run, and the
//! results of the runs before it.

use serde::Serialize;

use super::kink;
use super::linearisation::Linearisation;
use super::packed_layer::PackedLayer;
use super::packed_network::PackedNetwork;
use super::point::Point;
use super::radii::Radii;
use super::region::Region;
use super::sensitivities::gradient_of_unit;
use crate::network::Activation;
use crate::random::{Domain, normal_vector, uniform_vector};

/// The kind of start of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, strum::IntoStaticStr)]
#[serde(rename_all = "kebab-case")]
#[strum(serialize_all = "kebab-case")]
pub enum Start {
    /// The code of the layer-wise `linf` programs.
    Linf,
    /// The code of layer-wise least squares.
    LeastSquares,
    /// A code that the caller gave.
    Given,
    /// A random code, entries N(0, 1).
    Random,
    /// A random code at a distance at which units switch.
    Far,
    /// The best code so far, moved at random by a share of its length.
    Near,
    /// The best code so far, moved so that one hidden unit switches.
    Flip,
}

/// One step of the schedule.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Move {
    /// [`Start::Random`].
    Random,
    /// [`Start::Far`].
    Far,
    /// [`Start::Near`], with this share of the code's length as the mean distance.
    Near(f64),
    /// [`Start::Flip`] of the next unit, in ascending order of cost.
    Flip,
}

/// The cycle of moves for a network whose kinks all lie in the origin.
const AROUND_ORIGIN: [Move; 6] =
    [Move::Random, Move::Flip, Move::Near(0.1), Move::Near(0.2), Move::Near(0.3), Move::Near(0.6)];
/// The cycle of moves for other networks.
const WITH_BIASES: [Move; 6] =
    [Move::Far, Move::Flip, Move::Near(0.1), Move::Near(0.2), Move::Near(0.3), Move::Near(0.6)];
/// The cycle while the best code of such a network is not determined. Then it is one of many of the
/// same loss, and starts near it lead back to them.
const UNDETERMINED: [Move; 10] = [
    Move::Far,
    Move::Flip,
    Move::Near(0.1),
    Move::Far,
    Move::Near(0.2),
    Move::Far,
    Move::Flip,
    Move::Near(0.3),
    Move::Far,
    Move::Near(0.6),
];

/// The cycle of moves after the first random codes.
pub fn schedule(radii: &Radii, is_determined: bool) -> &'static [Move] {
    match (radii.is_empty(), is_determined) {
        (true, _) => &AROUND_ORIGIN,
        (false, true) => &WITH_BIASES,
        (false, false) => &UNDETERMINED,
    }
}

/// Each observation has a range of this length for the numbers of its random codes.
pub const RUNS_PER_OBSERVATION: u64 = 1 << 16;

/// The random vector of a run.
pub fn random_code(seed: u64, observation: u64, run: u64, code_length: usize) -> Vec<f64> {
    normal_vector(seed, Domain::Start, index_of(observation, run), code_length)
}

/// The distance of a run's start, at which units switch.
pub fn far_distance(radii: &Radii, seed: u64, observation: u64, run: u64) -> f64 {
    let numbers = uniform_vector(seed, Domain::Distance, index_of(observation, run), 2);
    radii.draw(numbers[0], numbers[1])
}

/// The index of a run's random numbers.
fn index_of(observation: u64, run: u64) -> u64 {
    observation.wrapping_mul(RUNS_PER_OBSERVATION).wrapping_add(run)
}

/// The hidden units around a code, in ascending order of the cost of switching them, and how many
/// have been switched.
#[derive(Debug, Clone, Default)]
pub struct FlipOrder {
    /// Layer and unit.
    units: Vec<(u32, u32)>,
    taken: usize,
}

/// Codes beyond the nearest kinks of hidden units, in ascending order of cost.
///
/// Around a minimum `z` the loss grows by `½ pᵀM p`, `M = JᵀJ`. The cheapest `p` that takes unit
/// `u` to its kink is `−a_u M⁻¹∇a_u / (∇a_uᵀ M⁻¹ ∇a_u)` and costs `½ a_u² / (∇a_uᵀ M⁻¹ ∇a_u)`;
/// twice that `p` takes it as far beyond.
#[derive(Debug, Clone)]
pub struct Flips {
    linear: Linearisation,
    region: Region,
    gradient: Vec<f64>,
    solved: Vec<f64>,
    /// Whether `linear` belongs to the requested point.
    is_around: bool,
}

impl Flips {
    /// An empty set of flips.
    pub fn new(network: &PackedNetwork) -> Self {
        Flips {
            linear: Linearisation::new(network),
            region: Region::new(network),
            gradient: vec![0.0; network.code_length()],
            solved: vec![0.0; network.code_length()],
            is_around: false,
        }
    }

    /// Computes the order of flips around `point`, a new best code.
    pub fn around(&mut self, network: &PackedNetwork, point: &Point, observation: &[f64]) -> FlipOrder {
        let mut waiting = Vec::new();
        if self.linearise(network, point, observation) {
            let hidden = network.layers().len() - 1;
            let has_kinks =
                |layer: &PackedLayer| matches!(layer.activation, Activation::Relu | Activation::LeakyRelu(_));
            for (layer, packed) in network.layers()[..hidden].iter().enumerate().filter(|(_, layer)| has_kinks(layer)) {
                let received = &point.received(layer)[..packed.units];
                let kink = kink::tolerance(kink::IN_FLIPS, received);
                // A unit on its kink has no other side to move to: its step would return to the
                // same minimum.
                for (unit, a) in received.iter().enumerate().filter(|(_, a)| a.abs() > kink) {
                    let reach = self.reach(network, layer, unit);
                    if reach > 0.0 && (a * a / reach).is_finite() {
                        waiting.push((a * a / reach, layer as u32, unit as u32));
                    }
                }
            }
        }
        waiting.sort_by(|a, b| a.0.total_cmp(&b.0));
        FlipOrder { units: waiting.into_iter().map(|(_, layer, unit)| (layer, unit)).collect(), taken: 0 }
    }

    /// Marks the linearisation as outdated: the next request is for another point.
    pub fn leave(&mut self) {
        self.is_around = false;
    }

    /// The next code of `order`; `None` if all were used. `point` is the one that was given to
    /// [`Self::around`] for this `order`.
    pub fn next(
        &mut self,
        network: &PackedNetwork,
        point: &Point,
        observation: &[f64],
        order: &mut FlipOrder,
    ) -> Option<Vec<f64>> {
        let (layer, unit) = *order.units.get(order.taken)?;
        order.taken += 1;
        if !self.is_around {
            self.linearise(network, point, observation);
        }
        let (layer, unit) = (layer as usize, unit as usize);
        let reach = self.reach(network, layer, unit);
        let length = -2.0 * point.received(layer)[unit] / reach;
        Some(point.code.iter().zip(&self.solved).map(|(z, p)| z + length * p).collect())
    }

    /// Linearises around `point`. Returns false if the loss is constant around it.
    fn linearise(&mut self, network: &PackedNetwork, point: &Point, observation: &[f64]) -> bool {
        self.is_around = true;
        self.region.take(network, point);
        let changes = self.linear.form(network, point, &self.region, observation);
        if changes {
            self.linear.factor(self.linear.least_damping());
        }
        changes
    }

    /// `∇a_uᵀ M⁻¹ ∇a_u`; leaves `M⁻¹ ∇a_u` in `solved`.
    fn reach(&mut self, network: &PackedNetwork, layer: usize, unit: usize) -> f64 {
        gradient_of_unit(network, &self.linear, layer, unit, &mut self.gradient);
        self.solved.copy_from_slice(&self.gradient);
        self.linear.solve(&mut self.solved);
        self.gradient.iter().zip(&self.solved).map(|(a, b)| a * b).sum()
    }
}
