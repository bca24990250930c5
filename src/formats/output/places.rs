//! Whether an output can be written at its place. Commands with several outputs ask for all of them
//! before any work.

use std::fs::{self, TryLockError};
use std::path::Path;

use super::{folder_of, partial_path};
use crate::error::{Error, Result};
use crate::formats::files::File;
use crate::formats::streams::{is_read_once, is_standard};

/// [`check_free`] for an output that can be written in order: `-` is standard output.
pub fn check_free_or_standard(path: &Path, force: bool) -> Result<()> {
    if is_standard(path) { Ok(()) } else { check_free(path, force) }
}

/// The same for the outputs of a command whose `input` may be a stream, before that is waited for:
/// the program that writes it may take long. Of other inputs nothing is checked here.
pub fn check_free_before(input: &Path, outputs: &[Option<&Path>], force: bool) -> Result<()> {
    if !is_read_once(input) {
        return Ok(());
    }
    outputs.iter().flatten().try_for_each(|output| check_free_or_standard(output, force))
}

/// Refuses an existing output unless `force` is set, and an output that is not a plain file.
///
/// Commands with several outputs check all of them before any work.
pub fn check_free(path: &Path, force: bool) -> Result<()> {
    let refuse =
        |found: &str, fix: &str| Err(Error::Output { path: path.to_owned(), found: found.into(), fix: fix.into() });
    let not_plain =
        || refuse("is not a plain file", "name a plain file, or `-` for standard output where it is offered");
    if is_standard(path) {
        return refuse("would be standard output, to which this is not written", "name a file");
    }
    // Names of files that are open already, such as /dev/stdout: a rename would replace the name.
    let folder = fs::canonicalize(folder_of(path)).unwrap_or_default();
    if folder.starts_with("/proc") || folder == Path::new("/dev") {
        return not_plain();
    }
    match fs::metadata(path) {
        // A rename would replace the link.
        Err(_) if !force && fs::symlink_metadata(path).is_ok() => refuse(
            "is a link to a file that does not exist",
            "make or remove its target, or replace the link with option `force`",
        ),
        Ok(metadata) if metadata.is_dir() => refuse("is a directory", "name a file inside it"),
        // A rename would replace a device such as /dev/null by a plain file.
        Ok(metadata) if !metadata.is_file() => not_plain(),
        Ok(_) if !force => refuse("already exists", "name another output, or replace it with option `force`"),
        _ => Ok(()),
    }
}

/// Refuses an output whose name has the ending of another format than one of `endings`, in lower
/// case and without the dot. A name without an ending says nothing.
///
/// # Errors
/// [`Error::Output`].
pub fn check_ending(path: &Path, endings: &[&str]) -> Result<()> {
    let Some(ending) = path.extension().map(|ending| ending.to_string_lossy().to_lowercase()) else { return Ok(()) };
    if endings.contains(&ending.as_str()) {
        return Ok(());
    }
    let known = endings.iter().map(|ending| format!(".{ending}")).collect::<Vec<_>>().join(" or ");
    Err(Error::Output {
        path: path.to_owned(),
        found: format!("ends in .{ending}, which is not the format that is written"),
        fix: format!("end its name in {known}"),
    })
}

/// Refuses an output that is the same file as one of `others`, even through links: it would be
/// overwritten before or while it is read. Each of `others` comes with a name for messages.
/// `option` is the field that names the output.
pub fn refuse_overlap(option: &str, output: &Path, others: &[(&str, &Path)]) -> Result<()> {
    if is_standard(output) {
        return Ok(());
    }
    let resolved = |path: &Path| fs::canonicalize(path).or_else(|_| std::path::absolute(path)).ok();
    let clash = others
        .iter()
        .find(|(_, other)| *other == output || resolved(other).is_some_and(|other| resolved(output) == Some(other)));
    match clash {
        Some((what, _)) => Err(Error::option(
            option,
            format!("{}, which is also {what}", output.display()),
            "another file, so that neither replaces the other",
        )),
        None => Ok(()),
    }
}

/// Refuses an output that another run is writing.
///
/// # Errors
/// [`Error::Output`] if another run holds the lock of the partial file.
pub fn refuse_locked(path: &Path) -> Result<()> {
    if is_standard(path) {
        return Ok(());
    }
    // A file that cannot be opened is found again, with a better message, when it is written.
    File::open(&partial_path(path)).map_or(Ok(()), |file| lock(path, file.try_lock()))
}

/// The outcome of an attempt to lock the file of an output.
///
/// # Errors
/// [`Error::Output`] if another run holds the lock.
pub fn lock(path: &Path, attempt: std::result::Result<(), TryLockError>) -> Result<()> {
    match attempt {
        Err(TryLockError::WouldBlock) => Err(Error::Output {
            path: path.to_owned(),
            found: "is being written by another run".into(),
            fix: "wait until that run has ended, or stop it, and give the command again; or name another output".into(),
        }),
        // File systems without locks still work, but without this protection.
        _ => Ok(()),
    }
}
