//! Averages of square blocks of pixels: what a coarser camera sees. Undoing it is super-resolution.

use nalgebra::DMatrix;

use super::Operator;
use crate::error::{Error, Result};

/// Averages of `block` × `block` pixels, block by block in rows from the left upper corner.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BlockAverage {
    height: usize,
    width: usize,
    block: usize,
}

impl BlockAverage {
    /// For images of `height` × `width` pixels in rows.
    ///
    /// # Errors
    /// [`Error::BadOption`] where blocks do not fill an image.
    pub fn new(height: usize, width: usize, block: usize) -> Result<Self> {
        let fits = |side: usize| block > 0 && side > 0 && side.is_multiple_of(block);
        if !fits(height) || !fits(width) {
            return Err(Error::option(
                "block",
                format!("{block} with images of {height} × {width} pixels"),
                "a number of pixels that divides height and width",
            ));
        }
        Ok(BlockAverage { height, width, block })
    }

    /// Height and width of what is measured, in blocks.
    pub fn blocks(&self) -> (usize, usize) {
        (self.height / self.block, self.width / self.block)
    }

    /// Which measurement a pixel goes into.
    fn measurement_of(&self, pixel: usize) -> usize {
        let (row, column) = (pixel / self.width, pixel % self.width);
        row / self.block * (self.width / self.block) + column / self.block
    }

    fn share(&self) -> f64 {
        1.0 / (self.block * self.block) as f64
    }
}

impl Operator for BlockAverage {
    fn pixels(&self) -> usize {
        self.height * self.width
    }

    fn measurements(&self) -> usize {
        self.blocks().0 * self.blocks().1
    }

    fn apply(&self, images: &DMatrix<f64>) -> DMatrix<f64> {
        assert_eq!(images.nrows(), self.pixels(), "pixels of an image");
        let mut measurements = DMatrix::zeros(self.measurements(), images.ncols());
        for (image, mut sums) in images.column_iter().zip(measurements.column_iter_mut()) {
            image.iter().enumerate().for_each(|(pixel, x)| sums[self.measurement_of(pixel)] += x);
            sums *= self.share();
        }
        measurements
    }

    fn adjoint(&self, measurements: &DMatrix<f64>) -> DMatrix<f64> {
        assert_eq!(measurements.nrows(), self.measurements(), "measurements of an image");
        DMatrix::from_fn(self.pixels(), measurements.ncols(), |pixel, column| {
            self.share() * measurements[(self.measurement_of(pixel), column)]
        })
    }

    fn matrix(&self) -> Option<DMatrix<f64>> {
        let entry = |row, pixel| if self.measurement_of(pixel) == row { self.share() } else { 0.0 };
        Some(DMatrix::from_fn(self.measurements(), self.pixels(), entry))
    }

    fn identity(&self) -> (String, String) {
        ("average".to_owned(), format!("{} of images {}x{}", self.block, self.height, self.width))
    }
}
