//! NumPy's `.npy`, read and written as a stream of batches.
//!
//! The file holds one observation (or code) a row, `(count, width)` in C order; a batch of it is a
//! `width × count` matrix with one observation a column, which is the same order of numbers, so
//! nothing is rearranged. The format: NumPy Enhancement Proposal 1 and `numpy.lib.format`.

mod header;
mod reader;
mod writer;

use std::path::Path;

use nalgebra::DMatrix;

use crate::error::Result;

pub use header::ElementType;
/// Where the numbers begin in every file that is written here.
pub use header::WRITTEN_LENGTH as DATA_START;
pub use reader::NpyReader;
pub use writer::NpyWriter;

/// Reads a whole file: `width × count`, one row of the file a column. For matrices that are known
/// to be small.
pub fn read_all(path: &Path) -> Result<DMatrix<f64>> {
    let mut reader = NpyReader::open(path)?;
    let (width, count) = (reader.width(), reader.count());
    Ok(reader.read_batch(count)?.unwrap_or_else(|| DMatrix::zeros(width, 0)))
}

/// Writes a whole matrix, one column a row of the file.
pub fn write_all(path: &Path, columns: &DMatrix<f64>, element_type: ElementType, force: bool) -> Result<()> {
    let mut writer = NpyWriter::create(path, columns.nrows(), element_type, force)?;
    writer.write(columns)?;
    writer.finish()
}
