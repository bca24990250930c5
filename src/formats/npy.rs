//! NumPy's `.npy` format, read and written as a stream of batches.
//!
//! A file has one observation (or code) per row, `(count, width)` in C order. A batch is a `width ×
//! count` matrix with one observation per column. Both have the same order of numbers, so nothing
//! is rearranged. The format is described in NumPy Enhancement Proposal 1 and `numpy.lib.format`.

mod header;
mod pin;
mod reader;
mod writer;

use std::path::Path;

use nalgebra::DMatrix;

use crate::error::Result;

pub use header::ElementType;
/// The offset of the numbers in every file that is written here.
pub use header::WRITTEN_LENGTH as DATA_START;
pub use reader::NpyReader;
pub use writer::NpyWriter;

/// Reads a whole file as a `width × count` matrix, one row of the file per column. For small files.
pub fn read_all(path: &Path) -> Result<DMatrix<f64>> {
    let mut reader = NpyReader::open(path)?;
    let (width, count) = (reader.width(), reader.count());
    Ok(reader.read_batch(count)?.unwrap_or_else(|| DMatrix::zeros(width, 0)))
}

/// Writes a whole matrix, one column per row of the file.
pub fn write_all(path: &Path, columns: &DMatrix<f64>, element_type: ElementType, force: bool) -> Result<()> {
    let mut writer = NpyWriter::create(path, columns.nrows(), element_type, force)?;
    writer.write(columns)?;
    writer.finish()
}
