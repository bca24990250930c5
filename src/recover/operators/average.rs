//! Averages of square blocks of pixels, as a camera of lower resolution sees. The inverse problem
//! is super-resolution.

use nalgebra::DMatrix;

use super::Operator;
use crate::error::{Error, Result};

/// Averages of blocks of `block` × `block` pixels. The blocks are in row-major order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BlockAverage {
    height: usize,
    width: usize,
    block: usize,
}

impl BlockAverage {
    /// Makes the operator for images of `height` × `width` pixels in row-major order.
    ///
    /// # Errors
    /// [`Error::BadOption`] if `block` does not divide height and width.
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

    /// The height and width of the averaged image, in blocks.
    pub fn blocks(&self) -> (usize, usize) {
        (self.height / self.block, self.width / self.block)
    }

    /// The index of the measurement that contains a pixel.
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
        assert_eq!(images.nrows(), self.pixels(), "pixels per image");
        let mut measurements = DMatrix::zeros(self.measurements(), images.ncols());
        for (image, mut sums) in images.column_iter().zip(measurements.column_iter_mut()) {
            image.iter().enumerate().for_each(|(pixel, x)| sums[self.measurement_of(pixel)] += x);
            sums *= self.share();
        }
        measurements
    }

    fn adjoint(&self, measurements: &DMatrix<f64>) -> DMatrix<f64> {
        assert_eq!(measurements.nrows(), self.measurements(), "measurements per image");
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
