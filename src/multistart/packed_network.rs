//! A network in the layout of the search: each weight twice, by columns for the forward pass and by
//! rows for the Jacobian, in padded lanes. It is made once and shared by all observations, so that
//! it stays in the cache.

use std::sync::{Arc, OnceLock};

use nalgebra::{DMatrix, DVector};

use super::radii::Radii;
use crate::linalg::lanes::{LANE, Lane, lanes_for, numbers, numbers_mut};
use crate::linalg::rank::{exponent, power_of_two};
use crate::network::{Activation, DenseLayer, Network};

/// A layer, packed.
#[derive(Debug, Clone)]
pub struct PackedLayer {
    /// Rows of `W`.
    pub units: usize,
    /// Columns of `W`.
    pub inputs: usize,
    /// Lanes that hold one number per unit.
    pub unit_lanes: usize,
    /// Lanes that hold one number per input.
    pub input_lanes: usize,
    /// `W` by columns: inputs × `unit_lanes`.
    pub columns: Vec<Lane>,
    /// `W` by rows: units × `input_lanes`.
    pub rows: Vec<Lane>,
    /// One number per unit.
    pub bias: Vec<Lane>,
    /// `σ`.
    pub activation: Activation,
}

impl PackedLayer {
    fn new(layer: &DenseLayer) -> Self {
        let (units, inputs) = (layer.units(), layer.inputs());
        let (unit_lanes, input_lanes) = (lanes_for(units), lanes_for(inputs));
        let mut packed = PackedLayer {
            units,
            inputs,
            unit_lanes,
            input_lanes,
            columns: vec![Lane::ZERO; inputs * unit_lanes],
            rows: vec![Lane::ZERO; units * input_lanes],
            bias: vec![Lane::ZERO; unit_lanes],
            activation: layer.activation,
        };
        numbers_mut(&mut packed.bias)[..units].copy_from_slice(layer.bias.as_slice());
        let columns = numbers_mut(&mut packed.columns);
        let rows = numbers_mut(&mut packed.rows);
        for (input, column) in layer.weight.as_slice().chunks_exact(units).enumerate() {
            columns[input * unit_lanes * LANE..][..units].copy_from_slice(column);
            for (unit, w) in column.iter().enumerate() {
                rows[unit * input_lanes * LANE + input] = *w;
            }
        }
        packed
    }
}

/// A network, packed.
#[derive(Debug, Clone)]
pub struct PackedNetwork {
    /// The original network.
    network: Arc<Network>,
    layers: Vec<PackedLayer>,
    radii: OnceLock<Radii>,
    units: Vec<f64>,
}

impl PackedNetwork {
    /// Packs `network`.
    pub fn new(network: impl Into<Arc<Network>>) -> Self {
        let network = network.into();
        let layers: Vec<_> = network.layers().iter().map(PackedLayer::new).collect();
        let units = units(&layers);
        PackedNetwork { network, layers, radii: OnceLock::new(), units }
    }

    /// Packs `A G(z)`: `network`, followed by the linear map `matrix` (measurements × `n`) as one
    /// more layer. Unlike in a [`Network`], a sigmoid or tanh may then stand before the last layer:
    /// the search does not invert single layers.
    ///
    /// # Panics
    /// If `matrix` does not have one column per output of the network.
    pub fn measured_by(network: impl Into<Arc<Network>>, matrix: &DMatrix<f64>) -> Self {
        let mut packed = Self::new(network);
        assert_eq!(matrix.ncols(), packed.observation_length(), "columns of the linear map");
        let bias = DVector::zeros(matrix.nrows());
        packed.layers.push(PackedLayer::new(&DenseLayer {
            weight: matrix.clone(),
            bias,
            activation: Activation::Identity,
        }));
        packed.units = units(&packed.layers);
        packed
    }

    /// The layers, from the code to the output.
    pub fn layers(&self) -> &[PackedLayer] {
        &self.layers
    }

    /// For each layer, a power of two by which its received values are of ordinary size: the
    /// inverse of the product of the largest weights, down to the code. In these units a layer's
    /// weights may be multiplied by any power of two, and nothing changes.
    pub fn units(&self) -> &[f64] {
        &self.units
    }

    /// The network, without the linear map of [`Self::measured_by`].
    pub fn network(&self) -> &Network {
        &self.network
    }

    /// `k`.
    pub fn code_length(&self) -> usize {
        self.network.code_length()
    }

    /// Entries of an observation: `n`, or the measurements of a linear map.
    pub fn observation_length(&self) -> usize {
        self.layers.last().map_or(0, |layer| layer.units)
    }

    /// How far from the origin the kinks are; measured at the first call. A linear map after the
    /// network has none.
    pub fn radii(&self) -> &Radii {
        self.radii.get_or_init(|| Radii::of(&self.network))
    }

    /// Whether the map is affine as long as no unit switches: false with a sigmoid or tanh in it.
    pub fn is_piecewise_linear(&self) -> bool {
        self.layers.iter().all(|layer| is_piecewise_linear(layer.activation))
    }
}

/// [`PackedNetwork::units`].
fn units(layers: &[PackedLayer]) -> Vec<f64> {
    let mut sum = 0i32;
    let of_layer = |layer: &PackedLayer| {
        let largest = numbers(&layer.rows).iter().fold(0.0, |most: f64, w| most.max(w.abs()));
        sum = sum.saturating_add(if largest > 0.0 { exponent(largest) } else { 0 });
        power_of_two(-sum)
    };
    layers.iter().map(of_layer).collect()
}

/// Whether an activation is linear apart from a kink at 0.
pub fn is_piecewise_linear(activation: Activation) -> bool {
    !matches!(activation, Activation::Sigmoid | Activation::Tanh)
}
