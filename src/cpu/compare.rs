//! What follows from the outputs of the last layer, one observation at a time. Twin of
//! `shaders/compare.wgsl`.

use crate::network::Activation;

/// Entries whose squares are summed together.
pub const SUMMED_ENTRIES: usize = 32;

/// `δ = (G(z) − x) ⊙ σ'` over the observed entries of `x`, and the sums of the squares of
/// `G(z) − x` over each [`SUMMED_ENTRIES`] entries. `activation`: one whose outputs tell `σ'`.
pub fn compare(activation: Activation, output: &[f64], observation: &[f64]) -> (Vec<f64>, Vec<f64>) {
    let differs = |(out, x): (&f64, &f64)| if x.is_nan() { 0.0 } else { out - x };
    let residual: Vec<f64> = output.iter().zip(observation).map(differs).collect();
    let squares = residual.chunks(SUMMED_ENTRIES).map(|slice| slice.iter().map(|r| r * r).sum()).collect();
    let slopes = output.iter().map(|out| activation.derivative_from_output(*out));
    (residual.iter().zip(slopes).map(|(r, slope)| r * slope).collect(), squares)
}
