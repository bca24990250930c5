//! One measurement: repeated passes over a batch, of which median, least and most are kept.

use super::batches::Batch;
use super::contender::{Contender, Done};
use super::quantity::Quantity;
use super::spread::Spread;
use crate::bench::clock::wall_seconds;
use crate::cancel::CancelToken;
use crate::error::{Error, Result};

/// Passes of a measurement at least, so that there is a spread, and at most.
const LEAST: usize = 3;
const MOST: usize = 1000;

/// What repeated passes over one batch came to.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Measured {
    pub spread: Spread,
    /// Of the last pass; all do the same.
    pub done: Done,
    /// Median of the seconds that kernels ran in a pass, if the device knows.
    pub kernel_seconds: Option<f64>,
}

/// A pass, timed, and what it came to.
///
/// # Errors
/// The device's.
pub(super) fn timed(contender: &Contender, quantity: Quantity, batch: &Batch) -> Result<(f64, Done)> {
    let mut outcome = None;
    let taken = wall_seconds(|| outcome = Some(contender.pass(quantity, batch)));
    let done = outcome.unwrap_or(Err(Error::Cancelled))?;
    // A clock that has not moved on must not make a rate infinite.
    Ok((taken.max(1e-9), done))
}

/// Repeats passes for `seconds`; the caller has warmed up.
///
/// # Errors
/// The device's; [`Error::Cancelled`] between two passes when `cancelled` says so.
pub(super) fn measure(
    contender: &Contender,
    quantity: Quantity,
    batch: &Batch,
    seconds: f64,
    cancel: &CancelToken,
) -> Result<Measured> {
    let (mut passes, mut in_kernels, mut spent) = (Vec::new(), Vec::new(), 0.0);
    loop {
        if cancel.is_cancelled() {
            return Err(Error::Cancelled);
        }
        let before = contender.kernel_seconds();
        let (taken, done) = timed(contender, quantity, batch)?;
        if let (Some(before), Some(after)) = (before, contender.kernel_seconds()) {
            in_kernels.push(after - before);
        }
        spent += taken;
        passes.push(taken);
        let enough = passes.len() >= LEAST && (spent >= seconds || passes.len() >= MOST);
        if let (true, Some(spread)) = (enough, Spread::of(&passes)) {
            return Ok(Measured { spread, done, kernel_seconds: Spread::of(&in_kernels).map(|spread| spread.median) });
        }
    }
}
