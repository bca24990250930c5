//! `unrelu inspect`: the contents of a file, and what would prevent or harm an inversion.

mod agreement;

use std::fmt::Write;
use std::path::PathBuf;

use crate::error::Result;
use crate::formats::npy::PixelRange;
use crate::inspection::{Inspection, LayerSummary, inspect};

use super::network_args::{NetworkArgs, refuse_stream};
use super::{CommandLine, Outcome, flags, print};

/// Show the layers of a network, and what would prevent or harm an inversion
///
/// If the network cannot be used, the command still lists the file's contents and exits with code
/// 2. With --check, exit code 3 says that the network as read does not make the given outputs.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  unrelu inspect vae.pth --layers fc3,fc4 --activation relu\n  \
                  unrelu inspect vae.pth --layers fc3,fc4 --activation relu --check codes.npy outputs.npy\n\n\
                  For --check, save some codes and what the model itself makes of them, with numpy.save.")]
pub struct Args {
    #[command(flatten)]
    network: NetworkArgs,

    /// Check that the network as read makes these outputs of these codes: two .npy files, made by
    /// the model itself
    #[arg(long, num_args = 2, value_names = ["CODES.npy", "OUTPUTS.npy"])]
    check: Option<Vec<PathBuf>>,

    /// The range that pixel values 0 to 255 of the outputs stand for [default: for uint8 -1..1 if
    /// the network ends in tanh, otherwise 0..1]
    #[arg(long, value_name = "0..1|-1..1|0..255", allow_hyphen_values = true, requires = "check")]
    pixels: Option<PixelRange>,

    /// Print the result as JSON
    #[arg(long)]
    json: bool,
}

pub fn run(args: Args, _: &CommandLine) -> Result<Outcome> {
    if let Some([codes, outputs]) = args.check.as_deref() {
        return agreement::run(&args.network.load()?.network, codes, outputs, args.pixels, args.json);
    }
    refuse_stream(&args.network.network)?;
    let mut inspection = inspect(&args.network.network, &args.network.options())?;
    let text = if args.json { flags::words(&print::in_json(&inspection)?) } else { describe(&inspection) };
    print::print(&text)?;
    match inspection.problem.take() {
        Some(problem) => Err(problem),
        None => Ok(Outcome::Complete),
    }
}

fn describe(inspection: &Inspection) -> String {
    let mut text = format!("{}: {}\n", inspection.file, inspection.format);
    // Writing to a string cannot fail.
    if let (Some(first), Some(last)) = (inspection.layers.first(), inspection.layers.last()) {
        let parameters: usize = inspection.layers.iter().map(|layer| layer.parameters).sum();
        let _ = writeln!(
            text,
            "codes of {} entries, observations of {}, {} layer{}, {parameters} parameters\n",
            first.inputs,
            last.units,
            inspection.layers.len(),
            if inspection.layers.len() == 1 { "" } else { "s" }
        );
        text.push_str(&table(&inspection.layers));
    }
    if inspection.problem.is_some() {
        text.push_str("\nTensors in the file:\n");
        for tensor in &inspection.tensors {
            let _ = writeln!(text, "  {:<40} {:?} {}", tensor.name, tensor.shape, tensor.element_type);
        }
        return text;
    }
    for assumption in &inspection.assumptions {
        let _ = write!(text, "\nread: {}", flags::words(&assumption.to_string()));
    }
    if !inspection.assumptions.is_empty() {
        text.push('\n');
    }
    if !inspection.unused.is_empty() {
        let _ = writeln!(text, "\nNot part of the generator: {}", inspection.unused.join(", "));
    }
    text.push('\n');
    text.push_str(&methods(inspection));
    if inspection.notes.is_empty() && inspection.layerwise_obstacle.is_none() {
        text.push_str("Found nothing that would prevent or harm an inversion.\n");
    }
    for note in &inspection.notes {
        let _ = writeln!(text, "{}: layer {}: {}", note.severity, note.layer, note.text);
    }
    text
}

/// Which methods and devices take the network, if not all do.
fn methods(inspection: &Inspection) -> String {
    let mut text = String::new();
    if let Some(obstacle) = &inspection.layerwise_obstacle {
        let _ = writeln!(text, "Methods: best, descent, and recover; not exact, linf, l1, relaxed: {obstacle}.");
    }
    if let Some(obstacle) = &inspection.objective_obstacle {
        let _ = writeln!(text, "Objectives of best: l2; not l1, linf: {obstacle}.");
    }
    if let Some(obstacle) = &inspection.gpu_obstacle {
        let _ = writeln!(text, "Devices: the CPU; not a GPU: {obstacle}.");
    }
    text
}

fn table(layers: &[LayerSummary]) -> String {
    let mut text = format!(
        "{:>5}  {:>7}  {:>7}  {:>9}  {:>10}  {:<16}  {:<4}  name\n",
        "layer", "inputs", "units", "expansion", "parameters", "activation", "bias"
    );
    for layer in layers {
        let activation = layer.activation.map_or_else(|| "unknown".to_owned(), |activation| activation.to_string());
        let folded = layer.batch_norms.iter().map(|name| format!(" + {name} (BatchNorm, folded)")).collect::<String>();
        let _ = writeln!(
            text,
            "{:>5}  {:>7}  {:>7}  {:>9.2}  {:>10}  {:<16}  {:<4}  {}{folded}",
            layer.number,
            layer.inputs,
            layer.units,
            layer.expansion,
            layer.parameters,
            activation,
            if layer.bias { "yes" } else { "no" },
            layer.name
        );
    }
    text
}
