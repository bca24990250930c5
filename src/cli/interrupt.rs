//! Ctrl-C: the first asks the run to stop at its next batch, so that it can tidy up; the second ends the process.

use std::process;
use std::sync::atomic::{AtomicBool, Ordering};

static REQUESTED: AtomicBool = AtomicBool::new(false);

/// Begins to listen. Without this, Ctrl-C ends the process at once, as it does by default.
pub fn listen() {
    // An error means that this process listens already or that the system has no signals; either is fine.
    let _ = ctrlc::set_handler(|| {
        if REQUESTED.swap(true, Ordering::SeqCst) {
            process::exit(130);
        }
    });
}

/// Whether Ctrl-C was pressed.
pub fn requested() -> bool {
    REQUESTED.load(Ordering::SeqCst)
}
