//! The command line. It makes no promise of stability: names and behaviour may change in any
//! version. It is part of the library so that other programs can start it by [`run`].
//!
//! Each subcommand is one file. It turns raw arguments into resolved options and makes one library
//! call; there is no mathematics here. Progress goes to standard error, data goes to files or to
//! standard output. The library's errors name fields of options; `flags` turns them into flags.

mod bench;
mod command_line;
mod completions;
mod convert;
mod demo;
mod device_args;
mod devices;
mod file_run;
mod flags;
mod generate;
mod image_size;
mod inspect;
mod interrupt;
mod invert;
mod judge_args;
mod layerwise_args;
mod merge;
mod network_args;
mod operator_args;
mod picture;
mod print;
mod prior_args;
mod progress;
mod random_network;
mod record;
mod recover;
mod recovery_picture;
mod reproduce;
mod resume_command;
mod subject_args;
pub(crate) mod summary;
mod uncertainty_args;
mod value_range;
mod verdict_args;

use std::ffi::OsString;
use std::io::{self, Write};

use clap::{Parser, Subcommand};

use crate::error::{Error, Result};
use command_line::CommandLine;

/// Inverts generators in bulk: latent codes from observations, layer by layer by certified linear
/// programs (ReLU and LeakyReLU), or by a search from many starts (convolutions and smooth
/// activations, too).
#[derive(Debug, Parser)]
#[command(name = "unrelu", version, propagate_version = true, after_help = EXIT_CODES)]
struct Cli {
    #[command(subcommand)]
    command: Command,

    /// Print errors only: no notes, progress or summaries
    #[arg(short, long, global = true)]
    quiet: bool,
}

const EXIT_CODES: &str = "Exit codes: 0 all solved; 1 failed; 2 bad usage or bad input; 3 finished, but some \
observations have no certified (or converged) answer, a share is below --require, or `inspect --check` found other \
outputs; 130 interrupted.";

/// A subcommand is a module with `Args` and `run(Args, &CommandLine) -> Result<Outcome>`, and one
/// line here. Its help text is the documentation of its `Args`.
macro_rules! subcommands {
    ($($name:ident => $module:ident),+ $(,)?) => {
        #[derive(Debug, Subcommand)]
        enum Command {
            $($name($module::Args),)+
        }

        impl Command {
            fn run(self, command: &CommandLine) -> Result<Outcome> {
                match self {
                    $(Command::$name(args) => $module::run(args, command),)+
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
    Convert => convert,
    Inspect => inspect,
    Devices => devices,
    Demo => demo,
    Bench => bench,
    Reproduce => reproduce,
    Completions => completions,
}

/// The outcome of a command that did not fail.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// Everything is done.
    Complete,
    /// The run is finished, but some observations have no certified (or converged) answer; or
    /// `inspect --check` found that the network does not make the outputs.
    Incomplete,
}

/// Runs one command. `arguments` begin with the program's name. Returns the exit code, which the
/// help lists. Messages, help and the version are printed; the process does not end.
///
/// A command that may take long installs a signal handler, which stays for the life of the process.
/// The first signal stops the command, which then returns 130. A second signal, or one that comes
/// while no such command runs, ends the process.
pub fn run(arguments: impl IntoIterator<Item = OsString>) -> u8 {
    let _running = interrupt::Running::begin();
    let command_line = CommandLine(arguments.into_iter().collect());
    match Cli::try_parse_from(&command_line.0) {
        Ok(cli) => {
            print::set_quiet(cli.quiet);
            print::data_goes_to(&[]);
            exit_code(cli.command.run(&command_line))
        }
        Err(usage) => {
            // A closed standard output or error is no failure of the command.
            let _ = usage.print();
            usage.exit_code().try_into().unwrap_or(2)
        }
    }
}

/// A command that was parsed and not run.
#[derive(Debug)]
pub struct Parsed {
    /// The values of all arguments, given and default, in Rust's debug format.
    pub arguments: String,
    /// The command that resumes a run of `invert` or `recover`, quoted for a shell.
    pub resume: Option<String>,
}

/// Parses one command and resolves the options of `invert` and `recover`, but runs nothing.
/// `arguments` begin with the program's name.
///
/// # Errors
/// The exit code and the message (or help, or version) with which [`run`] would end.
pub fn parse(arguments: impl IntoIterator<Item = OsString>) -> std::result::Result<Parsed, (u8, String)> {
    let command_line = CommandLine(arguments.into_iter().collect());
    let usage = |usage: clap::Error| (usage.exit_code().try_into().unwrap_or(2), usage.render().to_string());
    let cli = Cli::try_parse_from(&command_line.0).map_err(usage)?;
    let resolved = match &cli.command {
        Command::Invert(args) => Some(args.check_options()),
        Command::Recover(args) => Some(args.check_options()),
        _ => None,
    };
    let resolved = resolved.transpose().map_err(|error| (code_of(&error), flags::message(&error)))?;
    let resume = resolved.map(|()| resume_command::resume_command(&command_line));
    Ok(Parsed { arguments: format!("{:?}", cli.command), resume })
}

/// The exit code of a command; prints the error, if there is one.
fn exit_code(result: Result<Outcome>) -> u8 {
    let error = match result {
        Ok(Outcome::Complete) => return 0,
        Ok(Outcome::Incomplete) => return 3,
        // The reader of the output has closed it and wants no more.
        Err(Error::Io { source, .. }) if source.kind() == io::ErrorKind::BrokenPipe => return 0,
        Err(error) => error,
    };
    // Not eprintln!, which panics where standard error is closed.
    let _ = writeln!(io::stderr(), "error: {}", flags::message(&error));
    code_of(&error)
}

fn code_of(error: &Error) -> u8 {
    match error {
        Error::Cancelled => 130,
        error if error.is_usage() => 2,
        _ => 1,
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
