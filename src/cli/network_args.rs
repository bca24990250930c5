//! The arguments that choose the network, shared by all commands that need one.

use std::path::PathBuf;

use clap::Args;

use crate::error::Result;
use crate::formats::network_file::{NetworkOptions, load_network};
use crate::network::{Activation, Network};

/// A network, and the details that its file may lack.
#[derive(Debug, Args)]
pub struct NetworkArgs {
    /// The generator: .safetensors, PyTorch state_dict or model (.pth, .pt), or .npz of weights
    pub network: PathBuf,

    /// Names of the layers, from the code to the output; needed if the file holds other layers too
    #[arg(long, value_delimiter = ',', value_name = "NAME,…")]
    pub layers: Option<Vec<String>>,

    /// Activation of the layers: relu or leaky_relu:SLOPE; needed if the file does not say
    #[arg(long, value_name = "ACTIVATION")]
    pub activation: Option<Activation>,

    /// Activation of the last layer: also identity, sigmoid or tanh [default: as in the file,
    /// otherwise as --activation]
    #[arg(long, value_name = "ACTIVATION")]
    pub output_activation: Option<Activation>,
}

impl NetworkArgs {
    /// The options for the library.
    pub fn options(&self) -> NetworkOptions {
        NetworkOptions {
            layers: self.layers.clone(),
            activation: self.activation,
            output_activation: self.output_activation,
        }
    }

    /// Reads the network.
    pub fn load(&self) -> Result<Network> {
        load_network(&self.network, &self.options())
    }
}
