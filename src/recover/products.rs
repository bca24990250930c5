//! An operator as a map of the search: its products, with their shapes checked.

use std::sync::{Arc, Mutex, PoisonError};

use nalgebra::DMatrix;

use super::operators::Operator;
use crate::error::{Error, Result};
use crate::linalg::linear_map::LinearMap;

/// An operator as a linear map. A product of a wrong shape becomes `NaN`, and is remembered.
#[derive(Debug)]
pub(super) struct OperatorMap {
    operator: Arc<dyn Operator>,
    wrong_shape: Mutex<Option<WrongShape>>,
}

/// A product of a wrong shape.
#[derive(Debug, Clone, Copy)]
struct WrongShape {
    method: &'static str,
    found: (usize, usize),
    expected: (usize, usize),
}

impl OperatorMap {
    pub fn new(operator: Arc<dyn Operator>) -> Self {
        OperatorMap { operator, wrong_shape: Mutex::default() }
    }

    /// # Errors
    /// [`Error::Input`] if a product had a wrong shape.
    pub fn check(&self) -> Result<()> {
        let wrong_shape = *self.wrong_shape.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(WrongShape { method, found, expected }) = wrong_shape else { return Ok(()) };
        Err(Error::input(
            "the operator's products",
            format!("{} × {} entries", found.0, found.1),
            format!("{} × {}, one column per column given", expected.0, expected.1),
            format!("correct its method `{method}`"),
        ))
    }

    fn checked(&self, method: &'static str, product: DMatrix<f64>, rows: usize, count: usize) -> DMatrix<f64> {
        if product.shape() == (rows, count) {
            return product;
        }
        let wrong_shape = WrongShape { method, found: product.shape(), expected: (rows, count) };
        self.wrong_shape.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(wrong_shape);
        DMatrix::from_element(rows, count, f64::NAN)
    }
}

impl LinearMap for OperatorMap {
    fn inputs(&self) -> usize {
        self.operator.pixels()
    }

    fn outputs(&self) -> usize {
        self.operator.measurements()
    }

    fn apply(&self, inputs: &DMatrix<f64>) -> DMatrix<f64> {
        self.checked("apply", self.operator.apply(inputs), self.outputs(), inputs.ncols())
    }

    fn adjoint(&self, outputs: &DMatrix<f64>) -> DMatrix<f64> {
        self.checked("adjoint", self.operator.adjoint(outputs), self.inputs(), outputs.ncols())
    }
}
