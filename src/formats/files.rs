//! Files, as networks, arrays, outputs and journals open, read, write, synchronise and rename them.
//!
//! These are the calls of the standard library. In the crate's own tests, and only there, a test
//! can let one of them fail ([`faults`]), to show what a run leaves behind then.

use std::fs::{self, Metadata, OpenOptions, TryLockError};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::Path;

#[cfg(test)]
pub mod faults;

/// What is done to a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Operation {
    /// A file is opened for reading.
    Open,
    /// A file is created, or opened for writing.
    Create,
    /// Bytes are read.
    Read,
    /// Bytes are written, or the file is cut.
    Write,
    /// A file or a folder is synchronised with the disk.
    Sync,
    /// A file gets another name.
    Rename,
    /// A file is removed.
    Remove,
}

/// An open file.
#[derive(Debug)]
pub struct File {
    file: fs::File,
    #[cfg(test)]
    path: std::path::PathBuf,
}

impl File {
    /// Opens a file for reading.
    pub fn open(path: &Path) -> io::Result<Self> {
        Self::open_with(path, Operation::Open, OpenOptions::new().read(true))
    }

    /// Creates a file that does not exist yet, for reading and writing.
    pub fn create_new(path: &Path) -> io::Result<Self> {
        Self::open_with(path, Operation::Create, OpenOptions::new().read(true).write(true).create_new(true))
    }

    /// Opens an existing file for reading and writing, and leaves its bytes as they are.
    pub fn reopen(path: &Path) -> io::Result<Self> {
        Self::open_with(path, Operation::Create, OpenOptions::new().read(true).write(true))
    }

    /// Creates a file for writing; an existing file is emptied.
    pub fn create(path: &Path) -> io::Result<Self> {
        Self::open_with(path, Operation::Create, OpenOptions::new().write(true).create(true).truncate(true))
    }

    fn open_with(path: &Path, operation: Operation, options: &OpenOptions) -> io::Result<Self> {
        allowed(operation, path, 0)?;
        Ok(File {
            file: options.open(path)?,
            #[cfg(test)]
            path: path.to_owned(),
        })
    }

    /// What the system knows about the file.
    pub fn metadata(&self) -> io::Result<Metadata> {
        self.file.metadata()
    }

    /// Locks the file until it is closed, unless another process or handle has locked it.
    pub fn try_lock(&self) -> Result<(), TryLockError> {
        self.file.try_lock()
    }

    /// Cuts the file.
    pub fn set_len(&self, length: u64) -> io::Result<()> {
        self.allowed(Operation::Write, 0)?;
        self.file.set_len(length)
    }

    /// Synchronises the bytes with the disk.
    pub fn sync_data(&self) -> io::Result<()> {
        self.allowed(Operation::Sync, 0)?;
        waiting(|| self.file.sync_data())
    }

    /// Synchronises the bytes and what the system knows about the file with the disk.
    pub fn sync_all(&self) -> io::Result<()> {
        self.allowed(Operation::Sync, 0)?;
        waiting(|| self.file.sync_all())
    }

    #[cfg(test)]
    fn allowed(&self, operation: Operation, length: usize) -> io::Result<usize> {
        allowed(operation, &self.path, length)
    }

    #[cfg(not(test))]
    #[inline(always)]
    fn allowed(&self, _: Operation, length: usize) -> io::Result<usize> {
        Ok(length)
    }
}

impl Read for File {
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        let most = self.allowed(Operation::Read, bytes.len())?;
        self.file.read(&mut bytes[..most])
    }
}

impl Write for File {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let most = self.allowed(Operation::Write, bytes.len())?;
        self.file.write(&bytes[..most])
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

impl Seek for File {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        self.file.seek(to)
    }
}

/// Waits for the disk. The crate's own tests, which synchronise thousands of times and have no
/// power failures, do not wait.
#[inline(always)]
fn waiting(sync: impl FnOnce() -> io::Result<()>) -> io::Result<()> {
    if cfg!(test) { Ok(()) } else { sync() }
}

/// Renames a file; an existing file of the new name is replaced.
pub fn rename(from: &Path, to: &Path) -> io::Result<()> {
    allowed(Operation::Rename, from, 0)?;
    fs::rename(from, to)
}

/// Removes a file.
pub fn remove(path: &Path) -> io::Result<()> {
    allowed(Operation::Remove, path, 0)?;
    fs::remove_file(path)
}

/// How many of `length` bytes the operation may handle, or the error that a test asks for.
#[cfg(test)]
fn allowed(operation: Operation, path: &Path, length: usize) -> io::Result<usize> {
    faults::next(operation, path, length)
}

#[cfg(not(test))]
#[inline(always)]
fn allowed(_: Operation, _: &Path, length: usize) -> io::Result<usize> {
    Ok(length)
}
