//! `unrelu bench`: tables that compare methods, solvers and devices in one run. One file per table.

mod accuracy;
mod lp;
mod recovery;
mod throughput;

use crate::error::Result;

use super::{CommandLine, Outcome};

/// Measure methods, solvers and devices on this machine
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  unrelu bench lp --quick\n  unrelu bench throughput --quick\n  unrelu bench accuracy --quick\n  \
                  unrelu bench recovery --quick"
)]
pub struct Args {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, clap::Subcommand)]
enum What {
    Accuracy(accuracy::Args),
    Lp(lp::Args),
    Recovery(recovery::Args),
    Throughput(throughput::Args),
}

pub fn run(args: Args, _: &CommandLine) -> Result<Outcome> {
    match args.what {
        What::Accuracy(args) => accuracy::run(args),
        What::Lp(args) => lp::run(args),
        What::Recovery(args) => recovery::run(args),
        What::Throughput(args) => throughput::run(args),
    }
}
