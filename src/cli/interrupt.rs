//! Ctrl-C, SIGTERM and SIGHUP: the first asks the run to stop at its next batch, so that it can tidy up; the second ends the
//! process. Schedulers send SIGTERM some time before they kill.

use std::process;
use std::sync::atomic::{AtomicBool, Ordering};

use super::print;

static REQUESTED: AtomicBool = AtomicBool::new(false);

/// Begins to listen. Without this, a signal ends the process at once, as it does by default.
pub fn listen() {
    // An error means that this process listens already or that the system has no signals; either is fine.
    let _ = ctrlc::set_handler(|| {
        if REQUESTED.swap(true, Ordering::SeqCst) {
            process::exit(130);
        }
        print::note("stopping after what is in hand; interrupt once more to stop at once");
    });
}

/// Whether a signal came.
pub fn requested() -> bool {
    REQUESTED.load(Ordering::SeqCst)
}
