//! The linear region of a code: which units are on. Units on a kink belong to either side.

use super::kink;
use super::packed_network::PackedNetwork;
use super::point::Point;
use crate::network::Activation;

/// For each layer, whether each unit is on. On a kink, where a unit receives 0, both values are
/// valid.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Region(Vec<Vec<bool>>);

impl Region {
    /// The region with every unit off.
    pub fn new(network: &PackedNetwork) -> Self {
        Region(network.layers().iter().map(|layer| vec![false; layer.units]).collect())
    }

    /// Takes the region in which `point` lies; a unit that receives exactly 0 is off.
    pub fn take(&mut self, network: &PackedNetwork, point: &Point) {
        for (index, units) in self.0.iter_mut().enumerate() {
            let received = &point.received(index)[..network.layers()[index].units];
            units.iter_mut().zip(received).for_each(|(on, a)| *on = *a > 0.0);
        }
    }

    /// The units of layer `index`.
    pub fn layer(&self, index: usize) -> &[bool] {
        &self.0[index]
    }

    /// Sets a unit.
    pub fn set(&mut self, index: usize, unit: usize, on: bool) {
        self.0[index][unit] = on;
    }
}

/// In [`sides`]: the unit is on its kink.
pub const ON_KINK: u8 = 2;

/// On which side of its kink each unit is at a point, the first layer's first: 1 on, 0 off, or
/// [`ON_KINK`].
pub fn sides(network: &PackedNetwork, point: &Point) -> Vec<u8> {
    let mut sides = Vec::new();
    for (index, layer) in network.layers().iter().enumerate() {
        let received = &point.received(index)[..layer.units];
        let kink = kink::tolerance(kink::IN_LINEAR_PROGRAMS, received);
        sides.extend(received.iter().map(|a| if a.abs() <= kink { ON_KINK } else { u8::from(*a > 0.0) }));
    }
    sides
}

/// `σ'` of a unit that receives `a`. If the activation has a kink, the region decides the side, not
/// the sign of `a`.
#[inline(always)]
pub fn slope(activation: Activation, a: f64, on: bool) -> f64 {
    match activation {
        Activation::Relu | Activation::LeakyRelu(_) => activation.derivative(if on { 1.0 } else { -1.0 }),
        Activation::Identity => 1.0,
        _ => activation.derivative(a),
    }
}
