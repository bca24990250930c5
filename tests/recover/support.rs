//! Problems with known answers.

use nalgebra::DMatrix;
use unrelu::internals::cpu::forward::forward;
use unrelu::internals::random::{Domain, normal_vector, random_network};
use unrelu::{Activation, DeviceChoice, LayerwiseOptions, Method, Network, Objective, Options};

/// `linf` on the CPU.
pub fn linf(refine: bool) -> Options {
    Options::default()
        .method(Method::Layerwise(LayerwiseOptions::default()))
        .refine(refine.then_some(Objective::L2))
        .device(DeviceChoice::Cpu)
}

pub fn network() -> Network {
    random_network(&[5, 20, 60], Activation::Relu, 1).unwrap()
}

pub fn codes(network: &Network, count: usize, seed: u64) -> DMatrix<f64> {
    let k = network.code_length();
    DMatrix::from_vec(k, count, normal_vector(seed, Domain::Code, 0, k * count))
}

pub fn images(network: &Network, codes: &DMatrix<f64>) -> DMatrix<f64> {
    forward(network, 0..network.depth(), codes)
}

/// `matrix` with N(0, size²) added to every entry.
pub fn moved(matrix: &DMatrix<f64>, size: f64, seed: u64) -> DMatrix<f64> {
    let noise = normal_vector(seed, Domain::Noise, 0, matrix.len());
    DMatrix::from_iterator(matrix.nrows(), matrix.ncols(), matrix.iter().zip(noise).map(|(x, e)| x + size * e))
}

/// `‖a − b‖ / ‖b‖` of every column.
pub fn errors(found: &DMatrix<f64>, truth: &DMatrix<f64>) -> Vec<f64> {
    found.column_iter().zip(truth.column_iter()).map(|(a, b)| (a - b).norm() / b.norm()).collect()
}
