//! A generator `G(z) = φ_d(… φ_1(z))`, `φ_i(a) = σ_i(W_i a + b_i)`. It is validated when it is
//! made, so later code need not check it.
//!
//! `W_i` is a [`Map`]: a matrix, a convolution, a resampling or a scaling. Layers are numbered from
//! the code to the output. Vectors are flattened in C order (channel, row, column). All numbers are
//! f64. Data of lower precision are converted when they are read, and no later step rounds them
//! before they reach a linear program.

mod activation;
mod activation_names;
mod image_shapes;
mod layer;
pub mod map;
mod suits;
mod validation;

use std::ops::Range;

use nalgebra::DMatrix;

pub use activation::Activation;
pub use layer::{DenseLayer, Layer};
pub use map::Map;

use crate::error::{Error, Result};

/// A generator `G(z) = φ_d(… φ_1(z))`.
///
/// It is validated when it is made: the layers fit together, and every number is finite.
///
/// ```
/// use nalgebra::{DMatrix, DVector};
/// use unrelu::{Activation, DenseLayer, Network};
///
/// # fn main() -> unrelu::Result<()> {
/// let layer = DenseLayer {
///     weight: DMatrix::from_column_slice(3, 1, &[1.0, -1.0, 2.0]),
///     bias: DVector::zeros(3),
///     activation: Activation::Relu,
/// };
/// let network = Network::dense(vec![layer])?;
/// assert_eq!((network.code_length(), network.observation_length()), (1, 3));
/// let outputs = network.forward(&DMatrix::from_element(1, 1, 2.0))?;
/// assert_eq!(outputs.as_slice(), [2.0, 0.0, 4.0]);
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct Network {
    layers: Vec<Layer>,
}

impl Network {
    #[doc(hidden)]
    /// Makes a network and validates it.
    ///
    /// The layers must fit together, and every number must be finite. `source` names the file (or
    /// `the network given`) in messages.
    ///
    /// # Errors
    /// [`Error::Input`]; the message names the layer, numbered from 1 at the code, and what is
    /// wrong with it.
    pub fn new<L: Into<Layer>>(layers: Vec<L>, source: &str) -> Result<Self> {
        let layers: Vec<Layer> = layers.into_iter().map(Into::into).collect();
        validation::check(&layers, source)?;
        Ok(Network { layers })
    }

    #[doc(hidden)]
    /// The layers, from the code to the output.
    pub fn layers(&self) -> &[Layer] {
        &self.layers
    }

    #[doc(hidden)]
    /// Copies of the layers, with their maps as matrices.
    pub fn dense_layers(&self) -> Vec<DenseLayer> {
        self.layers.iter().map(Layer::to_dense).collect()
    }

    /// `d`, the number of layers.
    pub fn depth(&self) -> usize {
        self.layers.len()
    }

    /// `k`, the length of a latent code.
    pub fn code_length(&self) -> usize {
        self.layers[0].inputs()
    }

    /// `n`, the length of an observation.
    pub fn observation_length(&self) -> usize {
        self.layers[self.layers.len() - 1].units()
    }

    /// A power of two that is about the size of the outputs of codes of size 1: the product of the
    /// powers of two in the largest weights of the layers. It is 1 where the output activation does
    /// not commute with a positive factor, such as sigmoid. If weights and biases of a layer are
    /// multiplied by a power of two, it is, too. So what is measured in this unit does not depend
    /// on the units of the outputs.
    pub(crate) fn output_unit(&self) -> f64 {
        if !self.layers[self.depth() - 1].activation.is_homogeneous() {
            return 1.0;
        }
        // The largest power of two up to `w`.
        let power = |w: f64| Some(f64::from_bits(w.to_bits() & (0x7ff << 52))).filter(|power| power.is_normal());
        let of_layer = |layer: &Layer| power(layer.map().largest()).unwrap_or(1.0);
        Some(self.layers.iter().map(of_layer).product()).filter(|unit: &f64| unit.is_normal()).unwrap_or(1.0)
    }

    /// The unit in which f32 computes the outputs, so that sums of squares stay within its range:
    /// [`Self::output_unit`], or 1 if the last layer would leave the range.
    pub(crate) fn single_unit(&self) -> f64 {
        let (unit, last) = (self.output_unit(), &self.layers[self.depth() - 1]);
        let fits = |w: &f64| (*w / unit) as f32;
        let is_fitting = last.map().numbers().chain(last.bias.iter()).all(|w| fits(w).is_finite());
        if is_fitting { unit } else { 1.0 }
    }

    /// The network whose outputs are divided by `unit`, a power of two.
    pub(crate) fn with_outputs_in(&self, unit: f64) -> Network {
        let mut layers = self.layers.clone();
        if let Some(last) = layers.last_mut() {
            last.divide_by(unit);
        }
        Network { layers }
    }

    /// Whether the input of layer `index` (from 0) is the output of a ReLU, so that `z ≥ 0` is a
    /// constraint of that layer.
    pub(crate) fn input_is_nonnegative(&self, index: usize) -> bool {
        index > 0 && self.layers[index - 1].activation == Activation::Relu
    }

    /// Checks that `codes` has `k` rows.
    pub fn check_codes<T>(&self, codes: &DMatrix<T>) -> Result<()> {
        check_rows("the codes given", "entries per code", codes.nrows(), self.code_length())
    }

    #[doc(hidden)]
    /// Checks that `layers` (from 0) is a nonempty range of layers of this network, and that
    /// `inputs` fits the first of them.
    pub fn check_layer_inputs(&self, layers: &Range<usize>, inputs: &DMatrix<f64>) -> Result<()> {
        if layers.is_empty() || layers.end > self.depth() {
            return Err(Error::input(
                "the layers given",
                format!("{} .. {}", layers.start, layers.end),
                format!("a nonempty range within 0 .. {}", self.depth()),
                "count layers from 0 at the code",
            ));
        }
        check_rows("the inputs given", "entries per input", inputs.nrows(), self.layers[layers.start].inputs())
    }

    /// Checks that `observations` has `n` rows.
    pub fn check_observations(&self, observations: &DMatrix<f64>) -> Result<()> {
        self.check_observation_length(observations.nrows())
    }

    /// Checks that observations have `n` entries.
    pub fn check_observation_length(&self, length: usize) -> Result<()> {
        check_rows("the observations given", "entries per observation", length, self.observation_length())
    }
}

fn check_rows(source: &str, what: &str, found: usize, expected: usize) -> Result<()> {
    if found == expected {
        return Ok(());
    }
    Err(Error::input(
        source,
        format!("{found} {what}"),
        format!("{expected} for this network"),
        "pass one column per observation or code",
    ))
}
