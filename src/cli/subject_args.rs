//! The network of a table or an experiment, if it is not the standard one.

use std::path::PathBuf;

use crate::bench::subject::Subject;
use crate::error::{Error, Result};
use crate::network::Network;

use super::network_args::ReadingArgs;

#[derive(Debug, clap::Args)]
pub struct SubjectArgs {
    /// Use this network (.safetensors, .pth or .pt) instead of the standard ones
    #[arg(long, value_name = "FILE")]
    pub network: Option<PathBuf>,

    #[command(flatten)]
    reading: ReadingArgs,
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
        let network = self.reading.load(path)?.network;
        if let Some(obstacle) = network.beyond_dense_relu() {
            return Err(Error::input(
                path.display(),
                obstacle,
                "dense layers with hidden relu or leaky_relu, which all methods take",
                "use `unrelu invert` or `unrelu recover` for this network",
            ));
        }
        let name = path.file_name().unwrap_or(path.as_os_str()).to_string_lossy();
        Ok(Some((name.into_owned(), network)))
    }
}
