//! The step between the forward and the backward pass: the residual `G(z) − x` of each run of a
//! block, its loss, and the delta that is propagated back.

use super::vector::{Instructions, Number, Vector, for_instructions};
use crate::network::Activation;

/// Replaces each column of `outputs`, `G(z)`, by `(G(z) − x) ⊙ σ'` and adds `½‖G(z) − x‖²` to
/// `losses`, one entry per column. Entries whose target is `NaN` are ignored. Columns of both are
/// `stride` numbers long, in whole cache lines; beyond the observation's length, the target is
/// `NaN`. An entry's partial sum depends only on its row.
///
/// # Panics
/// If the slices are shorter than `losses` asks for.
pub fn residuals<T: Number>(
    outputs: &mut [T],
    targets: &[T],
    stride: usize,
    activation: Activation,
    losses: &mut [f64],
) {
    let length = stride * losses.len();
    residuals_by(Instructions::best(), &mut outputs[..length], &targets[..length], stride, activation, losses);
}

for_instructions! {
    fn residuals_by<T>(
        outputs: &mut [T],
        targets: &[T],
        stride: usize,
        activation: Activation,
        losses: &mut [f64],
    ) = all_columns
}

#[inline(always)]
fn all_columns<V: Vector, const MOST: usize>(
    outputs: &mut [V::Number],
    targets: &[V::Number],
    stride: usize,
    activation: Activation,
    losses: &mut [f64],
) {
    let columns = outputs.chunks_exact_mut(stride).zip(targets.chunks_exact(stride));
    for ((output, target), loss) in columns.zip(losses) {
        let mut sum = V::splat(V::Number::ZERO);
        for (entries, target) in output.chunks_exact_mut(V::LANES).zip(target.chunks_exact(V::LANES)) {
            let (output, target) = (V::load(entries), V::load(target));
            let delta = output.minus(target).or_zero_where_nan(target);
            sum = sum.plus_product(delta, delta);
            times_derivative(delta, output, activation).store(entries);
        }
        let mut sums = [V::Number::ZERO; 16];
        sum.store(&mut sums);
        *loss += 0.5 * sums.iter().map(|sum| sum.widened()).sum::<f64>();
    }
}

/// `δ ⊙ σ'`, with the derivative computed from the output. Not a closure, which would be compiled
/// for any processor.
#[inline(always)]
fn times_derivative<V: Vector>(delta: V, output: V, activation: Activation) -> V {
    let one = V::splat(V::Number::narrowed(1.0));
    match activation {
        Activation::Relu => delta.or_where_not_positive(output, V::splat(V::Number::ZERO)),
        Activation::LeakyRelu(slope) => {
            delta.or_where_not_positive(output, delta.times(V::splat(V::Number::narrowed(slope))))
        }
        Activation::Identity => delta,
        Activation::Sigmoid => delta.times(output.times(one.minus(output))),
        Activation::Tanh => delta.times(one.minus(output.times(output))),
        // Descent multiplies by the slopes of these itself.
        _ => delta,
    }
}
