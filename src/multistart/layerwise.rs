//! Layer-wise least squares: a start for networks whose layers can be inverted (LeakyReLU, and an
//! output with an inverse). From the observation inwards, each activation is inverted, and the
//! layer's input is found by least squares. Without noise the result is exact; with noise it is a
//! starting point for the search.
//!
//! Rows that were not observed, or that are saturated, are left out. All rows have the same weight.
//! Inverting a LeakyReLU amplifies noise, but weights against that would cost one factorisation per
//! observation.

use nalgebra::{Cholesky, DMatrix, DVector, Dyn};
use rayon::prelude::*;

use crate::lp::formulation::target::{Shape, Targets};
use crate::network::{Layer, Network};
use crate::precision::Precision;

/// The layers, with the factors of `WᵀW`.
#[derive(Debug, Clone)]
pub struct LayerwiseLeastSquares {
    factors: Vec<Cholesky<f64, Dyn>>,
}

impl LayerwiseLeastSquares {
    /// Returns `None` for a network that cannot be inverted this way: with a ReLU layer, with a
    /// singular `WᵀW`, or one whose search goes by agreement.
    pub fn new(network: &Network) -> Option<Self> {
        let shrinks = network.layers().iter().any(|layer| layer.units() < layer.inputs());
        if network.goes_by_agreement() || network.layerwise_obstacle().is_some() || shrinks {
            return None;
        }
        let of_layer = |layer: &Layer| match Shape::of(layer.activation) {
            Shape::Relu => None,
            Shape::Leaky(_) => Cholesky::new(layer.weight().tr_mul(layer.weight())),
        };
        let factors = network.layers().iter().map(of_layer).collect::<Option<_>>()?;
        Some(LayerwiseLeastSquares { factors })
    }

    /// Computes one code per observation, `k` × count; `NaN` where the equations have no solution
    /// or exceed the range of f64. `observations`: `n` × count, `NaN` where unobserved.
    ///
    /// # Panics
    /// If `network` is not the one this value was made for, or `observations` does not fit it.
    pub fn codes(&self, network: &Network, observations: &DMatrix<f64>, stored_as: Precision) -> DMatrix<f64> {
        let output = network.layers()[network.depth() - 1].activation;
        let targets = Targets::from_observations(observations, output, stored_as).values;
        let codes: Vec<f64> = (0..observations.ncols())
            .into_par_iter()
            .flat_map_iter(|place| {
                self.code(network, targets.column(place).into_owned())
                    .unwrap_or_else(|| vec![f64::NAN; network.code_length()])
            })
            .collect();
        DMatrix::from_vec(network.code_length(), observations.ncols(), codes)
    }

    fn code(&self, network: &Network, mut target: DVector<f64>) -> Option<Vec<f64>> {
        for (layer, whole) in network.layers().iter().zip(&self.factors).rev() {
            let shape = Shape::of(layer.activation);
            target.iter_mut().zip(&layer.bias).for_each(|(t, b)| *t = shape.undo(*t) - b);
            let known: Vec<usize> = (0..target.len()).filter(|&row| target[row].is_finite()).collect();
            target = if known.len() == target.len() {
                whole.solve(&layer.weight().tr_mul(&target))
            } else {
                let weight = layer.weight().select_rows(&known);
                let factor = Cholesky::new(weight.tr_mul(&weight))?;
                factor.solve(&weight.tr_mul(&target.select_rows(&known)))
            };
        }
        target.iter().all(|z| z.is_finite()).then(|| target.as_slice().to_vec())
    }
}
