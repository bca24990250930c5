//! The network that a table or an experiment is about, where it is not the usual one.

use std::path::PathBuf;

use crate::bench::subject::Subject;
use crate::error::Result;
use crate::formats::network_file::{NetworkOptions, load_network};
use crate::network::{Activation, Network};

#[derive(Debug, clap::Args)]
pub struct SubjectArgs {
    /// This network, .safetensors, .pth or .pt, instead of the usual ones
    #[arg(long, value_name = "FILE")]
    pub network: Option<PathBuf>,

    /// Which of its layers, from the code outwards, where the file holds others too
    #[arg(long, value_delimiter = ',', value_name = "NAME,…", requires = "network")]
    layers: Option<Vec<String>>,

    /// Activation of its layers: relu or leaky_relu:SLOPE; needed where the file does not say
    #[arg(long, value_name = "ACTIVATION", requires = "network")]
    activation: Option<Activation>,

    /// Activation of its last layer: also identity, sigmoid or tanh [default: the file's, else that of the others]
    #[arg(long, value_name = "ACTIVATION", requires = "network")]
    output_activation: Option<Activation>,
}

impl SubjectArgs {
    /// The network that was given, or the usual ones.
    pub fn subjects(&self) -> Result<Vec<Subject>> {
        match self.given()? {
            None => Subject::usual(),
            Some((name, network)) => Ok(vec![Subject::new(&name, network)]),
        }
    }

    /// The network that was given, and the name of its file.
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
