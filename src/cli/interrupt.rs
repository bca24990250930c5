//! Ctrl-C, SIGTERM and SIGHUP. The first signal asks the run to stop at its next batch, so that it
//! can finish its files; the second ends the process. Schedulers send SIGTERM some time before they
//! kill.
//!
//! A process may run several commands, one after the other or side by side. The handler is
//! installed once, by the first command that needs it. A signal concerns all commands that run.

use std::process;
use std::sync::{Mutex, Once, PoisonError};

use super::print;
use crate::cancel::CancelToken;

/// What the signal handler reads.
#[derive(Debug)]
struct State {
    /// Number of commands that run.
    running: usize,
    /// Whether one of them listens.
    listening: bool,
    /// Cancelled by a signal that came while a command listened.
    token: Option<CancelToken>,
}

static STATE: Mutex<State> = Mutex::new(State { running: 0, listening: false, token: None });

/// A command that runs. When the last one ends, a request to stop is forgotten.
#[derive(Debug)]
pub struct Running(());

impl Running {
    /// Registers a command that begins.
    pub fn begin() -> Self {
        with(|state| state.running += 1);
        Running(())
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        with(|state| {
            state.running -= 1;
            if state.running == 0 {
                state.listening = false;
                state.token = None;
            }
        });
    }
}

/// The running command begins to listen. Without this, a signal ends the process at once, as it
/// does by default.
pub fn listen() {
    static INSTALLED: Once = Once::new();
    with(|state| state.listening = true);
    INSTALLED.call_once(|| {
        // An error means that the system has no signals, or that the host handles them itself.
        let _ = ctrlc::set_handler(|| {
            if !is_first_signal() {
                process::exit(130);
            }
            print::note("finishing the batches that have begun; press Ctrl-C again to stop now");
        });
    });
}

/// The token that a signal cancels.
pub fn token() -> CancelToken {
    with(|state| state.token.get_or_insert_default().clone())
}

/// Whether a signal came.
pub fn requested() -> bool {
    token().is_cancelled()
}

/// Records a signal. Returns whether a command listens and this is its first signal.
fn is_first_signal() -> bool {
    with(|state| {
        let token = state.token.get_or_insert_default();
        let is_first = state.listening && !token.is_cancelled();
        if is_first {
            token.cancel();
        }
        is_first
    })
}

/// The handler runs on a separate thread, so it may take the lock.
fn with<T>(change: impl FnOnce(&mut State) -> T) -> T {
    change(&mut STATE.lock().unwrap_or_else(PoisonError::into_inner))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_later_run_does_not_see_the_signal_of_an_earlier_one() {
        let first = Running::begin();
        assert!(!is_first_signal(), "nobody listens: the process ends");
        listen();
        assert!(is_first_signal() && requested());
        assert!(!is_first_signal(), "the second signal ends the process");
        drop(first);
        let _second = Running::begin();
        assert!(!requested());
        listen();
        assert!(is_first_signal() && requested());
    }
}
