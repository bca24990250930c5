//! A network in the layout of the search. It is made once and shared by all observations, so that
//! it stays in the cache.

use std::sync::{Arc, OnceLock};

use nalgebra::{DMatrix, DVector};

use super::packed_layer::PackedLayer;
use super::radii::Radii;
use crate::linalg::linear_map::{ColumnSizes, LinearMap, Probe};
use crate::linalg::rank::{exponent, power_of_two};
use crate::network::{Activation, Layer, Map, Network};

/// The error of products up to which a map counts as exact. Above it, the tolerances of the search
/// are wider.
const EXACT: f64 = 1e-13;

/// Up to this many units with kinks, minima on them are found exactly. Above it, the gain is small
/// and the cost of each step large.
const MOST_KINKS: usize = 5_000;
/// The products of a pass through a network on which a run takes milliseconds.
const MOST_PRODUCTS_OF_SHORT_RUNS: usize = 20_000;

/// A network, packed.
#[derive(Debug, Clone)]
pub struct PackedNetwork {
    /// The original network.
    network: Arc<Network>,
    layers: Vec<PackedLayer>,
    radii: OnceLock<Radii>,
    units: Vec<f64>,
    /// Of a map after the network.
    probe: Option<Probe>,
    /// `λ`.
    prior: f64,
    column_sizes: OnceLock<ColumnSizes>,
}

impl PackedNetwork {
    /// Packs `network`.
    pub fn new(network: impl Into<Arc<Network>>) -> Self {
        let network = network.into();
        let layers: Vec<_> = network.layers().iter().map(PackedLayer::new).collect();
        let units = units(&layers);
        PackedNetwork {
            network,
            layers,
            radii: OnceLock::new(),
            units,
            probe: None,
            prior: 0.0,
            column_sizes: OnceLock::new(),
        }
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
        packed.layers.push(PackedLayer::new(&Layer::new(Map::Dense(matrix.clone()), bias, Activation::Identity)));
        packed.units = units(&packed.layers);
        packed
    }

    /// [`Self::measured_by`] for a map that has only products. They are tried on random vectors,
    /// once each.
    ///
    /// # Panics
    /// If `map` does not have one input per output of the network.
    pub fn measured_by_map(network: impl Into<Arc<Network>>, map: Arc<dyn LinearMap>) -> Self {
        let mut packed = Self::new(network);
        assert_eq!(map.inputs(), packed.observation_length(), "inputs of the linear map");
        let probe = Probe::of(&*map);
        packed.layers.push(PackedLayer::of_map(map, probe.size));
        packed.units = units(&packed.layers);
        packed.probe = Some(probe);
        packed
    }

    /// Adds `½λ‖z‖²` to the loss of every code: a prior N(0, τ² I) of the codes, `λ = σ²/τ²` for
    /// noise of standard deviation `σ`. docs/PRIOR.md has the mathematics. 0: no prior.
    #[must_use]
    pub fn with_prior(mut self, lambda: f64) -> Self {
        self.prior = lambda;
        self
    }

    /// `λ` of [`Self::with_prior`].
    pub fn prior(&self) -> f64 {
        self.prior
    }

    /// The layers, from the code to the output.
    pub fn layers(&self) -> &[PackedLayer] {
        &self.layers
    }

    /// The relative error of the products of [`Self::measured_by_map`], `NaN` if they are not
    /// finite; 0 if they are as accurate as f64 allows, and without a map.
    pub fn product_error(&self) -> f64 {
        match self.probe {
            Some(probe) if probe.error <= EXACT => 0.0,
            Some(probe) => probe.error,
            None => 0.0,
        }
    }

    /// The sizes of the columns of a map after the network, measured at the first call; `None`
    /// without a map.
    pub fn column_sizes(&self) -> Option<&ColumnSizes> {
        let map = self.layers.last()?.map().filter(|_| self.ends_in_map())?;
        Some(self.column_sizes.get_or_init(|| ColumnSizes::of(map)))
    }

    /// Whether the last layer has only products.
    pub fn ends_in_map(&self) -> bool {
        self.probe.is_some()
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

    /// Number of units of each layer, with a linear map at the end as a layer of its own.
    pub fn unit_counts(&self) -> Vec<usize> {
        self.layers.iter().map(|layer| layer.units).collect()
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

    /// [`Network::goes_by_agreement`].
    pub fn goes_by_agreement(&self) -> bool {
        self.network.goes_by_agreement()
    }

    /// Whether a run takes milliseconds at most: then a search by agreement makes more of them.
    pub fn has_short_runs(&self) -> bool {
        let products: usize = self.network.layers().iter().map(|layer| layer.map().products()).sum();
        products <= MOST_PRODUCTS_OF_SHORT_RUNS
    }

    /// Whether minima on kinks are not looked for, and nothing is proven: on a network that goes by
    /// agreement, above a number of units with a kink.
    pub fn has_too_many_kinks(&self) -> bool {
        let kinks = self.layers.iter().filter(|layer| layer.activation.has_kink()).map(|layer| layer.units);
        self.goes_by_agreement() && kinks.sum::<usize>() > MOST_KINKS
    }

    /// Whether the map is affine as long as no unit switches: false with a curved
    /// activation in it.
    pub fn is_piecewise_linear(&self) -> bool {
        self.layers.iter().all(|layer| layer.activation.is_piecewise_linear())
    }
}

/// [`PackedNetwork::units`].
fn units(layers: &[PackedLayer]) -> Vec<f64> {
    let mut sum = 0i32;
    let of_layer = |layer: &PackedLayer| {
        let largest = layer.largest_weight();
        let is_usable = largest > 0.0 && largest.is_finite();
        sum = sum.saturating_add(if is_usable { exponent(largest) } else { 0 });
        power_of_two(-sum)
    };
    layers.iter().map(of_layer).collect()
}
