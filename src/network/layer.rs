//! One layer `φ(a) = σ(W a + b)`.

use std::sync::OnceLock;

use nalgebra::{DMatrix, DVector};

use super::{Activation, Map};

/// One dense layer `φ(a) = σ(W a + b)`: what [`Network::dense`](crate::Network::dense) takes.
#[derive(Debug, Clone, PartialEq)]
pub struct DenseLayer {
    /// `W`, units × inputs.
    pub weight: DMatrix<f64>,
    /// `b`, one entry per unit; zeros if the file has no bias.
    pub bias: DVector<f64>,
    /// The activation `σ`.
    pub activation: Activation,
}

impl DenseLayer {
    /// Number of outputs, the rows of `W`.
    pub fn units(&self) -> usize {
        self.weight.nrows()
    }

    /// Number of inputs, the columns of `W`.
    pub fn inputs(&self) -> usize {
        self.weight.ncols()
    }
}

/// One layer `φ(a) = σ(W a + b)` of a network, where `W` is any map.
#[derive(Debug, Clone)]
pub struct Layer {
    map: Map,
    /// `b`, one entry per unit.
    pub bias: DVector<f64>,
    /// The activation `σ`.
    pub activation: Activation,
    /// `W` of a map that is not dense, written out at the first request.
    written: OnceLock<DMatrix<f64>>,
}

impl Layer {
    /// A layer with a map. `bias`: one entry per output of the map.
    pub fn new(map: Map, bias: DVector<f64>, activation: Activation) -> Self {
        Layer { map, bias, activation, written: OnceLock::new() }
    }

    /// `W` as a map.
    pub fn map(&self) -> &Map {
        &self.map
    }

    /// `W` as a matrix, units × inputs. A map that is not dense is written out at the first call.
    /// For a large convolution this takes a lot of memory; methods that need the matrix ask
    /// [`Network::layerwise_obstacle`](crate::Network::layerwise_obstacle) first.
    pub fn weight(&self) -> &DMatrix<f64> {
        match &self.map {
            Map::Dense(weight) => weight,
            map => self.written.get_or_init(|| map.written_out()),
        }
    }

    /// The layer with its map as a matrix.
    pub fn to_dense(&self) -> DenseLayer {
        DenseLayer { weight: self.weight().clone(), bias: self.bias.clone(), activation: self.activation }
    }

    /// The same layer with another map and bias.
    pub(crate) fn with(&self, map: Map, bias: DVector<f64>) -> Self {
        Layer::new(map, bias, self.activation)
    }

    /// Number of outputs.
    pub fn units(&self) -> usize {
        self.map.outputs()
    }

    /// Number of inputs.
    pub fn inputs(&self) -> usize {
        self.map.inputs()
    }

    /// Divides `W` and `b` by a number.
    pub(super) fn divide_by(&mut self, divisor: f64) {
        self.map.divide_by(divisor);
        self.bias /= divisor;
        self.written = OnceLock::new();
    }
}

/// The matrix that was written out does not count.
impl PartialEq for Layer {
    fn eq(&self, other: &Self) -> bool {
        self.map == other.map && self.bias == other.bias && self.activation == other.activation
    }
}

impl From<DenseLayer> for Layer {
    fn from(layer: DenseLayer) -> Self {
        Layer::new(Map::Dense(layer.weight), layer.bias, layer.activation)
    }
}
