//! Signals to a run, sent by the test process itself: a minimal Debian has no `kill` program.
#![cfg(unix)]

use std::process::Child;

pub use nix::sys::signal::Signal;
use nix::sys::signal::kill;
use nix::unistd::Pid;

/// Sends `signal` to a run that has not been waited for.
#[track_caller]
pub fn send(signal: Signal, run: &Child) {
    let process = Pid::from_raw(run.id().try_into().unwrap());
    kill(process, signal).unwrap_or_else(|error| panic!("{signal} to process {process}: {error}"));
}

/// Sends `signal` to this process.
#[track_caller]
pub fn send_to_self(signal: Signal) {
    kill(Pid::this(), signal).unwrap_or_else(|error| panic!("{signal} to this process: {error}"));
}
