//! How far from the origin a network's kinks are: where starts have to be drawn to reach all of its
//! regions.
//!
//! Without biases every region is a cone, which random directions reach at any distance. With
//! biases the regions lie at distances that N(0, 1) codes need not reach. The distances are
//! measured: along random rays `t n`, `n` ~ N(0, I), the units that switch between `t = 4^(j−1)`
//! and `4^j` are counted.

use super::kink::bend;
use super::packed_network::PackedNetwork;
use super::point::Point;
use crate::linalg::lanes::numbers;
use crate::random::{Domain, normal_vector};

/// Number of rays.
const RAYS: u64 = 16;
/// The share of the draws that take the farthest power.
const FARTHEST: f64 = 0.75;
/// The powers of 4 between which the kinks are counted.
const POWERS: std::ops::RangeInclusive<i32> = -40..=40;

/// The distances of the kinks, in units of the length of an N(0, I) code.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Radii {
    /// The powers of 4 just above which units switch.
    powers: Vec<i32>,
}

impl Radii {
    /// Measures the distances for `network`.
    pub fn of(network: &PackedNetwork) -> Self {
        let has_kinks = network.layers().iter().any(|layer| bend(layer.activation).is_some());
        if !has_kinks || network.layers().iter().all(|layer| numbers(&layer.bias).iter().all(|b| *b == 0.0)) {
            return Radii::default();
        }
        let mut counts = vec![0_u32; POWERS.count()];
        let unobserved = vec![f64::NAN; network.observation_length()];
        let mut point = Point::new(network);
        for ray in 0..RAYS {
            let direction = normal_vector(0, Domain::Ray, ray, network.code_length());
            let mut before: Option<Vec<bool>> = None;
            for (count, power) in counts.iter_mut().zip(POWERS) {
                let length = 4_f64.powi(power);
                point.code.iter_mut().zip(&direction).for_each(|(z, n)| *z = length * n);
                point.run(network, &unobserved);
                let sides = sides(network, &point);
                if let Some(before) = before {
                    *count += before.iter().zip(&sides).filter(|(before, now)| before != now).count() as u32;
                }
                before = Some(sides);
            }
        }
        Radii::from_counts(&counts)
    }

    fn from_counts(counts: &[u32]) -> Self {
        let occupied = counts.iter().zip(POWERS).filter(|(count, _)| **count > 0);
        Radii { powers: occupied.map(|(_, power)| power - 1).collect() }
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

fn sides(network: &PackedNetwork, point: &Point) -> Vec<bool> {
    let layers = network.layers().iter().enumerate().filter(|(_, layer)| bend(layer.activation).is_some());
    layers.flat_map(|(index, layer)| point.received(index)[..layer.units].iter().map(|a| *a > 0.0)).collect()
}

#[cfg(test)]
mod tests {
    use nalgebra::{DMatrix, DVector};

    use super::*;
    use crate::network::{Activation, DenseLayer, Network};

    fn radii(bias: &[f64]) -> Radii {
        let activation = Activation::Relu;
        let layer = |units: usize, bias: DVector<f64>| DenseLayer {
            weight: DMatrix::from_element(units, 1, 1.0),
            bias,
            activation,
        };
        let layers = vec![layer(bias.len(), DVector::from_column_slice(bias))];
        Radii::of(&PackedNetwork::new(Network::new(layers, "a test network").unwrap()))
    }

    #[test]
    fn the_kinks_are_where_the_biases_put_them() {
        assert!(radii(&[0.0, 0.0]).is_empty());
        assert_eq!(radii(&[0.0, 0.0]).draw(0.3, 0.5), 1.0);
        // Kinks at codes -1e-3 and 1e3, which rays of a few tenths to a few units reach.
        let radii = radii(&[1e-3, -1e3]);
        let (nearest, farthest) = (radii.draw(0.0, 0.0), radii.draw(0.9, 0.0));
        assert!((1e-5..1e-2).contains(&nearest) && (1e2..1e6).contains(&farthest), "{nearest} to {farthest}");
        assert_eq!(radii.draw(0.9, 0.5), 4.0 * farthest);
    }
}
