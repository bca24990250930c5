//! `unrelu convert`: a network as one safetensors file that needs no options.

use std::path::PathBuf;

use crate::error::Result;
use crate::formats::safetensors::write_network;

use super::network_args::NetworkArgs;
use super::{CommandLine, Outcome};

/// Write a network as one .safetensors file that needs no further options to be read
///
/// Layers, activations and folded BatchNorms are stored in f64 as they were read. A network with
/// convolutions has the list of its operations in the file's metadata.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  unrelu convert decoder.onnx -o decoder.safetensors\n  \
                  unrelu convert decoder.pth --architecture decoder.json -o decoder.safetensors\n  \
                  unrelu convert vae.pth --layers fc3,fc4 --activation relu -o vae.safetensors")]
pub struct Args {
    #[command(flatten)]
    network: NetworkArgs,

    /// Output file for the network, as safetensors
    #[arg(short, long, value_name = "NET.safetensors")]
    output: PathBuf,

    /// Replace the output if it exists
    #[arg(long)]
    force: bool,
}

pub fn run(args: Args, _: &CommandLine) -> Result<Outcome> {
    write_network(&args.output, &args.network.load()?.network, args.force)?;
    Ok(Outcome::Complete)
}
