//! The identity: measurements are pixels. A mask makes unmeasured pixels `NaN`.

use nalgebra::DMatrix;

use super::Operator;

/// The identity, for images with the given number of pixels. Unmeasured pixels are `NaN`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pixels(pub usize);

impl Operator for Pixels {
    fn pixels(&self) -> usize {
        self.0
    }

    fn measurements(&self) -> usize {
        self.0
    }

    fn apply(&self, images: &DMatrix<f64>) -> DMatrix<f64> {
        assert_eq!(images.nrows(), self.0, "pixels per image");
        images.clone()
    }

    fn adjoint(&self, measurements: &DMatrix<f64>) -> DMatrix<f64> {
        assert_eq!(measurements.nrows(), self.0, "measurements per image");
        measurements.clone()
    }

    fn matrix(&self) -> Option<DMatrix<f64>> {
        None
    }

    fn identity(&self) -> (String, String) {
        // The mask is part of the identity of the observations.
        ("measured".to_owned(), "pixels".to_owned())
    }
}
