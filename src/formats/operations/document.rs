//! The JSON of a list of operations, field by field.

use serde::Deserialize;

/// The name of the format.
pub(super) const FORMAT: &str = "unrelu operations";
/// The version that is read.
pub(super) const VERSION: u64 = 1;

/// The whole document.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Document {
    pub format: String,
    pub version: u64,
    /// The shape of a code.
    pub input: Vec<usize>,
    /// From the code to the observation.
    pub operations: Vec<Operation>,
}

/// A number for both axes, or one for the rows and one for the columns.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(untagged, expecting = "a value that is neither an integer nor a pair of integers")]
pub(super) enum Pair {
    Both(usize),
    Each([usize; 2]),
}

impl Pair {
    pub fn numbers(self) -> [usize; 2] {
        match self {
            Pair::Both(number) => [number; 2],
            Pair::Each(numbers) => numbers,
        }
    }
}

/// A factor for both axes, or one for each.
#[derive(Debug, Clone, Copy, PartialEq, Deserialize)]
#[serde(untagged, expecting = "a value that is neither a number nor a pair of numbers")]
pub(super) enum Factors {
    Both(f64),
    Each([f64; 2]),
}

impl Factors {
    pub fn numbers(self) -> [f64; 2] {
        match self {
            Factors::Both(number) => [number; 2],
            Factors::Each(numbers) => numbers,
        }
    }
}

/// How upsampling computes its values.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum UpsampleMode {
    #[default]
    Nearest,
    Bilinear,
}

/// Which of PyTorch's formulas of GELU is meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum GeluForm {
    #[default]
    None,
    Tanh,
}

/// A convolution, or a transposed one.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ConvolutionFields {
    pub weight: String,
    pub bias: Option<String>,
    #[serde(default = "one")]
    pub stride: Pair,
    #[serde(default = "zero")]
    pub padding: Pair,
    /// Of a transposed convolution.
    pub output_padding: Option<Pair>,
    #[serde(default = "one")]
    pub dilation: Pair,
    #[serde(default = "single")]
    pub groups: usize,
}

/// Average pooling.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct PoolFields {
    pub kernel_size: Pair,
    pub stride: Option<Pair>,
    #[serde(default = "zero")]
    pub padding: Pair,
    #[serde(default)]
    pub ceil_mode: bool,
    #[serde(default = "yes")]
    pub count_include_pad: bool,
    pub divisor_override: Option<f64>,
}

/// Upsampling.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct UpsampleFields {
    pub size: Pair,
    #[serde(default)]
    pub mode: UpsampleMode,
    #[serde(default)]
    pub align_corners: bool,
    pub scale_factor: Option<Factors>,
}

/// BatchNorm with the statistics of training.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct BatchNormFields {
    pub running_mean: String,
    pub running_var: String,
    pub weight: Option<String>,
    pub bias: Option<String>,
    #[serde(default = "norm_epsilon")]
    pub eps: f64,
}

/// A tensor, or one number.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(untagged, expecting = "a value that is neither the name of a tensor nor a number")]
pub(super) enum Numbers {
    Tensor(String),
    One(f64),
}

impl Numbers {
    /// The name of the tensor, if it is one.
    fn name(numbers: &Option<Self>) -> Option<&str> {
        match numbers {
            Some(Numbers::Tensor(name)) => Some(name),
            _ => None,
        }
    }
}

/// One operation.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(tag = "op", rename_all = "snake_case", deny_unknown_fields)]
pub(super) enum Operation {
    Linear {
        weight: String,
        bias: Option<String>,
    },
    Conv2d(ConvolutionFields),
    ConvTranspose2d(ConvolutionFields),
    BatchNorm(BatchNormFields),
    Scale {
        weight: Option<Numbers>,
        bias: Option<Numbers>,
    },
    Upsample(UpsampleFields),
    AvgPool2d(PoolFields),
    AdaptiveAvgPool2d {
        output_size: Pair,
    },
    Resample {
        rows: String,
        columns: String,
    },
    Reshape {
        shape: Vec<usize>,
    },
    Relu {},
    LeakyRelu {
        #[serde(default = "leaky_slope")]
        negative_slope: f64,
    },
    Prelu {
        weight: String,
    },
    Elu {
        #[serde(default = "unit")]
        alpha: f64,
    },
    Selu {},
    Softplus {
        #[serde(default = "unit")]
        beta: f64,
        #[serde(default = "softplus_threshold")]
        threshold: f64,
    },
    Silu {},
    Gelu {
        #[serde(default)]
        approximate: GeluForm,
    },
    Hardtanh {
        #[serde(default = "minus_unit")]
        min_val: f64,
        #[serde(default = "unit")]
        max_val: f64,
    },
    Relu6 {},
    PositivePart {},
    Sigmoid {},
    Tanh {},
    Identity {},
}

fn one() -> Pair {
    Pair::Both(1)
}

fn zero() -> Pair {
    Pair::Both(0)
}

fn single() -> usize {
    1
}

fn yes() -> bool {
    true
}

fn unit() -> f64 {
    1.0
}

fn minus_unit() -> f64 {
    -1.0
}

fn norm_epsilon() -> f64 {
    1e-5
}

fn leaky_slope() -> f64 {
    0.01
}

fn softplus_threshold() -> f64 {
    crate::network::Activation::SOFTPLUS_THRESHOLD
}

impl Operation {
    /// The names of its tensors.
    pub fn tensors(&self) -> Vec<&str> {
        match self {
            Operation::Linear { weight, bias } => {
                [Some(weight.as_str()), bias.as_deref()].into_iter().flatten().collect()
            }
            Operation::Conv2d(fields) | Operation::ConvTranspose2d(fields) => {
                [Some(fields.weight.as_str()), fields.bias.as_deref()].into_iter().flatten().collect()
            }
            Operation::BatchNorm(fields) => {
                let statistics = [fields.running_mean.as_str(), fields.running_var.as_str()];
                statistics.into_iter().chain(fields.weight.as_deref()).chain(fields.bias.as_deref()).collect()
            }
            Operation::Scale { weight, bias } => [weight, bias].into_iter().filter_map(Numbers::name).collect(),
            Operation::Resample { rows, columns } => vec![rows, columns],
            Operation::Prelu { weight } => vec![weight],
            _ => Vec::new(),
        }
    }

    /// Its name in the document.
    pub fn name(&self) -> &'static str {
        match self {
            Operation::Linear { .. } => "linear",
            Operation::Conv2d(_) => "conv2d",
            Operation::ConvTranspose2d(_) => "conv_transpose2d",
            Operation::BatchNorm(_) => "batch_norm",
            Operation::Scale { .. } => "scale",
            Operation::Upsample(_) => "upsample",
            Operation::AvgPool2d(_) => "avg_pool2d",
            Operation::AdaptiveAvgPool2d { .. } => "adaptive_avg_pool2d",
            Operation::Resample { .. } => "resample",
            Operation::Reshape { .. } => "reshape",
            Operation::Relu {} => "relu",
            Operation::LeakyRelu { .. } => "leaky_relu",
            Operation::Prelu { .. } => "prelu",
            Operation::Elu { .. } => "elu",
            Operation::Selu {} => "selu",
            Operation::Softplus { .. } => "softplus",
            Operation::Silu {} => "silu",
            Operation::Gelu { .. } => "gelu",
            Operation::Hardtanh { .. } => "hardtanh",
            Operation::Relu6 {} => "relu6",
            Operation::PositivePart {} => "positive_part",
            Operation::Sigmoid {} => "sigmoid",
            Operation::Tanh {} => "tanh",
            Operation::Identity {} => "identity",
        }
    }
}
