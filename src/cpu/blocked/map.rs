//! Products of a layer's map with a block of columns, and of its transpose: of a matrix by packed
//! panels, of a convolution by shifted images, of a resampling axis by axis.
//!
//! Every entry of a product is one sum in an order that does not depend on the block.

pub mod convolution;
pub mod plan;
mod resample;

use std::sync::OnceLock;

use self::convolution::{PackedConvolution, Work};
use self::resample::PackedResample;
use super::panels::Panels;
use super::product::{Columns, ColumnsMut, Finish, product};
use super::vector::Number;
use crate::network::Map;

/// A map in the layout of the products.
#[derive(Debug)]
pub enum PackedMap<T> {
    /// A matrix and its transpose, which is packed at the first request: only descent needs it.
    Dense(Panels<T>, OnceLock<Panels<T>>),
    /// A convolution.
    Convolution(Box<PackedConvolution<T>>),
    /// Upsampling or pooling.
    Resample(PackedResample<T>),
    /// A factor for each entry.
    Diagonal(Vec<T>),
}

impl<T: Number> PackedMap<T> {
    /// Packs `map`; values beyond the range of `T` become infinite.
    pub fn new(map: &Map) -> Self {
        match map {
            Map::Dense(matrix) => PackedMap::Dense(Panels::of(matrix), OnceLock::new()),
            // Such as a kernel on an image of one pixel.
            Map::Convolution(_) if map.is_best_written_out() => {
                PackedMap::Dense(Panels::of(&map.written_out()), OnceLock::new())
            }
            Map::Convolution(convolution) => PackedMap::Convolution(Box::new(PackedConvolution::new(convolution))),
            Map::Resample(resample) => PackedMap::Resample(PackedResample::new(resample)),
            Map::Diagonal(factors) => PackedMap::Diagonal(factors.iter().map(|factor| T::narrowed(*factor)).collect()),
        }
    }

    /// Number of rows of `W`.
    pub fn outputs(&self) -> usize {
        match self {
            PackedMap::Dense(panels, _) => panels.rows(),
            PackedMap::Convolution(convolution) => convolution.output().length(),
            PackedMap::Resample(resample) => resample.output().length(),
            PackedMap::Diagonal(factors) => factors.len(),
        }
    }

    /// Number of columns of `W`.
    pub fn inputs(&self) -> usize {
        match self {
            PackedMap::Dense(panels, _) => panels.inner(),
            PackedMap::Convolution(convolution) => convolution.input().length(),
            PackedMap::Resample(resample) => resample.input().length(),
            PackedMap::Diagonal(factors) => factors.len(),
        }
    }

    /// Computes `C ← finish(b + W A)`. `start`, if given, is `b`, one entry per output; `inputs` is
    /// `A`: inputs × count; `outputs` is `C`: outputs × count.
    ///
    /// # Panics
    /// If the slices are too short for this.
    pub fn apply(
        &self,
        start: Option<&[T]>,
        inputs: Columns<'_, T>,
        outputs: ColumnsMut<'_, T>,
        count: usize,
        finish: Finish<T>,
    ) {
        match self {
            PackedMap::Dense(panels, _) => product(panels, start, inputs, outputs, count, finish),
            _ => self.apply_other(start, inputs, outputs, count, finish, false),
        }
    }

    /// Computes `C ← finish(Wᵀ A)`. `inputs` is `A`: outputs of the map × count; `outputs` is `C`:
    /// inputs of the map × count.
    ///
    /// # Panics
    /// If the slices are too short for this.
    pub fn apply_transposed(
        &self,
        inputs: Columns<'_, T>,
        outputs: ColumnsMut<'_, T>,
        count: usize,
        finish: Finish<T>,
    ) {
        match self {
            PackedMap::Dense(panels, transposed) => {
                let transposed = transposed.get_or_init(|| panels.transposed());
                product(transposed, None, inputs, outputs, count, finish);
            }
            _ => self.apply_other(None, inputs, outputs, count, finish, true),
        }
    }

    /// The products of maps that are not dense: some columns at a time into memory of their own,
    /// which is then finished.
    fn apply_other(
        &self,
        start: Option<&[T]>,
        inputs: Columns<'_, T>,
        outputs: ColumnsMut<'_, T>,
        count: usize,
        finish: Finish<T>,
        transposed: bool,
    ) {
        let (given, made) = if transposed { (self.outputs(), self.inputs()) } else { (self.inputs(), self.outputs()) };
        let together = match self {
            PackedMap::Convolution(convolution) => convolution.images_at_once(transposed).min(count),
            _ => 1,
        };
        let mut sums = vec![T::ZERO; together * made];
        let mut work = Work::default();
        for first in (0..count).step_by(together.max(1)) {
            let together = together.min(count - first);
            let inputs = Columns { entries: &inputs.entries[first * inputs.stride..], stride: inputs.stride };
            match self {
                PackedMap::Dense(..) => {}
                PackedMap::Convolution(convolution) => {
                    convolution.apply(inputs, together, &mut sums, &mut work, transposed);
                }
                PackedMap::Resample(resample) => resample.apply(&inputs.entries[..given], &mut sums, transposed),
                PackedMap::Diagonal(factors) => {
                    let products = factors.iter().zip(inputs.entries).map(|(factor, a)| *factor * *a);
                    sums.iter_mut().zip(products).for_each(|(sum, product)| *sum = product);
                }
            }
            let columns = outputs.entries[first * outputs.stride..].chunks_mut(outputs.stride);
            for (sums, column) in sums.chunks_exact_mut(made).take(together).zip(columns) {
                if let Some(start) = start {
                    sums.iter_mut().zip(start).for_each(|(sum, b)| *sum = *sum + *b);
                }
                finished(finish, sums, &mut column[..made]);
            }
        }
    }
}

/// Writes the sums, finished as [`Finish`] says.
fn finished<T: Number>(finish: Finish<T>, sums: &[T], outputs: &mut [T]) {
    let places = outputs.iter_mut().zip(sums);
    match finish {
        Finish::Plain => outputs.copy_from_slice(sums),
        Finish::Relu => places.for_each(|(output, sum)| *output = if *sum <= T::ZERO { T::ZERO } else { *sum }),
        Finish::LeakyRelu(slope) => {
            places.for_each(|(output, sum)| *output = if *sum <= T::ZERO { *sum * slope } else { *sum });
        }
        Finish::Derivative(slope) => {
            places.for_each(|(output, sum)| *output = if *output <= T::ZERO { *sum * slope } else { *sum });
        }
    }
}
