//! Linear maps `A` from images to measurements, applied to batches. Entries that were not measured
//! are `NaN` in the measurements and count as 0 in the adjoint.

mod average;
mod dense;
mod pixels;

use std::fmt;

use nalgebra::DMatrix;

pub use average::BlockAverage;
pub use dense::Dense;
pub use pixels::Pixels;

/// A linear map `A` from images to measurements.
///
/// Its methods run on the threads of the [`Recoverer`](crate::Recoverer). They may call an inverter
/// themselves, on the thread that they are called on. A call that they pass to another thread and
/// wait for may wait forever, since they occupy the threads meanwhile.
///
/// ```
/// use nalgebra::DMatrix;
/// use unrelu::{BlockAverage, Operator};
///
/// # fn main() -> unrelu::Result<()> {
/// let operator = BlockAverage::new(2, 4, 2)?; // images of 2 × 4 pixels, blocks of 2 × 2
/// assert_eq!((operator.pixels(), operator.measurements()), (8, 2));
/// let image = DMatrix::from_column_slice(8, 1, &[1.0, 2.0, 5.0, 6.0, 3.0, 4.0, 7.0, 8.0]);
/// assert_eq!(operator.apply(&image).as_slice(), [2.5, 6.5]);
/// # Ok(())
/// # }
/// ```
pub trait Operator: Send + Sync + fmt::Debug {
    /// `n`, the number of pixels per image.
    fn pixels(&self) -> usize;

    /// `m`, the number of measurements per image.
    fn measurements(&self) -> usize;

    /// Computes `A X`. `images`: `n` × count; returns `m` × count.
    ///
    /// # Panics
    /// If `images` does not have `n` rows.
    fn apply(&self, images: &DMatrix<f64>) -> DMatrix<f64>;

    /// Computes `Aᵀ Y`. `measurements`: `m` × count, without `NaN`; returns `n` × count.
    ///
    /// # Panics
    /// If `measurements` does not have `m` rows.
    fn adjoint(&self, measurements: &DMatrix<f64>) -> DMatrix<f64>;

    /// The matrix `A`, `m` × `n`; `None` for the identity.
    fn matrix(&self) -> Option<DMatrix<f64>>;

    /// Whether products are wanted in place of the matrix, because it is large or has no formula.
    ///
    /// Then [`Self::matrix`] is called only by direct descent ([`Strategy::Direct`]) on a network
    /// that does not end in an affine layer. The search and projected gradient descent use only
    /// products. On a network that ends in an affine layer `W`, the search and direct descent use
    /// `A W`, formed by one product. On other networks, the search applies the operator at every
    /// step, on the CPU: [`Self::apply`] to one or a few columns, or to one for each entry of the
    /// code, and [`Self::adjoint`] to one column. The objectives `l1` and `linf` also apply it once
    /// to every image with one pixel set to 1, a few at a time.
    ///
    /// The search adapts its tolerances to the accuracy of the products, such as that of single
    /// precision, which it measures at the beginning.
    ///
    /// [`Strategy::Direct`]: crate::Strategy::Direct
    fn is_matrix_free(&self) -> bool {
        false
    }

    /// The kind of the operator, such as `gaussian`, and what distinguishes it from others of its
    /// kind. Runs with different identities count as different runs.
    fn identity(&self) -> (String, String);
}

/// Shows measurements as images. For pixels, these are the measured pixels. Otherwise, it is `Aᵀ y`
/// with 0 for unmeasured entries, scaled so that its image under `A` is as long as `y`.
/// `measurements`: `m` × count.
///
/// # Panics
/// If `measurements` does not have `m` rows.
pub fn shown(operator: &dyn Operator, mut measurements: DMatrix<f64>) -> DMatrix<f64> {
    if !operator.is_matrix_free() && operator.matrix().is_none() {
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
