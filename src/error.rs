//! The one error type. A message names the file (or the option), what was found, what was expected and
//! how to mend it.
//!
//! Options are named by their fields, ``option `threads` `` within a sentence. The command line turns
//! them into flags.
//!
//! Errors are misuse and failure. What an observation's data lead to — infeasible, not certified,
//! not converged — is a status in the answer, not an error (see [`crate::lp`]).

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

/// Shorthand for results of this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Everything that can stop a run as a whole.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// Data that cannot be used: a file, or a matrix handed in by a library call.
    #[error(transparent)]
    Input(Box<BadInput>),
    /// An output that cannot be written where it was asked for.
    #[error("{}: {found}; {fix}", path.display())]
    Output {
        /// The output's path.
        path: PathBuf,
        /// What stands in the way.
        found: String,
        /// What to do about it.
        fix: String,
    },
    /// An option with a value that makes no sense, or options that exclude each other.
    #[error("{option}: {found}; expected {expected}")]
    BadOption {
        /// The field that holds the option: `threads`.
        option: String,
        /// The value found.
        found: String,
        /// What would have been accepted.
        expected: String,
    },
    /// The operating system refused.
    #[error("{}: could not {action}: {source}", path.display())]
    Io {
        /// The file concerned.
        path: PathBuf,
        /// What was tried, as an infinitive: `read`, `create the file`.
        action: &'static str,
        /// The operating system's reason.
        source: io::Error,
    },
    /// No adapter, or not the one asked for.
    #[error("no usable device: {0}")]
    NoDevice(String),
    /// The device stopped working in the middle; the caller may go on with another.
    #[error("the device was lost: {0}")]
    DeviceLost(String),
    /// A benchmark that ended without the figures it was run for.
    #[error("no figures: {0}")]
    NothingMeasured(String),
    /// The run was cancelled by the caller.
    #[error("interrupted")]
    Cancelled,
}

/// What is wrong with an input, in the four parts that every such message has.
#[derive(Debug)]
pub struct BadInput {
    /// The file's path, or a phrase such as `the observations given`.
    pub source: String,
    /// What was found, with the place inside the file where that helps.
    pub found: String,
    /// What was expected instead.
    pub expected: String,
    /// How to mend it.
    pub fix: String,
}

impl fmt::Display for BadInput {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: found {}; expected {}; {}", self.source, self.found, self.expected, self.fix)
    }
}

impl std::error::Error for BadInput {}

impl Error {
    /// Bad data in a file or a library argument. `source` names it.
    pub fn input(
        source: impl fmt::Display,
        found: impl Into<String>,
        expected: impl Into<String>,
        fix: impl Into<String>,
    ) -> Self {
        Error::Input(Box::new(BadInput {
            source: source.to_string(),
            found: found.into(),
            expected: expected.into(),
            fix: fix.into(),
        }))
    }

    /// A refusal of the operating system, about `path`, while trying to `action`.
    pub fn io(path: &Path, action: &'static str, source: io::Error) -> Self {
        Error::Io { path: path.to_owned(), action, source }
    }

    /// A value that an option cannot take. `option` is the name of its field.
    pub fn option(option: impl Into<String>, found: impl Into<String>, expected: impl Into<String>) -> Self {
        Error::BadOption { option: option.into(), found: found.into(), expected: expected.into() }
    }

    /// Whether the user's command or data is at fault (exit code 2) rather than the run (exit code 1).
    pub fn is_usage(&self) -> bool {
        match self {
            Error::Input(_) | Error::Output { .. } | Error::BadOption { .. } | Error::NoDevice(_) => true,
            // A file that is not there, or may not be read, is the command's fault; a disk that fills up is not.
            Error::Io { source, .. } => matches!(
                source.kind(),
                io::ErrorKind::NotFound
                    | io::ErrorKind::PermissionDenied
                    | io::ErrorKind::IsADirectory
                    | io::ErrorKind::NotADirectory
            ),
            Error::DeviceLost(_) | Error::NothingMeasured(_) | Error::Cancelled => false,
        }
    }
}
