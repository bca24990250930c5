//! The network of a table or an experiment, if it is not the standard one.

use std::path::PathBuf;

use crate::bench::subject::Subject;
use crate::error::Result;
use crate::formats::network_file::{NetworkOptions, load_network};
use crate::network::{Activation, Network};

#[derive(Debug, clap::Args)]
pub struct SubjectArgs {
    /// Use this network (.safetensors, .pth or .pt) instead of the standard ones
    #[arg(long, value_name = "FILE")]
    pub network: Option<PathBuf>,

    /// Names of its layers, from the code to the output; needed if the file holds other layers too
    #[arg(long, value_delimiter = ',', value_name = "NAME,…", requires = "network")]
    layers: Option<Vec<String>>,

    /// Activation of its layers: relu or leaky_relu:SLOPE; needed if the file does not say
    #[arg(long, value_name = "ACTIVATION", requires = "network")]
    activation: Option<Activation>,

    /// Activation of its last layer: also identity, sigmoid or tanh [default: as in the file,
    /// otherwise as --activation]
    #[arg(long, value_name = "ACTIVATION", requires = "network")]
    output_activation: Option<Activation>,
}

impl SubjectArgs {
    /// The given network, or the standard ones.
    pub fn subjects(&self) -> Result<Vec<Subject>> {
        match self.given()? {
            None => Subject::usual(),
            Some((name, network)) => Ok(vec![Subject::new(&name, network)]),
        }
    }

    /// The given network and the name of its file.
    pub fn given(&self) -> Result<Option<(String, Network)>> {
        let Some(path) = &self.network else { return Ok(None) };
        let options = NetworkOptions {
            layers: self.layers.clone(),
            activation: self.activation,
            output_activation: self.output_activation,
        };
        let network = load_network(path, &options)?;
        let name = path.file_name().unwrap_or(path.as_os_str()).to_string_lossy();
        Ok(Some((name.into_owned(), network)))
    }
}
