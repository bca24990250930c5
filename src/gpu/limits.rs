//! The magnitudes up to which the arithmetic of the kernels cannot overflow, as bits of f32. A
//! kernel compares the bits of what it loads with them (`shaders/parts/finite.wgsl`), so it never
//! computes with an infinity. A lane beyond a limit is lost to f32, and f64 takes it over.

use crate::kernel_params::activation_code;
use crate::marquardt::MOST_DAMPING;
use crate::network::{Activation, Layer};

/// Half of the largest f32, because sums of rounded terms may exceed their bound a little.
const LARGEST: f64 = f32::MAX as f64 / 2.0;

/// The limits of one layer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LayerLimits {
    /// For inputs: `W a + b`.
    pub forward: u32,
    /// For tangents of the inputs: `(W t) ⊙ σ'`.
    pub tangent: u32,
    /// For `δ` of the outputs: `(Wᵀ δ) ⊙ σ'` of the layer below.
    pub backward: u32,
}

impl LayerLimits {
    /// The limits of `layer`; `below` is the activation of the layer below, if there is one.
    pub fn of(layer: &Layer, below: Option<Activation>) -> Self {
        let (row, column) = layer.map().largest_sums();
        LayerLimits {
            forward: bits((LARGEST / steepest(Some(layer.activation)) - layer.bias.amax()) / row),
            tangent: bits(LARGEST / steepest(Some(layer.activation)) / row),
            backward: bits(LARGEST / steepest(below) / column),
        }
    }
}

/// For outputs and targets of `length` entries: the sum of the squares of their differences.
pub fn residual(length: usize) -> u32 {
    bits((LARGEST / length as f64).sqrt() / 2.0)
}

/// For the entries of a gradient of `length` entries: the sum of their squares.
pub fn gradient(length: usize) -> u32 {
    bits((LARGEST / length as f64).sqrt())
}

/// For the entries of a code of `length` entries: the sum of the prior's terms `λz²`, and of the
/// squares of a gradient that has its `λz`.
pub fn code(length: usize, prior: f64) -> u32 {
    if prior == 0.0 {
        return f32::MAX.to_bits();
    }
    let of_gradient = f64::from(f32::from_bits(gradient(length))) / prior;
    bits((LARGEST / length as f64 / prior).sqrt().min(of_gradient) / 4.0)
}

/// The largest prior with which a damping cannot overflow.
pub fn prior() -> f64 {
    LARGEST / MOST_DAMPING / 2.0
}

/// For the entries of a Jacobian of `length` rows: its product with itself, times the largest
/// damping.
pub fn jacobian(length: usize) -> u32 {
    bits((LARGEST / MOST_DAMPING / length as f64).sqrt())
}

/// The largest factor of an activation, at least 1.
fn steepest(activation: Option<Activation>) -> f64 {
    let of = |activation| f64::from(activation_code(activation).1).abs().max(activation.largest_slope());
    activation.map_or(1.0, of)
}

/// A layer of zeros has an infinite limit, and one with biases beyond it a negative one.
fn bits(limit: f64) -> u32 {
    (limit.clamp(0.0, f64::from(f32::MAX)) as f32).to_bits()
}

#[cfg(test)]
mod tests {
    use nalgebra::{DMatrix, DVector};

    use super::*;
    use crate::network::Map;

    fn layer(weight: DMatrix<f64>, bias: f64, activation: Activation) -> Layer {
        let bias = DVector::from_element(weight.nrows(), bias);
        Layer::new(Map::Dense(weight), bias, activation)
    }

    /// The largest entry of a product in f32, whatever the order of its terms.
    fn largest_sum(weight: &DMatrix<f64>, input: f32) -> f32 {
        let rows = weight.row_iter();
        rows.map(|row| row.iter().map(|w| (*w as f32).abs() * input).sum::<f32>()).fold(0.0, f32::max)
    }

    #[test]
    fn at_the_limit_no_sum_overflows_and_at_four_times_it_does() {
        for scale in [1e-30, 1.0, 1e30] {
            let weight = DMatrix::from_fn(7, 300, |row, column| scale * ((3 * row + 5 * column) as f64).sin());
            for slope in [0.0_f64, 0.1, 8.0] {
                let steepest = slope.max(1.0) as f32;
                let limits = LayerLimits::of(
                    &layer(weight.clone(), 0.0, Activation::LeakyRelu(slope)),
                    Some(Activation::LeakyRelu(slope)),
                );
                for (limit, matrix) in [
                    (limits.forward, weight.clone()),
                    (limits.tangent, weight.clone()),
                    (limits.backward, weight.transpose()),
                ] {
                    let limit = f32::from_bits(limit);
                    assert!((largest_sum(&matrix, limit) * steepest).is_finite(), "{scale:e} {slope}");
                    let beyond = 4.0 * limit;
                    assert!(beyond.is_infinite() || (largest_sum(&matrix, beyond) * steepest).is_infinite());
                }
            }
        }
        for length in [1, 20, 784, 1 << 20] {
            let squares = |difference: f32| (0..length).map(|_| difference * difference).sum::<f32>();
            assert!(squares(2.0 * f32::from_bits(residual(length))).is_finite());
            assert!(squares(4.0 * f32::from_bits(residual(length))).is_infinite());
            assert!(squares(f32::from_bits(gradient(length))).is_finite());
            for prior in [1e-30_f32, 1.0, 1e20] {
                let (z, g) = (f32::from_bits(code(length, prior.into())), f32::from_bits(gradient(length)));
                assert!(z > 0.0 && squares(g + prior * z).is_finite(), "{length} {prior}");
                assert!((0..length).map(|_| prior * z * z).sum::<f32>() <= f32::MAX / 8.0, "{length} {prior}");
            }
            let normal = squares(f32::from_bits(jacobian(length)));
            assert!((normal * MOST_DAMPING as f32 * 1.5).is_finite() && normal > 1e25);
        }
    }

    #[test]
    fn degenerate_layers_have_limits() {
        let of = |weight: f64, bias: f64| {
            LayerLimits::of(&layer(DMatrix::repeat(2, 3, weight), bias, Activation::Relu), None)
        };
        assert_eq!(of(0.0, 0.0).forward, f32::MAX.to_bits());
        assert_eq!(of(1.0, 3e38).forward, 0);
    }
}
