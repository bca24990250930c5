//! How far from the origin a network's kinks are: where starts have to be drawn to reach all of its
//! regions.
//!
//! Without biases every region is a cone, which random directions reach at any distance. With
//! biases the regions lie at distances that N(0, 1) codes need not reach. The distances are
//! measured: along random rays `t n`, `n` ~ N(0, I), by the powers of 4 between which some unit
//! switches.

use nalgebra::DVector;

use super::kink::bend;
use crate::network::Network;
use crate::random::{Domain, normal_vector};

/// Number of rays.
const RAYS: u64 = 16;
/// The share of the draws that take the farthest power.
const FARTHEST: f64 = 0.75;
/// The powers of 4 between which units may switch.
const POWERS: std::ops::RangeInclusive<i32> = -40..=40;

/// The distances of the kinks, in units of the length of an N(0, I) code.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Radii {
    /// The powers of 4 just above which units switch, ascending.
    powers: Vec<i32>,
}

impl Radii {
    /// Measures the distances for `network`. Costs some 1,300 forward passes. Those of a network
    /// with convolutions are not measured: such a pass is long, and its codes are N(0, I).
    pub fn of(network: &Network) -> Self {
        if !network.is_dense() {
            return Radii::default();
        }
        let has_kinks = network.layers().iter().any(|layer| bend(layer.activation).is_some());
        if !has_kinks || network.layers().iter().all(|layer| layer.bias.iter().all(|b| *b == 0.0)) {
            return Radii::default();
        }
        let ray = |ray: u64| DVector::from_vec(normal_vector(0, Domain::Ray, ray, network.code_length()));
        let mut sides: Vec<(DVector<f64>, Vec<bool>)> = (0..RAYS).map(|index| (ray(index), Vec::new())).collect();
        let mut powers = Vec::new();
        for power in POWERS {
            let mut switched = false;
            for (direction, before) in &mut sides {
                let now = sides_at(network, &*direction * 4_f64.powi(power));
                switched |= !before.is_empty() && *before != now;
                *before = now;
            }
            if switched {
                powers.push(power - 1);
            }
        }
        Radii { powers }
    }

    /// Whether no unit switches along a ray.
    pub fn is_empty(&self) -> bool {
        self.powers.is_empty()
    }

    /// The distance of a start. `which` and `place`: numbers in [0, 1). The first chooses the power
    /// of 4, the second the place beyond it, up to two powers. Most draws take the farthest power:
    /// beyond it lie all the unbounded regions, and a descent from there comes inwards. Each power
    /// is drawn sometimes.
    pub fn draw(&self, which: f64, place: f64) -> f64 {
        let index = (which / (1.0 - FARTHEST) * self.powers.len() as f64) as usize;
        let chosen = self.powers.get(index).or(self.powers.last());
        chosen.map_or(1.0, |power| libm::exp2(2.0 * (f64::from(*power) + 2.0 * place)))
    }
}

/// The side of its kink on which each unit is that has one.
fn sides_at(network: &Network, code: DVector<f64>) -> Vec<bool> {
    let mut sides = Vec::new();
    network.layers().iter().fold(code, |input, layer| {
        let received = layer.weight() * input + &layer.bias;
        if bend(layer.activation).is_some() {
            sides.extend(received.iter().map(|a| *a > 0.0));
        }
        received.map(|a| layer.activation.apply(a))
    });
    sides
}

#[cfg(test)]
mod tests {
    use nalgebra::DMatrix;

    use super::*;
    use crate::network::{Activation, DenseLayer};

    fn radii(bias: &[f64]) -> Radii {
        let weight = DMatrix::from_element(bias.len(), 1, 1.0);
        let layer = DenseLayer { weight, bias: DVector::from_column_slice(bias), activation: Activation::Relu };
        Radii::of(&Network::new(vec![layer], "a test network").unwrap())
    }

    #[test]
    fn the_kinks_are_where_the_biases_put_them() {
        assert!(radii(&[0.0, 0.0]).is_empty());
        assert_eq!(radii(&[0.0, 0.0]).draw(0.3, 0.5), 1.0);
        // Kinks at the codes -1e-3 and 1e3, which rays of a few tenths to a few units reach.
        let radii = radii(&[1e-3, -1e3]);
        let (nearest, farthest) = (radii.draw(0.0, 0.0), radii.draw(0.9, 0.0));
        assert!((1e-5..1e-2).contains(&nearest) && (1e2..1e6).contains(&farthest), "{nearest} to {farthest}");
        assert_eq!(radii.draw(0.9, 0.5), 4.0 * farthest);
    }
}
