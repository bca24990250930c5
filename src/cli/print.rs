//! Standard output without panics: `println!` panics when the reader has closed the pipe.

use std::io::{self, Write};
use std::path::Path;

use serde::Serialize;

use crate::error::{Error, Result};

/// Writes `text` to standard output as it is.
pub fn print(text: &str) -> Result<()> {
    let mut output = io::stdout().lock();
    match output.write_all(text.as_bytes()).and_then(|()| output.flush()) {
        // The reader closed the output. This does not change the outcome of the command.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        other => other.map_err(|error| Error::io(Path::new("standard output"), "write", error)),
    }
}

/// `value` as JSON, for [`print`].
pub fn in_json(value: &(impl Serialize + ?Sized)) -> Result<String> {
    let text = serde_json::to_string_pretty(value);
    text.map(|text| text + "\n").map_err(|error| Error::io(Path::new("standard output"), "write", error.into()))
}

/// Writes a line to standard error. If it is closed, the command continues.
pub fn note(text: &str) {
    let _ = writeln!(io::stderr(), "{text}");
}
