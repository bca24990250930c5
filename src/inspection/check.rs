//! Whether a network, as it was read, makes given outputs of given codes. A wrong activation, a
//! layer left out or another scale of the outputs shows here at once; an inversion may hide it.

use serde::Serialize;

use super::comparison::{Comparison, Precision, Worst};
use super::guess::{Guess, guesses};
use super::rounding::sizes;
use crate::cpu::forward::forward;
use crate::error::{Error, Result};
use crate::formats::npy::{NpyReader, PixelRange};
use crate::network::Network;

/// Number of rows per batch. The first batch is also compared with other activations.
const BATCH: usize = 256;

/// How well the outputs of a network agree with given ones.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Agreement {
    /// Whether the relative error is at most the tolerance.
    pub agrees: bool,
    /// Number of codes.
    pub rows: usize,
    /// The largest absolute difference of the output unit that agrees least.
    pub largest_error: f64,
    /// The row of that difference, counted from 0.
    pub row: usize,
    /// The unit: its place in a row, counted from 0.
    pub entry: usize,
    /// The largest given output of all units, as an absolute number.
    pub largest_output: f64,
    /// `largest_error`, divided by the size of that unit: its largest given output, or the size of
    /// the numbers that it is computed from; at most `largest_output`. For pixels: divided by
    /// `largest_output`.
    pub relative_error: f64,
    /// The relative error that the precision of the files explains.
    pub tolerance: f64,
    /// Other activations or ranges with which the first outputs agree, if these do not.
    pub guesses: Vec<Guess>,
}

/// Compares `G(codes)` with `outputs`. `NaN` outputs are left out.
///
/// # Errors
/// [`Error::Input`] for files that do not fit the network or each other, for a code that is not
/// finite, and if all outputs are `NaN`. Errors while reading.
pub fn check(network: &Network, codes: &mut NpyReader, outputs: &mut NpyReader) -> Result<Agreement> {
    codes.fit(network.code_length(), "the length of the network's codes")?;
    codes.set_pixels(PixelRange::Unscaled);
    outputs.fit(network.observation_length(), "one per output of the network")?;
    if codes.count() != outputs.count() {
        return Err(Error::input(
            outputs.path().display(),
            format!("{} outputs", outputs.count()),
            format!("{}, one for each code of {}", codes.count(), codes.path().display()),
            "give the outputs that the model makes of these codes",
        ));
    }
    let precision = Precision::of(codes, outputs);
    let mut found = Comparison::new(precision, network.observation_length());
    let mut first = None;
    loop {
        let start = codes.position();
        let (Some(batch), Some(given)) = (codes.read_batch(BATCH)?, outputs.read_batch(BATCH)?) else { break };
        if let Some(at) = batch.iter().position(|entry| !entry.is_finite()) {
            return Err(Error::input(
                codes.path().display(),
                format!(
                    "{} in row {} at entry {}",
                    batch.as_slice()[at],
                    start + at / batch.nrows(),
                    at % batch.nrows()
                ),
                "finite codes",
                "leave out the rows of failed observations in both files",
            ));
        }
        found.add(&forward(network, 0..network.depth(), &batch), &sizes(network, &batch), &given, start);
        first.get_or_insert((batch, given));
    }
    if found.compared == 0 {
        return Err(Error::input(
            outputs.path().display(),
            "no output that is a number",
            "at least one",
            "give the outputs that the model makes of these codes",
        ));
    }
    let Worst { error: largest_error, row, unit: entry, relative: relative_error } = found.worst();
    let (agrees, tolerance, largest_output) = (found.agrees(), precision.tolerance, found.largest_output);
    // A list of operations states its activations.
    let guesses = match first.filter(|_| !agrees && network.is_dense()) {
        Some((codes, given)) => guesses(network, &codes, &given, precision)?,
        None => Vec::new(),
    };
    let rows = codes.count();
    Ok(Agreement { agrees, rows, largest_error, row, entry, largest_output, relative_error, tolerance, guesses })
}
