//! Reads a `.npy` batch by batch. The file's length is checked against its header first. A pinned
//! file ([`NpyReader::pin`]) is checked while it is read: a block of rows that has changed is
//! refused.

use std::io::{self, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use nalgebra::DMatrix;

use super::header::{ElementType, Header};
use super::pin::{Pin, unreadable};
use crate::error::{Error, Result};
use crate::formats::files::File;

/// A `.npy` file of shape `(count, width)` that is read as a stream.
#[derive(Debug)]
pub struct NpyReader {
    path: PathBuf,
    file: File,
    header: Header,
    /// The index of the first row of the next batch.
    next: usize,
    /// The bytes of a batch; the buffer is reused.
    bytes: Vec<u8>,
    /// The digests that the blocks of rows must have, if the file is pinned.
    pin: Option<Pin>,
}

impl NpyReader {
    /// Opens the file, checks its header, and checks its length against the header.
    ///
    /// # Errors
    /// [`Error::Input`] unless it is a two-dimensional C-ordered array of f64, f32, u8 or bool with
    /// exactly the right length. [`Error::Io`] if it cannot be read.
    pub fn open(path: &Path) -> Result<Self> {
        let cannot_read = |error| Error::io(path, "read", error);
        let mut file = File::open(path).map_err(cannot_read)?;
        let metadata = file.metadata().map_err(cannot_read)?;
        if metadata.is_dir() {
            return Err(cannot_read(io::ErrorKind::IsADirectory.into()));
        }
        if !metadata.is_file() {
            return Err(Error::input(
                path.display(),
                "a pipe or device",
                "a plain file, whose length can be checked before the work begins",
                "save the data to a file first",
            ));
        }
        let header = Header::read(&mut file, &path.display().to_string())?;
        check_length(path, &header, metadata.len())?;
        Ok(NpyReader { path: path.to_owned(), file, header, next: 0, bytes: Vec::new(), pin: None })
    }

    /// The path of the file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Number of rows: observations or codes.
    pub fn count(&self) -> usize {
        self.header.count
    }

    /// Number of entries per row.
    pub fn width(&self) -> usize {
        self.header.width
    }

    /// The type of the numbers.
    pub fn element_type(&self) -> ElementType {
        self.header.element_type
    }

    /// The index of the first row of the next batch.
    pub fn position(&self) -> usize {
        self.next
    }

    /// Refuses a file whose rows do not have `expected` entries. `why` explains that number.
    pub fn check_width(&self, expected: usize, why: &str) -> Result<()> {
        if self.width() == expected {
            return Ok(());
        }
        Err(Error::input(
            self.path.display(),
            format!("shape ({}, {}), {} entries per row", self.count(), self.width(), self.width()),
            format!("{expected} entries per row, {why}"),
            "check that file and network match, and that each row holds one observation or code",
        ))
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
        let offset = self.header.data_start + (index * self.row_bytes()) as u64;
        self.file.seek(SeekFrom::Start(offset)).map_err(|error| Error::io(&self.path, "read", error))?;
        self.next = index;
        Ok(())
    }

    /// Reads the whole file and returns its digest. From now on, [`read_batch`](Self::read_batch)
    /// refuses blocks of `rows` rows that differ from what this digest covers.
    ///
    /// The bytes are hashed three times in all: here for the digest of the file and for that of
    /// each block, and once more when the block is read.
    ///
    /// # Errors
    /// [`Error::Input`] if the file has changed since it was opened; [`Error::Io`].
    pub fn pin(&mut self, rows: usize) -> Result<String> {
        let cannot_read = |error| Error::io(&self.path, "read", error);
        self.file.seek(SeekFrom::Start(0)).map_err(cannot_read)?;
        let (pin, digest) = Pin::of(&mut self.file, &self.header, rows, &self.path)?;
        self.pin = Some(pin);
        self.skip_to(self.next)?;
        Ok(digest)
    }

    /// Reads the next `most` rows as `width × rows` with one row of the file per column. Bytes are
    /// divided by 255. `None` at the end of the file. A `most` of 0 counts as 1. There are fewer
    /// rows at the end of the file, and at the end of a block of a pinned file.
    ///
    /// # Errors
    /// [`Error::Input`] if the file became shorter, or if the block of a pinned file has changed;
    /// [`Error::Io`].
    pub fn read_batch(&mut self, most: usize) -> Result<Option<DMatrix<f64>>> {
        let mut rows = most.max(1).min(self.count() - self.next);
        if rows == 0 {
            return Ok(None);
        }
        let first = self.next;
        match self.pin.as_ref().map(|pin| pin.block_of(first, self.count())) {
            None => self.read_rows(rows)?,
            Some(block) => {
                rows = rows.min(block.end - first);
                if block.start != first {
                    self.skip_to(block.start)?;
                }
                self.read_rows(block.len())?;
                if let Some(pin) = &self.pin {
                    pin.check(block.clone(), &self.bytes, &self.path)?;
                }
                let row = self.row_bytes();
                self.bytes.drain(..(first - block.start) * row);
                self.bytes.truncate(rows * row);
                if first + rows != block.end {
                    self.skip_to(first + rows)?;
                }
            }
        }
        self.next = first + rows;
        Ok(Some(DMatrix::from_vec(self.width(), rows, decode(&self.bytes, &self.header))))
    }

    /// Number of bytes per row. Products with a number of rows cannot overflow: they are at most
    /// the file's length.
    fn row_bytes(&self) -> usize {
        self.width() * self.element_type().size()
    }

    fn read_rows(&mut self, rows: usize) -> Result<()> {
        self.bytes.resize(rows * self.row_bytes(), 0);
        self.file.read_exact(&mut self.bytes).map_err(|error| unreadable(&self.path, error))
    }
}

fn check_length(path: &Path, header: &Header, found: u64) -> Result<()> {
    let elements = header.count as u128 * header.width as u128;
    let expected =
        u128::from(header.data_start).saturating_add(elements.saturating_mul(header.element_type.size() as u128));
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
        format!("{expected} bytes, according to its header (shape ({}, {}))", header.count, header.width),
        fix,
    ))
}

fn decode(bytes: &[u8], header: &Header) -> Vec<f64> {
    fn decode_with<const SIZE: usize>(bytes: &[u8], number: impl Fn([u8; SIZE]) -> f64) -> Vec<f64> {
        bytes.as_chunks::<SIZE>().0.iter().map(|chunk| number(*chunk)).collect()
    }
    match (header.element_type, header.big_endian) {
        (ElementType::F64, false) => decode_with(bytes, f64::from_le_bytes),
        (ElementType::F64, true) => decode_with(bytes, f64::from_be_bytes),
        (ElementType::F32, false) => decode_with(bytes, |chunk| f64::from(f32::from_le_bytes(chunk))),
        (ElementType::F32, true) => decode_with(bytes, |chunk| f64::from(f32::from_be_bytes(chunk))),
        (ElementType::Bool, _) => bytes.iter().map(|byte| f64::from(u8::from(*byte != 0))).collect(),
        (ElementType::U8, _) => bytes.iter().map(|byte| f64::from(*byte) / 255.0).collect(),
    }
}
