//! Outputs that exist whole or not at all: bytes go to `PATH.partial`, which takes its name when it
//! is finished and vanishes when it is dropped before. An output that exists is left alone unless
//! the caller forces it.
//!
//! A run that means to be resumed keeps its partial file ([`OutputFile::keep_partial`]) and takes
//! it up again ([`OutputFile::resume`]); the file is locked meanwhile, so two runs cannot write to
//! one output.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, BufWriter, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use super::extent::{Extent, Tracker};
use crate::error::{Error, Result};

/// An output on its way.
#[derive(Debug)]
pub struct OutputFile {
    path: PathBuf,
    partial: PathBuf,
    writer: BufWriter<File>,
    length: u64,
    /// The digest of what was appended, where somebody wants it.
    tracker: Option<Tracker>,
    force: bool,
    /// Whether dropping removes the partial file.
    remove_on_drop: bool,
}

impl OutputFile {
    /// Begins `path`. A partial file that a killed run left behind is discarded.
    ///
    /// # Errors
    /// [`Error::Output`] if `path` exists and `force` is not set, cannot be created, or is being
    /// written by another run.
    pub fn create(path: &Path, force: bool) -> Result<Self> {
        check_free(path, force)?;
        let partial = partial_path(path);
        let mut options = OpenOptions::new();
        options.read(true).write(true).create_new(true);
        let file = match options.open(&partial) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                discard_stale(path, &partial)?;
                options.open(&partial)
            }
            other => other,
        };
        let file = file.map_err(|error| cannot_create(path, error))?;
        lock(path, &file)?;
        Ok(OutputFile {
            path: path.to_owned(),
            partial,
            writer: BufWriter::new(file),
            length: 0,
            tracker: None,
            force,
            remove_on_drop: true,
        })
    }

    /// Takes up the partial file of an earlier run at `length` bytes; what lies behind is cut off.
    /// It is kept on drop.
    ///
    /// # Errors
    /// [`Error::Output`] as for [`create`](Self::create), or if there is no partial file with that
    /// many bytes.
    pub fn resume(path: &Path, length: u64, force: bool) -> Result<Self> {
        check_free(path, force)?;
        let partial = partial_path(path);
        let mut file = OpenOptions::new()
            .read(true)
            .write(true)
            .open(&partial)
            .map_err(|error| Error::io(&partial, "take up the file again", error))?;
        lock(path, &file)?;
        let found = file.metadata().map_err(|error| Error::io(&partial, "read", error))?.len();
        if found < length {
            return Err(Error::Output {
                path: partial,
                found: format!("holds {found} bytes and not the {length} that were written before"),
                fix: "start afresh without option `journaling: Resume`".into(),
            });
        }
        file.set_len(length)
            .and_then(|()| file.seek(SeekFrom::Start(length)))
            .map_err(|error| Error::io(&partial, "take up the file again", error))?;
        Ok(OutputFile {
            path: path.to_owned(),
            partial,
            writer: BufWriter::new(file),
            length,
            tracker: None,
            force,
            remove_on_drop: false,
        })
    }

    /// Where the output will be.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Leaves the partial file in place if this is dropped before it is finished, for a later
    /// [`resume`](Self::resume).
    pub fn keep_partial(&mut self) {
        self.remove_on_drop = false;
    }

    /// From here on keeps the digest of what is appended; `tracker` is that of the bytes before, in
    /// a file taken up again.
    pub fn track(&mut self, tracker: Option<Tracker>) {
        self.tracker = Some(tracker.unwrap_or_else(|| Tracker::from_offset(self.length)));
    }

    /// Length and digest so far; `None` where no digest was kept.
    pub fn extent(&self) -> Option<Extent> {
        self.tracker.as_ref().map(Tracker::extent)
    }

    /// Writes `bytes` at the end.
    pub fn append(&mut self, bytes: &[u8]) -> Result<()> {
        self.write_all(bytes).map_err(|error| Error::io(&self.partial, "write", error))
    }

    /// Writes `bytes` over those at `offset` and returns to the end.
    pub fn rewrite(&mut self, offset: u64, bytes: &[u8]) -> Result<()> {
        self.writer
            .seek(SeekFrom::Start(offset))
            .and_then(|_| self.writer.write_all(bytes))
            .and_then(|()| self.writer.seek(SeekFrom::End(0)))
            .map(|_| ())
            .map_err(|error| Error::io(&self.partial, "write", error))
    }

    /// Hands everything written so far to the system, where it outlives this process.
    pub fn hand_over(&mut self) -> Result<()> {
        self.writer.flush().map_err(|error| Error::io(&self.partial, "write", error))
    }

    /// Makes everything written so far safe on the disk.
    pub fn sync(&mut self) -> Result<()> {
        self.writer
            .flush()
            .and_then(|()| self.writer.get_ref().sync_data())
            .map_err(|error| Error::io(&self.partial, "write", error))
    }

    /// Makes the bytes safe on the disk and gives the output its name.
    pub fn finish(mut self) -> Result<()> {
        self.sync()?;
        // It may have appeared since the start, and a rename would replace it without a word.
        check_free(&self.path, self.force)?;
        give_name(&self.partial, &self.path)?;
        self.remove_on_drop = false;
        Ok(())
    }
}

impl Write for OutputFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.writer.write(bytes)?;
        self.length += written as u64;
        if let Some(tracker) = &mut self.tracker {
            tracker.add(&bytes[..written]);
        }
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.writer.flush()
    }
}

impl Drop for OutputFile {
    fn drop(&mut self) {
        if self.remove_on_drop {
            // Nothing can be done about a failure here, and the next run discards what is left.
            let _ = fs::remove_file(&self.partial);
        }
    }
}

/// Renames `partial` to `path`, and makes the new name safe on the disk.
pub fn give_name(partial: &Path, path: &Path) -> Result<()> {
    fs::rename(partial, path).map_err(|error| Error::io(path, "give the output its name", error))?;
    sync_folder(path);
    Ok(())
}

/// Makes the names in the folder of `path` safe on the disk, where the system can.
pub fn sync_folder(path: &Path) {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    // Not every file system lets a folder be synchronised; the files' contents are safe in any
    // case.
    let _ = File::open(folder).and_then(|folder| folder.sync_all());
}

/// `PATH.partial`, beside `path`, so that the rename stays on one file system.
pub fn partial_path(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".partial");
    PathBuf::from(name)
}

/// Refuses an output that exists, unless forced, and one that is no plain file in any case.
///
/// Commands with several outputs ask this of all of them before any work.
pub fn check_free(path: &Path, force: bool) -> Result<()> {
    let refuse =
        |found: &str, fix: &str| Err(Error::Output { path: path.to_owned(), found: found.into(), fix: fix.into() });
    match fs::metadata(path) {
        Ok(metadata) if metadata.is_dir() => refuse("is a directory", "name a file inside it"),
        // A rename would put a plain file in the place of a device such as /dev/null.
        Ok(metadata) if !metadata.is_file() => refuse("is not a plain file", "name a plain file"),
        Ok(_) if !force => refuse("already exists", "name another output, or replace it with option `force`"),
        _ => Ok(()),
    }
}

/// Refuses an output that is one of `others`, each with what it is, whatever names and links lead
/// to them: when outputs are replaced, it would be destroyed before, or by, being used. `option` is
/// the field that names the output.
pub fn refuse_overlap(option: &str, output: &Path, others: &[(&str, &Path)]) -> Result<()> {
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

/// Removes a partial file that no run holds. It is never truncated in place: by the time it is open
/// it may have become a finished output.
fn discard_stale(path: &Path, partial: &Path) -> Result<()> {
    if let Ok(file) = File::open(partial) {
        lock(path, &file)?;
    }
    match fs::remove_file(partial) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(cannot_create(path, error)),
        _ => Ok(()),
    }
}

/// Takes the lock on `file`, which stands for `path`, until it is closed.
///
/// # Errors
/// [`Error::Output`] if another run has it.
pub fn lock(path: &Path, file: &File) -> Result<()> {
    match file.try_lock() {
        Err(TryLockError::WouldBlock) => Err(Error::Output {
            path: path.to_owned(),
            found: "is being written by another run".into(),
            fix: "wait for that run, or name another output".into(),
        }),
        // File systems without locks work as before, only unprotected.
        _ => Ok(()),
    }
}

fn cannot_create(path: &Path, error: io::Error) -> Error {
    let fix = match error.kind() {
        io::ErrorKind::NotFound => "create its directory first",
        io::ErrorKind::PermissionDenied => "choose a directory that you may write to",
        io::ErrorKind::NotADirectory => "one of the names before the last is a file, not a directory",
        _ => "choose another place for the output",
    };
    Error::Output { path: path.to_owned(), found: format!("cannot be created ({error})"), fix: fix.into() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(folder: &Path) -> Vec<String> {
        let mut names: Vec<_> =
            fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    #[test]
    fn appears_only_when_finished() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.bin");
        let mut output = OutputFile::create(&path, false).unwrap();
        output.append(b"abcdef").unwrap();
        output.rewrite(1, b"X").unwrap();
        output.append(b"g").unwrap();
        assert_eq!(names(folder.path()), ["a.bin.partial"]);
        output.finish().unwrap();
        assert_eq!(names(folder.path()), ["a.bin"]);
        assert_eq!(fs::read(&path).unwrap(), b"aXcdefg");
    }

    #[test]
    fn dropped_unfinished_leaves_nothing() {
        let folder = tempfile::tempdir().unwrap();
        drop(OutputFile::create(&folder.path().join("a.bin"), false).unwrap());
        assert!(names(folder.path()).is_empty());
    }

    #[test]
    fn existing_output_needs_force() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.bin");
        fs::write(&path, b"old").unwrap();
        let message = OutputFile::create(&path, false).unwrap_err().to_string();
        assert!(message.contains("already exists") && message.contains("option `force`"), "{message}");
        let mut output = OutputFile::create(&path, true).unwrap();
        output.append(b"new").unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"old");
        output.finish().unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"new");
        assert!(OutputFile::create(folder.path(), true).unwrap_err().to_string().contains("directory"));
    }

    #[test]
    fn two_runs_cannot_share_an_output_and_a_stale_partial_is_discarded() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.bin");
        let first = OutputFile::create(&path, false).unwrap();
        assert!(OutputFile::create(&path, false).unwrap_err().to_string().contains("another run"));
        drop(first);
        fs::write(partial_path(&path), b"torn").unwrap();
        OutputFile::create(&path, false).unwrap().finish().unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"");
    }

    #[test]
    fn resumes_where_it_was_safe() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.bin");
        let mut output = OutputFile::create(&path, false).unwrap();
        output.append(b"0123456").unwrap();
        output.sync().unwrap();
        output.keep_partial();
        drop(output);
        assert!(OutputFile::resume(&path, 8, false).is_err());
        let mut output = OutputFile::resume(&path, 4, false).unwrap();
        output.append(b"!").unwrap();
        output.finish().unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"0123!");
    }
}
