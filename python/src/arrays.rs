//! Arrays of NumPy and matrices of the library. One row of an array is one column of a matrix.

use nalgebra::{DMatrix, Scalar};
use numpy::{Element, PyArray2, PyArrayMethods, PyReadonlyArray2, PyUntypedArrayMethods};
use pyo3::prelude::*;
use unrelu::Observations;

use crate::errors::input;

/// The rows of an array in C order as the columns of a matrix. `what` names the array.
pub fn matrix<T: Element + Scalar>(array: &Bound<'_, PyAny>, what: &str) -> PyResult<DMatrix<T>> {
    let array: PyReadonlyArray2<'_, T> = array.extract()?;
    let (count, width) = (array.shape()[0], array.shape()[1]);
    match array.as_slice() {
        Ok(numbers) => Ok(DMatrix::from_column_slice(width, count, numbers)),
        Err(_) => Err(input(what, "an array that is not in C order", "C order", "pass np.ascontiguousarray of it")),
    }
}

/// Rows of f64 or f32 as observations of that precision.
pub fn observations(array: &Bound<'_, PyAny>, what: &str) -> PyResult<Observations> {
    if array.cast::<PyArray2<f32>>().is_ok() {
        return matrix::<f32>(array, what).map(Observations::from);
    }
    matrix::<f64>(array, what).map(Observations::from)
}

/// The columns of a matrix as the rows of an array, which takes over its memory: to copy a large
/// one takes as long as to compute it.
pub fn array<'py, T: Element + Scalar>(py: Python<'py>, matrix: DMatrix<T>) -> PyResult<Bound<'py, PyArray2<T>>> {
    let shape = [matrix.ncols(), matrix.nrows()];
    let numbers: Vec<T> = matrix.data.into();
    numpy::PyArray1::from_vec(py, numbers).reshape(shape)
}

/// Writes the columns of `matrix` into the rows of `array` from row `first` on.
pub fn write_rows(array: &Bound<'_, PyArray2<f64>>, first: usize, matrix: &DMatrix<f64>) -> PyResult<()> {
    let mut rows = array.try_readwrite()?;
    let start = first * matrix.nrows();
    let numbers = rows.as_slice_mut()?;
    numbers[start..start + matrix.len()].copy_from_slice(matrix.as_slice());
    Ok(())
}
