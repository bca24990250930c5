//! A generator `G(z) = φ_d(… φ_1(z))`, `φ_i(a) = σ_i(W_i a + b_i)`. It is validated when it is
//! made, so later code need not check it.
//!
//! Layers are numbered from the code to the output; `weight` is `n_i × n_{i-1}`. All numbers are
//! f64. Data of lower precision are converted when they are read, and no later step rounds them
//! before they reach a linear program.

mod activation_names;

use std::fmt;
use std::ops::Range;
use std::str::FromStr;

use nalgebra::{DMatrix, DVector};

use crate::error::{Error, Result};

/// The activation of a layer, applied to each entry of `W a + b`.
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub enum Activation {
    /// `max(0, a)`.
    Relu,
    /// `a` for `a > 0`, otherwise `c·a`, with the slope `c` in `(0, 1)`.
    LeakyRelu(f64),
    /// `a`; only at the output.
    Identity,
    /// `1 / (1 + exp(−a))`; only at the output.
    Sigmoid,
    /// `tanh a`; only at the output.
    Tanh,
}

impl Activation {
    /// Applies the activation to one pre-activation `a`.
    pub fn apply(self, a: f64) -> f64 {
        match self {
            // `f64::max` would turn a NaN into 0.
            Activation::Relu => {
                if a <= 0.0 {
                    0.0
                } else {
                    a
                }
            }
            Activation::LeakyRelu(slope) => {
                if a <= 0.0 {
                    slope * a
                } else {
                    a
                }
            }
            Activation::Identity => a,
            Activation::Sigmoid => 1.0 / (1.0 + (-a).exp()),
            Activation::Tanh => a.tanh(),
        }
    }

    /// The derivative at the pre-activation `a`. At a kink, it is the derivative from the left.
    pub fn derivative(self, a: f64) -> f64 {
        match self {
            Activation::Relu => {
                if a <= 0.0 {
                    0.0
                } else {
                    1.0
                }
            }
            Activation::LeakyRelu(slope) => {
                if a <= 0.0 {
                    slope
                } else {
                    1.0
                }
            }
            Activation::Identity => 1.0,
            Activation::Sigmoid => {
                let s = self.apply(a);
                s * (1.0 - s)
            }
            Activation::Tanh => {
                let t = a.tanh();
                1.0 - t * t
            }
        }
    }

    /// The derivative, computed from the output `σ(a)` alone. This is possible because every
    /// activation is increasing, or flat at 0. So a backward pass need not store the
    /// pre-activations. At a kink, the value is that of [`Self::derivative`].
    pub fn derivative_from_output(self, output: f64) -> f64 {
        match self {
            Activation::Relu | Activation::LeakyRelu(_) => self.derivative(output),
            Activation::Identity => 1.0,
            Activation::Sigmoid => output * (1.0 - output),
            Activation::Tanh => 1.0 - output * output,
        }
    }

    /// Whether a hidden layer may use it. Layer-wise inversion needs a piecewise linear activation.
    pub fn allowed_in_hidden_layers(self) -> bool {
        matches!(self, Activation::Relu | Activation::LeakyRelu(_))
    }
}

impl fmt::Display for Activation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Activation::Relu => f.write_str("relu"),
            Activation::LeakyRelu(slope) => write!(f, "leaky_relu:{slope}"),
            Activation::Identity => f.write_str("identity"),
            Activation::Sigmoid => f.write_str("sigmoid"),
            Activation::Tanh => f.write_str("tanh"),
        }
    }
}

impl FromStr for Activation {
    type Err = String;

    /// Parses the text that [`Display`](fmt::Display) writes: `relu`, `leaky_relu:0.1`, `identity`,
    /// `sigmoid`, `tanh`. The names of PyTorch are also accepted: `ReLU`, `LeakyReLU(0.1)`,
    /// `nn.Tanh()`.
    fn from_str(text: &str) -> Result<Self, String> {
        activation_names::parse(text)
    }
}

/// One dense layer `φ(a) = σ(W a + b)`.
#[derive(Debug, Clone, PartialEq)]
pub struct DenseLayer {
    /// `W`, units × inputs.
    pub weight: DMatrix<f64>,
    /// `b`, one entry per unit; zeros if the file has no bias.
    pub bias: DVector<f64>,
    /// The activation `σ`.
    pub activation: Activation,
}

impl DenseLayer {
    /// Number of outputs, the rows of `W`.
    pub fn units(&self) -> usize {
        self.weight.nrows()
    }

    /// Number of inputs, the columns of `W`.
    pub fn inputs(&self) -> usize {
        self.weight.ncols()
    }
}

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
    layers: Vec<DenseLayer>,
}

impl Network {
    #[doc(hidden)]
    /// Makes a network and validates it.
    ///
    /// The layers must fit together, every number must be finite, and only the output layer may
    /// have an activation other than ReLU or LeakyReLU. `source` names the file (or `the network
    /// given`) in messages.
    ///
    /// # Errors
    /// [`Error::Input`]; the message names the layer, numbered from 1 at the code, and what is
    /// wrong with it.
    pub fn new(layers: Vec<DenseLayer>, source: &str) -> Result<Self> {
        if layers.is_empty() {
            return Err(Error::input(
                source,
                "no layer",
                "at least one weight matrix",
                "check that the file holds `layers.0.weight`, or name the layers with option `layers`",
            ));
        }
        for (index, layer) in layers.iter().enumerate() {
            let number = index + 1;
            let (units, inputs) = layer.weight.shape();
            if units == 0 || inputs == 0 {
                return Err(Error::input(
                    source,
                    format!("layer {number} of shape [{units}, {inputs}]"),
                    "at least one unit and one input",
                    "export the weights again",
                ));
            }
            if layer.bias.len() != units {
                return Err(Error::input(
                    source,
                    format!("layer {number} with {units} units and a bias of {} entries", layer.bias.len()),
                    "one bias entry per unit",
                    "check which bias belongs to this layer",
                ));
            }
            if index > 0 && layers[index - 1].units() != inputs {
                return Err(Error::input(
                    source,
                    format!(
                        "layer {number} with {inputs} inputs after a layer with {} units",
                        layers[index - 1].units()
                    ),
                    "layers in order from the code to the output, each with as many inputs as the layer before has units",
                    "check the order of the layers and that weights are stored as [units, inputs]",
                ));
            }
            if let Some(position) = layer.weight.iter().position(|w| !w.is_finite()) {
                // The storage is column-major.
                let (row, column) = (position % units, position / units);
                return Err(Error::input(
                    source,
                    format!("{} in the weight of layer {number} at [{row}, {column}]", layer.weight[position]),
                    "finite weights",
                    "train or export the network again",
                ));
            }
            if let Some(row) = layer.bias.iter().position(|b| !b.is_finite()) {
                return Err(Error::input(
                    source,
                    format!("{} in the bias of layer {number} at [{row}]", layer.bias[row]),
                    "finite biases",
                    "train or export the network again",
                ));
            }
            if let Activation::LeakyRelu(slope) = layer.activation
                && !(slope > 0.0 && slope < 1.0)
            {
                return Err(Error::input(
                    source,
                    format!("LeakyReLU slope {slope} in layer {number}"),
                    "a slope between 0 and 1, both excluded",
                    "use relu for slope 0",
                ));
            }
            if number < layers.len() && !layer.activation.allowed_in_hidden_layers() {
                return Err(Error::input(
                    source,
                    format!("activation {} in hidden layer {number}", layer.activation),
                    "relu or leaky_relu:SLOPE in every layer but the last",
                    "only the output layer may use identity, sigmoid or tanh",
                ));
            }
        }
        Ok(Network { layers })
    }

    #[doc(hidden)]
    /// The layers, from the code to the output.
    pub fn layers(&self) -> &[DenseLayer] {
        &self.layers
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
    /// powers of two in the largest weights of the layers. It is 1 with a sigmoid or tanh output.
    /// If weights and biases of a layer are multiplied by a power of two, it is, too. So what is
    /// measured in this unit does not depend on the units of the outputs.
    pub(crate) fn output_unit(&self) -> f64 {
        if matches!(self.layers[self.depth() - 1].activation, Activation::Sigmoid | Activation::Tanh) {
            return 1.0;
        }
        // The largest power of two up to `w`.
        let power = |w: f64| Some(f64::from_bits(w.to_bits() & (0x7ff << 52))).filter(|power| power.is_normal());
        let of_layer = |layer: &DenseLayer| power(layer.weight.amax()).unwrap_or(1.0);
        Some(self.layers.iter().map(of_layer).product()).filter(|unit: &f64| unit.is_normal()).unwrap_or(1.0)
    }

    /// The unit in which f32 computes the outputs, so that sums of squares stay within its range:
    /// [`Self::output_unit`], or 1 if the last layer would leave the range.
    pub(crate) fn single_unit(&self) -> f64 {
        let (unit, last) = (self.output_unit(), &self.layers[self.depth() - 1]);
        let fits = |w: &f64| (*w / unit) as f32;
        let is_fitting = last.weight.iter().chain(last.bias.iter()).all(|w| fits(w).is_finite());
        if is_fitting { unit } else { 1.0 }
    }

    /// The network whose outputs are divided by `unit`, a power of two.
    pub(crate) fn with_outputs_in(&self, unit: f64) -> Network {
        let mut layers = self.layers.clone();
        if let Some(last) = layers.last_mut() {
            last.weight /= unit;
            last.bias /= unit;
        }
        Network { layers }
    }

    /// Whether the input of layer `index` (from 0) is the output of a ReLU, so that `z ≥ 0` is a
    /// constraint of that layer.
    pub(crate) fn input_is_nonnegative(&self, index: usize) -> bool {
        index > 0 && self.layers[index - 1].activation == Activation::Relu
    }

    /// Checks that `codes` has `k` rows.
    pub fn check_codes(&self, codes: &DMatrix<f64>) -> Result<()> {
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
        check_rows("the observations given", "entries per observation", observations.nrows(), self.observation_length())
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
