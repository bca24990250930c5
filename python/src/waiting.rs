//! Work on another thread, while this one answers Ctrl-C.

use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use pyo3::prelude::*;

use crate::errors::broken;

/// How long a signal may wait.
const INTERVAL: Duration = Duration::from_millis(50);

/// The receiving end of a channel. It is in a mutex because the thread that waits gives it to code
/// that runs without the interpreter's lock.
pub struct Inbox<T>(Mutex<Receiver<T>>);

/// A channel with an [`Inbox`].
pub fn inbox<T>() -> (Sender<T>, Inbox<T>) {
    let (sender, receiver) = channel();
    (sender, Inbox(Mutex::new(receiver)))
}

impl<T: Send> Inbox<T> {
    /// The next message. The lock is released while this thread waits.
    ///
    /// # Errors
    /// `KeyboardInterrupt` after Ctrl-C, or what another signal's handler raises.
    pub fn next(&self, py: Python<'_>) -> PyResult<T> {
        loop {
            let receive = || self.0.lock().unwrap_or_else(PoisonError::into_inner).recv_timeout(INTERVAL);
            match py.detach(receive) {
                Ok(message) => return Ok(message),
                Err(RecvTimeoutError::Timeout) => py.check_signals()?,
                Err(RecvTimeoutError::Disconnected) => {
                    return Err(broken("a thread of unrelu ended without an answer"));
                }
            }
        }
    }
}

/// Runs `work` on another thread, while this one answers Ctrl-C.
pub fn on_a_thread<T: Send + 'static>(py: Python<'_>, work: impl FnOnce() -> T + Send + 'static) -> PyResult<T> {
    let (sender, messages) = inbox();
    std::thread::Builder::new().name("unrelu run".to_owned()).spawn(move || {
        // Nobody waits after Ctrl-C.
        let _ = sender.send(work());
    })?;
    messages.next(py)
}
