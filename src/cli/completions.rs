//! `unrelu completions`: a completion script for a shell.

use clap::CommandFactory;
use clap_complete::{Shell, generate};

use crate::error::Result;

use super::{Cli, CommandLine, Outcome, print};

/// Print a completion script for a shell
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  unrelu completions bash > ~/.local/share/bash-completion/completions/unrelu")]
pub struct Args {
    /// The shell
    shell: Shell,
}

pub fn run(args: Args, _: &CommandLine) -> Result<Outcome> {
    let mut script = Vec::new();
    generate(args.shell, &mut Cli::command(), "unrelu", &mut script);
    print::print(&String::from_utf8_lossy(&script))?;
    Ok(Outcome::Complete)
}
