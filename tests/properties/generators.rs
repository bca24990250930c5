//! Random networks, layers and observations: of ordinary size, of small integers (ties, equal and
//! zero rows, rank deficiency), with zero columns and targets, unobserved entries, and scales from
//! 1e-6 to 1e6.

use nalgebra::{DMatrix, DVector};
use proptest::collection::vec;
use proptest::prelude::*;
use unrelu::{Activation, DenseLayer, Network};

use crate::support::{Instance, forward};

/// A network and observations, one per column.
#[derive(Debug, Clone)]
pub struct Case {
    pub network: Network,
    pub observations: DMatrix<f64>,
    /// About the size of the noise.
    pub epsilon: f64,
}

/// Multiples of 1/1024 in `(−2, 2)`; or integers from −2 to 2.
fn numbers(count: usize) -> impl Strategy<Value = Vec<f64>> {
    prop_oneof![
        3 => vec((-2048..2048i32).prop_map(|n| f64::from(n) / 1024.0), count),
        1 => vec((-2..=2i32).prop_map(f64::from), count),
    ]
}

fn activation() -> impl Strategy<Value = Activation> {
    prop_oneof![Just(Activation::Relu), Just(Activation::LeakyRelu(0.25)), Just(Activation::LeakyRelu(0.3))]
}

/// 1, or any power of ten from 1e-6 to 1e6.
fn scale() -> impl Strategy<Value = f64> {
    prop_oneof![2 => Just(1.0), 1 => (-6..=6i32).prop_map(|power| 10.0f64.powi(power))]
}

fn layer(
    units: usize,
    inputs: usize,
    activation: impl Strategy<Value = Activation>,
) -> impl Strategy<Value = DenseLayer> {
    let biases = prop_oneof![1 => Just(vec![0.0; units]), 2 => numbers(units)];
    let zero_column = proptest::option::weighted(0.1, 0..inputs);
    (numbers(units * inputs), biases, zero_column, activation).prop_map(move |(weights, bias, zero, activation)| {
        let mut weight = DMatrix::from_vec(units, inputs, weights);
        if let Some(column) = zero {
            weight.column_mut(column).fill(0.0);
        }
        DenseLayer { weight, bias: DVector::from_vec(bias) * 0.25, activation }
    })
}

/// What is done to clean outputs.
#[derive(Debug, Clone)]
struct Spoilt {
    noise: Vec<f64>,
    size: f64,
    /// Whether each entry is observed.
    observed: Vec<bool>,
    is_zero: bool,
}

fn spoilt(length: usize) -> impl Strategy<Value = Spoilt> {
    let size = prop_oneof![Just(0.0), Just(0.01), Just(0.25)];
    let observed = prop_oneof![
        2 => Just(vec![true; length]),
        1 => vec(proptest::bool::weighted(0.8), length),
    ];
    (numbers(length), size, observed, proptest::bool::weighted(0.1))
        .prop_map(|(noise, size, observed, is_zero)| Spoilt { noise, size, observed, is_zero })
}

impl Spoilt {
    fn apply(&self, x: &mut [f64]) {
        for ((x, noise), observed) in x.iter_mut().zip(&self.noise).zip(&self.observed) {
            *x = match (self.is_zero, observed) {
                (_, false) => f64::NAN,
                (true, true) => 0.0,
                (false, true) => *x + self.size * noise,
            };
        }
    }
}

/// Networks of 1 to 3 layers, and `count` observations.
pub fn cases(count: std::ops::Range<usize>) -> impl Strategy<Value = Case> {
    let sizes = (1..4usize, vec(2..5usize, 1..4), count);
    sizes.prop_flat_map(|(k, growth, count)| {
        let mut sizes = vec![k];
        for more in &growth {
            sizes.push(sizes[sizes.len() - 1] + more);
        }
        let depth = growth.len();
        let output = sizes[depth];
        let layers: Vec<_> = (0..depth)
            .map(|i| {
                let last = if i + 1 == depth { Activation::Identity } else { Activation::Relu };
                layer(sizes[i + 1], sizes[i], prop_oneof![4 => activation(), 1 => Just(last)]).boxed()
            })
            .collect();
        (layers, vec(numbers(k), count), vec(spoilt(output), count), scale()).prop_map(
            |(mut layers, codes, spoilt, scale)| {
                layers.iter_mut().for_each(|layer| layer.bias *= scale);
                let network = Network::dense(layers).unwrap();
                let codes = DMatrix::from_vec(network.code_length(), codes.len(), codes.concat()) * scale;
                let mut observations = forward(&network, 0..network.depth(), &codes);
                for (mut x, spoilt) in observations.column_iter_mut().zip(&spoilt) {
                    x /= scale;
                    spoilt.apply(x.as_mut_slice());
                    x *= scale;
                }
                Case { network, observations, epsilon: 0.01 * scale }
            },
        )
    })
}

/// One layer, its input free or at least 0, with a target.
pub fn instances() -> impl Strategy<Value = Instance> {
    (2..8usize, 1..4usize).prop_flat_map(|(units, columns)| {
        let activation = prop_oneof![3 => activation(), 1 => Just(Activation::Identity)];
        (layer(units, columns, activation), numbers(columns), spoilt(units), scale(), any::<bool>()).prop_map(
            |(layer, code, spoilt, scale, nonnegative)| {
                let DenseLayer { weight, bias, activation } = layer;
                let code = DVector::from_vec(code).map(|z| if nonnegative { z.abs() } else { z });
                let mut target = (&weight * code + &bias).map(|a| activation.apply(a));
                spoilt.apply(target.as_mut_slice());
                target *= scale;
                Instance {
                    name: "a layer".to_owned(),
                    weight,
                    bias: bias * scale,
                    nonnegative,
                    activation,
                    target: target.as_slice().to_vec(),
                    epsilon: 0.01 * scale,
                }
            },
        )
    })
}
