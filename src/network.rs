//! A generator `G(z) = φ_d(… φ_1(z))`, `φ_i(a) = σ_i(W_i a + b_i)`: validated once when it is made,
//! then trusted.
//!
//! Layers are numbered from the code outwards; `weight` is `n_i × n_{i-1}`. Everything is f64: what
//! a file stored more coarsely is widened when it is read and never narrowed on the way to a linear
//! program.

use std::fmt;
use std::ops::Range;
use std::str::FromStr;

use nalgebra::{DMatrix, DVector};

use crate::error::{Error, Result};

/// What a layer applies to `W a + b`, entry by entry.
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub enum Activation {
    /// `max(0, a)`.
    Relu,
    /// `a` for `a > 0`, else `c·a`, with the slope `c` in `(0, 1)`.
    LeakyRelu(f64),
    /// `a`; only at the output.
    Identity,
    /// `1 / (1 + exp(−a))`; only at the output.
    Sigmoid,
    /// `tanh a`; only at the output.
    Tanh,
}

impl Activation {
    /// The activation of one pre-activation `a`.
    pub fn apply(self, a: f64) -> f64 {
        match self {
            // Not f64::max, which would turn a NaN into 0.
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

    /// The derivative at pre-activation `a`; at a kink the one from the left, as `apply` branches.
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

    /// The derivative, told from the output `σ(a)` alone: every activation here is either
    /// increasing or flat at 0, so a backward pass need not keep the pre-activations. The same
    /// branch at a kink as [`Self::derivative`].
    pub fn derivative_from_output(self, output: f64) -> f64 {
        match self {
            Activation::Relu | Activation::LeakyRelu(_) => self.derivative(output),
            Activation::Identity => 1.0,
            Activation::Sigmoid => output * (1.0 - output),
            Activation::Tanh => 1.0 - output * output,
        }
    }

    /// Whether a hidden layer may use it: the layer-wise inversion needs a piecewise linear one.
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

    /// Reads what [`Display`](fmt::Display) writes: `relu`, `leaky_relu:0.1`, `identity`,
    /// `sigmoid`, `tanh`.
    fn from_str(text: &str) -> Result<Self, String> {
        const EXPECTED: &str = "relu, leaky_relu:SLOPE with a slope between 0 and 1 (for example leaky_relu:0.1), identity, sigmoid or tanh";
        match text.trim() {
            "relu" => Ok(Activation::Relu),
            "identity" => Ok(Activation::Identity),
            "sigmoid" => Ok(Activation::Sigmoid),
            "tanh" => Ok(Activation::Tanh),
            other => {
                let slope = other
                    .strip_prefix("leaky_relu:")
                    .and_then(|slope| slope.parse::<f64>().ok())
                    .filter(|slope| *slope > 0.0 && *slope < 1.0);
                slope.map(Activation::LeakyRelu).ok_or_else(|| format!("found `{other}`, expected {EXPECTED}"))
            }
        }
    }
}

/// One layer `φ(a) = σ(W a + b)`.
#[derive(Debug, Clone, PartialEq)]
pub struct DenseLayer {
    /// `W`: units × inputs.
    pub weight: DMatrix<f64>,
    /// `b`: one entry a unit, zero where the file has none.
    pub bias: DVector<f64>,
    /// `σ`.
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

/// A generator `G(z) = φ_d(… φ_1(z))`, validated once.
///
/// ```
/// use nalgebra::{DVector, dmatrix};
/// use unrelu::{Activation, DenseLayer, Network};
///
/// # fn main() -> unrelu::Result<()> {
/// let layer = DenseLayer {
///     weight: dmatrix![1.0; -1.0; 2.0],
///     bias: DVector::zeros(3),
///     activation: Activation::Relu,
/// };
/// let network = Network::dense(vec![layer])?;
/// assert_eq!((network.code_length(), network.observation_length()), (1, 3));
/// assert_eq!(network.forward(&dmatrix![2.0])?, dmatrix![2.0; 0.0; 4.0]);
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct Network {
    layers: Vec<DenseLayer>,
}

impl Network {
    #[doc(hidden)]
    /// Checks that the layers chain, that every number is finite and that only the output layer has
    /// an activation other than ReLU or LeakyReLU. `source` names the file (or says
    /// `the network given`) in messages.
    ///
    /// # Errors
    /// [`Error::Input`] with the layer, numbered from 1 at the code, and what is wrong with it.
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
                    "one bias entry a unit",
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
                    "layers that chain, from the code outwards",
                    "check the order of the layers and that weights are stored as [units, inputs]",
                ));
            }
            if let Some(position) = layer.weight.iter().position(|w| !w.is_finite()) {
                // Column-major storage.
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
    /// The layers, from the code outwards.
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

    /// Whether the input of layer `index` (from 0) is a ReLU output, so that `z ≥ 0` holds there
    /// (the hidden-layer sign).
    pub(crate) fn input_is_nonnegative(&self, index: usize) -> bool {
        index > 0 && self.layers[index - 1].activation == Activation::Relu
    }

    /// Checks that `codes` has `k` rows.
    pub fn check_codes(&self, codes: &DMatrix<f64>) -> Result<()> {
        check_rows("the codes given", "entries a code", codes.nrows(), self.code_length())
    }

    #[doc(hidden)]
    /// Checks that `layers` (from 0) are layers of this network, at least one, and that `inputs`
    /// fits the first.
    pub fn check_layer_inputs(&self, layers: &Range<usize>, inputs: &DMatrix<f64>) -> Result<()> {
        if layers.is_empty() || layers.end > self.depth() {
            return Err(Error::input(
                "the layers given",
                format!("{} .. {}", layers.start, layers.end),
                format!("a range that is not empty, within 0 .. {}", self.depth()),
                "count layers from 0 at the code",
            ));
        }
        check_rows("the inputs given", "entries an input", inputs.nrows(), self.layers[layers.start].inputs())
    }

    /// Checks that `observations` has `n` rows.
    pub fn check_observations(&self, observations: &DMatrix<f64>) -> Result<()> {
        check_rows("the observations given", "entries an observation", observations.nrows(), self.observation_length())
    }
}

fn check_rows(source: &str, what: &str, found: usize, expected: usize) -> Result<()> {
    if found == expected {
        return Ok(());
    }
    Err(Error::input(
        source,
        format!("{found} {what}"),
        format!("{expected}, as the network has"),
        "hand in one column an observation or code",
    ))
}
