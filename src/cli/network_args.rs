//! The arguments that choose the network, shared by all commands that need one.

use std::path::{Path, PathBuf};

use clap::Args;

use crate::error::{Error, Result};
use crate::formats::network_file::{NetworkOptions, ReadNetwork, read_network};
use crate::formats::streams::{input_name, is_read_once};
use crate::network::Activation;

use super::{flags, print};

/// A network, and the details that its file may lack.
#[derive(Debug, Args)]
pub struct NetworkArgs {
    /// The generator: .safetensors, PyTorch state_dict or model (.pth, .pt), .onnx, or .npz
    pub network: PathBuf,

    #[command(flatten)]
    pub reading: ReadingArgs,
}

/// How the file of a network is read.
#[derive(Debug, Args)]
pub struct ReadingArgs {
    /// Names of the layers, from the code to the output; needed if the file holds other layers too.
    /// A BatchNorm or PReLU is listed where it stands; the word `activation` before a BatchNorm
    /// says that it stands after the activation
    #[arg(long, value_delimiter = ',', value_name = "NAME,…", requires = "network")]
    layers: Option<Vec<String>>,

    /// Activation of the layers: relu, leaky_relu:SLOPE, softplus:BETA, elu:ALPHA, selu, silu,
    /// gelu, gelu_tanh, sigmoid, tanh; needed if the file does not say
    #[arg(long, value_name = "ACTIVATION", requires = "network")]
    activation: Option<Activation>,

    /// Activation of the last layer: also identity [default: as in the file, otherwise as
    /// --activation]
    #[arg(long, value_name = "ACTIVATION", requires = "network")]
    output_activation: Option<Activation>,

    /// The eps of BatchNorm, which a state_dict does not hold [default: 1e-5]
    #[arg(long, value_name = "EPS", allow_negative_numbers = true, requires = "network")]
    batch_norm_epsilon: Option<f64>,

    /// Tensors or modules that are no part of the generator. Without it, a tensor that could act on
    /// the layers is refused
    #[arg(long, value_delimiter = ',', value_name = "NAME,…", requires = "network")]
    ignore_tensors: Vec<String>,

    /// A JSON file that lists the operations of the generator, for convolutions and other networks
    /// that the names of tensors do not describe (docs/OPERATIONS.md)
    #[arg(long, value_name = "FILE.json", requires = "network")]
    architecture: Option<PathBuf>,
}

impl NetworkArgs {
    /// The options for the library.
    pub fn options(&self) -> NetworkOptions {
        self.reading.options()
    }

    /// Reads the network, and says what was assumed.
    pub fn load(&self) -> Result<ReadNetwork> {
        self.reading.load(&self.network)
    }
}

/// Refuses a network that can be read once only.
///
/// # Errors
/// [`Error::BadOption`].
pub fn refuse_stream(path: &Path) -> Result<()> {
    if !is_read_once(path) {
        return Ok(());
    }
    let found = format!("{}, which can be read once only", input_name(path).display());
    Err(Error::option("NETWORK", found, "a plain file, since networks are not read in order"))
}

impl ReadingArgs {
    /// The options for the library.
    fn options(&self) -> NetworkOptions {
        NetworkOptions {
            layers: self.layers.clone(),
            activation: self.activation,
            output_activation: self.output_activation,
            batch_norm_epsilon: self.batch_norm_epsilon,
            ignore_tensors: self.ignore_tensors.clone(),
            architecture: self.architecture.clone(),
        }
    }

    /// Reads the network of a file, and says what was assumed.
    pub fn load(&self, path: &Path) -> Result<ReadNetwork> {
        refuse_stream(path)?;
        let read = read_network(path, &self.options())?;
        for assumption in &read.assumptions {
            print::note(&format!("note: {}", flags::words(&assumption.to_string())));
        }
        Ok(read)
    }
}
