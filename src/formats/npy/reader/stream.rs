//! Arrays from standard input and from pipes, which are read once, in order.

use std::io::{self, Read};
use std::path::Path;

use super::NpyReader;
use crate::error::{Error, Result};
use crate::formats::files::File;
use crate::formats::npy::contents::Contents;
use crate::formats::npy::header::Header;
use crate::formats::npy::pin::unreadable;
use crate::formats::npy::rows::show_shape;
use crate::formats::streams::{self, Incoming, ReadDigest};
use crate::memory;

/// The most bytes that the header of a stream may claim. Those of a file are checked against its
/// length, so that products of its extents are small.
const MOST_IN_STREAM: u128 = 1 << 60;

impl NpyReader {
    /// [`Self::open`] also for what can be read once only: standard input (`-`) and pipes. The rows
    /// of an array in column-major order are read at once.
    ///
    /// # Errors
    /// As for [`Self::open`]; [`Error::Input`] for an `.npz` archive in a stream, whose list of
    /// arrays is at its end.
    pub fn open_stream(path: &Path) -> Result<Self> {
        if streams::is_standard(path) {
            return Self::parse_stream(path, Incoming::standard()?);
        }
        let cannot_read = |error| Error::io(path, "read", error);
        let file = File::open(path).map_err(cannot_read)?;
        let kind = file.metadata().map_err(cannot_read)?.file_type();
        if kind.is_dir() || kind.is_file() {
            return Self::open(path);
        }
        Self::parse_stream(path, Incoming::of(file))
    }

    fn parse_stream(path: &Path, mut stream: Incoming) -> Result<Self> {
        let path = streams::input_name(path);
        let mut start = Vec::new();
        (&mut stream).take(4).read_to_end(&mut start).map_err(|error| Error::io(path, "read", error))?;
        if start.starts_with(b"PK") {
            return Err(Error::input(
                path.display(),
                "a zip archive in a stream",
                "a .npy, which can be read in order",
                "pipe the array with numpy.save, or name the archive's file",
            ));
        }
        let header = Header::read(&mut start.as_slice().chain(&mut stream), &path.display().to_string());
        let header = header.map_err(|error| match error {
            Error::Input(bad) => Error::input(bad.source, bad.found, bad.expected, "check the program that writes it"),
            other => other,
        })?;
        let length = header.length();
        if length > MOST_IN_STREAM {
            return Err(Error::input(
                path.display(),
                format!("a header that claims {length} bytes (shape {})", show_shape(&header.shape)),
                format!("at most {MOST_IN_STREAM} bytes"),
                "check the program that writes it",
            ));
        }
        stream.begin();
        let mut reader = Self::of(path, Contents::Stream(stream), header, None).in_memory_if_needed(length as u64)?;
        if reader.count() == 0 {
            reader.check_end()?;
        }
        Ok(reader)
    }

    /// Whether the rows can be read once only, in order.
    pub fn is_stream(&self) -> bool {
        self.contents.stream().is_some()
    }

    /// The digest of a stream, which is complete after its last row; `None` for a file.
    pub fn read_digest(&self) -> Option<ReadDigest> {
        self.contents.stream().map(Incoming::digest)
    }

    /// Reads a stream into memory, so that its rows can be read in any order.
    ///
    /// # Errors
    /// [`Error::Input`] for more bytes than this process may use; as for [`Self::read_batch`].
    pub fn into_memory(mut self) -> Result<Self> {
        if self.is_stream() {
            let length = self.header.length() as u64;
            let found = || format!("an array of shape {} in a stream", show_shape(&self.header.shape));
            memory::check_input(&self.path.display().to_string(), found, Some(length))?;
            self.load(length)?;
        }
        Ok(self)
    }

    /// Refuses bytes of a stream after its last row.
    pub(super) fn check_end(&mut self) -> Result<()> {
        let Contents::Stream(stream) = &mut self.contents else { return Ok(()) };
        if stream.is_at_end().map_err(|error| unreadable(&self.path, error))? {
            return Ok(());
        }
        Err(Error::input(
            self.path.display(),
            "more bytes than its header says",
            format!("one array of shape {}", show_shape(&self.header.shape)),
            "check the program that writes it; several arrays cannot follow each other",
        ))
    }

    /// The error for rows that cannot be read.
    pub(super) fn ended(&self, error: io::Error) -> Error {
        if !self.is_stream() || error.kind() != io::ErrorKind::UnexpectedEof {
            return unreadable(&self.path, error);
        }
        Error::input(
            self.path.display(),
            "an end before the last row",
            format!("{} rows of {} entries, as its header says", self.count(), self.width()),
            "check the program that writes it: it may have failed",
        )
    }
}
