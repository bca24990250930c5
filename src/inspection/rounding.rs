//! How large the numbers are that each output is computed from. Rounding errors of a model are
//! about this size times the precision of its arithmetic, also where the output itself is small
//! because large terms cancel.
//!
//! For the pre-activation `v = W a + b`, the size is `q_u² = Σ_j (w_uj q_j)² + (Σ_j |w_uj a_j| +
//! |b_u|)²`: the errors of the inputs, which are independent of each other, and the rounding of the
//! sum. An activation multiplies it by its slope. It starts at `|z|`: a code is rounded, too.

use nalgebra::DMatrix;
use rayon::prelude::*;

use crate::network::{Activation, Layer, Network};

/// The sizes for each output of each code, one per column.
pub(super) fn sizes(network: &Network, codes: &DMatrix<f64>) -> DMatrix<f64> {
    let mut sizes = DMatrix::zeros(network.observation_length(), codes.ncols());
    let columns = sizes.as_mut_slice().par_chunks_mut(network.observation_length());
    columns
        .zip(codes.as_slice().par_chunks(network.code_length()))
        .for_each(|(sizes, code)| sizes.copy_from_slice(&of_code(network.layers(), code)));
    sizes
}

fn of_code(layers: &[Layer], code: &[f64]) -> Vec<f64> {
    let (mut a, mut q) = (code.to_vec(), code.iter().map(|z| z.abs()).collect::<Vec<_>>());
    for layer in layers {
        let mut v = layer.bias.as_slice().to_vec();
        let mut terms: Vec<f64> = v.iter().map(|b| b.abs()).collect();
        let mut squares = vec![0.0; v.len()];
        layer.map().for_each_entry(|unit, place, w| {
            v[unit] += w * a[place];
            terms[unit] += (w * a[place]).abs();
            squares[unit] += (w * q[place]) * (w * q[place]);
        });
        q = (0..v.len())
            .map(|unit| slope(layer.activation, v[unit]) * squares[unit].sqrt().hypot(terms[unit]))
            .collect();
        a = v.into_iter().map(|v| layer.activation.apply(v)).collect();
    }
    q
}

/// A bound of the activation's slope near `v`. Rounding may carry it over a kink.
fn slope(activation: Activation, v: f64) -> f64 {
    match activation {
        Activation::Sigmoid => activation.apply(v) * activation.apply(-v),
        Activation::Tanh => 4.0 * Activation::Sigmoid.apply(2.0 * v) * Activation::Sigmoid.apply(-2.0 * v),
        Activation::Relu | Activation::LeakyRelu(_) | Activation::Identity => 1.0,
        _ => activation.derivative(v).abs(),
    }
}

#[cfg(test)]
mod tests {
    use nalgebra::DVector;

    use super::*;
    use crate::network::Map;

    fn layer(rows: usize, weight: &[f64], bias: &[f64], activation: Activation) -> Layer {
        let weight = DMatrix::from_row_slice(rows, weight.len() / rows, weight);
        Layer::new(Map::Dense(weight), DVector::from_column_slice(bias), activation)
    }

    #[test]
    fn terms_that_cancel_count() {
        let first = layer(2, &[3.0, 0.0, 0.0, 1e-3], &[0.0, 0.0], Activation::Relu);
        let network = |output| {
            let last = layer(3, &[1.0, 0.0, 0.0, 1.0, 1.0, 0.0], &[-3.0, 0.0, 0.0], output);
            Network::new(vec![first.clone(), last], "a test network").unwrap()
        };
        let codes = DMatrix::from_column_slice(2, 1, &[1.0, 1.0]);
        let found = sizes(&network(Activation::Identity), &codes);
        // 3 − 3 is computed from terms of size 3; the second unit has small terms only.
        let first_layer = 18f64.sqrt();
        assert!((found[0] - first_layer.hypot(6.0)).abs() < 1e-12, "{found}");
        assert!((found[1] - 1e-3 * 3f64.sqrt()).abs() < 1e-12, "{found}");
        let bounded = sizes(&network(Activation::Sigmoid), &codes);
        assert!((bounded[0] - 0.25 * found[0]).abs() < 1e-12, "{bounded}");
        let tanh = sizes(&network(Activation::Tanh), &codes);
        let slope = 1.0 - 3f64.tanh().powi(2);
        assert!((tanh[2] - slope * first_layer.hypot(3.0)).abs() < 1e-12, "{tanh}");
    }
}
