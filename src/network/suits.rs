//! Which method takes which network: decided by what the method's mathematics needs.

use super::{Activation, Network};

/// The largest matrix into which the layer-wise methods write a map out, in entries: 128 MiB.
const MOST_WRITTEN: usize = 1 << 24;

impl Network {
    /// What the kernels of the GPU do not support; `None` if they support this network: all maps
    /// are matrices, hidden layers have ReLU or LeakyReLU, and the output has one of these,
    /// identity, sigmoid or tanh.
    pub fn gpu_obstacle(&self) -> Option<String> {
        self.layers().iter().enumerate().find_map(|(index, layer)| {
            let (number, activation) = (index + 1, layer.activation);
            if !layer.map().is_dense() {
                return Some(format!("layer {number}, {}", layer.map().describe()));
            }
            let is_supported = activation.has_kink()
                || index + 1 == self.depth() && (activation.is_bounded() || activation == Activation::Identity);
            (!is_supported).then(|| format!("activation {activation} in layer {number}"))
        })
    }

    /// Why the layer-wise methods do not take this network; `None` if they do. They invert each
    /// layer by linear programs. This needs a matrix that can be written out, and an activation
    /// that is linear on both sides of 0, or an output with an inverse.
    pub fn layerwise_obstacle(&self) -> Option<String> {
        let depth = self.depth();
        self.layers().iter().enumerate().find_map(|(index, layer)| {
            let number = index + 1;
            let entries = layer.units().saturating_mul(layer.inputs());
            if !layer.map().is_dense() && entries > MOST_WRITTEN {
                return Some(format!(
                    "layer {number}, {}, which has {entries} entries as a matrix (at most {MOST_WRITTEN})",
                    layer.map().describe()
                ));
            }
            let invertible =
                layer.activation.is_piecewise_linear() || index + 1 == depth && layer.activation.is_bounded();
            (!invertible).then(|| format!("activation {} in layer {number}", layer.activation))
        })
    }

    /// Whether `G` is linear between the kinks of its units: every activation is ReLU, LeakyReLU or
    /// identity.
    pub fn is_piecewise_linear(&self) -> bool {
        self.layers().iter().all(|layer| layer.activation.is_piecewise_linear())
    }

    /// Whether every layer is a matrix with ReLU, LeakyReLU or, at the output, another activation
    /// of the dense formats.
    pub fn is_dense(&self) -> bool {
        self.layers().iter().all(|layer| layer.map().is_dense())
    }
}
