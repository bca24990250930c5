//! The last layer of gradient descent, and what follows from its outputs, one observation at a
//! time. Twin of `shaders/residual.wgsl`.

use crate::cpu::forward::layer_output;
use crate::network::Layer;

/// Entries whose squares are summed together.
pub const SUMMED_ENTRIES: usize = 32;

/// `δ = (G(z) − x) ⊙ σ'` over the observed entries of `x`, and the sums of the squares of
/// `G(z) − x` over each [`SUMMED_ENTRIES`] entries. `input`: that of the last layer.
///
/// # Panics
/// If `input` does not fit the layer.
pub fn residual(layer: &Layer, input: &[f64], observation: &[f64]) -> (Vec<f64>, Vec<f64>) {
    let output = layer_output(layer, input);
    let differs = |(out, x): (&f64, &f64)| if x.is_nan() { 0.0 } else { out - x };
    let residual: Vec<f64> = output.iter().zip(observation).map(differs).collect();
    let squares = residual.chunks(SUMMED_ENTRIES).map(|slice| slice.iter().map(|r| r * r).sum()).collect();
    let slopes = output.iter().map(|out| layer.activation.derivative_from_output(*out));
    (residual.iter().zip(slopes).map(|(r, slope)| r * slope).collect(), squares)
}
