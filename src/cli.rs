//! The command line: one file a subcommand, each from raw arguments to resolved options to one library call.
//! No mathematics here. Progress goes to standard error, data to files or standard output.

mod bench;
mod completions;
mod demo;
mod device_args;
mod devices;
mod file_run;
mod generate;
mod image_size;
mod inspect;
mod interrupt;
mod invert;
mod merge;
mod network_args;
mod picture;
mod print;
mod program;
mod progress;
mod random_network;
mod recover;
mod recovery_picture;
mod reproduce;
mod resume_command;
mod subject_args;
mod summary;

use std::io::{self, Write};
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use unrelu::error::{Error, Result};

/// Inverts ReLU and LeakyReLU generators in bulk: latent codes from observations, one layer at a time, by certified
/// linear programs.
#[derive(Debug, Parser)]
#[command(name = "unrelu", version, propagate_version = true, after_help = EXIT_CODES)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

const EXIT_CODES: &str = "Exit codes: 0 all solved; 1 failed; 2 bad usage or bad input; 3 finished, but some \
observations have no certified (or converged) answer; 130 interrupted.";

/// A subcommand is a module with `Args` and `run(Args) -> Result<Outcome>`, and one line here. Its help text is the
/// documentation of its `Args`.
macro_rules! subcommands {
    ($($name:ident => $module:ident),+ $(,)?) => {
        #[derive(Debug, Subcommand)]
        enum Command {
            $($name($module::Args),)+
        }

        impl Command {
            fn run(self) -> Result<Outcome> {
                match self {
                    $(Command::$name(args) => $module::run(args),)+
                }
            }
        }
    };
}

subcommands! {
    Invert => invert,
    Recover => recover,
    Merge => merge,
    Generate => generate,
    Picture => picture,
    RandomNetwork => random_network,
    Inspect => inspect,
    Devices => devices,
    Demo => demo,
    Bench => bench,
    Reproduce => reproduce,
    Completions => completions,
}

/// How a command that did not fail ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// All that was asked for is done.
    Complete,
    /// The run is finished, but some observations have no certified (or converged) answer.
    Incomplete,
}

/// Reads the arguments and runs the command. Usage errors, `--help` and `--version` end the process inside clap, with 2 or 0.
pub fn run() -> Result<Outcome> {
    Cli::parse().command.run()
}

/// The process's exit code; prints the error, if there is one.
pub fn exit_code(result: Result<Outcome>) -> ExitCode {
    let error = match result {
        Ok(Outcome::Complete) => return ExitCode::SUCCESS,
        Ok(Outcome::Incomplete) => return ExitCode::from(3),
        // Whoever read the output has seen enough.
        Err(Error::Io { source, .. }) if source.kind() == io::ErrorKind::BrokenPipe => return ExitCode::SUCCESS,
        Err(error) => error,
    };
    // Not eprintln!, which panics where standard error is closed.
    let _ = writeln!(io::stderr(), "error: {error}");
    match error {
        Error::Cancelled => ExitCode::from(130),
        error if error.is_usage() => ExitCode::from(2),
        _ => ExitCode::FAILURE,
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn arguments_are_consistent_and_every_command_has_an_example() {
        let mut command = Cli::command();
        command.build();
        command.clone().debug_assert();
        for subcommand in command.get_subcommands().filter(|subcommand| subcommand.get_name() != "help") {
            let name = subcommand.get_name();
            assert!(subcommand.get_about().is_some(), "{name} has no description");
            let after = subcommand.get_after_help().map(ToString::to_string).unwrap_or_default();
            assert!(after.contains(&format!("unrelu {name}")), "{name} has no example");
        }
    }
}
