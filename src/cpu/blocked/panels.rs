//! A weight in the layout of a product's tiles, packed once: panels of as many rows as fill three
//! registers of 512 bits. The entries of a panel are stored column after column, so that a tile
//! reads them contiguously.

use std::marker::PhantomData;

use bytemuck::{Pod, Zeroable};
use nalgebra::DMatrix;

use super::vector::Number;

/// A cache line; as the element type of an array, it aligns the array.
#[derive(Debug, Clone, Copy, Pod, Zeroable)]
#[repr(C, align(64))]
pub(super) struct Line([u8; LINE]);

impl Line {
    /// A line of zeros.
    pub const ZERO: Line = Line([0; LINE]);
}

/// Bytes of a cache line, and of the widest register.
pub const LINE: usize = 64;

/// Height of a panel, in registers of [`LINE`] bytes.
const HEIGHT: usize = 3;

/// Number of rows of a panel.
pub const fn panel_rows<T>() -> usize {
    HEIGHT * LINE / size_of::<T>()
}

/// The rows of a matrix in panels, padded with zeros.
#[derive(Debug)]
pub struct Panels<T> {
    rows: usize,
    inner: usize,
    lines: Vec<Line>,
    of: PhantomData<T>,
}

impl<T: Number> Panels<T> {
    /// Packs the matrix with `rows` rows and `inner` columns; `entry` returns an entry by row and
    /// column.
    fn pack(rows: usize, inner: usize, entry: impl Fn(usize, usize) -> T) -> Self {
        let high = panel_rows::<T>();
        let mut lines = vec![Line::zeroed(); rows.div_ceil(high) * inner * HEIGHT];
        let numbers: &mut [T] = bytemuck::cast_slice_mut(&mut lines);
        for (panel, numbers) in numbers.chunks_exact_mut(inner * high).enumerate() {
            for (column, numbers) in numbers.chunks_exact_mut(high).enumerate() {
                for (number, row) in numbers.iter_mut().zip(panel * high..rows) {
                    *number = entry(row, column);
                }
            }
        }
        Panels { rows, inner, lines, of: PhantomData }
    }

    /// `M`, rounded to `T`.
    pub fn of(matrix: &DMatrix<f64>) -> Self {
        Self::pack(matrix.nrows(), matrix.ncols(), |row, column| T::narrowed(matrix[(row, column)]))
    }

    /// `Mᵀ` of the packed matrix.
    pub fn transposed(&self) -> Self {
        let high = panel_rows::<T>();
        Self::pack(self.inner, self.rows, |row, column| self.panel(column)[row * high + column % high])
    }

    /// Number of rows of the matrix.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// Number of columns of the matrix.
    pub fn inner(&self) -> usize {
        self.inner
    }

    /// The panel that contains row `row`: `inner` times the entries of all its rows.
    pub fn panel(&self, row: usize) -> &[T] {
        let length = self.inner * panel_rows::<T>();
        &bytemuck::cast_slice(&self.lines)[row / panel_rows::<T>() * length..][..length]
    }
}
