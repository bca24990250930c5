//! What stands for an activation on the device.

use super::{
    ACTIVATION_EXPONENTIAL, ACTIVATION_GELU, ACTIVATION_GELU_TANH, ACTIVATION_LINEAR, ACTIVATION_SIGMOID,
    ACTIVATION_SILU, ACTIVATION_SOFTPLUS, ACTIVATION_TANH,
};
use crate::network::Activation;

/// The number and the slope of an activation that a product applies to its sums. The sums of
/// others ([`curve`]) stay as they are: the identity.
pub fn activation_code(activation: Activation) -> (u32, f32) {
    match activation {
        Activation::Relu | Activation::PositivePart => (ACTIVATION_LINEAR, 0.0),
        Activation::LeakyRelu(slope) => (ACTIVATION_LINEAR, slope as f32),
        Activation::Sigmoid => (ACTIVATION_SIGMOID, 0.0),
        Activation::Tanh => (ACTIVATION_TANH, 0.0),
        Activation::Identity => (ACTIVATION_LINEAR, 1.0),
        Activation::Elu(_) | Activation::Selu | Activation::Softplus { .. } => (ACTIVATION_LINEAR, 1.0),
        Activation::Silu | Activation::Gelu | Activation::GeluTanh => (ACTIVATION_LINEAR, 1.0),
    }
}

/// The bound of softplus' threshold on the device: no number in f32 needs a larger one.
const MOST_THRESHOLD: f64 = 1e18;

/// The number, `slope` and `scale` of an activation that has a kernel of its own; `None` if
/// products apply it.
pub fn curve(activation: Activation) -> Option<(u32, f32, f32)> {
    match activation {
        Activation::Elu(_) | Activation::Selu => {
            let (slope, scale) = activation.exponential_factors()?;
            Some((ACTIVATION_EXPONENTIAL, slope as f32, scale as f32))
        }
        Activation::Softplus { beta, threshold } => {
            Some((ACTIVATION_SOFTPLUS, beta as f32, threshold.clamp(-MOST_THRESHOLD, MOST_THRESHOLD) as f32))
        }
        Activation::Silu => Some((ACTIVATION_SILU, 0.0, 0.0)),
        Activation::Gelu => Some((ACTIVATION_GELU, 0.0, 0.0)),
        Activation::GeluTanh => Some((ACTIVATION_GELU_TANH, 0.0, 0.0)),
        Activation::Relu | Activation::PositivePart | Activation::LeakyRelu(_) => None,
        Activation::Identity | Activation::Sigmoid | Activation::Tanh => None,
    }
}
