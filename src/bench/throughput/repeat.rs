//! One measurement: repeated passes over a batch, of which median, minimum and maximum are kept.

use super::batches::Batch;
use super::contender::{Contender, Done};
use super::quantity::Quantity;
use super::spread::Spread;
use crate::bench::clock::wall_seconds;
use crate::cancel::CancelToken;
use crate::error::{Error, Result};

/// Minimum number of passes of a measurement, so that there is a spread, and maximum.
const LEAST: usize = 3;
const MOST: usize = 1000;

/// The result of repeated passes over one batch.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Measured {
    pub spread: Spread,
    /// The result of the last pass; all passes do the same work.
    pub done: Done,
    /// Median kernel time of a pass in seconds, if the device has a clock.
    pub kernel_seconds: Option<f64>,
}

/// Runs a pass; returns its time and its result.
///
/// # Errors
/// The device's.
pub(super) fn timed(contender: &Contender, quantity: Quantity, batch: &Batch) -> Result<(f64, Done)> {
    let mut outcome = None;
    let taken = wall_seconds(|| outcome = Some(contender.pass(quantity, batch)));
    let done = outcome.unwrap_or(Err(Error::Cancelled))?;
    // A clock that has not advanced must not give an infinite rate.
    Ok((taken.max(1e-9), done))
}

/// Repeats passes for `seconds`; the caller has run a warm-up pass.
///
/// # Errors
/// Those of the device; [`Error::Cancelled`] between two passes if `cancel` is cancelled.
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
