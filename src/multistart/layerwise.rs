//! A start for networks of bijections (LeakyReLU, and an output that can be undone): each layer is
//! undone, and its input found by least squares, from the observation inwards. Without noise that
//! is exact; with noise it is where the search begins.
//!
//! Rows that were not observed, or that are saturated, are left out. All rows count alike: noise
//! that undoing a LeakyReLU magnifies is not weighed down, which would cost a factorisation an
//! observation.

use nalgebra::{Cholesky, DMatrix, DVector, Dyn};
use rayon::prelude::*;

use crate::lp::formulation::target::{Precision, Shape, Targets};
use crate::network::{DenseLayer, Network};

/// The layers, with the factors of `WᵀW`.
#[derive(Debug, Clone)]
pub struct LayerwiseLeastSquares {
    factors: Vec<Cholesky<f64, Dyn>>,
}

impl LayerwiseLeastSquares {
    /// `None` for a network that cannot be undone so: with a ReLU layer, or one whose `WᵀW` has no
    /// inverse.
    pub fn new(network: &Network) -> Option<Self> {
        let of_layer = |layer: &DenseLayer| match Shape::of(layer.activation) {
            Shape::Relu => None,
            Shape::Leaky(_) => Cholesky::new(layer.weight.tr_mul(&layer.weight)),
        };
        let factors = network.layers().iter().map(of_layer).collect::<Option<_>>()?;
        Some(LayerwiseLeastSquares { factors })
    }

    /// One code an observation, `k` × count; `NaN` where the equations have no solution or leave
    /// the range of f64. `observations`: `n` × count, `NaN` where unobserved.
    ///
    /// # Panics
    /// If `network` is not the one this was made for, or `observations` does not fit it.
    pub fn codes(&self, network: &Network, observations: &DMatrix<f64>, precision: Precision) -> DMatrix<f64> {
        let output = network.layers()[network.depth() - 1].activation;
        let targets = Targets::from_observations(observations, output, precision).values;
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
                whole.solve(&layer.weight.tr_mul(&target))
            } else {
                let weight = layer.weight.select_rows(&known);
                let factor = Cholesky::new(weight.tr_mul(&weight))?;
                factor.solve(&weight.tr_mul(&target.select_rows(&known)))
            };
        }
        target.iter().all(|z| z.is_finite()).then(|| target.as_slice().to_vec())
    }
}
