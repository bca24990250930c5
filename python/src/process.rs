//! The process that an object belongs to. Threads do not survive a fork, so an object that has some
//! cannot be used by the child: it would wait for them forever.

use pyo3::prelude::*;

use crate::errors::input;

/// The process that made an object.
#[derive(Debug, Clone, Copy)]
pub struct Process(u32);

impl Process {
    /// This process.
    pub fn this() -> Self {
        Process(std::process::id())
    }

    /// # Errors
    /// A `ValueError` in a process that was forked from the one that made the object. `what` is the
    /// object's class.
    pub fn check(self, what: &str) -> PyResult<()> {
        if self.0 == std::process::id() {
            return Ok(());
        }
        Err(input(
            what,
            "one that was made before this process was forked",
            "one made in the process that uses it: its threads do not exist here",
            "make it in the worker, or start workers by spawn: multiprocessing.set_start_method(\"spawn\")",
        ))
    }
}
