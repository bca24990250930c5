//! Upsampling and pooling, axis by axis.

use crate::cpu::blocked::vector::Number;
use crate::network::map::ImageShape;
use crate::network::map::resample::{AxisWeights, Resample};

/// A resampling and its transpose.
#[derive(Debug)]
pub struct PackedResample<T> {
    input: ImageShape,
    output: ImageShape,
    forward: [SparseAxis<T>; 2],
    backward: [SparseAxis<T>; 2],
}

/// The rows of a small sparse matrix.
#[derive(Debug)]
struct SparseAxis<T> {
    inputs: usize,
    rows: Vec<Vec<(usize, T)>>,
}

impl<T: Number> SparseAxis<T> {
    fn new(axis: &AxisWeights) -> Self {
        let row = |row: &Vec<(usize, f64)>| row.iter().map(|(input, w)| (*input, T::narrowed(*w))).collect();
        SparseAxis { inputs: axis.inputs(), rows: axis.rows().iter().map(row).collect() }
    }
}

impl<T: Number> PackedResample<T> {
    pub fn new(resample: &Resample) -> Self {
        let axes = resample.axes();
        PackedResample {
            input: resample.input(),
            output: resample.output(),
            forward: axes.each_ref().map(SparseAxis::new),
            backward: axes.each_ref().map(|axis| SparseAxis::new(&axis.transposed())),
        }
    }

    pub fn input(&self) -> ImageShape {
        self.input
    }

    pub fn output(&self) -> ImageShape {
        self.output
    }

    /// `output ← W input`, or `Wᵀ input`.
    pub fn apply(&self, input: &[T], output: &mut [T], transposed: bool) {
        let [rows, columns] = if transposed { &self.backward } else { &self.forward };
        let (width, made) = (columns.inputs, columns.rows.len());
        let mut mixed = vec![T::ZERO; width];
        let images = input.chunks_exact(rows.inputs * width).zip(output.chunks_exact_mut(rows.rows.len() * made));
        for (image, result) in images {
            for (above, line) in rows.rows.iter().zip(result.chunks_exact_mut(made)) {
                mixed.fill(T::ZERO);
                for (row, w) in above {
                    let from = &image[row * width..][..width];
                    mixed.iter_mut().zip(from).for_each(|(sum, a)| *sum = *sum + *w * *a);
                }
                for (entry, beside) in line.iter_mut().zip(&columns.rows) {
                    *entry = beside.iter().fold(T::ZERO, |sum, (column, w)| sum + *w * mixed[*column]);
                }
            }
        }
    }
}
