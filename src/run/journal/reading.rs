//! Reads a journal, as far as its checksums are valid and the outputs match it.

use std::io::{self, BufRead, BufReader, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use serde::Deserialize;
use serde_json::Value;

use super::{FORMAT, Head, Identity, MAGIC, Progress, checksum_of, journal_path};
use crate::error::{Error, Result};
use crate::formats::extent::{Extent, Tracker, digest_of, matching};
use crate::formats::files::File;
use crate::formats::npy::DATA_START;
use crate::formats::output::partial_path;

/// Maximum length of a line that is read. Written lines are far shorter.
const LONGEST: u64 = 1 << 24;

/// The valid part of a journal.
#[derive(Debug)]
pub struct Found {
    /// The identity of the run.
    pub identity: Identity,
    /// The journal's file.
    pub path: PathBuf,
    /// Whether incomplete or invalid lines follow the valid part.
    pub damaged: bool,
    head: Mark,
    entries: Vec<Entry>,
}

/// The end of a line, and its checksum.
#[derive(Debug, Clone)]
struct Mark {
    end: u64,
    checksum: String,
}

/// A line without its totals: totals are needed of one line only, which is then read again.
#[derive(Debug, Clone)]
struct Entry {
    start: u64,
    mark: Mark,
    progress: Brief,
}

#[derive(Debug, Clone, Deserialize)]
struct Brief {
    done: u64,
    finished: bool,
    codes: Extent,
    report: Option<Extent>,
    alternatives: Option<Extent>,
}

/// The part of a journal that the outputs confirm.
#[derive(Debug)]
pub struct Verified {
    /// Number of confirmed entries.
    pub entries: usize,
    /// Number of observations done in them.
    pub done: u64,
    /// The tracker of the codes at that place.
    pub codes: Tracker,
    /// The tracker of the report, if there is one.
    pub report: Option<Tracker>,
    /// The tracker of the alternatives, if they are written.
    pub alternatives: Option<Tracker>,
}

/// Whether the file starts like a journal; an empty or shorter file counts if it matches. `None` if
/// there is no file.
pub(super) fn is_journal(path: &Path) -> Result<Option<bool>> {
    let mut start = Vec::new();
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        // A folder of the path is a file: the checks of the outputs give a better message.
        Err(error) if error.kind() == io::ErrorKind::NotADirectory => return Ok(None),
        // Not `None`: an unfinished run would be discarded because its journal cannot be read.
        Err(error) => return Err(Error::io(path, "read", error)),
    };
    if file.metadata().is_ok_and(|metadata| !metadata.is_file()) {
        return Ok(Some(false));
    }
    file.take(MAGIC.len() as u64).read_to_end(&mut start).map_err(|error| Error::io(path, "read", error))?;
    Ok(Some(MAGIC.as_bytes().starts_with(&start)))
}

/// Finds the journal of the run that writes, or has written, `codes`; an unfinished one first.
/// `None` if there is none, or if its first line is incomplete.
///
/// # Errors
/// [`Error::Input`] for a file that is not a journal, or whose first line is damaged.
pub fn find(codes: &Path) -> Result<Option<Found>> {
    match find_unfinished(codes)? {
        Some(found) => Ok(Some(found)),
        None => find_finished(codes),
    }
}

/// Finds the journal of an unfinished run; see [`find`].
pub fn find_unfinished(codes: &Path) -> Result<Option<Found>> {
    read(&partial_path(&journal_path(codes)))
}

/// Finds the journal of a finished run; see [`find`].
pub fn find_finished(codes: &Path) -> Result<Option<Found>> {
    read(&journal_path(codes))
}

fn read(path: &Path) -> Result<Option<Found>> {
    match is_journal(path)? {
        None => return Ok(None),
        Some(true) => {}
        Some(false) => return Err(not_a_journal(path, "a file that is not a journal of unrelu")),
    }
    let file = File::open(path).map_err(|error| Error::io(path, "read", error))?;
    let mut lines = Lines { reader: BufReader::new(file), position: 0, path };
    let Some(first) = lines.next()? else { return Ok(None) };
    let Some(json) = checked(&first, "") else {
        return Err(not_a_journal(path, "a first line with a wrong checksum"));
    };
    let version = serde_json::from_str::<Value>(json).ok().and_then(|head| head["unrelu_journal"].as_u64());
    if version != Some(u64::from(FORMAT)) {
        return Err(Error::input(
            path.display(),
            version.map_or("a journal without a format number".to_owned(), |version| {
                format!("a journal of format {version}")
            }),
            format!("format {FORMAT}, which this version of unrelu writes and reads"),
            "use the version of unrelu that wrote it, or move it away and start again",
        ));
    }
    let Ok(head) = serde_json::from_str::<Head>(json) else {
        return Err(not_a_journal(path, "an invalid first line"));
    };
    let mark = Mark { end: lines.position, checksum: checksum_of(&first).to_owned() };
    let mut found =
        Found { identity: head.identity, path: path.to_owned(), damaged: false, head: mark, entries: Vec::new() };
    loop {
        let start = lines.position;
        let Some(line) = lines.next()? else { break };
        let before = found.entries.last().map_or(&found.head, |entry| &entry.mark);
        let Some(progress) = checked(&line, &before.checksum).and_then(|json| serde_json::from_str(json).ok()) else {
            break;
        };
        let mark = Mark { end: lines.position, checksum: checksum_of(&line).to_owned() };
        found.entries.push(Entry { start, mark, progress });
    }
    let length = lines.reader.get_ref().metadata().map_err(|error| Error::io(path, "read", error))?.len();
    found.damaged = length > found.end_of(found.entries.len()).0;
    Ok(Some(found))
}

impl Found {
    /// Number of entries.
    pub fn entries(&self) -> usize {
        self.entries.len()
    }

    /// Number of observations done, according to the journal.
    pub fn done(&self) -> u64 {
        self.entries.last().map_or(0, |entry| entry.progress.done)
    }

    /// Whether the last entry says that the run is finished.
    pub fn is_finished(&self) -> bool {
        self.entries.last().is_some_and(|entry| entry.progress.finished)
    }

    /// The complete last entry, with its totals.
    pub fn last(&self) -> Result<Option<Progress>> {
        self.entry(self.entries.len())
    }

    /// The complete entry `number`, counted from 1.
    pub fn entry(&self, number: usize) -> Result<Option<Progress>> {
        let Some(entry) = number.checked_sub(1).and_then(|index| self.entries.get(index)) else { return Ok(None) };
        let cannot_read = |error| Error::io(&self.path, "read", error);
        let mut file = File::open(&self.path).map_err(cannot_read)?;
        file.seek(SeekFrom::Start(entry.start)).map_err(cannot_read)?;
        let mut line = String::new();
        file.take(entry.mark.end - entry.start).read_to_string(&mut line).map_err(cannot_read)?;
        let json = line.rsplit_once(' ').map_or("", |(json, _)| json);
        serde_json::from_str(json).map(Some).map_err(|error| cannot_read(error.into()))
    }

    /// Checks the partial outputs, and returns the entries whose bytes all match.
    pub fn verified(&self, codes: &Path, report: Option<&Path>, alternatives: Option<&Path>) -> Result<Verified> {
        let mut count = self.entries.len();
        loop {
            let entries = &self.entries[..count];
            let (held, codes) =
                matching(&partial_path(codes), DATA_START as u64, entries.iter().map(|entry| &entry.progress.codes))?;
            let mut least = held;
            let mut report_tracker = None;
            if let Some(report) = report {
                let extents = entries.iter().map_while(|entry| entry.progress.report.as_ref());
                let (held, tracker) = matching(&partial_path(report), 0, extents)?;
                least = least.min(held);
                report_tracker = Some(tracker);
            }
            let mut alternatives_tracker = None;
            if let Some(alternatives) = alternatives {
                let extents = entries.iter().map_while(|entry| entry.progress.alternatives.as_ref());
                let (held, tracker) = matching(&partial_path(alternatives), DATA_START as u64, extents)?;
                least = least.min(held);
                alternatives_tracker = Some(tracker);
            }
            if least == count {
                let done = entries.last().map_or(0, |entry| entry.progress.done);
                return Ok(Verified {
                    entries: count,
                    done,
                    codes,
                    report: report_tracker,
                    alternatives: alternatives_tracker,
                });
            }
            count = least;
        }
    }

    /// The end of the first `entries` entries, and the checksum there.
    pub(super) fn end_of(&self, entries: usize) -> (u64, String) {
        let entry = entries.checked_sub(1).and_then(|index| self.entries.get(index));
        let mark = entry.map_or(&self.head, |entry| &entry.mark);
        (mark.end, mark.checksum.clone())
    }
}

/// The JSON of a line, if its checksum is valid.
fn checked<'a>(line: &'a str, before: &str) -> Option<&'a str> {
    let (json, checksum) = line.strip_suffix('\n')?.rsplit_once(' ')?;
    (digest_of([before.as_bytes(), json.as_bytes()]) == checksum).then_some(json)
}

struct Lines<'a> {
    reader: BufReader<File>,
    position: u64,
    path: &'a Path,
}

impl Lines<'_> {
    /// The next complete line, with its line break; `None` at the end, and at an incomplete line or
    /// a line that is not text.
    fn next(&mut self) -> Result<Option<String>> {
        let mut bytes = Vec::new();
        let length = (&mut self.reader).take(LONGEST).read_until(b'\n', &mut bytes);
        length.map_err(|error| Error::io(self.path, "read", error))?;
        let text = String::from_utf8(bytes).ok().filter(|text| text.ends_with('\n'));
        self.position += text.as_ref().map_or(0, |text| text.len() as u64);
        Ok(text)
    }
}

fn not_a_journal(path: &Path, found: &str) -> Error {
    Error::input(
        path.display(),
        found,
        "the journal of a run with this output",
        "move it away and start again, or name another output",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_journal_of_an_earlier_format_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let codes = folder.path().join("z.npy");
        // Format 1 named the options by their flags.
        let json = r#"{"unrelu_journal":1,"options":[]}"#;
        let text = format!("{json} {}\n", digest_of([&b""[..], json.as_bytes()]));
        std::fs::write(journal_path(&codes), text).unwrap();
        let error = find(&codes).unwrap_err().to_string();
        for words in ["z.npy.journal", "format 1", "format 3", "start again"] {
            assert!(error.contains(words), "{words}: {error}");
        }
    }
}
