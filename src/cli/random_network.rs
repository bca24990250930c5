//! `unrelu random-network`: the random networks of the paper.

use std::path::PathBuf;

use crate::error::Result;
use crate::formats::safetensors::write_network;
use crate::network::Activation;
use crate::random::random_network;

use super::{CommandLine, Outcome};

/// Write a random network: weights of layer i drawn from N(0, 1/n_i), no biases
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Example:\n  unrelu random-network 20,100,500 -o net.safetensors --activation leaky_relu:0.1 --seed 1"
)]
pub struct Args {
    /// Sizes from the code to the output: 20,100,500
    #[arg(value_delimiter = ',', required = true, value_name = "UNITS,…")]
    sizes: Vec<usize>,

    /// Output file for the network, as safetensors
    #[arg(short, long, value_name = "NET.safetensors")]
    output: PathBuf,

    /// Activation of all layers: relu or leaky_relu:SLOPE
    #[arg(long, default_value = "relu")]
    activation: Activation,

    /// Seed of the weights; the same seed gives the same network on every machine
    #[arg(long, default_value_t = 0)]
    seed: u64,

    /// Replace the output if it exists
    #[arg(long)]
    force: bool,
}

pub fn run(args: Args, _: &CommandLine) -> Result<Outcome> {
    let network = random_network(&args.sizes, args.activation, args.seed)?;
    write_network(&args.output, &network, args.force)?;
    Ok(Outcome::Complete)
}
