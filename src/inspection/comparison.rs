//! Compares outputs of a network with given ones, unit by unit. One unit may have outputs that are
//! far smaller than those of others; an error of it counts in its own size.

use nalgebra::DMatrix;

use crate::formats::npy::{ElementType, NpyReader, PixelRange};

/// The precision of the files.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Precision {
    /// The relative error that the number types explain.
    pub tolerance: f64,
    /// The absolute error that the number type of the outputs explains: where numbers underflow.
    underflow: f64,
    /// Whether errors have the same size in all units: pixels are rounded to steps of their range.
    is_uniform: bool,
}

impl Precision {
    /// From the number types. Models compute in f32 as a rule, even where their outputs are stored
    /// as f64.
    pub fn of(codes: &NpyReader, outputs: &NpyReader) -> Self {
        let (of_outputs, underflow, is_uniform) = match outputs.element_type() {
            // Rounded or cut off to a whole number. The largest output may be half of the range.
            other if other.is_integer() && outputs.pixels() != PixelRange::Unscaled => (4.0 / 255.0, 0.0, true),
            other if other.is_integer() => (1e-5, 0.0, true),
            ElementType::F16 => (2e-3, 2.0f64.powi(-24), false),
            _ => (1e-5, f64::from(f32::MIN_POSITIVE), false),
        };
        let tolerance = if codes.element_type() == ElementType::F16 { f64::max(of_outputs, 1e-2) } else { of_outputs };
        Precision { tolerance, underflow, is_uniform }
    }

    /// For outputs that were brought to another range: their rounding has the same size in all
    /// units.
    pub fn uniform(self) -> Self {
        Precision { is_uniform: true, ..self }
    }
}

/// The largest difference of one unit.
#[derive(Debug, Clone, Copy, Default)]
struct OfUnit {
    error: f64,
    row: usize,
    /// The largest given output, or the size of the numbers that it is computed from.
    size: f64,
}

/// The differences so far.
#[derive(Debug)]
pub(super) struct Comparison {
    precision: Precision,
    /// Number of outputs that were compared.
    pub compared: usize,
    pub largest_output: f64,
    units: Vec<OfUnit>,
}

/// The unit that agrees least.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Worst {
    pub error: f64,
    pub row: usize,
    pub unit: usize,
    /// The error, divided by the size of the unit.
    pub relative: f64,
}

impl Comparison {
    /// `units`: number of outputs.
    pub fn new(precision: Precision, units: usize) -> Self {
        Comparison { precision, compared: 0, largest_output: 0.0, units: vec![OfUnit::default(); units] }
    }

    /// Adds outputs, one per column. `sizes`: those of the numbers that they are computed from
    /// (`rounding.rs`); `first`: the index of the first.
    pub fn add(&mut self, made: &DMatrix<f64>, sizes: &DMatrix<f64>, given: &DMatrix<f64>, first: usize) {
        for (column, ((made, given), sizes)) in
            made.column_iter().zip(given.column_iter()).zip(sizes.column_iter()).enumerate()
        {
            for (unit, ((made, given), size)) in made.iter().zip(&given).zip(&sizes).enumerate() {
                if given.is_nan() {
                    continue;
                }
                let OfUnit { error: most, row, size: largest } = &mut self.units[unit];
                self.compared += 1;
                self.largest_output = self.largest_output.max(given.abs());
                *largest = largest.max(given.abs()).max(*size);
                let error = (made - given).abs();
                // An infinite output has no difference that is a number.
                let error = if error.is_nan() { f64::INFINITY } else { error };
                if error > *most {
                    (*most, *row) = (error, first + column);
                }
            }
        }
    }

    /// The unit that agrees least. Its size is at most the largest output of all units.
    pub fn worst(&self) -> Worst {
        let relative = |unit: &OfUnit| {
            let size = if self.precision.is_uniform { self.largest_output } else { unit.size.min(self.largest_output) };
            let size = size.max(self.precision.underflow / self.precision.tolerance);
            if unit.error == 0.0 { 0.0 } else { unit.error / size }
        };
        let mut worst = Worst { error: 0.0, row: 0, unit: 0, relative: 0.0 };
        for (index, unit) in self.units.iter().enumerate() {
            let relative = relative(unit);
            if relative > worst.relative {
                worst = Worst { error: unit.error, row: unit.row, unit: index, relative };
            }
        }
        worst
    }

    /// Whether the precision of the files explains all differences.
    pub fn agrees(&self) -> bool {
        self.worst().relative <= self.precision.tolerance
    }
}
