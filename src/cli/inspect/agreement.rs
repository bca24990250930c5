//! `unrelu inspect --check`: whether the network as read makes given outputs of given codes.

use std::fmt::Write;
use std::path::Path;

use crate::cli::{Outcome, flags, print};
use crate::error::Result;
use crate::formats::npy::{NpyReader, PixelRange};
use crate::inspection::check::{Agreement, check};
use crate::network::Network;

/// Prints the comparison. [`Outcome::Incomplete`] if network and outputs do not agree.
pub(super) fn run(
    network: &Network,
    codes: &Path,
    outputs: &Path,
    pixels: Option<PixelRange>,
    json: bool,
) -> Result<Outcome> {
    let mut codes = NpyReader::open(codes)?;
    let mut outputs = NpyReader::open(outputs)?;
    outputs.choose_pixels(network.layers()[network.depth() - 1].activation, pixels)?;
    let agreement = check(network, &mut codes, &mut outputs)?;
    let read = [codes.how_read("code"), outputs.how_read("output"), outputs.assumed_pixels(pixels)];
    for sentence in read.into_iter().flatten() {
        print::note(&flags::words(&sentence));
    }
    print::print(&if json { print::in_json(&agreement)? } else { words(&agreement) })?;
    Ok(if agreement.agrees { Outcome::Complete } else { Outcome::Incomplete })
}

fn words(agreement: &Agreement) -> String {
    let Agreement { rows, largest_error, row, entry, relative_error, tolerance, .. } = agreement;
    let verdict = if agreement.agrees { "makes" } else { "does not make" };
    let mut text = format!("The network as read {verdict} these outputs of these codes.\n");
    // Writing to a string cannot fail.
    let _ = writeln!(
        text,
        "Over {rows} row{}: entry {entry} agrees least, with an error of {largest_error:.3e} in row {row}; relative to \
         the size of this entry {relative_error:.3e}. The precision of the files explains {tolerance:.1e}.",
        if *rows == 1 { "" } else { "s" }
    );
    if agreement.agrees {
        return text;
    }
    if agreement.guesses.is_empty() {
        text.push_str(
            "\nNone of the other activations and ranges that were tried fits. Usual causes: a wrong activation, \
             or a number of it; another scale of the outputs; layers in another order, or \
             left out, such as a normalisation; rows of codes and outputs in different orders.\n",
        );
        return text;
    }
    text.push_str("\nThe first outputs agree with:\n");
    for guess in &agreement.guesses {
        let options = [("--activation", guess.activation), ("--output-activation", guess.output_activation)];
        let options = options.iter().filter_map(|(flag, value)| Some(format!("{flag} {}", (*value)?)));
        let change = guess.change.map(|change| format!(", and outputs {change}")).unwrap_or_default();
        let _ = writeln!(text, "  {}{change}", options.collect::<Vec<_>>().join(" "));
    }
    text
}
