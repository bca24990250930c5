//! Activations and their derivatives, entry by entry. Twin of `shaders/curve.wgsl`.

use crate::network::Activation;

/// `σ` of sums.
pub fn curve(activation: Activation, sums: &[f64]) -> Vec<f64> {
    sums.iter().map(|a| activation.apply(*a)).collect()
}

/// Numbers times `σ'` of sums.
pub fn bend(activation: Activation, sums: &[f64], numbers: &[f64]) -> Vec<f64> {
    sums.iter().zip(numbers).map(|(a, number)| number * activation.derivative(*a)).collect()
}
