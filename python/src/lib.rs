//! The extension module `unrelu._unrelu`: networks, inverters, recoverers and projectors of the
//! library for Python.
//!
//! The module is private. The package in `unrelu/` checks and converts what users pass; here, all
//! arrays are f64 in C order, one observation or code per row. Rows of such an array are columns of
//! the library's matrices, so no number is rearranged. While Rust works, the interpreter's lock is
//! released.

mod arrays;
mod calls;
mod command;
mod errors;
mod inverter;
mod network;
mod operator;
mod options;
mod process;
mod projector;
mod recoverer;
mod results;
mod run;
mod waiting;

use pyo3::prelude::*;

#[pymodule]
mod _unrelu {
    #[pymodule_export]
    use crate::calls::finish;
    #[pymodule_export]
    use crate::command::run_command;
    #[pymodule_export]
    use crate::inverter::InverterCore;
    #[pymodule_export]
    use crate::network::{NetworkCore, gaussian_operator};
    #[pymodule_export]
    use crate::projector::{BasesCore, ProjectorCore};
    #[pymodule_export]
    use crate::recoverer::RecovererCore;
    #[pymodule_export]
    #[expect(non_upper_case_globals, reason = "the name that Python expects")]
    const __version__: &str = env!("CARGO_PKG_VERSION");
}
