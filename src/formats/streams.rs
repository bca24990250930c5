//! Standard input and output, and pipes: what is read or written once, in order.
//!
//! The path `-` stands for standard input or output; `./-` is a file of that name.

use std::fmt;
use std::fs;
use std::io::{self, IsTerminal, Read, Seek, SeekFrom, Write};
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use super::extent::hex;
use super::files::File;
use crate::error::{Error, Result};

/// The name of standard input in messages and records.
pub const INPUT: &str = "standard input";
/// The name of standard output in messages.
pub const OUTPUT: &str = "standard output";

/// Whether a path stands for standard input or output.
pub fn is_standard(path: &Path) -> bool {
    path.as_os_str() == "-"
}

/// Whether a path stands for something that can be read once only: standard input or a pipe.
pub fn is_read_once(path: &Path) -> bool {
    is_standard(path) || fs::metadata(path).is_ok_and(|metadata| !metadata.is_file() && !metadata.is_dir())
}

/// Refuses a second use of `stream`, standard input or output. Each path comes with the field that
/// names it.
///
/// # Errors
/// [`Error::BadOption`].
pub fn refuse_twice(stream: &str, paths: &[(&str, Option<&Path>)]) -> Result<()> {
    let mut standard = paths.iter().filter(|(_, path)| path.is_some_and(is_standard)).skip(1);
    match standard.next() {
        Some((option, _)) => {
            Err(Error::option(*option, format!("{stream}, which is already taken"), "a file for one of the two"))
        }
        None => Ok(()),
    }
}

/// The path as messages and records name it: [`INPUT`] for `-`.
pub fn input_name(path: &Path) -> &Path {
    if is_standard(path) { Path::new(INPUT) } else { path }
}

/// The path as messages name it: [`OUTPUT`] for `-`.
pub fn output_name(path: &Path) -> &Path {
    if is_standard(path) { Path::new(OUTPUT) } else { path }
}

/// The digest of what was read from a stream so far.
#[derive(Debug, Clone, Default)]
pub struct ReadDigest(Arc<Mutex<blake3::Hasher>>);

impl ReadDigest {
    /// 32 hexadecimal digits, as of a file with the same bytes.
    pub fn hex(&self) -> String {
        hex(&self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn add(&self, bytes: &[u8]) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).update(bytes);
    }
}

/// Bytes that can be read once, in order.
pub struct Incoming {
    source: Box<dyn Read + Send>,
    /// Number of bytes read.
    position: u64,
    /// The first bytes, as far as they were read before [`Self::begin`].
    start: Vec<u8>,
    begun: bool,
    digest: ReadDigest,
}

impl fmt::Debug for Incoming {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Incoming").field("position", &self.position).finish_non_exhaustive()
    }
}

impl Incoming {
    /// Standard input.
    ///
    /// # Errors
    /// [`Error::Input`] if it is a terminal, on which nobody types arrays.
    pub fn standard() -> Result<Self> {
        let source = io::stdin();
        if source.is_terminal() {
            return Err(Error::input(
                INPUT,
                "a terminal",
                "an array from a pipe or a file",
                "write `… | unrelu …` or `unrelu … < FILE.npy`",
            ));
        }
        Ok(Self::of(source))
    }

    /// What `source` gives.
    pub fn of(source: impl Read + Send + 'static) -> Self {
        let digest = ReadDigest::default();
        Incoming { source: Box::new(source), position: 0, start: Vec::new(), begun: false, digest }
    }

    /// From now on, only bytes that were not read yet, or that were read until now, can be read.
    pub fn begin(&mut self) {
        self.begun = true;
    }

    /// The digest of the bytes read so far, and of those that will be.
    pub fn digest(&self) -> ReadDigest {
        self.digest.clone()
    }

    /// Fills `bytes` with those from `offset` on. Bytes before them are skipped.
    ///
    /// # Errors
    /// `UnexpectedEof` if there are fewer; `Unsupported` for bytes that have gone by.
    pub fn read_at(&mut self, offset: u64, bytes: &mut [u8]) -> io::Result<()> {
        let kept = usize::try_from(offset).ok();
        if let Some(kept) = kept.and_then(|from| self.start.get(from..from.checked_add(bytes.len())?)) {
            bytes.copy_from_slice(kept);
            return Ok(());
        }
        if offset < self.position {
            return Err(io::Error::new(io::ErrorKind::Unsupported, "a stream can be read once only"));
        }
        let mut skipped = [0; 8192];
        while self.position < offset {
            let most = skipped.len().min(usize::try_from(offset - self.position).unwrap_or(usize::MAX));
            self.read_exact(&mut skipped[..most])?;
        }
        self.read_exact(bytes)
    }

    /// Whether nothing follows. Waits for the writer.
    pub fn is_at_end(&mut self) -> io::Result<bool> {
        loop {
            match self.source.read(&mut [0]) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                other => return Ok(other? == 0),
            }
        }
    }
}

impl Read for Incoming {
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        let length = self.source.read(bytes)?;
        let read = &bytes[..length];
        self.position += length as u64;
        self.digest.add(read);
        if !self.begun {
            self.start.extend_from_slice(read);
        }
        Ok(length)
    }
}

/// Where the bytes of an output go.
#[derive(Debug)]
pub enum Target {
    /// A file.
    File(File),
    /// Standard output, which keeps no place to return to.
    Standard(io::Stdout),
}

impl Target {
    /// The file; `None` for standard output.
    pub fn file(&self) -> Option<&File> {
        match self {
            Target::File(file) => Some(file),
            Target::Standard(_) => None,
        }
    }
}

impl Write for Target {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Target::File(file) => file.write(bytes),
            Target::Standard(output) => output.write(bytes).map_err(closed),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Target::File(file) => file.flush(),
            Target::Standard(output) => output.flush().map_err(closed),
        }
    }
}

impl Seek for Target {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        match self {
            Target::File(file) => file.seek(to),
            Target::Standard(_) => Err(io::ErrorKind::Unsupported.into()),
        }
    }
}

/// A reader that went away before it had the data is a failure, unlike one that has seen enough of
/// a text: the kind of the error tells them apart.
fn closed(error: io::Error) -> io::Error {
    match error.kind() {
        io::ErrorKind::BrokenPipe => io::Error::other("the program that reads it has ended"),
        _ => error,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_read_once_and_those_of_the_beginning_again() {
        let all: Vec<u8> = (0..100).collect();
        let mut stream = Incoming::of(io::Cursor::new(all.clone()));
        let mut bytes = [0; 4];
        stream.read_at(0, &mut bytes).unwrap();
        stream.read_at(4, &mut bytes).unwrap();
        stream.begin();
        stream.read_at(2, &mut bytes).unwrap();
        assert_eq!(bytes, [2, 3, 4, 5]);
        stream.read_at(50, &mut bytes).unwrap();
        assert_eq!(bytes, [50, 51, 52, 53]);
        assert_eq!(stream.read_at(50, &mut bytes).unwrap_err().kind(), io::ErrorKind::Unsupported);
        assert_eq!(stream.read_at(97, &mut bytes).unwrap_err().kind(), io::ErrorKind::UnexpectedEof);
    }

    #[test]
    fn the_digest_is_that_of_a_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a");
        let all: Vec<u8> = (0..=255).cycle().take(20_000).collect();
        std::fs::write(&path, &all).unwrap();
        let mut stream = Incoming::of(io::Cursor::new(all.clone()));
        stream.begin();
        let mut rest = vec![0; 5_000];
        stream.read_at(15_000, &mut rest).unwrap();
        assert!(stream.is_at_end().unwrap() && rest == all[15_000..]);
        assert_eq!(stream.digest().hex(), crate::formats::extent::digest_of_file(&path).unwrap());
    }
}
