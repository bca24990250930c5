//! Starts the command line and maps what comes of it to an exit code; nothing else.

mod cli;

use std::process::ExitCode;

fn main() -> ExitCode {
    cli::exit_code(cli::run())
}
