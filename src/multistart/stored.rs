//! Observations with the precision in which they are stored.

use nalgebra::DMatrix;

use crate::precision::Precision;

/// The observations of a batch, `n` × count; `NaN` where unobserved.
#[derive(Debug, Clone, Copy)]
pub struct Stored<'a> {
    /// The observations, one per column.
    pub observations: &'a DMatrix<f64>,
    /// The precision of their array. The numbers of an observation may show that its own is
    /// coarser.
    pub stored_as: Precision,
}

/// A matrix of the caller's own, in f64.
impl<'a> From<&'a DMatrix<f64>> for Stored<'a> {
    fn from(observations: &'a DMatrix<f64>) -> Self {
        Stored { observations, stored_as: Precision::F64 }
    }
}
