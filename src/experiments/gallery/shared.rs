//! An operator that several recoverers share, although each requires its own.

use std::sync::Arc;

use nalgebra::DMatrix;

use crate::recover::operators::Operator;

/// Forwards every call to the shared operator.
#[derive(Debug, Clone)]
pub struct Shared(pub Arc<dyn Operator>);

impl Operator for Shared {
    fn pixels(&self) -> usize {
        self.0.pixels()
    }

    fn measurements(&self) -> usize {
        self.0.measurements()
    }

    fn apply(&self, images: &DMatrix<f64>) -> DMatrix<f64> {
        self.0.apply(images)
    }

    fn adjoint(&self, measurements: &DMatrix<f64>) -> DMatrix<f64> {
        self.0.adjoint(measurements)
    }

    fn matrix(&self) -> Option<DMatrix<f64>> {
        self.0.matrix()
    }

    fn identity(&self) -> (String, String) {
        self.0.identity()
    }
}
