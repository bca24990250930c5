//! Operators in Python: a matrix, or a pair of functions on batches.

use std::fmt;
use std::sync::Arc;

use nalgebra::DMatrix;
use pyo3::prelude::*;
use unrelu::{Dense, Operator, Pixels};

use crate::arrays::{array, matrix};
use crate::calls::Calls;
use crate::errors::{exception, input};

/// Images per call while the matrix of a function is formed.
const AT_A_TIME: usize = 256;

/// An operator, and its calls if it is Python code.
pub type Read = (Box<dyn Operator>, Option<Arc<Calls>>);

/// The library's operator for one of Python: `None` for pixels, an f64 array (m, n), or
/// `(apply, adjoint, m)`.
pub fn operator(given: &Bound<'_, PyAny>, pixels: usize) -> PyResult<Read> {
    if given.is_none() {
        return Ok((Box::new(Pixels(pixels)), None));
    }
    if let Ok((apply, adjoint, measurements)) = given.extract::<(Py<PyAny>, Py<PyAny>, usize)>() {
        let calls = Arc::<Calls>::default();
        let functions = Functions { apply, adjoint, pixels, measurements, calls: Arc::clone(&calls) };
        return Ok((Box::new(functions), Some(calls)));
    }
    let identity = ("operator".to_owned(), "an array".to_owned());
    let dense = Dense::new(matrix(given, "the operator")?.transpose(), "the operator", identity).map_err(exception)?;
    Ok((Box::new(dense), None))
}

/// A pair of functions on batches: images (count, n) to measurements (count, m), and the adjoint.
struct Functions {
    apply: Py<PyAny>,
    adjoint: Py<PyAny>,
    pixels: usize,
    measurements: usize,
    calls: Arc<Calls>,
}

impl fmt::Debug for Functions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Functions")
            .field("pixels", &self.pixels)
            .field("measurements", &self.measurements)
            .finish_non_exhaustive()
    }
}

impl Functions {
    /// Calls a function. After an exception, the result is `NaN`: the caller raises the exception
    /// when the library has returned.
    fn call(&self, function: &Py<PyAny>, name: &str, given: &DMatrix<f64>, rows: usize) -> DMatrix<f64> {
        let called = self.calls.call(|py| {
            let returned = function.bind(py).call1((array(py, given.clone())?,))?;
            let found = matrix(&returned, &format!("the operator's {name}"))?;
            if found.shape() == (rows, given.ncols()) {
                return Ok(found);
            }
            Err(input(
                &format!("the operator's {name}"),
                &format!("an array of shape ({}, {})", found.ncols(), found.nrows()),
                &format!("({}, {rows})", given.ncols()),
                "return one row for each row of its argument",
            ))
        });
        called.unwrap_or_else(|| DMatrix::from_element(rows, given.ncols(), f64::NAN))
    }
}

impl Operator for Functions {
    fn pixels(&self) -> usize {
        self.pixels
    }

    fn measurements(&self) -> usize {
        self.measurements
    }

    fn apply(&self, images: &DMatrix<f64>) -> DMatrix<f64> {
        self.call(&self.apply, "apply", images, self.measurements)
    }

    fn adjoint(&self, measurements: &DMatrix<f64>) -> DMatrix<f64> {
        self.call(&self.adjoint, "adjoint", measurements, self.pixels)
    }

    /// The matrix, from images with one pixel, a few at a time.
    fn matrix(&self) -> Option<DMatrix<f64>> {
        let mut formed = DMatrix::zeros(self.measurements, self.pixels);
        for first in (0..self.pixels).step_by(AT_A_TIME) {
            let count = AT_A_TIME.min(self.pixels - first);
            let units = DMatrix::from_fn(self.pixels, count, |row, column| f64::from(row == first + column));
            formed.columns_mut(first, count).copy_from(&self.apply(&units));
        }
        Some(formed)
    }

    fn is_matrix_free(&self) -> bool {
        true
    }

    fn identity(&self) -> (String, String) {
        ("operator".to_owned(), "functions".to_owned())
    }
}
