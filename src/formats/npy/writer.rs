//! Writes a `.npy` batch by batch. The header has a fixed length. It is rewritten with the final
//! number of rows when the file is finished, so the number need not be known before.

use std::path::{Path, PathBuf};

use nalgebra::DMatrix;

use super::element_type::ElementType;
use super::header::{Header, WRITTEN_LENGTH};
use crate::error::{Error, Result};
use crate::formats::extent::{Extent, Tracker};
use crate::formats::output::{OutputFile, check_ending, sync_folder};
use crate::formats::streams::is_standard;

/// An unfinished `.npy` file, `(rows written, width)`, or `(rows written, n, width / n)` for rows
/// of `n` vectors; C order, little-endian.
#[derive(Debug)]
pub struct NpyWriter {
    output: OutputFile,
    element_type: ElementType,
    width: usize,
    /// Number of vectors in a row; `None`: a row is one vector.
    vectors: Option<usize>,
    rows: u64,
    /// The number of rows that the header of standard output has promised.
    promised: Option<u64>,
    /// Whether the header is that of all rows.
    is_complete: bool,
    /// The bytes of a batch; the buffer is reused.
    bytes: Vec<u8>,
}

impl NpyWriter {
    /// Creates a file of f64 or f32 with `width` entries per row; see [`OutputFile::create`] for
    /// `force` and the errors. An ending of another format is refused, too.
    pub fn create(path: &Path, width: usize, element_type: ElementType, force: bool) -> Result<Self> {
        check_type(element_type)?;
        check_ending(path, &["npy"])?;
        Self::begin(OutputFile::create(path, force)?, width, element_type, None)
    }

    /// [`Self::create`] for a known number of rows, also to standard output (`-`), whose header
    /// cannot be rewritten.
    ///
    /// # Errors
    /// Those of [`Self::create`].
    pub fn create_of(path: &Path, rows: u64, width: usize, element_type: ElementType, force: bool) -> Result<Self> {
        if !is_standard(path) {
            return Self::create(path, width, element_type, force);
        }
        check_type(element_type)?;
        Self::begin(OutputFile::standard(), width, element_type, Some(rows))
    }

    fn begin(mut output: OutputFile, width: usize, element_type: ElementType, promised: Option<u64>) -> Result<Self> {
        output.append(&Header::written(element_type, promised.unwrap_or(0), &[width]))?;
        Ok(NpyWriter {
            output,
            element_type,
            width,
            vectors: None,
            rows: 0,
            promised,
            is_complete: false,
            bytes: Vec::new(),
        })
    }

    /// Continues the partial file of an earlier run after its first `rows` rows; see
    /// [`OutputFile::resume`].
    pub fn resume(path: &Path, width: usize, element_type: ElementType, rows: u64, force: bool) -> Result<Self> {
        check_type(element_type)?;
        let length = WRITTEN_LENGTH as u64 + rows * (width * element_type.size()) as u64;
        let output = OutputFile::resume(path, length, force)?;
        Ok(NpyWriter {
            output,
            element_type,
            width,
            vectors: None,
            rows,
            promised: None,
            is_complete: false,
            bytes: Vec::new(),
        })
    }

    /// The same file with rows of `n` vectors, which its final header says; `n` divides the width.
    pub fn of_vectors(self, n: usize) -> Self {
        NpyWriter { vectors: Some(n.max(1)), ..self }
    }

    /// Number of entries per row.
    pub fn width(&self) -> usize {
        self.width
    }

    /// Number of bytes per row, at least 1.
    pub fn row_bytes(&self) -> usize {
        (self.width * self.element_type.size()).max(1)
    }

    /// Number of rows written so far.
    pub fn rows(&self) -> u64 {
        self.rows
    }

    /// Keeps the partial file if this is dropped before it is finished.
    pub fn keep_partial(&mut self) {
        self.output.keep_partial();
    }

    /// From now on, tracks a digest of the rows; see [`OutputFile::track`].
    pub fn track(&mut self, tracker: Option<Tracker>) {
        self.output.track(tracker);
    }

    /// The length and digest so far; `None` if no digest is tracked.
    pub fn extent(&self) -> Option<Extent> {
        self.output.extent()
    }

    /// Appends complete rows that already have this file's encoding.
    pub fn append_encoded(&mut self, bytes: &[u8]) -> Result<()> {
        self.output.append(bytes)?;
        self.is_complete = false;
        self.rows += (bytes.len() / self.row_bytes()) as u64;
        Ok(())
    }

    /// Appends one row per column of `columns` (width × rows). For f32, the numbers are rounded to
    /// nearest.
    ///
    /// # Errors
    /// [`Error::Input`] if `columns` does not have `width` rows; [`Error::Io`].
    pub fn write(&mut self, columns: &DMatrix<f64>) -> Result<()> {
        if columns.nrows() != self.width {
            return Err(Error::input(
                "the matrix given",
                format!("{} entries per column", columns.nrows()),
                format!("{}, the width of {}", self.width, self.output.path().display()),
                "pass one column per observation or code",
            ));
        }
        self.bytes.clear();
        match self.element_type {
            ElementType::F32 => columns.iter().for_each(|x| self.bytes.extend_from_slice(&(*x as f32).to_le_bytes())),
            _ => columns.iter().for_each(|x| self.bytes.extend_from_slice(&x.to_le_bytes())),
        }
        self.output.append(&self.bytes)?;
        self.is_complete = false;
        self.rows += columns.ncols() as u64;
        Ok(())
    }

    /// Hands everything written so far to the system, which keeps it if this process is killed.
    pub fn flush(&mut self) -> Result<()> {
        self.output.hand_over()
    }

    /// Synchronises everything written so far with the disk.
    pub fn sync(&mut self) -> Result<()> {
        self.output.sync()
    }

    /// Writes the header with the final number of rows, and synchronises everything with the disk.
    ///
    /// # Errors
    /// [`Error::Io`], also for another number of rows than standard output was promised.
    pub fn complete(&mut self) -> Result<()> {
        if let Some(promised) = self.promised {
            let missing = || std::io::Error::other(format!("{} of {promised} rows were written", self.rows));
            return if self.rows == promised {
                self.output.sync()
            } else {
                Err(Error::io(self.output.path(), "write", missing()))
            };
        }
        let row = match self.vectors {
            None => vec![self.width],
            Some(vectors) => vec![vectors, self.width / vectors],
        };
        self.output.rewrite(0, &Header::written(self.element_type, self.rows, &row))?;
        self.is_complete = true;
        self.output.sync()
    }

    /// Writes the header with the final number of rows and renames the file to its final name.
    pub fn finish(self) -> Result<()> {
        self.finish_within_run().map(|path| sync_folder(&path))
    }

    /// [`Self::finish`] as [`OutputFile::finish_within_run`].
    pub fn finish_within_run(mut self) -> Result<PathBuf> {
        if !self.is_complete {
            self.complete()?;
        }
        self.output.finish_within_run()
    }
}

fn check_type(element_type: ElementType) -> Result<()> {
    match element_type {
        ElementType::F64 | ElementType::F32 => Ok(()),
        other => Err(Error::option("the element type of the output", other.name(), "f64 or f32")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::formats::npy::NpyReader;

    #[test]
    fn batches_come_back_whatever_their_size() {
        let folder = tempfile::tempdir().unwrap();
        let all = DMatrix::from_fn(3, 10, |row, column| row as f64 + 0.1 * column as f64);
        for batch in [1, 3, 10, 64] {
            let path = folder.path().join(format!("{batch}.npy"));
            let mut writer = NpyWriter::create(&path, 3, ElementType::F64, false).unwrap();
            for start in (0..10).step_by(batch) {
                writer.write(&all.columns(start, batch.min(10 - start)).into_owned()).unwrap();
            }
            assert_eq!(writer.rows(), 10);
            writer.finish().unwrap();
            let mut reader = NpyReader::open(&path).unwrap();
            assert_eq!((reader.count(), reader.width(), reader.element_type()), (10, 3, ElementType::F64));
            let mut seen = 0;
            while let Some(columns) = reader.read_batch(4).unwrap() {
                assert_eq!(columns, all.columns(seen, columns.ncols()));
                seen += columns.ncols();
            }
            assert_eq!(seen, 10);
            reader.skip_to(7).unwrap();
            assert_eq!(reader.read_batch(100).unwrap().unwrap(), all.columns(7, 3));
            assert!(reader.skip_to(11).is_err());
        }
    }

    #[test]
    fn a_run_taken_up_again_ends_with_the_same_bytes() {
        let folder = tempfile::tempdir().unwrap();
        let (whole, resumed) = (folder.path().join("whole.npy"), folder.path().join("resumed.npy"));
        let all = DMatrix::from_fn(2, 5, |row, column| (row * 5 + column) as f64);
        crate::formats::npy::write_all(&whole, &all, ElementType::F32, false).unwrap();
        let mut writer = NpyWriter::create(&resumed, 2, ElementType::F32, false).unwrap();
        writer.keep_partial();
        writer.write(&all.columns(0, 4).into_owned()).unwrap();
        drop(writer);
        let mut writer = NpyWriter::resume(&resumed, 2, ElementType::F32, 3, false).unwrap();
        writer.write(&all.columns(3, 2).into_owned()).unwrap();
        writer.finish().unwrap();
        assert_eq!(std::fs::read(whole).unwrap(), std::fs::read(resumed).unwrap());
    }
}
