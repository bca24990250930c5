//! Random decoders of every output activation: dense weights without ties, more outputs than
//! entries of the code, and codes of N(0, 1).

use nalgebra::{DMatrix, DVector};
use proptest::prelude::*;
use unrelu::internals::random::{Domain, normal_vector};
use unrelu::{
    Activation, BestMethod, DenseLayer, DeviceChoice, InvertedBatch, Inverter, LayerwiseMethod, LayerwiseOptions,
    Method, Network, Options,
};

use crate::support::forward;

pub const OUTPUTS: [Activation; 5] =
    [Activation::Sigmoid, Activation::Tanh, Activation::Relu, Activation::LeakyRelu(0.2), Activation::Identity];

/// A decoder, codes and their outputs, one per column.
#[derive(Debug, Clone)]
pub struct Decoder {
    pub network: Network,
    pub codes: DMatrix<f64>,
    pub outputs: DMatrix<f64>,
    /// For random numbers of the test.
    pub seed: u64,
}

/// A random network with these sizes; weights N(0, 1 / inputs), biases N(0, 0.1²).
pub fn network(sizes: &[usize], hidden: Activation, output: Activation, seed: u64) -> Network {
    let depth = sizes.len() - 1;
    let layer = |index: usize| {
        let (inputs, units) = (sizes[index], sizes[index + 1]);
        let numbers = normal_vector(seed, Domain::Start, index as u64, units * (inputs + 1));
        let (weight, bias) = numbers.split_at(units * inputs);
        DenseLayer {
            weight: DMatrix::from_column_slice(units, inputs, weight) / (inputs as f64).sqrt(),
            bias: DVector::from_column_slice(bias) * 0.1,
            activation: if index + 1 == depth { output } else { hidden },
        }
    };
    Network::dense((0..depth).map(layer).collect()).unwrap()
}

/// `count` columns of N(0, 1).
pub fn normal(rows: usize, count: usize, seed: u64) -> DMatrix<f64> {
    DMatrix::from_vec(rows, count, normal_vector(seed, Domain::Noise, 1, rows * count))
}

/// Decoders of one or two layers, `k → m → n` with `m ≥ 3k` and `n ≥ 2m`.
pub fn decoders(count: usize) -> impl Strategy<Value = Decoder> {
    let hidden =
        prop_oneof![2 => Just(None), 3 => Just(Some(Activation::Relu)), 1 => Just(Some(Activation::LeakyRelu(0.3)))];
    (1..4usize, 0..4usize, hidden, proptest::sample::select(&OUTPUTS[..]), any::<u64>()).prop_map(
        move |(k, more, hidden, output, seed)| {
            let middle = 3 * k + more + 2;
            let sizes = if hidden.is_some() { vec![k, middle, 2 * middle + more] } else { vec![k, middle + 4] };
            let network = network(&sizes, hidden.unwrap_or(output), output, seed);
            let codes = DMatrix::from_vec(k, count, normal_vector(seed, Domain::Code, 0, k * count));
            let outputs = forward(&network, 0..network.depth(), &codes);
            Decoder { network, codes, outputs, seed }
        },
    )
}

/// The layer-wise methods, and `best` with few starts.
pub fn methods() -> Vec<Method> {
    let programs = [LayerwiseMethod::Linf, LayerwiseMethod::L1, LayerwiseMethod::Exact, LayerwiseMethod::Relaxed];
    let programs = programs.map(|method| Method::Layerwise(LayerwiseOptions::default().method(method)));
    let best = Method::Best(BestMethod::default().search(unrelu::BestOptions::default().starts(8)));
    programs.into_iter().chain([best]).collect()
}

/// Whether the method promises pre-images.
pub fn is_exact(method: &Method) -> bool {
    matches!(method, Method::Layerwise(options) if options.method == LayerwiseMethod::Exact)
}

/// An inverter on the CPU, in one thread.
pub fn inverter(network: &Network, method: Method, noise: Option<f64>) -> Inverter {
    let options = Options::default().method(method).noise(noise).device(DeviceChoice::Cpu).threads(Some(1));
    Inverter::new(network.clone(), options).unwrap()
}

pub fn invert(network: &Network, method: Method, noise: Option<f64>, observations: &DMatrix<f64>) -> InvertedBatch {
    inverter(network, method, noise).invert(observations).unwrap()
}

/// `‖z − z*‖₂ / ‖z*‖₂`; infinite if there is no code. A code near 0 counts as one of length 0.1:
/// tolerances are relative to the observation, not to the code.
pub fn code_error(batch: &InvertedBatch, codes: &DMatrix<f64>, observation: usize) -> f64 {
    let truth = codes.column(observation);
    let error = (batch.codes.column(observation) - truth).norm() / truth.norm().max(0.1);
    if error.is_nan() { f64::INFINITY } else { error }
}
