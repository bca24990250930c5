//! The error type of the crate. A message names the file or option, what was found, what was
//! expected and the fix.
//!
//! Messages name options by their fields, ``option `threads` `` within a sentence. The command line
//! turns the fields into flags.
//!
//! An error is a misuse or a failure. A result that depends on the data of one observation
//! (infeasible, not certified, not converged) is a status, not an error (see [`crate::outcome`]).

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

/// The action of an [`Error::Io`] for an output that is complete but cannot be renamed.
pub(crate) const GIVE_NAME: &str = "give the output its name";

/// The result type of this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// An error that stops a whole call or run.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// Invalid data in a file, or in a matrix passed to the library.
    #[error(transparent)]
    Input(Box<BadInput>),
    /// An output that cannot be written to the requested path.
    #[error("{}: {found}; {fix}", path.display())]
    Output {
        /// The output's path.
        path: PathBuf,
        /// Why it cannot be written.
        found: String,
        /// How to fix it.
        fix: String,
    },
    /// An invalid value of an option, or options that exclude each other.
    #[error("{option}: {found}; expected {expected}")]
    BadOption {
        /// The name of the option's field, such as `threads`.
        option: String,
        /// The value found.
        found: String,
        /// The values that are accepted.
        expected: String,
    },
    /// An operation that the operating system refused.
    #[error("{}: could not {action}: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// The operation, as an infinitive: `read`, `create the file`.
        action: &'static str,
        /// The operating system's reason.
        source: io::Error,
    },
    /// No adapter was found, or not the requested one.
    #[error("no usable device: {0}")]
    NoDevice(String),
    /// The device stopped working during a call. The caller can continue with another device.
    #[error("the device was lost: {0}")]
    DeviceLost(String),
    /// The device has no memory for the batch. The caller can try again with a smaller one.
    #[error("the device is out of memory: {0}")]
    DeviceMemory(String),
    /// A benchmark ended without a measurement.
    #[error("no measurement: {0}")]
    NothingMeasured(String),
    /// The caller cancelled the run.
    #[error("interrupted")]
    Cancelled,
}

/// An invalid input, described by the four parts of its message.
#[derive(Debug)]
#[non_exhaustive]
pub struct BadInput {
    /// The file's path, or a name such as `the observations given`.
    pub source: String,
    /// What was found, and where in the file.
    pub found: String,
    /// What was expected.
    pub expected: String,
    /// How to fix it.
    pub fix: String,
}

impl fmt::Display for BadInput {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: found {}; expected {}; {}", self.source, self.found, self.expected, self.fix)
    }
}

impl std::error::Error for BadInput {}

impl Error {
    /// Makes an error for invalid data in a file or an argument. `source` names the file or
    /// argument.
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

    /// Makes an error for an operation on `path` that the operating system refused.
    pub fn io(path: &Path, action: &'static str, source: io::Error) -> Self {
        Error::Io { path: path.to_owned(), action, source }
    }

    /// Makes an error for an invalid value of an option. `option` is the name of its field.
    pub fn option(option: impl Into<String>, found: impl Into<String>, expected: impl Into<String>) -> Self {
        Error::BadOption { option: option.into(), found: found.into(), expected: expected.into() }
    }

    /// Whether the command or the data caused the error (exit code 2), not the run (exit code 1).
    pub fn is_usage(&self) -> bool {
        match self {
            Error::Input(_) | Error::Output { .. } | Error::BadOption { .. } | Error::NoDevice(_) => true,
            // A missing or unreadable file is an error of the command. A full disk is not, and
            // neither is a folder that disappears during a run. An output that cannot be created at
            // the start is an `Error::Output`.
            Error::Io { action, .. } if matches!(*action, GIVE_NAME | "write") => false,
            Error::Io { source, .. } => matches!(
                source.kind(),
                io::ErrorKind::NotFound
                    | io::ErrorKind::PermissionDenied
                    | io::ErrorKind::IsADirectory
                    | io::ErrorKind::NotADirectory
            ),
            Error::DeviceLost(_) | Error::DeviceMemory(_) | Error::NothingMeasured(_) | Error::Cancelled => false,
        }
    }
}
