//! Linear maps `A` from images to measurements, for a batch at a time. What was not measured is `NaN` in the measurements; to the
//! adjoint it is 0.

mod average;
mod dense;
mod pixels;

use std::fmt;

use nalgebra::DMatrix;

pub use average::BlockAverage;
pub use dense::Dense;
pub use pixels::Pixels;

/// A linear map of images.
pub trait Operator: Send + Sync + fmt::Debug {
    /// `n`, pixels of an image.
    fn pixels(&self) -> usize;

    /// `m`, measurements of an image.
    fn measurements(&self) -> usize;

    /// `A X`. `images`: `n` × count.
    ///
    /// # Panics
    /// If `images` does not have `n` rows.
    fn apply(&self, images: &DMatrix<f64>) -> DMatrix<f64>;

    /// `Aᵀ Y`. `measurements`: `m` × count, each a number.
    ///
    /// # Panics
    /// If `measurements` does not have `m` rows.
    fn adjoint(&self, measurements: &DMatrix<f64>) -> DMatrix<f64>;

    /// `A` written out, `m` × `n`; `None` for the identity.
    fn matrix(&self) -> Option<DMatrix<f64>>;

    /// What identifies it: its kind, such as `gaussian`, and what tells it from others of that kind.
    /// Runs with different identities are different runs.
    fn identity(&self) -> (String, String);
}

/// Measurements as images to look at: the measured pixels; else `Aᵀ y`, what was not measured taken as 0, scaled so that `A` of it is as
/// long as `y`. `measurements`: `m` × count.
///
/// # Panics
/// If `measurements` does not have `m` rows.
pub fn shown(operator: &dyn Operator, mut measurements: DMatrix<f64>) -> DMatrix<f64> {
    if operator.matrix().is_none() {
        return measurements;
    }
    measurements.apply(|y| *y = if y.is_finite() { *y } else { 0.0 });
    let mut images = operator.adjoint(&measurements);
    let again = operator.apply(&images);
    for ((mut image, again), y) in images.column_iter_mut().zip(again.column_iter()).zip(measurements.column_iter()) {
        if again.norm() > 0.0 {
            image *= y.norm() / again.norm();
        }
    }
    images
}
