//! Standard output without panics: `println!` panics when the reader has closed the pipe.

use std::io::{self, Write};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

use serde::Serialize;

use crate::error::{Error, Result};
use crate::formats::streams::is_standard;

/// Whether the command was told to print errors only (`--quiet`).
static QUIET: AtomicBool = AtomicBool::new(false);

/// Whether data goes to standard output, so that summaries have to go elsewhere.
static DATA: AtomicBool = AtomicBool::new(false);

/// From now on, summaries go to standard error if one of these outputs is standard output, and to
/// standard output otherwise.
pub fn data_goes_to(outputs: &[Option<&Path>]) {
    DATA.store(outputs.iter().flatten().any(|output| is_standard(output)), Ordering::Relaxed);
}

/// From now on, prints errors only, or notes and summaries again.
pub fn set_quiet(quiet: bool) {
    QUIET.store(quiet, Ordering::Relaxed);
}

/// Whether notes, progress and summaries are not wanted.
pub fn is_quiet() -> bool {
    QUIET.load(Ordering::Relaxed)
}

/// Writes a summary for people to standard output, unless only errors are wanted.
pub fn summary(text: &str) -> Result<()> {
    if is_quiet() { Ok(()) } else { print(text) }
}

/// Writes `text` as it is to standard output, or to standard error if data goes there.
pub fn print(text: &str) -> Result<()> {
    if DATA.load(Ordering::Relaxed) {
        let _ = io::stderr().write_all(text.as_bytes());
        return Ok(());
    }
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

/// Writes a line to standard error, unless only errors are wanted. If it is closed, the command
/// continues.
pub fn note(text: &str) {
    if !is_quiet() {
        complaint(text);
    }
}

/// The same, also where only errors are wanted.
pub fn complaint(text: &str) {
    let _ = writeln!(io::stderr(), "{text}");
}
