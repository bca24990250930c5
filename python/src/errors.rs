//! Errors of the library as exceptions of the package, with their four parts.

use pyo3::call::PyCallArgs;
use pyo3::exceptions::{PyOSError, PyRuntimeError};
use pyo3::prelude::*;
use unrelu::Error;

/// The exception for an error of the library.
pub fn exception(error: Error) -> PyErr {
    match error {
        Error::Input(bad) => input(&bad.source, &bad.found, &bad.expected, &bad.fix),
        Error::BadOption { option, found, expected } => {
            let option = in_python(&format!("option `{option}`"));
            input(&option, &in_python(&found), &in_python(&expected), "change this argument")
        }
        Error::Io { path, action, source } => match source.raw_os_error() {
            Some(code) => PyOSError::new_err((code, format!("could not {action}"), path.display().to_string())),
            None => PyOSError::new_err(format!("{}: could not {action}: {source}", path.display())),
        },
        Error::Output { path, found, fix } => input(&path.display().to_string(), &found, "a new file", &fix),
        Error::NoDevice(why) => of_class("DeviceError", (format!("no usable device: {}", in_python(&why)),)),
        Error::DeviceMemory(why) => of_class("DeviceError", (format!("the device is out of memory: {why}"),)),
        Error::DeviceLost(why) => of_class("DeviceError", (format!("the device was lost: {why}"),)),
        other => of_class("UnreluError", (other.to_string(),)),
    }
}

/// A message of the library in the package's words.
fn in_python(text: &str) -> String {
    const WORDS: [(&str, &str); 4] = [
        ("option `Strategy::Direct`", "option `method`"),
        ("option `Strategy::Projected`", "option `inner`"),
        ("option `Strategy::Search`", "option `method: best`"),
        ("`list_adapters`", "`unrelu devices` on the command line"),
    ];
    WORDS.iter().fold(text.to_owned(), |text, (rust, python)| text.replace(rust, python))
}

/// A `ValueError` with four parts.
pub fn input(source: &str, found: &str, expected: &str, fix: &str) -> PyErr {
    of_class("InputError", (source, found, expected, fix))
}

/// A `TypeError` with four parts.
pub fn wrong_type(source: &str, found: &str, expected: &str, fix: &str) -> PyErr {
    of_class("InputTypeError", (source, found, expected, fix))
}

/// An exception of this class of the package.
fn of_class<'a>(class: &str, arguments: impl for<'py> PyCallArgs<'py> + 'a) -> PyErr {
    Python::attach(|py| {
        let made = py
            .import("unrelu._errors")
            .and_then(|errors| errors.getattr(class))
            .and_then(|class| class.call1(arguments));
        made.map_or_else(|error| error, PyErr::from_value)
    })
}

/// The exception for a failure of this module itself.
pub fn broken(what: &str) -> PyErr {
    PyRuntimeError::new_err(format!("{what}; please report this"))
}
