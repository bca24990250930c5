//! Networks with biases and every kind of output, and an independent computation of the loss.

use std::path::Path;

use nalgebra::{DMatrix, DVector};
use unrelu::internals::random::{Domain, normal_vector, random_network, uniform_vector};
use unrelu::{Activation, DenseLayer, Network, NetworkOptions, Objective, load_network};

/// Random layers of `sizes`, biases N(0, 0.1²), `hidden` everywhere but at the output.
pub fn network(sizes: &[usize], hidden: Activation, output: Activation, seed: u64) -> Network {
    let mut layers = random_network(sizes, hidden, seed).unwrap().dense_layers();
    for (index, layer) in layers.iter_mut().enumerate() {
        let bias = normal_vector(seed, Domain::Start, index as u64, layer.units());
        layer.bias = DVector::from_vec(bias) * 0.1;
    }
    layers.last_mut().unwrap().activation = output;
    Network::new(layers, "the test network").unwrap()
}

/// One layer, defined by its rows.
pub fn layer(units: usize, inputs: usize, weight: &[f64], bias: &[f64], activation: Activation) -> DenseLayer {
    DenseLayer {
        weight: DMatrix::from_row_slice(units, inputs, weight),
        bias: DVector::from_column_slice(bias),
        activation,
    }
}

pub fn code(network: &Network, seed: u64) -> Vec<f64> {
    normal_vector(seed, Domain::Code, 0, network.code_length())
}

/// `G(z)`, by nalgebra's products.
pub fn generate(network: &Network, code: &[f64]) -> Vec<f64> {
    let start = DVector::from_column_slice(code);
    let output = network
        .layers()
        .iter()
        .fold(start, |input, layer| (layer.weight() * input + &layer.bias).map(|a| layer.activation.apply(a)));
    output.as_slice().to_vec()
}

/// `½‖G(z) − x‖²` over observed entries.
pub fn loss(network: &Network, observation: &[f64], code: &[f64]) -> f64 {
    let made = generate(network, code);
    0.5 * made.iter().zip(observation).filter(|(_, x)| !x.is_nan()).map(|(g, x)| (g - x).powi(2)).sum::<f64>()
}

/// `vector` with errors in every entry of up to about `relative` times its root mean square.
pub fn perturbed(vector: &[f64], relative: f64, seed: u64) -> Vec<f64> {
    let size = (vector.iter().map(|v| v * v).sum::<f64>() / vector.len() as f64).sqrt();
    let noise = normal_vector(seed, Domain::Noise, 7, vector.len());
    vector.iter().zip(noise).map(|(v, e)| v + relative * size * e).collect()
}

pub fn relative_error(found: &[f64], truth: &[f64]) -> f64 {
    let difference: f64 = found.iter().zip(truth).map(|(a, b)| (a - b).powi(2)).sum();
    let size: f64 = truth.iter().map(|b| b * b).sum();
    (difference / size).sqrt()
}

/// The trained ReLU generator of the examples.
pub fn trained() -> Network {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/mnist_relu_20_60_784.safetensors");
    load_network(&path, &NetworkOptions::default()).unwrap()
}

/// `‖G(z) − x‖₁` or `‖·‖_∞` over observed entries, computed independently.
pub fn misfit(network: &Network, x: &[f64], z: &[f64], objective: Objective) -> f64 {
    let made = generate(network, z);
    let errors = made.iter().zip(x).filter(|(_, x)| !x.is_nan()).map(|(g, x)| (g - x).abs());
    if objective == Objective::L1 { errors.sum() } else { errors.fold(0.0, f64::max) }
}

/// Some entries replaced by uniform numbers up to the largest.
pub fn spoil(x: &mut [f64], share: f64, seed: u64) {
    let numbers = uniform_vector(seed, Domain::Noise, 77, 2 * x.len());
    let largest = x.iter().fold(0.0f64, |most, x| most.max(x.abs()));
    for (entry, x) in x.iter_mut().enumerate() {
        if numbers[2 * entry] < share {
            *x = largest * numbers[2 * entry + 1];
        }
    }
}
