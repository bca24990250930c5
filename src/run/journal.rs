//! What a run is, and what of it is done and safe on the disk: resume, shards and merge rest on this file.
//!
//! A run that writes `CODES.npy` keeps `CODES.npy.journal` beside it (`….partial` until the end, as every output). Its first
//! line is the run's [`Identity`]: digests of network and observations, and the options that decide the bytes. A line
//! follows for each batch, after the batch's codes and report: how many observations are done, and length and digest of each output
//! up to there. Each line ends with a checksum that
//! covers the line and the checksum before it, so a line that is torn, changed or from elsewhere ends what is believed
//! ([`find`]), and a batch counts only where the outputs hold the very bytes ([`Found::verified`]). At the end the journal is condensed to
//! two lines, and stays: it says what made the codes, and is what `merge` joins shards by.

mod identity;
mod reading;
mod shard;

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::error::{Error, Result};
use crate::formats::extent::{Extent, digest_of};
use crate::formats::output::{OutputFile, give_name, partial_path};

pub use identity::{Identity, Source, network_digest};
pub use reading::{Found, Verified, find, find_finished, find_unfinished};
pub use shard::Shard;

/// The version of the format; another one is refused. Format 1 named options by their flags.
const FORMAT: u32 = 2;
/// How every journal begins, so that no other file is taken for one, or replaced as one.
const MAGIC: &str = r#"{"unrelu_journal":"#;

/// The first line.
#[derive(Debug, Serialize, Deserialize)]
struct Head {
    unrelu_journal: u32,
    #[serde(flatten)]
    identity: Identity,
}

/// How far a run has come.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Progress {
    /// Observations of this run that are done.
    pub done: u64,
    /// Whether these are all, and the outputs complete but for their names.
    pub finished: bool,
    /// The codes, of which the digest leaves out the header, which is written again at the end.
    pub codes: Extent,
    /// The report, if there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub report: Option<Extent>,
    /// What the observations done came to, in the caller's words.
    #[serde(default, skip_serializing_if = "Value::is_null")]
    pub totals: Value,
}

/// `CODES.npy.journal`.
pub fn journal_path(codes: &Path) -> PathBuf {
    let mut name = codes.as_os_str().to_owned();
    name.push(".journal");
    PathBuf::from(name)
}

/// Refuses where a file that is no journal has the journal's name.
pub fn check_place(codes: &Path) -> Result<()> {
    let path = journal_path(codes);
    for path in [partial_path(&path), path] {
        if reading::is_journal(&path)? == Some(false) {
            return Err(Error::Output {
                path,
                found: "already exists and is no journal of unrelu".into(),
                fix: "move it away, or name another output".into(),
            });
        }
    }
    Ok(())
}

/// The journal of a run on its way.
#[derive(Debug)]
pub struct Journal {
    file: OutputFile,
    head: String,
    /// Of the last line.
    checksum: String,
}

impl Journal {
    /// Begins the journal of a run that writes `codes`. It is removed when it is dropped, until [`Self::keep`].
    ///
    /// # Errors
    /// As [`OutputFile::create`]; [`Error::Io`].
    pub fn create(codes: &Path, identity: &Identity) -> Result<Self> {
        check_place(codes)?;
        // Without `force` a finished journal whose codes are gone would stop every later run.
        let mut file = OutputFile::create(&journal_path(codes), true)?;
        let head = head_line(identity, file.path())?;
        file.append(head.as_bytes())?;
        file.sync()?;
        let checksum = checksum_of(&head).to_owned();
        Ok(Journal { file, head, checksum })
    }

    /// Goes on with the journal found, after its first `entries` entries; what follows is cut off.
    pub fn resume(codes: &Path, found: &Found, entries: usize) -> Result<Self> {
        let (length, checksum) = found.end_of(entries);
        let file = OutputFile::resume(&journal_path(codes), length, true)?;
        let head = head_line(&found.identity, file.path())?;
        Ok(Journal { file, head, checksum })
    }

    /// From now on it stays when it is dropped: something is done that a later run can go on from.
    pub fn keep(&mut self) {
        self.file.keep_partial();
    }

    /// Makes the lines safe on the disk.
    pub fn sync(&mut self) -> Result<()> {
        self.file.sync()
    }

    /// Adds a line. What it speaks of has to be with the system already.
    pub fn record(&mut self, progress: &Progress) -> Result<()> {
        let line = line(progress, &self.checksum, self.file.path())?;
        self.file.append(line.as_bytes())?;
        self.file.hand_over()?;
        self.checksum = checksum_of(&line).to_owned();
        Ok(())
    }

    /// Puts the journal of a finished run under its name: head and last entry, which is all that is asked of it from now on.
    pub fn condense(mut self, last: &Progress) -> Result<()> {
        self.keep();
        write_finished(self.file.path(), &self.head, last)?;
        let long = partial_path(self.file.path());
        drop(self.file);
        remove(&long)
    }
}

/// Writes the journal of a run that is finished already, as merged shards are.
pub fn write_whole(codes: &Path, identity: &Identity, last: &Progress) -> Result<()> {
    let path = journal_path(codes);
    write_finished(&path, &head_line(identity, &path)?, last)
}

/// Under another name first: there is no moment without a journal that says that the run is finished.
fn write_finished(path: &Path, head: &str, last: &Progress) -> Result<()> {
    let text = format!("{head}{}", line(last, checksum_of(head), path)?);
    let mut new = path.as_os_str().to_owned();
    new.push(".new");
    let new = PathBuf::from(new);
    let written = fs::write(&new, text).and_then(|()| fs::File::open(&new)?.sync_all());
    written.map_err(|error| Error::io(&new, "write", error))?;
    give_name(&new, path)
}

/// Removes a file, if it is there.
pub fn remove(path: &Path) -> Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(Error::io(path, "remove", error)),
        _ => Ok(()),
    }
}

fn head_line(identity: &Identity, path: &Path) -> Result<String> {
    line(&Head { unrelu_journal: FORMAT, identity: identity.clone() }, "", path)
}

/// `entry` as JSON, a space, and the checksum of this line and all before it.
fn line(entry: &impl Serialize, before: &str, path: &Path) -> Result<String> {
    let json = serde_json::to_string(entry).map_err(|error| Error::io(path, "write", error.into()))?;
    let checksum = digest_of([before.as_bytes(), json.as_bytes()]);
    Ok(format!("{json} {checksum}\n"))
}

/// The checksum at the end of a whole line.
fn checksum_of(line: &str) -> &str {
    line.trim_end().rsplit(' ').next().unwrap_or_default()
}
