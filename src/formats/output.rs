//! Output files that are complete or do not exist. Bytes go to `PATH.partial`. The file is renamed
//! when it is finished, and removed if it is dropped before. An existing output is kept, unless the
//! caller sets `force`.
//!
//! A run that can be resumed keeps its partial file ([`OutputFile::keep_partial`]) and continues it
//! later ([`OutputFile::resume`]). The file is locked while it is open, so two runs cannot write to
//! the same output.

mod places;

use std::io::{self, BufWriter, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use super::extent::{Extent, Tracker};
use super::files::{self, File};
use super::streams::{self, Target, is_standard};
use super::unfinished;
use crate::error::{Error, GIVE_NAME, Result};
pub use places::{
    check_ending, check_free, check_free_before, check_free_or_standard, lock, refuse_locked, refuse_overlap,
};

/// An unfinished output file.
#[derive(Debug)]
pub struct OutputFile {
    path: PathBuf,
    partial: PathBuf,
    writer: BufWriter<Target>,
    length: u64,
    /// The digest of the appended bytes, if requested.
    tracker: Option<Tracker>,
    force: bool,
    /// Whether bytes were written since the last synchronisation: one costs milliseconds.
    is_dirty: bool,
    /// Whether dropping removes the partial file.
    remove_on_drop: bool,
}

impl OutputFile {
    /// Standard output, to which bytes go at once and in order. It cannot be rewritten or resumed.
    pub fn standard() -> Self {
        OutputFile {
            path: streams::OUTPUT.into(),
            partial: streams::OUTPUT.into(),
            writer: BufWriter::with_capacity(1 << 16, Target::Standard(io::stdout())),
            length: 0,
            tracker: None,
            force: true,
            is_dirty: false,
            remove_on_drop: false,
        }
    }

    /// [`Self::create`] for a format that can be written in order: `-` is standard output.
    ///
    /// # Errors
    /// Those of [`Self::create`].
    pub fn create_or_standard(path: &Path, force: bool) -> Result<Self> {
        if is_standard(path) { Ok(Self::standard()) } else { Self::create(path, force) }
    }

    /// Whether this is standard output.
    pub fn is_standard(&self) -> bool {
        self.writer.get_ref().file().is_none()
    }

    /// Creates the partial file for `path`. A partial file of a killed run is discarded.
    ///
    /// # Errors
    /// [`Error::Output`] for standard output, `-`, which only some formats can be written to;
    /// [`Error::Output`] if `path` exists and `force` is not set, if it cannot be created, or if
    /// another run is writing it.
    pub fn create(path: &Path, force: bool) -> Result<Self> {
        check_free(path, force)?;
        let partial = partial_path(path);
        let file = match File::create_new(&partial) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                discard_stale(path, &partial)?;
                File::create_new(&partial)
            }
            other => other,
        };
        let file = file.map_err(|error| cannot_create(path, error))?;
        lock(path, file.try_lock())?;
        unfinished::begin(&partial);
        Ok(OutputFile {
            path: path.to_owned(),
            partial,
            writer: BufWriter::new(Target::File(file)),
            length: 0,
            tracker: None,
            force,
            is_dirty: true,
            remove_on_drop: true,
        })
    }

    /// Continues the partial file of an earlier run at `length` bytes; later bytes are removed. The
    /// file is kept on drop.
    ///
    /// # Errors
    /// [`Error::Output`] as for [`create`](Self::create), or if there is no partial file with at
    /// least that many bytes.
    pub fn resume(path: &Path, length: u64, force: bool) -> Result<Self> {
        check_free(path, force)?;
        let partial = partial_path(path);
        let mut file = File::reopen(&partial).map_err(|error| Error::io(&partial, "reopen the file", error))?;
        lock(path, file.try_lock())?;
        let found = file.metadata().map_err(|error| Error::io(&partial, "read", error))?.len();
        if found < length {
            return Err(Error::Output {
                path: partial,
                found: format!("holds {found} bytes instead of the {length} that were written before"),
                fix: "start again without option `journaling: Resume`".into(),
            });
        }
        file.set_len(length)
            .and_then(|()| file.seek(SeekFrom::Start(length)))
            .map_err(|error| Error::io(&partial, "reopen the file", error))?;
        Ok(OutputFile {
            path: path.to_owned(),
            partial,
            writer: BufWriter::new(Target::File(file)),
            length,
            tracker: None,
            force,
            is_dirty: true,
            remove_on_drop: false,
        })
    }

    /// The final path of the output.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Keeps the partial file if this is dropped before it is finished, for a later
    /// [`resume`](Self::resume).
    pub fn keep_partial(&mut self) {
        if self.remove_on_drop {
            self.remove_on_drop = false;
            unfinished::end(&self.partial);
        }
    }

    /// From now on, tracks the digest of the appended bytes. `tracker` covers the bytes before, if
    /// the file was resumed.
    pub fn track(&mut self, tracker: Option<Tracker>) {
        self.tracker = Some(tracker.unwrap_or_else(|| Tracker::from_offset(self.length)));
    }

    /// The length and digest so far; `None` if no digest is tracked.
    pub fn extent(&self) -> Option<Extent> {
        self.tracker.as_ref().map(Tracker::extent)
    }

    /// Writes `bytes` at the end. Those of standard output are on their way when this returns.
    pub fn append(&mut self, bytes: &[u8]) -> Result<()> {
        let written = self.write_all(bytes).and_then(|()| if self.is_standard() { self.flush() } else { Ok(()) });
        written.map_err(|error| Error::io(&self.partial, "write", error))
    }

    /// Overwrites the bytes at `offset` and returns to the end.
    pub fn rewrite(&mut self, offset: u64, bytes: &[u8]) -> Result<()> {
        self.is_dirty = true;
        self.writer
            .seek(SeekFrom::Start(offset))
            .and_then(|_| self.writer.write_all(bytes))
            .and_then(|()| self.writer.seek(SeekFrom::End(0)))
            .map(|_| ())
            .map_err(|error| Error::io(&self.partial, "write", error))
    }

    /// Hands everything written so far to the system, which keeps it if this process is killed.
    pub fn hand_over(&mut self) -> Result<()> {
        self.writer.flush().map_err(|error| Error::io(&self.partial, "write", error))
    }

    /// Synchronises everything written so far with the disk.
    pub fn sync(&mut self) -> Result<()> {
        let failed = |error| Error::io(&self.partial, "write", error);
        self.writer.flush().map_err(failed)?;
        if self.is_dirty {
            self.writer.get_ref().file().map_or(Ok(()), File::sync_data).map_err(failed)?;
            self.is_dirty = false;
        }
        Ok(())
    }

    /// Synchronises the bytes with the disk, renames the file to its final name, and synchronises
    /// that name with the disk.
    pub fn finish(self) -> Result<()> {
        self.finish_within_run().map(|path| sync_folder(&path))
    }

    /// [`Self::finish`] without synchronising the name, for a run that gives several files their
    /// names and then calls [`sync_folders`]. Returns the final path.
    pub fn finish_within_run(mut self) -> Result<PathBuf> {
        self.sync()?;
        if !self.is_standard() {
            // Checked again: a file may have appeared since the start, and the rename would replace
            // it.
            check_free(&self.path, self.force)?;
            rename(&self.partial, &self.path)?;
            self.keep_partial();
        }
        Ok(self.path.clone())
    }
}

impl Write for OutputFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.writer.write(bytes)?;
        self.is_dirty = true;
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
            // A failure here is ignored; the next run discards the file.
            let _ = files::remove(&self.partial);
            unfinished::end(&self.partial);
        }
    }
}

/// Renames `partial` to `path`, and synchronises the new name with the disk.
pub fn give_name(partial: &Path, path: &Path) -> Result<()> {
    rename(partial, path).map(|()| sync_folder(path))
}

/// Renames `partial` to `path`. The new name is on the disk after [`sync_folder`].
pub fn rename(partial: &Path, path: &Path) -> Result<()> {
    files::rename(partial, path).map_err(|error| Error::io(path, GIVE_NAME, with_advice(partial, error)))
}

/// Synchronises the names of files that a run has written, once for each folder.
pub fn sync_folders(paths: &[PathBuf]) {
    let mut folders: Vec<&Path> = Vec::new();
    for path in paths {
        if !folders.contains(&folder_of(path)) {
            folders.push(folder_of(path));
            sync_folder(path);
        }
    }
}

/// Says what to do about an output of a run that cannot be written any more because it, or its
/// folder, was removed.
pub fn with_advice(output: &Path, error: io::Error) -> io::Error {
    let what = if error.kind() != io::ErrorKind::NotFound {
        return error;
    } else if folder_of(output).exists() {
        format!("{} was removed during the run; start again", output.display())
    } else {
        "the folder was removed during the run; create it and start again".to_owned()
    };
    io::Error::new(error.kind(), format!("{error}; {what}"))
}

fn folder_of(path: &Path) -> &Path {
    path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// Synchronises the names in the folder of `path` with the disk, where the system supports it.
pub fn sync_folder(path: &Path) {
    let folder = folder_of(path);
    // Some file systems cannot synchronise a folder. The contents of the files are synchronised
    // anyway.
    let _ = File::open(folder).and_then(|folder| folder.sync_all());
}

/// `PATH.partial`, in the folder of `path`, so that the rename stays on one file system.
pub fn partial_path(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".partial");
    PathBuf::from(name)
}

/// Removes a partial file that no run has locked. It is never truncated in place: when it is open,
/// another run may already have renamed it to a finished output.
fn discard_stale(path: &Path, partial: &Path) -> Result<()> {
    match File::open(partial) {
        Ok(file) => lock(path, file.try_lock())?,
        // Another user's file, which may still be removed from one's own folder.
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::PermissionDenied) => {}
        Err(error) => return Err(cannot_create(path, error)),
    }
    match files::remove(partial) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(cannot_create(path, error)),
        _ => Ok(()),
    }
}

fn cannot_create(path: &Path, error: io::Error) -> Error {
    let fix = match error.kind() {
        io::ErrorKind::NotFound => "create its directory first",
        io::ErrorKind::PermissionDenied => "choose a directory that you may write to",
        io::ErrorKind::NotADirectory => "choose another path: one of its parent names is a file, not a directory",
        _ => "choose another place for the output",
    };
    Error::Output { path: path.to_owned(), found: format!("cannot be created ({error})"), fix: fix.into() }
}

#[cfg(test)]
mod tests {
    use std::fs;

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
    fn names_say_the_format() {
        for (name, fits) in [("z.npy", true), ("z.NPY", true), ("codes", true), ("z.npz", false), ("z.npy.old", false)]
        {
            assert_eq!(check_ending(Path::new(name), &["npy"]).is_ok(), fits, "{name}");
        }
        let refused = check_ending(Path::new("x.jpg"), &["png", "svg"]).unwrap_err().to_string();
        assert!(refused.contains("ends in .jpg") && refused.contains(".png or .svg"), "{refused}");
    }

    #[cfg(unix)]
    #[test]
    fn a_link_without_a_file_needs_force() {
        let folder = tempfile::tempdir().unwrap();
        let link = folder.path().join("link.npy");
        std::os::unix::fs::symlink(folder.path().join("nowhere"), &link).unwrap();
        let refused = check_free(&link, false).unwrap_err().to_string();
        assert!(refused.contains("is a link") && check_free(&link, true).is_ok(), "{refused}");
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
