//! Whether a network, as it was read, makes given outputs of given codes. A wrong activation, a
//! layer left out or another scale of the outputs shows here at once; an inversion may hide it.

use nalgebra::DMatrix;
use serde::Serialize;

use super::guess::{Guess, guesses};
use crate::cpu::forward::forward;
use crate::error::{Error, Result};
use crate::formats::npy::{ElementType, NpyReader, PixelRange};
use crate::network::Network;

/// Number of rows per batch. The first batch is also compared with other activations.
const BATCH: usize = 256;

/// How well the outputs of a network agree with given ones.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Agreement {
    /// Whether the largest error is at most the tolerance times the largest output.
    pub agrees: bool,
    /// Number of codes.
    pub rows: usize,
    /// The largest absolute difference of an output.
    pub largest_error: f64,
    /// The row of that output, counted from 0.
    pub row: usize,
    /// The place of that output in its row, counted from 0.
    pub entry: usize,
    /// The largest given output, as an absolute number.
    pub largest_output: f64,
    /// `largest_error / largest_output`.
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
    let mut found = Comparison::default();
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
        found.add(&forward(network, 0..network.depth(), &batch), &given, start);
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
    let tolerance = tolerance(codes, outputs);
    let relative_error = found.relative();
    let agrees = relative_error <= tolerance;
    let guesses = match first.filter(|_| !agrees) {
        Some((codes, given)) => guesses(network, &codes, &given, tolerance)?,
        None => Vec::new(),
    };
    let Comparison { largest_error, row, entry, largest_output, .. } = found;
    let rows = codes.count();
    Ok(Agreement { agrees, rows, largest_error, row, entry, largest_output, relative_error, tolerance, guesses })
}

/// The relative error that the number types explain. Models compute in f32 as a rule, even where
/// their outputs are stored as f64.
fn tolerance(codes: &NpyReader, outputs: &NpyReader) -> f64 {
    let of_outputs = match outputs.element_type() {
        // Rounded or cut off to a whole number. The largest output may be half of the range.
        other if other.is_integer() && outputs.pixels() != PixelRange::Unscaled => 4.0 / 255.0,
        ElementType::F16 => 2e-3,
        _ => 1e-5,
    };
    if codes.element_type() == ElementType::F16 { f64::max(of_outputs, 1e-2) } else { of_outputs }
}

/// The largest difference so far.
#[derive(Debug, Default)]
struct Comparison {
    /// Number of outputs that were compared.
    compared: usize,
    largest_error: f64,
    row: usize,
    entry: usize,
    largest_output: f64,
}

impl Comparison {
    /// Adds outputs, one per column; `first`: the index of the first of them.
    fn add(&mut self, made: &DMatrix<f64>, given: &DMatrix<f64>, first: usize) {
        let units = given.nrows().max(1);
        for (index, (made, given)) in made.iter().zip(given).enumerate().filter(|(_, (_, given))| !given.is_nan()) {
            self.compared += 1;
            self.largest_output = self.largest_output.max(given.abs());
            let error = (made - given).abs();
            // An infinite output has no difference that is a number.
            let error = if error.is_nan() { f64::INFINITY } else { error };
            if error > self.largest_error {
                (self.largest_error, self.row, self.entry) = (error, first + index / units, index % units);
            }
        }
    }

    /// The largest error, relative to the largest output; 0 for equal numbers.
    fn relative(&self) -> f64 {
        if self.largest_error == 0.0 { 0.0 } else { self.largest_error / self.largest_output }
    }
}
