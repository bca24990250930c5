//! The program `unrelu`, as an entry point into the library.

use std::ffi::OsString;

use pyo3::prelude::*;

/// Runs the command line and returns its exit code. `arguments` begin with the program's name.
#[pyfunction]
pub fn run_command(py: Python<'_>, arguments: Vec<OsString>) -> u8 {
    py.detach(|| unrelu::cli::run(arguments))
}
