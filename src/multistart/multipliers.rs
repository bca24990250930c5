//! Proof of a local minimum where more units are on their kinks than the multipliers of pinned
//! units decide.
//!
//! Let `E` be the units on their kinks, all counted as off, `g` the gradient of the loss there, and
//! `∇a_u` the gradient of what unit `u` receives. For any numbers `μ_u` let
//! `j_u(μ) = (1 − c)(∂f/∂σ_u + Σ_v μ_v ∂a_v/∂σ_u)`, as in [`super::active_set`]. Along a direction
//! `d`, let `α_u` be the change of what `u` receives, kinks below it included. If
//! `g + Σ μ_u ∇a_u = 0`, then
//!
//! ```text
//!     f′(d) = Σ_u (j_u(μ) max(0, α_u) − μ_u α_u),
//! ```
//!
//! since each unit of `E` that turns on adds `(1 − c) α_u` to its output. So `0 ≤ μ_u ≤ j_u(μ)` for
//! all of `E` proves that no direction descends. `f` is convex in each of the regions that meet at
//! the code, so the code is a local minimum. With independent gradients, `μ` is unique, and the
//! active-set method finds it. Here it is not: `μ ≥ 0` and `ν = j(μ) − μ ≥ 0` are found together by
//! nonnegative least squares.
//!
//! The condition is sufficient. Where units on kinks feed others on kinks, a minimum may have no
//! such `μ`. Then the cones of directions are tried one by one, if they are not too many.

use nalgebra::{DMatrix, DVector};

use super::active_set::OF_PRODUCT_ERROR;
use super::kink::bend;
use super::local_search::LocalSearch;
use super::sensitivities::gradient_of_unit;
use crate::linalg::nnls::nonnegative_least_squares;

/// More units on kinks than this are not tried: the effort grows with their fourth power.
pub const MOST_UNITS: usize = 60;
/// Up to this many units on kinks, all their sides are tried where one set of multipliers does not
/// prove all of them.
const MOST_ENUMERATED: usize = 10;
/// A decrease of the loss below this share of it, by a gradient that the multipliers leave, is
/// rounding.
const ROUNDED_DECREASE: f64 = 1e-12;
/// A violation of `μ ≤ j(μ)` up to this share of its terms is rounding.
const ROUNDED_MULTIPLIER: f64 = 1e-9;

impl LocalSearch<'_> {
    /// Whether multipliers prove the current code to be a local minimum. False says nothing
    /// where many units are on kinks. The network has to be piecewise linear.
    pub fn is_proven_minimum(&mut self, observation: &[f64]) -> bool {
        if self.reproduces(observation) {
            return true;
        }
        self.pins.clear();
        self.dependent.clear();
        self.region.take(self.network, &self.current);
        let units: Vec<(usize, usize)> = self.on_kinks(observation).collect();
        if !self.network.is_piecewise_linear() || units.len() > MOST_UNITS || !self.current.loss.is_finite() {
            return false;
        }
        units.iter().for_each(|(layer, unit)| self.region.set(*layer, *unit, false));
        let changes = self.linear.form(self.network, &self.current, &self.region, observation);
        let (k, count) = (self.network.code_length(), units.len());
        let loss = self.loss_unit();
        let gradient = DVector::from_fn(k, |i, _| if changes { loss * self.linear.gradient(i) } else { 0.0 });
        let gradients = self.gradients_of(&units);
        let (jumps, price) = self.jumps_of(&units, observation);

        let size = Some(gradients.amax()).filter(|size| *size > 0.0).unwrap_or(1.0);
        let mut system = DMatrix::zeros(k + count, 2 * count);
        system.view_mut((0, 0), (k, count)).copy_from(&(&gradients / size));
        system.view_mut((k, 0), (count, count)).copy_from(&(DMatrix::identity(count, count) - &price));
        system.view_mut((k, count), (count, count)).fill_with_identity();
        let mut right = DVector::zeros(k + count);
        right.rows_mut(0, k).copy_from(&(-&gradient / size));
        right.rows_mut(k, count).copy_from(&jumps);
        let found = nonnegative_least_squares(&system, &right);
        let mu = found.rows(0, count);

        let of_multipliers = &price * mu;
        let rounded = ROUNDED_MULTIPLIER + OF_PRODUCT_ERROR * self.network.product_error();
        let in_range = (0..count).all(|u| {
            let terms = jumps[u].abs() + of_multipliers[u].abs() + mu[u];
            jumps[u] + of_multipliers[u] - mu[u] >= -rounded * terms
        });
        in_range && self.is_negligible(&(gradient + gradients * mu), changes, observation)
            || count <= MOST_ENUMERATED
                && (0..1u64 << count).all(|sides| self.is_minimum_in(sides, &units, observation))
    }

    /// Whether the loss falls nowhere in the cone of directions in which bit `i` of `sides` tells
    /// whether the `i`-th unit turns on: by Farkas' lemma, whether its gradient there is a
    /// nonnegative sum of the cone's borders.
    fn is_minimum_in(&mut self, sides: u64, units: &[(usize, usize)], observation: &[f64]) -> bool {
        let is_on = |place: usize| sides >> place & 1 == 1;
        units.iter().enumerate().for_each(|(place, (layer, unit))| self.region.set(*layer, *unit, is_on(place)));
        if !self.linear.form(self.network, &self.current, &self.region, observation) {
            return true;
        }
        let loss = self.loss_unit();
        let gradient = DVector::from_fn(self.network.code_length(), |i, _| loss * self.linear.gradient(i));
        let mut borders = self.gradients_of(units);
        (0..units.len()).filter(|place| !is_on(*place)).for_each(|place| borders.column_mut(place).neg_mut());
        let shares = nonnegative_least_squares(&borders, &gradient);
        self.is_negligible(&(gradient - borders * shares), true, observation)
    }

    /// The unit of losses: the square of the last layer's ([`PackedNetwork::units`]). Gradients of
    /// units and multipliers are in the layers' units, so that all are of ordinary size.
    ///
    /// [`PackedNetwork::units`]: super::packed_network::PackedNetwork::units
    fn loss_unit(&self) -> f64 {
        self.network.units().last().map_or(1.0, |unit| unit * unit)
    }

    /// One column per unit: `∇a_u`.
    fn gradients_of(&self, units: &[(usize, usize)]) -> DMatrix<f64> {
        let mut gradients = DMatrix::zeros(self.network.code_length(), units.len());
        for ((layer, unit), mut column) in units.iter().zip(gradients.column_iter_mut()) {
            gradient_of_unit(self.network, &self.linear, *layer, *unit, column.as_mut_slice());
            column *= self.network.units()[*layer];
        }
        gradients
    }

    /// `j(0)`, and the matrix `C` of `j(μ) = j(0) + C μ`.
    fn jumps_of(&mut self, units: &[(usize, usize)], observation: &[f64]) -> (DVector<f64>, DMatrix<f64>) {
        let jumps = |search: &mut Self, observation: &[f64], multiplier: Option<(usize, usize, f64)>| {
            let LocalSearch { network, linear, current, adjoints, .. } = search;
            adjoints.adjoints(network, linear, current, observation, multiplier.into_iter());
            let jump = |(layer, unit): &(usize, usize)| {
                bend(network.layers()[*layer].activation).unwrap_or(0.0) * adjoints.layer(*layer)[*unit]
            };
            DVector::from_iterator(units.len(), units.iter().map(jump))
        };
        let scales = self.network.units();
        let loss = self.loss_unit();
        let mut without = jumps(self, observation, None);
        for ((layer, _), jump) in units.iter().zip(without.iter_mut()) {
            *jump *= loss / scales[*layer];
        }
        // Without an observation the loss has no derivative: what is left is the multiplier's.
        let unobserved = vec![f64::NAN; observation.len()];
        let mut price = DMatrix::zeros(units.len(), units.len());
        for ((layer, unit), mut column) in units.iter().zip(price.column_iter_mut()) {
            column.copy_from(&jumps(self, &unobserved, Some((*layer, *unit, 1.0))));
            for ((above, _), entry) in units.iter().zip(column.iter_mut()) {
                *entry *= scales[*layer] / scales[*above];
            }
        }
        (without, price)
    }

    /// Whether the affine map predicts no decrease of the loss from a gradient of `slope`, which is
    /// in the unit of losses.
    fn is_negligible(&mut self, slope: &DVector<f64>, changes: bool, observation: &[f64]) -> bool {
        if !changes {
            return slope.amax() == 0.0;
        }
        let slope = slope / self.loss_unit();
        self.linear.factor(self.linear.least_damping());
        let mut step: Vec<f64> = slope.iter().copied().collect();
        self.linear.solve(&mut step);
        let decrease: f64 = 0.5 * step.iter().zip(slope.iter()).map(|(p, g)| p * g).sum::<f64>();
        decrease <= ROUNDED_DECREASE * self.current.loss + self.error_of(observation).least_loss()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::multistart::packed_network::PackedNetwork;
    use crate::network::{Activation, Map, Network};
    use crate::random::{Domain, normal_vector, random_network};

    const RELU: Activation = Activation::Relu;

    fn is_proven(network: &PackedNetwork, x: &[f64], code: &[f64]) -> bool {
        let mut search = LocalSearch::new(network);
        search.go_to(x, code);
        search.is_proven_minimum(x)
    }

    /// `max(0, z)`, then `output`.
    fn ramp(output: Activation) -> PackedNetwork {
        let mut layers = random_network(&[1, 1, 1], RELU, 0).unwrap().layers().to_vec();
        for layer in &mut layers {
            *layer = layer.with(Map::Dense(DMatrix::from_element(1, 1, 1.0)), layer.bias.clone());
        }
        layers[1].activation = output;
        PackedNetwork::new(Network::new(layers, "a ramp").unwrap())
    }

    #[test]
    fn the_ramp_falls_towards_what_it_can_reach() {
        for output in [RELU, Activation::Identity, Activation::LeakyRelu(0.3)] {
            assert!(!is_proven(&ramp(output), &[1.0], &[0.0]), "{output}: the loss falls from 1/2 to 0");
            assert!(is_proven(&ramp(output), &[-1.0], &[0.0]), "{output}: no code is nearer to -1");
            assert!(is_proven(&ramp(output), &[-1.0], &[-2.0]), "{output}: flat");
        }
    }

    /// With one code entry there are two directions. Without biases the loss at 0 falls along one
    /// of them exactly where `G` of it and the observation have a positive product.
    #[test]
    fn in_the_origin_of_one_entry_what_is_proven_is_a_minimum() {
        let (mut proven, mut minima) = (0, 0);
        for seed in 0..2000_u64 {
            let sizes: &[usize] = [&[1, 4, 3][..], &[1, 3, 3, 4], &[1, 5]][seed as usize % 3];
            let hidden = [RELU, Activation::LeakyRelu(0.2)][seed as usize / 3 % 2];
            let mut layers = random_network(sizes, hidden, seed).unwrap().layers().to_vec();
            layers.last_mut().unwrap().activation =
                [RELU, Activation::Identity, Activation::LeakyRelu(0.2)][seed as usize / 6 % 3];
            let network = Network::new(layers, "a test network").unwrap();
            let measured = seed % 4 == 3;
            let outputs = sizes[sizes.len() - 1];
            let matrix = DMatrix::from_vec(2, outputs, normal_vector(seed, Domain::Operator, 0, 2 * outputs));
            let (packed, length) = match measured {
                true => (PackedNetwork::measured_by(network.clone(), &matrix), 2),
                false => (PackedNetwork::new(network.clone()), outputs),
            };
            let scale = [1.0, 1e12][seed as usize / 18 % 2];
            let mut x: Vec<f64> = normal_vector(seed, Domain::Noise, 0, length).iter().map(|x| scale * x).collect();
            if seed % 5 == 4 {
                x[0] = f64::NAN;
            }
            let falls = [1.0, -1.0].iter().any(|z| {
                let made = network.forward(&DMatrix::from_element(1, 1, *z)).unwrap();
                let made = if measured { &matrix * made } else { made };
                made.iter().zip(&x).filter(|(_, x)| !x.is_nan()).map(|(g, x)| g * x).sum::<f64>() > 0.0
            });
            let is_proven = is_proven(&packed, &x, &[0.0]);
            assert!(!(is_proven && falls), "seed {seed}");
            proven += usize::from(is_proven);
            minima += usize::from(!falls);
        }
        assert!(proven == minima && (100..1500).contains(&minima), "{proven} of {minima} minima are proven");
    }
}
