//! The journal: what a run computes, and how much of it is written. Resume, shards and merge rely
//! on it.
//!
//! A run that writes `CODES.npy` keeps `CODES.npy.journal` beside it (with the suffix `.partial`
//! until the end, like every output). The first line is the run's [`Identity`]: digests of network
//! and observations, and the options that determine the bytes. One line per batch follows after the
//! batch's codes and report are written. It holds the number of observations done, and the length
//! and digest of each output up to that point.
//!
//! Each line ends with a checksum that covers the line and the checksum before it. Reading stops at
//! a line that is incomplete, changed or from another journal ([`find`]). A batch counts only if
//! the outputs hold exactly these bytes ([`Found::verified`]). At the end, the journal is reduced
//! to two lines and stays. It records how the codes were made, and `merge` needs it to join shards.

mod identity;
mod reading;
mod shard;

use std::io::{self, Write};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::error::{Error, Result};
use crate::formats::extent::{Extent, digest_of};
use crate::formats::files::{self, File};
use crate::formats::output::{OutputFile, partial_path, rename, sync_folder, with_advice};

pub use identity::{Identity, Source, network_digest};
pub use reading::{Found, find, find_finished, find_unfinished};
pub use shard::Shard;

/// The version of the format. Other versions are refused. Format 1 named options by their flags; 2
/// had no unexplained observations.
const FORMAT: u32 = 3;
/// The start of every journal. Another file is neither read nor replaced as a journal.
const MAGIC: &str = r#"{"unrelu_journal":"#;

/// The first line.
#[derive(Debug, Serialize, Deserialize)]
struct Head {
    unrelu_journal: u32,
    #[serde(flatten)]
    identity: Identity,
}

/// The progress of a run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Progress {
    /// Number of observations done.
    pub done: u64,
    /// Whether these are all observations, and only the renaming of the outputs is missing.
    pub finished: bool,
    /// The extent of the codes. The digest leaves out the header, which is rewritten at the end.
    pub codes: Extent,
    /// The extent of the report, if there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub report: Option<Extent>,
    /// The extent of the alternatives, if they are written; the digest leaves out the header.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub alternatives: Option<Extent>,
    /// The totals of the observations done, in a form chosen by the caller.
    #[serde(default, skip_serializing_if = "Value::is_null")]
    pub totals: Value,
}

/// The path of the journal, `CODES.npy.journal`.
pub fn journal_path(codes: &Path) -> PathBuf {
    let mut name = codes.as_os_str().to_owned();
    name.push(".journal");
    PathBuf::from(name)
}

/// The path of the alternatives beside `CODES.npy`, `CODES.alternatives.npy`.
pub fn alternatives_path(codes: &Path) -> PathBuf {
    let is_npy = codes.extension().is_some_and(|extension| extension == "npy");
    let mut name = if is_npy { codes.with_extension("") } else { codes.to_owned() }.into_os_string();
    name.push(".alternatives.npy");
    PathBuf::from(name)
}

/// Refuses a file that has the journal's name but is not a journal.
pub fn check_place(codes: &Path) -> Result<()> {
    let path = journal_path(codes);
    for path in [partial_path(&path), path] {
        if reading::is_journal(&path)? == Some(false) {
            return Err(Error::Output {
                path,
                found: "already exists and is not a journal of unrelu".into(),
                fix: "move it away, or name another output".into(),
            });
        }
    }
    Ok(())
}

/// The journal of an unfinished run.
#[derive(Debug)]
pub struct Journal {
    file: OutputFile,
    head: String,
    /// The checksum of the last line.
    checksum: String,
}

impl Journal {
    /// Creates the journal of a run that writes `codes`. Dropping it removes the file, until
    /// [`Self::keep`] is called.
    ///
    /// # Errors
    /// Those of [`OutputFile::create`]; [`Error::Io`].
    pub fn create(codes: &Path, identity: &Identity) -> Result<Self> {
        check_place(codes)?;
        // Replace without `force`: else a finished journal without codes would stop every later
        // run.
        let mut file = OutputFile::create(&journal_path(codes), true)?;
        let head = head_line(identity, file.path())?;
        file.append(head.as_bytes())?;
        file.hand_over()?;
        let checksum = checksum_of(&head).to_owned();
        Ok(Journal { file, head, checksum })
    }

    /// Continues the journal after its first `entries` entries. Later lines are removed.
    pub fn resume(codes: &Path, found: &Found, entries: usize) -> Result<Self> {
        let (length, checksum) = found.end_of(entries);
        let file = OutputFile::resume(&journal_path(codes), length, true)?;
        let head = head_line(&found.identity, file.path())?;
        Ok(Journal { file, head, checksum })
    }

    /// Keeps the file when the journal is dropped, so that a later run can resume.
    pub fn keep(&mut self) {
        self.file.keep_partial();
    }

    /// Synchronises the lines with the disk.
    pub fn sync(&mut self) -> Result<()> {
        self.file.sync()
    }

    /// Adds a line. The outputs that it describes must already be handed to the system.
    pub fn record(&mut self, progress: &Progress) -> Result<()> {
        let line = line(progress, &self.checksum, self.file.path())?;
        self.file.append(line.as_bytes())?;
        self.file.hand_over()?;
        self.checksum = checksum_of(&line).to_owned();
        Ok(())
    }

    /// Gives the journal of a finished run its final name, which the caller synchronises. It keeps
    /// the head and the last entry only; nothing else is needed later.
    pub fn condense(mut self, last: &Progress) -> Result<()> {
        self.keep();
        write_finished(self.file.path(), &self.head, last)?;
        let long = partial_path(self.file.path());
        drop(self.file);
        remove(&long)
    }
}

/// Writes the journal of a run that is already finished, such as a merge of shards.
pub fn write_whole(codes: &Path, identity: &Identity, last: &Progress) -> Result<()> {
    let path = journal_path(codes);
    write_finished(&path, &head_line(identity, &path)?, last)?;
    sync_folder(&path);
    Ok(())
}

/// Writes to another name first, so that a journal of the finished run exists at any moment. The
/// caller synchronises the name.
fn write_finished(path: &Path, head: &str, last: &Progress) -> Result<()> {
    let text = format!("{head}{}", line(last, checksum_of(head), path)?);
    let mut new = path.as_os_str().to_owned();
    new.push(".new");
    let new = PathBuf::from(new);
    let written = File::create(&new).and_then(|mut file| {
        file.write_all(text.as_bytes())?;
        file.sync_all()
    });
    written.map_err(|error| Error::io(&new, "write", with_advice(&new, error)))?;
    rename(&new, path)
}

/// Removes what an unfinished run that wrote `codes` has left to continue from. Its unfinished
/// outputs are replaced.
///
/// # Errors
/// [`Error::Io`].
pub fn discard_unfinished(codes: &Path) -> Result<()> {
    remove(&partial_path(&alternatives_path(codes)))?;
    remove(&partial_path(&journal_path(codes)))
}

/// Removes the journals of earlier runs that wrote `codes`: they would describe other codes.
///
/// # Errors
/// [`Error::Output`] for a file of that name that is not a journal; [`Error::Io`].
pub fn discard(codes: &Path) -> Result<()> {
    check_place(codes)?;
    let path = journal_path(codes);
    remove(&partial_path(&path))?;
    remove(&path)
}

/// Removes a file if it exists.
pub fn remove(path: &Path) -> Result<()> {
    match files::remove(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(Error::io(path, "remove", error)),
        _ => Ok(()),
    }
}

fn head_line(identity: &Identity, path: &Path) -> Result<String> {
    line(&Head { unrelu_journal: FORMAT, identity: identity.clone() }, "", path)
}

/// `entry` as JSON, a space, and the checksum of this line and all lines before it.
fn line(entry: &impl Serialize, before: &str, path: &Path) -> Result<String> {
    let json = serde_json::to_string(entry).map_err(|error| Error::io(path, "write", error.into()))?;
    let checksum = digest_of([before.as_bytes(), json.as_bytes()]);
    Ok(format!("{json} {checksum}\n"))
}

/// The checksum at the end of a complete line.
fn checksum_of(line: &str) -> &str {
    line.trim_end().rsplit(' ').next().unwrap_or_default()
}
