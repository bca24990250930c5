//! Calls of Python's functions from the library's threads.
//!
//! The library cannot pass on an exception. So the first one is kept here, the run is cancelled,
//! and no function is called again: products are `NaN` from then on. The caller raises the
//! exception when the run has ended. Runs of one operator follow each other, because a call does
//! not know which run it belongs to.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use pyo3::prelude::*;
use unrelu::CancelToken;

/// How long a run waits before it asks again whether it may begin.
const PAUSE: Duration = Duration::from_millis(5);
/// How long the end of the interpreter waits for calls that have started.
const AT_EXIT: Duration = Duration::from_secs(10);

/// The runs that may call Python, in the whole process.
static RUNS: AtomicUsize = AtomicUsize::new(0);
/// Set when the interpreter ends. A thread that wanted its lock then would abort the process.
static ENDING: AtomicBool = AtomicBool::new(false);

/// The calls of one operator.
#[derive(Default)]
pub struct Calls {
    is_busy: AtomicBool,
    is_stopped: AtomicBool,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    error: Option<PyErr>,
    cancel: Option<CancelToken>,
}

impl Calls {
    fn state(&self) -> MutexGuard<'_, State> {
        // No code that panics runs under this lock.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Begins a run, when the one before has ended. `cancel` is cancelled after an exception.
    ///
    /// # Errors
    /// `KeyboardInterrupt` while it waits.
    pub fn begin(self: &Arc<Self>, py: Python<'_>, cancel: &CancelToken) -> PyResult<Arc<Running>> {
        while self.is_busy.swap(true, Ordering::AcqRel) {
            py.detach(|| std::thread::sleep(PAUSE));
            py.check_signals()?;
        }
        RUNS.fetch_add(1, Ordering::AcqRel);
        self.is_stopped.store(false, Ordering::Release);
        *self.state() = State { error: None, cancel: Some(cancel.clone()) };
        Ok(Arc::new(Running(Arc::clone(self))))
    }

    /// Calls Python, unless the run was stopped. `None` if it was, or if the call raises.
    pub fn call<T>(&self, call: impl FnOnce(Python<'_>) -> PyResult<T>) -> Option<T> {
        let is_over = || self.is_stopped.load(Ordering::Acquire) || ENDING.load(Ordering::Acquire);
        if is_over() {
            return None;
        }
        let called = Python::try_attach(|py| if is_over() { None } else { Some(call(py)) }).flatten()?;
        called.map_err(|error| self.stop(Some(error))).ok()
    }

    /// Stops the calls of the run.
    fn stop(&self, error: Option<PyErr>) {
        self.is_stopped.store(true, Ordering::Release);
        let mut state = self.state();
        if let Some(cancel) = &state.cancel {
            cancel.cancel();
        }
        if let Some(error) = error {
            state.error.get_or_insert(error);
        }
    }
}

/// A run of an operator. The thread that works and the one that waits share it; it is over when
/// both have left.
pub struct Running(Arc<Calls>);

impl Running {
    /// Stops the calls and returns the exception, if there was one. For the thread that waits, when
    /// it leaves.
    pub fn leave(&self) -> Option<PyErr> {
        self.0.stop(None);
        self.0.state().error.take()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        RUNS.fetch_sub(1, Ordering::AcqRel);
        self.0.is_busy.store(false, Ordering::Release);
    }
}

/// Waits for the calls that have started, at the end of the interpreter.
#[pyfunction]
pub fn finish(py: Python<'_>) {
    ENDING.store(true, Ordering::Release);
    let until = Instant::now() + AT_EXIT;
    py.detach(|| {
        while RUNS.load(Ordering::Acquire) > 0 && Instant::now() < until {
            std::thread::sleep(PAUSE);
        }
    });
}
