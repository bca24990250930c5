//! The last layer of gradient descent, and what follows from its outputs, one observation at a
//! time. Twin of `shaders/residual.wgsl`.

use crate::cpu::compare::compare;
use crate::cpu::forward::layer_output;
use crate::network::Layer;

pub use crate::cpu::compare::SUMMED_ENTRIES;

/// `δ = (G(z) − x) ⊙ σ'` over the observed entries of `x`, and the sums of the squares of
/// `G(z) − x` over each [`SUMMED_ENTRIES`] entries. `input`: that of the last layer.
///
/// # Panics
/// If `input` does not fit the layer.
pub fn residual(layer: &Layer, input: &[f64], observation: &[f64]) -> (Vec<f64>, Vec<f64>) {
    compare(layer.activation, &layer_output(layer, input), observation)
}
