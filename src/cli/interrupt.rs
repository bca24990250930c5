//! Ctrl-C, SIGTERM and SIGHUP. The first signal asks the run to stop at its next batch, so that it
//! can finish its files; the second ends the process. Schedulers send SIGTERM some time before they
//! kill. A run whose input or output goes by once keeps nothing, and may wait for another program:
//! it ends soon after the first signal.
//!
//! A process may run several commands, one after the other or side by side. The handler is
//! installed once, by the first command that needs it. A signal concerns all commands that run.

use std::sync::{Mutex, Once, PoisonError};
use std::time::Duration;
use std::{process, thread};

use super::print;
use crate::cancel::CancelToken;
use crate::formats::unfinished;

/// What the signal handler reads.
#[derive(Debug)]
struct State {
    /// Number of commands that run.
    running: usize,
    /// Whether one of them listens.
    listening: bool,
    /// Number of commands that the first signal ends after [`GRACE`], since they keep nothing.
    brief: usize,
    /// Cancelled by a signal that came while a command listened.
    token: Option<CancelToken>,
}

static STATE: Mutex<State> = Mutex::new(State { running: 0, listening: false, brief: 0, token: None });

/// The time that a run with a stream has to remove its unfinished outputs.
const GRACE: Duration = Duration::from_secs(1);

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
                state.brief = 0;
                state.token = None;
            }
        });
    }
}

/// [`listen`] for a run that may have a stream, so that it keeps nothing: the first signal ends it,
/// at the latest after a second.
pub fn listen_for(has_stream: bool) {
    with(|state| state.brief += usize::from(has_stream));
    listen();
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
                end_now();
            }
            if with(|state| state.brief > 0 && state.brief == state.running) {
                print::note("stopping; a run with a stream keeps nothing");
                thread::sleep(GRACE);
                print::complaint("error: interrupted");
                end_now();
            }
            print::note("finishing the batches that have begun; press Ctrl-C again to stop now");
        });
    });
}

/// Ends the process, and leaves no outputs that nobody can continue.
fn end_now() -> ! {
    unfinished::remove_all();
    process::exit(130);
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
