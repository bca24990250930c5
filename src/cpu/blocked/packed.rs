//! A network in the layout of the products: its weights packed, in f64 or rounded to f32. It is
//! made once, because packing is a pass over the weights, and a product with few columns costs not
//! much more.

use super::map::PackedMap;
use super::vector::Number;
use crate::descent::loss_unit;
use crate::network::{Activation, Layer, Network};

/// A network in the precision `T`.
#[derive(Debug)]
pub struct PackedNetwork<T> {
    layers: Vec<PackedLayer<T>>,
    loss_unit: f64,
}

/// One layer `φ(a) = σ(W a + b)`.
#[derive(Debug)]
pub struct PackedLayer<T> {
    /// `W`: units × inputs.
    pub map: PackedMap<T>,
    /// `b`: units.
    pub bias: Vec<T>,
    /// `σ`.
    pub activation: Activation,
    /// Multiplications of a product with one column.
    pub products: usize,
}

impl<T: Number> PackedNetwork<T> {
    /// Packs `network`; values beyond the range of `T` become infinite.
    pub fn new(network: &Network) -> Self {
        PackedNetwork { layers: network.layers().iter().map(PackedLayer::new).collect(), loss_unit: loss_unit(network) }
    }

    /// The layers, from the code to the output.
    pub fn layers(&self) -> &[PackedLayer<T>] {
        &self.layers
    }

    /// [`loss_unit`] of the network.
    pub fn loss_unit(&self) -> f64 {
        self.loss_unit
    }

    /// `k`, the length of a latent code.
    pub fn code_length(&self) -> usize {
        self.layers[0].map.inputs()
    }

    /// `n`, the length of an observation.
    pub fn observation_length(&self) -> usize {
        self.layers[self.layers.len() - 1].map.outputs()
    }
}

impl<T: Number> PackedLayer<T> {
    fn new(layer: &Layer) -> Self {
        PackedLayer {
            map: PackedMap::new(layer.map()),
            bias: layer.bias.iter().map(|b| T::narrowed(*b)).collect(),
            activation: layer.activation,
            products: layer.map().products(),
        }
    }
}
