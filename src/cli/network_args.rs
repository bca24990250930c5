//! The arguments that say which network, shared by all commands that need one.

use std::path::PathBuf;

use clap::Args;

use crate::error::Result;
use crate::formats::network_file::{NetworkOptions, load_network};
use crate::network::{Activation, Network};

/// A network and what its file cannot say.
#[derive(Debug, Args)]
pub struct NetworkArgs {
    /// The generator: .safetensors, or a PyTorch state_dict (.pth, .pt)
    pub network: PathBuf,

    /// Which layers, from the code outwards, where the file holds others too
    #[arg(long, value_delimiter = ',', value_name = "NAME,…")]
    pub layers: Option<Vec<String>>,

    /// Activation of the layers: relu or leaky_relu:SLOPE; needed where the file does not say
    #[arg(long, value_name = "ACTIVATION")]
    pub activation: Option<Activation>,

    /// Activation of the last layer: also identity, sigmoid or tanh [default: the file's, else that of the others]
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
