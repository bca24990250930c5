//! Finds the exact local minimum, also where it lies on kinks.
//!
//! **Problem.** The kinks are the surfaces `a_u(z) = 0` on which a unit `u` receives 0. Between
//! them, `f = ½‖G(z) − x‖²` is quadratic. With noise, its minima often lie on kinks: there no
//! gradient is 0, and methods that shorten their steps make almost no progress. An active-set
//! method is exact there.
//!
//! **Pinned units.** Let the units of a set `E` be held at `a_u = 0`, counted as off, and let `p`
//! minimise `½‖J p + r‖²` over `∇a_u·p = −a_u`, `u ∈ E`: with `M = JᵀJ`, `B` the rows `∇a_u`,
//! `(B M⁻¹ Bᵀ) μ = a − B M⁻¹ g`, `p = −M⁻¹(g + Bᵀμ)`.
//!
//! **Along `p`** the first unit that switches reaches its kink. If `f` still falls beyond it, the
//! step crosses it and the region changes; otherwise the unit is pinned. The slope of `f` along `p`
//! jumps there by `j_u |∇a_u·p|`, where `j_u = (1 − c)(∂f/∂σ_u + Σ_v μ_v ∂a_v/∂σ_u)`, with `c` the
//! slope below 0. The first term is the derivative of the loss with respect to the unit's output;
//! the second is the cost of keeping the pinned units `v` above it on their kinks.
//!
//! **At `p = 0`** stationarity is `g + Bᵀμ = 0`. The point is a local minimum when `0 ≤ μ_u ≤ j_u`
//! for each pinned unit, also along directions that cross several kinks ([`super::multipliers`]).
//! A unit with `μ_u < 0` is released to the side where it is off, one with `μ_u > j_u` to the
//! other side; then `f` falls again.
//!
//! **Degenerate cases.** A unit that would be crossed again before `f` has fallen is pinned
//! instead: the steps of both regions point to the kink between them. No row (all units of a layer
//! off, or nothing observed): `f` is flat, so the code is a minimum unless a unit is exactly on
//! its kink. Rank-deficient `M`: it is damped by
//! [`LEAST_DAMPING`](super::linearisation::LEAST_DAMPING), which leaves the directions in its null
//! space unchanged. Linearly dependent pinned gradients: the units pinned last are released, and
//! this method does not prove its end to be a minimum. A unit without weights: it stays on its
//! kink. A zero step on a kink at which the unit is not pinned: if `f` falls beyond it, the region
//! changes. With a sigmoid or tanh output, `f` is not quadratic between the kinks. `M` is then the
//! Gauss–Newton matrix, steps that do not reduce `f` are halved, and more steps are needed.

use nalgebra::{DMatrix, DVector};

use super::kink::{self, bend};
use super::local_search::{Descent, LocalSearch, MarquardtOptions, NEGLIGIBLE_DECREASE};
use super::pin::Pin;
use super::sensitivities::gradient_of_unit;
use crate::network::Activation;

/// Relative tolerance of a multiplier's range, as a share of the largest multiplier: a violation up
/// to this is rounding.
const NEGLIGIBLE_MULTIPLIER: f64 = 1e-9;
/// What the relative error of a map's products adds to that tolerance, per unit of the error.
pub(super) const OF_PRODUCT_ERROR: f64 = 10.0;
/// The smallest relative decrease that counts as a decrease of `f`.
const FALLEN: f64 = 1e-13;

/// The slowest progress of steps that replace the exact method.
const SLOW: f64 = 1e-9;
/// Undamped steps after Levenberg–Marquardt on a network without kinks, at most: near the minimum
/// few are needed, and far from it they may not end.
const LAST_STEPS: usize = 20;

/// The shortest fraction of a step that is tried.
const SHORTEST: f64 = 1e-6;

/// A unit that switches on or off along the step.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Crossing {
    layer: usize,
    unit: usize,
    /// The fraction of the step at which it switches.
    at: f64,
}

impl LocalSearch<'_> {
    /// Descends from the current code to a local minimum, in at most `most` steps. The loss never
    /// rises.
    ///
    /// [`Descent::stationary`] says whether every kink's multiplier is in its range.
    pub fn active_set(&mut self, observation: &[f64], most: usize) -> Descent {
        self.pins.clear();
        self.dependent.clear();
        let descent = if self.network.has_too_many_kinks() {
            let options = MarquardtOptions { damping: 0.0, slow: SLOW, steps: most };
            let Descent { steps, .. } = self.levenberg_marquardt(observation, &options);
            self.region.take(self.network, &self.current);
            // Nothing is known of the kinks.
            Descent { steps, stationary: false }
        } else if self.has_no_kinks() {
            self.smooth_minimum(observation, most)
        } else {
            self.exact_minimum(observation, most)
        };
        let is_proven = descent.stationary && !self.is_on_untreated_kink();
        Descent { stationary: is_proven || self.reproduces(observation), ..descent }
    }

    /// The minimum of a network without kinks.
    fn smooth_minimum(&mut self, observation: &[f64], most: usize) -> Descent {
        let mut taken = 0;
        // Newton's method ends what Levenberg–Marquardt begins. Where it does not begin near enough
        // to a minimum, a second descent goes as far as the rounding of the loss lets it.
        for slow in [SLOW, 0.0] {
            let options = MarquardtOptions { damping: 0.0, slow, steps: most - taken.min(most) };
            let mut descent = self.levenberg_marquardt(observation, &options);
            taken += descent.steps;
            if !descent.stationary && most > 0 {
                descent = self.newton(observation);
                taken += descent.steps;
            }
            if descent.stationary {
                self.region.take(self.network, &self.current);
                return Descent { steps: taken, ..descent };
            }
        }
        self.region.take(self.network, &self.current);
        // Undamped steps see more than a decrease of the loss: they may rise within the rounding.
        let last = LAST_STEPS.min(most - taken.min(most));
        let rest =
            if last > 0 { self.exact_minimum(observation, last) } else { Descent { steps: 0, stationary: false } };
        Descent { steps: taken + rest.steps, stationary: rest.stationary }
    }

    /// Whether there are no regions. Then nothing can be pinned, and damping helps: where the
    /// curvature of the outputs times the residual exceeds the least eigenvalue of `JᵀJ`,
    /// Gauss–Newton steps diverge, and halving them ends in a cycle around the minimum.
    pub(super) fn has_no_kinks(&self) -> bool {
        self.network.layers().iter().all(|layer| bend(layer.activation).is_none())
    }

    /// Whether a unit is on a kink of which this method knows nothing.
    fn is_on_untreated_kink(&self) -> bool {
        let layers = self.network.layers().iter().enumerate();
        layers.filter(|(_, layer)| layer.activation.has_untreated_kink()).any(|(index, layer)| {
            let received = &self.current.received(index)[..layer.units];
            let kink = kink::tolerance(kink::IN_ACTIVE_SET, received);
            received.iter().any(|a| a.abs() <= kink)
        })
    }

    fn exact_minimum(&mut self, observation: &[f64], most: usize) -> Descent {
        self.region.take(self.network, &self.current);
        let mut passed: Vec<(usize, usize)> = Vec::new();
        let mut steps = 0;
        let exact = self.network.is_piecewise_linear();
        let error = self.error_of(observation);
        let ended = |steps, stationary| Descent { steps, stationary };
        for _ in 0..most {
            if !self.current.loss.is_finite() {
                return ended(steps, false);
            }
            if self.reproduces(observation) {
                return ended(steps, true);
            }
            if !self.linear.form(self.network, &self.current, &self.region, observation) {
                // `f` is flat here, unless `f` falls beyond the kink of a unit that is exactly on
                // it.
                let is_held = !self.pins.is_empty() || !self.dependent.is_empty();
                return ended(steps, !is_held && self.on_kinks(observation).next().is_none());
            }
            self.pinned_step();
            let curvature = self.linear.curvature(&self.step);
            if !curvature.is_finite() {
                return ended(steps, false);
            }
            let negligible = 2.0 * NEGLIGIBLE_DECREASE * self.current.loss + 2.0 * error.least_loss();
            if curvature <= negligible || self.step_is_negligible() {
                if self.release(observation) {
                    continue;
                }
                let Some((layer, unit)) = self.way_out(observation) else {
                    // The multipliers of dependent units are not known.
                    return ended(steps, self.dependent.is_empty());
                };
                if passed.contains(&(layer, unit)) {
                    return ended(steps, false);
                }
                passed.push((layer, unit));
                let on = self.region.layer(layer)[unit];
                self.region.set(layer, unit, !on);
                continue;
            }
            let mut crossing = self.first_crossing(observation);
            let mut length = crossing.map_or(1.0, |crossing| crossing.at);
            let mut gain = self.try_step(observation, length);
            // Rounding may cost only the last digits of the loss.
            let most_lost = FALLEN * self.current.loss + error.of_loss(self.current.loss);
            let rises = |gain: f64| gain.is_nan() || gain < -most_lost;
            // Where the output is curved, the quadratic model sometimes predicts too large a
            // decrease.
            while !exact && rises(gain) && length > SHORTEST {
                (length, crossing) = (0.5 * length, None);
                gain = self.try_step(observation, length);
            }
            if rises(gain) {
                return ended(steps, false);
            }
            if gain > most_lost {
                passed.clear();
                self.dependent.clear();
            }
            steps += 1;
            std::mem::swap(&mut self.current, &mut self.trial);
            if let Some(crossing) = crossing {
                let Crossing { layer, unit, at } = crossing;
                let change = self.tangents.layer(layer)[unit].abs();
                let beyond = self.jump_at(observation, layer, unit) * change - (1.0 - at) * curvature;
                if beyond < 0.0 && !passed.contains(&(layer, unit)) {
                    passed.push((layer, unit));
                    let on = self.region.layer(layer)[unit];
                    self.region.set(layer, unit, !on);
                } else {
                    self.region.set(layer, unit, false);
                    self.pins.push(Pin { layer, unit, gradient: Vec::new(), solved: Vec::new(), multiplier: 0.0 });
                }
            }
        }
        ended(steps, false)
    }

    /// The units that are pinned at the end, by layer and number.
    pub fn pinned(&self) -> impl Iterator<Item = (usize, usize)> {
        self.pins.iter().map(|pin| (pin.layer, pin.unit))
    }

    /// Computes the step to the minimum of the quadratic with the pinned units held on their kinks,
    /// and their multipliers.
    fn pinned_step(&mut self) {
        self.linear.newton_step(&mut self.step);
        for pin in &mut self.pins {
            pin.gradient.resize(self.step.len(), 0.0);
            gradient_of_unit(self.network, &self.linear, pin.layer, pin.unit, &mut pin.gradient);
            pin.solved.clone_from(&pin.gradient);
            self.linear.solve(&mut pin.solved);
        }
        // Releases the units pinned last where their gradients depend on the others'.
        let multipliers = loop {
            let count = self.pins.len();
            if count == 0 {
                return;
            }
            let matrix = DMatrix::from_fn(count, count, |i, j| dot(&self.pins[i].gradient, &self.pins[j].solved));
            let scales: Vec<f64> = (0..count).map(|i| matrix[(i, i)]).collect();
            let right = DVector::from_iterator(
                count,
                self.pins.iter().map(|pin| dot(&pin.gradient, &self.step) + self.current.received(pin.layer)[pin.unit]),
            );
            if let Some(factor) = matrix.cholesky() {
                let pivot = |i: usize| factor.l_dirty()[(i, i)].powi(2) > 1e-12 * scales[i];
                if (0..count).all(pivot) {
                    break factor.solve(&right);
                }
            }
            self.dependent.extend(self.pins.pop().map(|pin| (pin.layer, pin.unit)));
        };
        for (pin, multiplier) in self.pins.iter_mut().zip(multipliers.iter()) {
            pin.multiplier = *multiplier;
            self.step.iter_mut().zip(&pin.solved).for_each(|(p, solved)| *p -= multiplier * solved);
        }
    }

    /// The first unit that switches along the step, among those that are not pinned and (at the
    /// output) observed.
    fn first_crossing(&mut self, observation: &[f64]) -> Option<Crossing> {
        self.tangents.tangents(self.network, &self.linear, &self.step);
        let last = self.network.layers().len() - 1;
        let mut first: Option<Crossing> = None;
        let mut reach = 1.0;
        for (layer, packed) in self.network.layers().iter().enumerate() {
            if bend(packed.activation).is_none() {
                continue;
            }
            let received = &self.current.received(layer)[..packed.units];
            let units = received.iter().zip(self.tangents.layer(layer)).zip(self.region.layer(layer)).enumerate();
            for (unit, ((a, change), on)) in units {
                // The condition is written so that only units near enough pass it: most do not.
                let heading = if *on { -change } else { *change };
                let distance = if *on { *a } else { -a };
                if heading > 0.0 && distance < reach * heading {
                    let counts = layer < last || !observation[unit].is_nan();
                    if counts && !self.is_held(layer, unit) {
                        reach = (distance / heading).max(0.0);
                        first = Some(Crossing { layer, unit, at: reach });
                    }
                }
            }
        }
        first
    }

    /// Whether a unit stays on its kink along the step.
    fn is_held(&self, layer: usize, unit: usize) -> bool {
        self.pins.iter().any(|pin| (pin.layer, pin.unit) == (layer, unit)) || self.dependent.contains(&(layer, unit))
    }

    /// The units that are on their kinks but not held there; of the output layer, only the observed
    /// ones.
    pub(super) fn on_kinks(&self, observation: &[f64]) -> impl Iterator<Item = (usize, usize)> {
        let last = self.network.layers().len() - 1;
        let layers = self.network.layers().iter().enumerate().filter(|(_, layer)| bend(layer.activation).is_some());
        layers.flat_map(move |(layer, packed)| {
            let received = &self.current.received(layer)[..packed.units];
            let tolerance = kink::tolerance(kink::IN_ACTIVE_SET, received);
            let counts = move |unit: usize| layer < last || !observation[unit].is_nan();
            let on_kink = received.iter().enumerate().filter(move |(unit, a)| a.abs() <= tolerance && counts(*unit));
            let movable =
                move |(layer, unit): &(usize, usize)| !self.is_held(*layer, *unit) && self.can_move(*layer, *unit);
            on_kink.map(move |(unit, _)| (layer, unit)).filter(movable)
        })
    }

    /// Whether a unit on its kink can leave it: one without weights, or above units that are all
    /// off, stays there.
    fn can_move(&self, layer: usize, unit: usize) -> bool {
        let packed = &self.network.layers()[layer];
        let weights = packed.row(unit);
        let Some(below) = layer.checked_sub(1) else { return weights.iter().any(|w| *w != 0.0) };
        let received = &self.current.received(below)[..packed.inputs];
        let kink = kink::tolerance(kink::IN_ACTIVE_SET, received);
        let is_off = |a: f64| a < -kink && self.network.layers()[below].activation == Activation::Relu;
        weights.iter().zip(received).any(|(w, a)| *w != 0.0 && !is_off(*a))
    }

    /// A unit on its kink, not held there, beyond which the loss falls although it does not fall on
    /// this side.
    fn way_out(&mut self, observation: &[f64]) -> Option<(usize, usize)> {
        self.on_kinks(observation).next()?;
        self.backpropagate(observation);
        self.on_kinks(observation).find(|(layer, unit)| {
            let adjoints = self.adjoints.layer(*layer);
            let largest = adjoints.iter().fold(0.0, |most: f64, x| most.max(x.abs()));
            self.jump(*layer, *unit) < -self.negligible_multiplier() * largest
        })
    }

    /// `j_u` at the current point.
    fn jump_at(&mut self, observation: &[f64], layer: usize, unit: usize) -> f64 {
        self.backpropagate(observation);
        self.jump(layer, unit)
    }

    fn backpropagate(&mut self, observation: &[f64]) {
        let multipliers = self.pins.iter().map(|pin| (pin.layer, pin.unit, pin.multiplier));
        self.adjoints.adjoints(self.network, &self.linear, &self.current, observation, multipliers);
    }

    fn jump(&self, layer: usize, unit: usize) -> f64 {
        bend(self.network.layers()[layer].activation).unwrap_or(0.0) * self.adjoints.layer(layer)[unit]
    }

    /// Relative tolerance of a multiplier's range.
    fn negligible_multiplier(&self) -> f64 {
        NEGLIGIBLE_MULTIPLIER + OF_PRODUCT_ERROR * self.network.product_error()
    }

    /// Whether the multipliers of the pinned units are inside their ranges, none of them at an end
    /// up to `inside` times the largest.
    pub(super) fn multipliers_are_inside(&mut self, observation: &[f64], inside: f64) -> bool {
        if self.pins.is_empty() {
            return true;
        }
        self.backpropagate(observation);
        let units = self.network.units();
        let size = |pin: &Pin| pin.multiplier.abs() / units[pin.layer];
        let least = inside * self.pins.iter().fold(0.0, |most: f64, pin| most.max(size(pin)));
        let is_inside = |pin: &Pin| {
            let above = (self.jump(pin.layer, pin.unit) - pin.multiplier) / units[pin.layer];
            pin.multiplier / units[pin.layer] > least && above > least
        };
        self.pins.iter().all(is_inside)
    }

    /// Releases the pinned unit whose multiplier is farthest out of its range. Returns false if all
    /// are in range.
    fn release(&mut self, observation: &[f64]) -> bool {
        if self.pins.is_empty() {
            return false;
        }
        self.backpropagate(observation);
        // Multipliers of different layers are compared in units in which the layers' values are of
        // ordinary size.
        let units = self.network.units();
        let size = |pin: &Pin| pin.multiplier.abs() / units[pin.layer];
        let largest = self.pins.iter().fold(0.0, |most: f64, pin| most.max(size(pin)));
        let mut worst = (self.negligible_multiplier() * largest, None);
        for (place, pin) in self.pins.iter().enumerate() {
            let below = -pin.multiplier / units[pin.layer];
            let above = (pin.multiplier - self.jump(pin.layer, pin.unit)) / units[pin.layer];
            if below > worst.0 {
                worst = (below, Some((place, false)));
            }
            if above > worst.0 {
                worst = (above, Some((place, true)));
            }
        }
        let Some((place, on)) = worst.1 else { return false };
        let pin = self.pins.remove(place);
        self.region.set(pin.layer, pin.unit, on);
        true
    }
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}
