//! Reads an array batch by batch, from a `.npy` file or from an `.npz` archive with one array. The
//! length is checked against the header first. A pinned file ([`NpyReader::pin`]) is checked while
//! it is read: a block of rows that has changed is refused.
//!
//! A `.npy` also comes from standard input or a pipe ([`NpyReader::open_stream`]). Its rows are
//! read once, in order, and its length is known at its end only.

mod stream;

use std::io::{self, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use nalgebra::DMatrix;

use super::contents::Contents;
use super::element_type::{ElementType, decode_single};
use super::header::Header;
use super::pin::{Pin, changed, unreadable};
use super::pixels::PixelRange;
use super::rows::{Rows, show_shape};
use crate::error::{Error, Result};
use crate::formats::extent::hex;
use crate::formats::files::File;
use crate::formats::npz::{Member, only_member};
use crate::formats::streams;
use crate::observation::Observations;

/// The largest deflated or piped column-major array. It has to be in memory.
const MOST_IN_MEMORY: u64 = 256 << 20;

/// An array of shape `(count, width)`, or of another shape with such rows, read as a stream.
#[derive(Debug)]
pub struct NpyReader {
    path: PathBuf,
    contents: Contents,
    header: Header,
    rows: Rows,
    pixels: PixelRange,
    /// The name of the array in its archive.
    member: Option<String>,
    /// The index of the first row of the next batch.
    next: usize,
    /// The bytes of a batch, row after row; the buffer is reused.
    bytes: Vec<u8>,
    /// The digests that the blocks of rows must have, if the file is pinned.
    pin: Option<Pin>,
}

impl NpyReader {
    /// Opens the file, checks its header, and checks its length against the header.
    ///
    /// An array of one dimension is one row. Of more than two dimensions, the first counts the
    /// rows. [`Self::fit`] may divide the array in another way.
    ///
    /// # Errors
    /// [`Error::Input`] unless it is an array of numbers with exactly the right length, in a `.npy`
    /// file or alone in an `.npz` archive. [`Error::Io`] if it cannot be read.
    pub fn open(path: &Path) -> Result<Self> {
        let cannot_read = |error| Error::io(path, "read", error);
        if streams::is_standard(path) && !path.exists() {
            return Err(read_again(streams::INPUT));
        }
        let mut file = File::open(path).map_err(cannot_read)?;
        let metadata = file.metadata().map_err(cannot_read)?;
        if metadata.is_dir() {
            return Err(cannot_read(io::ErrorKind::IsADirectory.into()));
        }
        if !metadata.is_file() {
            return Err(read_again(&path.display().to_string()));
        }
        let mut start = Vec::new();
        (&mut file).take(4).read_to_end(&mut start).map_err(cannot_read)?;
        if !start.starts_with(b"PK\x03\x04") && !start.starts_with(b"PK\x05\x06") {
            file.seek(SeekFrom::Start(0)).map_err(cannot_read)?;
            return Self::parse(path, Contents::Plain { file, start: 0 }, metadata.len(), None);
        }
        Self::open_member(path, only_member(path)?)
    }

    /// Opens one array of an `.npz` archive.
    ///
    /// # Errors
    /// As for [`Self::open`].
    pub fn open_member(path: &Path, member: Member) -> Result<Self> {
        let (length, name) = (member.length, member.name.clone());
        let contents = Contents::of_member(path, member).map_err(|error| Error::io(path, "read", error))?;
        Self::parse(path, contents, length, Some(name))?.in_memory_if_needed(length)
    }

    fn parse(path: &Path, mut contents: Contents, length: u64, member: Option<String>) -> Result<Self> {
        let source = path.display().to_string();
        let header = Header::read(&mut Sequential { contents: &mut contents, at: 0, length }, &source)?;
        check_length(path, &header, length)?;
        Ok(Self::of(path, contents, header, member))
    }

    fn of(path: &Path, contents: Contents, header: Header, member: Option<String>) -> Self {
        let rows = Rows::of(&header.shape);
        let pixels = match header.element_type {
            ElementType::U8 => PixelRange::Unit,
            _ => PixelRange::Unscaled,
        };
        let path = path.to_owned();
        NpyReader { path, contents, header, rows, pixels, member, next: 0, bytes: Vec::new(), pin: None }
    }

    /// A column-major array has the numbers of a row everywhere.
    fn in_memory_if_needed(mut self, length: u64) -> Result<Self> {
        if self.contents.is_random_access() || !self.header.fortran_order {
            return Ok(self);
        }
        if length > MOST_IN_MEMORY {
            return Err(Error::input(
                self.path.display(),
                format!("a compressed or piped array in Fortran (column-major) order of {length} bytes"),
                format!("C (row-major) order, or at most {MOST_IN_MEMORY} bytes"),
                "save numpy.ascontiguousarray(array), or an uncompressed file",
            ));
        }
        self.load(length)?;
        Ok(self)
    }

    /// Reads all `length` bytes into memory.
    fn load(&mut self, length: u64) -> Result<()> {
        // The header has been read, but a stream keeps it.
        let start = usize::try_from(self.header.data_start).unwrap_or(0);
        let mut all = vec![0; length as usize];
        let (header, numbers) = all.split_at_mut(start);
        self.contents.read_at(0, header).map_err(|error| unreadable(&self.path, error))?;
        self.contents.read_at(start as u64, numbers).map_err(|error| self.ended(error))?;
        self.check_end()?;
        self.contents = Contents::Memory(all);
        Ok(())
    }

    /// The path of the file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Number of rows: observations or codes.
    pub fn count(&self) -> usize {
        self.rows.count
    }

    /// Number of entries per row.
    pub fn width(&self) -> usize {
        self.rows.width
    }

    /// The extents of the array.
    pub fn shape(&self) -> &[usize] {
        &self.header.shape
    }

    /// The type whose precision the numbers have as they are read. Bytes that stand for themselves
    /// are exact; scaled ones are pixels.
    pub fn numbers(&self) -> ElementType {
        match (self.element_type(), self.pixels()) {
            (ElementType::U8, PixelRange::Unscaled) => ElementType::F64,
            (stored_as, _) => stored_as,
        }
    }

    /// The type of the numbers in the file.
    pub fn element_type(&self) -> ElementType {
        self.header.element_type
    }

    /// The index of the first row of the next batch.
    pub fn position(&self) -> usize {
        self.next
    }

    /// The range that pixel values are read in.
    pub fn pixels(&self) -> PixelRange {
        self.pixels
    }

    /// From now on, reads values 0 to 255 as numbers of this range.
    pub fn set_pixels(&mut self, pixels: PixelRange) {
        self.pixels = pixels;
    }

    /// Divides the array into rows of `expected` entries, before the first row is read. `why`
    /// explains that number.
    ///
    /// # Errors
    /// [`Error::Input`] if the array has no such rows.
    pub fn fit(&mut self, expected: usize, why: &str) -> Result<()> {
        if let Some(rows) = Rows::fitting(&self.header.shape, expected) {
            self.rows = rows;
            return Ok(());
        }
        let shape = show_shape(&self.header.shape);
        let found = match self.header.shape.len() {
            2 => format!("shape {shape}, {} entries per row", self.width()),
            _ => format!("shape {shape}, {} entries per row and {} in all", self.width(), self.count() * self.width()),
        };
        let transposed = matches!(self.header.shape[..], [rows, _] if rows == expected);
        let fix = if transposed {
            "its other dimension fits: save the transposed array, array.T"
        } else {
            "check that file and network match, and that each row holds one observation or code"
        };
        Err(Error::input(self.path.display(), found, format!("{expected} entries per row, {why}"), fix))
    }

    /// How the array was read, where its shape does not say it; `None` for `(count, width)`.
    /// `rows`: what a row is, such as `observation`.
    pub fn how_read(&self, row: &str) -> Option<String> {
        let Rows { count, width, leading } = self.rows;
        let member = self.member.as_ref().map(|name| format!("array `{name}` of ")).unwrap_or_default();
        if self.header.shape.len() == 2 && leading == 1 && self.member.is_none() {
            return None;
        }
        let rows = if count == 1 { format!("one {row}") } else { format!("{count} {row}s") };
        let shape = show_shape(&self.header.shape);
        Some(format!("{}: {member}shape {shape} is read as {rows} of {width} entries", self.path.display()))
    }

    /// Makes row `index` the next to be read. `index` may be [`count`](Self::count), the end of the
    /// file.
    pub fn skip_to(&mut self, index: usize) -> Result<()> {
        if index > self.count() {
            return Err(Error::input(
                self.path.display(),
                format!("{} rows", self.count()),
                format!("a row with index {index}"),
                "use the file that the run was started with",
            ));
        }
        self.next = index;
        Ok(())
    }

    /// Reads the whole file and returns its digest. From now on, [`read_batch`](Self::read_batch)
    /// refuses blocks of `rows` rows that differ from what this digest covers.
    ///
    /// The bytes are hashed three times in all: here for the digest of the file and for that of
    /// each block, and once more when the block is read. The digest of an archive, or of a
    /// column-major array, covers the header and the rows.
    ///
    /// # Errors
    /// [`Error::Input`] if the file has changed since it was opened; [`Error::Io`].
    pub fn pin(&mut self, rows: usize) -> Result<String> {
        let rows = rows.max(1);
        let row = self.row_bytes();
        if let (Contents::Plain { file, start: 0 }, false) = (&mut self.contents, self.header.fortran_order) {
            file.seek(SeekFrom::Start(0)).map_err(|error| Error::io(&self.path, "read", error))?;
            let (pin, digest) = Pin::of(file, &self.header, self.rows.count, row, rows, &self.path)?;
            self.pin = Some(pin);
            return Ok(digest);
        }
        let mut start = vec![0; usize::try_from(self.header.data_start).unwrap_or(0)];
        self.contents.read_at(0, &mut start).map_err(|error| unreadable(&self.path, error))?;
        if Header::read(&mut start.as_slice(), &self.path.display().to_string()).ok().as_ref() != Some(&self.header) {
            return Err(changed(&self.path, "another header"));
        }
        let mut whole = blake3::Hasher::new();
        whole.update(&start);
        let mut blocks = Vec::new();
        for first in (0..self.count()).step_by(rows) {
            self.read_rows(first, rows.min(self.count() - first))?;
            whole.update(&self.bytes);
            blocks.push(blake3::hash(&self.bytes));
        }
        self.pin = Some(Pin::new(rows, blocks));
        Ok(hex(&whole))
    }

    /// Reads the next `most` rows as `width × rows` with one row of the file per column. `None` at
    /// the end of the file. A `most` of 0 counts as 1. There are fewer rows at the end of the file,
    /// and at the end of a block of a pinned file.
    ///
    /// # Errors
    /// [`Error::Input`] if the file became shorter, if the block of a pinned file has changed, or
    /// for an integer that f64 does not hold exactly; [`Error::Io`].
    pub fn read_batch(&mut self, most: usize) -> Result<Option<DMatrix<f64>>> {
        let Some((first, rows)) = self.read_bytes(most)? else { return Ok(None) };
        let Header { element_type, big_endian, .. } = self.header;
        let numbers = element_type.decode(&self.bytes, big_endian, self.pixels).map_err(|(index, number)| {
            let (row, entry) = (first + index / self.width(), index % self.width());
            Error::input(
                self.path.display(),
                format!("the integer {number} in row {row} at entry {entry}"),
                "integers that 64-bit floating-point numbers hold exactly",
                "save array.astype(numpy.float64), if rounding is meant",
            )
        })?;
        Ok(Some(DMatrix::from_vec(self.width(), rows, numbers)))
    }

    /// [`Self::read_batch`] without widening: numbers of f32 that are read as they are stay f32.
    ///
    /// # Errors
    /// As for [`Self::read_batch`].
    pub fn read_observations(&mut self, most: usize) -> Result<Option<Observations>> {
        if self.element_type() != ElementType::F32 || self.pixels != PixelRange::Unscaled {
            return Ok(self.read_batch(most)?.map(Observations::Double));
        }
        let Some((_, rows)) = self.read_bytes(most)? else { return Ok(None) };
        let numbers = decode_single(&self.bytes, self.header.big_endian);
        Ok(Some(Observations::Single(DMatrix::from_vec(self.width(), rows, numbers))))
    }

    /// Reads the bytes of the next `most` rows. Returns the index of the first and their number, as
    /// [`Self::read_batch`] states it.
    fn read_bytes(&mut self, most: usize) -> Result<Option<(usize, usize)>> {
        let mut rows = most.max(1).min(self.count() - self.next);
        if rows == 0 {
            return Ok(None);
        }
        let first = self.next;
        match self.pin.as_ref().map(|pin| pin.block_of(first, self.count())) {
            None => self.read_rows(first, rows)?,
            Some(block) => {
                rows = rows.min(block.end - first);
                self.read_rows(block.start, block.len())?;
                if let Some(pin) = &self.pin {
                    pin.check(block.clone(), &self.bytes, &self.path)?;
                }
                let row = self.row_bytes();
                self.bytes.drain(..(first - block.start) * row);
                self.bytes.truncate(rows * row);
            }
        }
        self.next = first + rows;
        if self.next == self.count() {
            self.check_end()?;
        }
        Ok(Some((first, rows)))
    }

    /// Number of bytes per row. Products with a number of rows cannot overflow: they are at most
    /// the file's length.
    fn row_bytes(&self) -> usize {
        self.width() * self.element_type().size()
    }

    /// Reads the bytes of `rows` rows from `first` on, in row-major order.
    fn read_rows(&mut self, first: usize, rows: usize) -> Result<()> {
        let (row, size) = (self.row_bytes(), self.element_type().size());
        self.bytes.resize(rows * row, 0);
        let start = self.header.data_start;
        if !self.header.fortran_order {
            let read = self.contents.read_at(start + (first * row) as u64, &mut self.bytes);
            return read.map_err(|error| self.ended(error));
        }
        let failed = |error| unreadable(&self.path, error);
        // Entries of one place in the rows are next to each other.
        let mut column = vec![0; rows * size];
        for (stored, place) in self.rows.column_major(&self.header.shape).into_iter().enumerate() {
            let offset = start + ((stored * self.rows.count + first) * size) as u64;
            self.contents.read_at(offset, &mut column).map_err(failed)?;
            for (bytes, entry) in self.bytes.chunks_exact_mut(row).zip(column.chunks_exact(size)) {
                bytes[place * size..(place + 1) * size].copy_from_slice(entry);
            }
        }
        Ok(())
    }
}

/// The beginning of the contents, read one part after the other.
struct Sequential<'a> {
    contents: &'a mut Contents,
    at: u64,
    length: u64,
}

impl Read for Sequential<'_> {
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        let most = bytes.len().min(usize::try_from(self.length - self.at).unwrap_or(usize::MAX));
        self.contents.read_at(self.at, &mut bytes[..most])?;
        self.at += most as u64;
        Ok(most)
    }
}

/// The error for a stream where rows are read more than once.
fn read_again(source: &str) -> Error {
    Error::input(
        source,
        "a pipe or device",
        "a plain file, which is read more than once here",
        "save the data to a file first",
    )
}

fn check_length(path: &Path, header: &Header, found: u64) -> Result<()> {
    let expected = header.length();
    if u128::from(found) == expected {
        return Ok(());
    }
    let fix = if u128::from(found) < expected {
        "the file is truncated: copy or save it again"
    } else {
        "bytes were appended to the file: save it again"
    };
    Err(Error::input(
        path.display(),
        format!("{found} bytes"),
        format!("{expected} bytes, according to its header (shape {})", show_shape(&header.shape)),
        fix,
    ))
}
