//! Which method takes which network: decided by what the method's mathematics needs.

use super::{Activation, Network};

/// The largest matrices, together, into which the layer-wise methods write maps out, in entries:
/// 128 MiB.
const MOST_WRITTEN: usize = 1 << 24;

impl Network {
    /// What the kernels of the GPU do not support; `None` if they support this network. They take
    /// all maps and activations, apart from a number of an activation that leaves no room in f32,
    /// and from an image that one layer writes and the next one reads in another shape.
    pub fn gpu_obstacle(&self) -> Option<String> {
        let beyond = self.layers().iter().position(|layer| layer.activation.is_beyond_f32());
        if let Some(index) = beyond {
            let activation = self.layers()[index].activation;
            return Some(format!("activation {activation} in layer {}: its number is beyond f32", index + 1));
        }
        self.image_shapes().err().map(|index| {
            let is_split = |index: usize| self.layers()[index].activation == Activation::PositivePart;
            let describe = |index: usize| {
                let map = self.layers()[index].map().describe();
                let is_half = is_split(index) || index.checked_sub(1).is_some_and(is_split);
                if is_half { format!("{map} (of a PReLU with several slopes)") } else { map }
            };
            format!(
                "layers {index} and {}, {} and {}: an image that is read in another shape than it is written",
                index + 1,
                describe(index - 1),
                describe(index)
            )
        })
    }

    /// What is other than a matrix with ReLU, LeakyReLU or, at the output, identity, sigmoid or
    /// tanh; `None` if nothing is. All methods take networks of these.
    pub fn beyond_dense_relu(&self) -> Option<String> {
        self.layers().iter().enumerate().find_map(|(index, layer)| {
            let (number, activation) = (index + 1, layer.activation);
            if !layer.map().is_dense() {
                return Some(format!("layer {number}, {}", layer.map().describe()));
            }
            let is_usual = activation.has_kink()
                || index + 1 == self.depth() && (activation.is_bounded() || activation == Activation::Identity);
            (!is_usual).then(|| format!("activation {activation} in layer {number}"))
        })
    }

    /// Why the layer-wise methods do not take this network; `None` if they do. They invert each
    /// layer by linear programs. This needs a matrix that can be written out, and an activation
    /// that is linear on both sides of 0, or an output with an inverse.
    pub fn layerwise_obstacle(&self) -> Option<String> {
        let depth = self.depth();
        let mut written: usize = 0;
        self.layers().iter().enumerate().find_map(|(index, layer)| {
            let number = index + 1;
            if !layer.map().is_dense() {
                written = written.saturating_add(layer.units().saturating_mul(layer.inputs()));
            }
            if written > MOST_WRITTEN {
                return Some(format!(
                    "layer {number}, {}: up to it, the maps have {written} entries as matrices (at most \
                     {MOST_WRITTEN})",
                    layer.map().describe()
                ));
            }
            let invertible =
                layer.activation.is_piecewise_linear() || index + 1 == depth && layer.activation.is_bounded();
            (!invertible).then(|| format!("activation {} in layer {number}", layer.activation))
        })
    }

    /// Why searches in the norms `l1` and `linf` do not take this network; `None` if they do. They
    /// solve linear programs within the regions of the hidden layers; the output may be curved.
    pub fn objective_obstacle(&self) -> Option<String> {
        self.layers().iter().enumerate().find_map(|(index, layer)| {
            let number = index + 1;
            if !layer.map().is_dense() {
                return Some(format!("layer {number}, {}", layer.map().describe()));
            }
            let is_curved = index + 1 < self.depth() && !layer.activation.is_piecewise_linear();
            is_curved.then(|| format!("activation {} in layer {number}", layer.activation))
        })
    }

    /// Whether runs of a search are compared by agreement: for a network with convolutions or with
    /// curved hidden layers. There a run takes long and ends near its minimum, not exactly at it.
    pub fn goes_by_agreement(&self) -> bool {
        let hidden = &self.layers()[..self.depth() - 1];
        !self.is_dense() || hidden.iter().any(|layer| !layer.activation.is_piecewise_linear())
    }

    /// Whether a hidden layer is curved.
    pub fn has_curved_hidden_layers(&self) -> bool {
        self.layers()[..self.depth() - 1].iter().any(|layer| !layer.activation.is_piecewise_linear())
    }

    /// Whether `G` is linear between the kinks of its units: every activation is ReLU, LeakyReLU or
    /// identity.
    pub fn is_piecewise_linear(&self) -> bool {
        self.layers().iter().all(|layer| layer.activation.is_piecewise_linear())
    }

    /// Whether every map is a matrix.
    pub fn is_dense(&self) -> bool {
        self.layers().iter().all(|layer| layer.map().is_dense())
    }
}
