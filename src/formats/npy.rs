//! NumPy's `.npy` format, read and written as a stream of batches.
//!
//! A file has one observation (or code) per row, `(count, width)`. A batch is a `width × count`
//! matrix with one observation per column. In C order, both have the same order of numbers, so
//! nothing is rearranged. Arrays of other shapes, in Fortran order and in `.npz` archives are read
//! too; `rows.rs` says how they are divided into rows. The format is described in NumPy
//! Enhancement Proposal 1 and `numpy.lib.format`.

mod contents;
mod element_type;
mod header;
mod observations;
mod pin;
mod pixels;
mod reader;
mod rows;
mod writer;

use std::path::Path;

use nalgebra::DMatrix;

use crate::error::Result;

pub use element_type::ElementType;
/// The offset of the numbers in every file that is written here.
pub use header::WRITTEN_LENGTH as DATA_START;
pub use pixels::PixelRange;
pub use reader::NpyReader;
pub use rows::from_column_major;
pub use writer::NpyWriter;

/// Reads a whole file as a `width × count` matrix, one row of the file per column. For small files.
pub fn read_all(path: &Path) -> Result<DMatrix<f64>> {
    read_rest(NpyReader::open(path)?)
}

/// Reads all rows from the next one on.
pub fn read_rest(mut reader: NpyReader) -> Result<DMatrix<f64>> {
    let (width, count) = (reader.width(), reader.count());
    Ok(reader.read_batch(count)?.unwrap_or_else(|| DMatrix::zeros(width, 0)))
}

/// Writes a whole matrix, one column per row of the file.
pub fn write_all(path: &Path, columns: &DMatrix<f64>, element_type: ElementType, force: bool) -> Result<()> {
    let mut writer = NpyWriter::create(path, columns.nrows(), element_type, force)?;
    writer.write(columns)?;
    writer.finish()
}
