//! The pixels themselves, some of them: `A` is the identity, and a mask makes measurements `NaN`.

use nalgebra::DMatrix;

use super::Operator;

/// The identity on images of so many pixels.
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
        assert_eq!(images.nrows(), self.0, "pixels of an image");
        images.clone()
    }

    fn adjoint(&self, measurements: &DMatrix<f64>) -> DMatrix<f64> {
        assert_eq!(measurements.nrows(), self.0, "measurements of an image");
        measurements.clone()
    }

    fn matrix(&self) -> Option<DMatrix<f64>> {
        None
    }

    fn identity(&self) -> (String, String) {
        // The mask itself is identified along with the observations.
        ("measured".to_owned(), "pixels".to_owned())
    }
}
