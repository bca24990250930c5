//! `unrelu demo`: all steps on the bundled generator, as an introduction.

mod comparison;

use std::fs;
use std::path::PathBuf;

use nalgebra::DMatrix;

use crate::batch::{BestMethod, Inverter, Method, Options};
use crate::cpu::forward::forward;
use crate::error::{Error, Result};
use crate::formats::network_file::{NetworkOptions, load_network};
use crate::formats::npy::{ElementType, NpyReader};
use crate::formats::output::{OutputFile, check_free, partial_path};
use crate::generate::{Codes, Generation};
use crate::lp::formulation::Tolerances;
use crate::network::Network;
use crate::pictures::{Grid, Row, write_grid};
use crate::random::Noise;
use crate::recover::operators::Pixels;
use crate::run::journal::Shard;
use crate::run::request::{FileRun, Journaling};

use super::device_args::DeviceArgs;
use super::progress::Progress;
use super::{CommandLine, Outcome, flags, interrupt, print, summary};
use comparison::Comparison;

/// The generator that comes with the program; examples/README.md says how it was made.
const NETWORK: &[u8] = include_bytes!("../../examples/mnist_relu_20_60_784.safetensors");
/// Amplitude of the uniform noise, and the tolerance that the search starts from.
const NOISE: f64 = 0.01;
const SEED: u64 = 1;
const BATCH: usize = 250;
/// Number of observations that the other methods invert too.
const COMPARED: usize = 100;
/// Number of observations in the picture.
const PICTURED: usize = 12;

/// Invert 1,000 noisy observations of the bundled generator, compare methods, and draw some results
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  unrelu demo --out unrelu-demo\n\n\
                        Writes the network, the true codes, the observations, the recovered codes, a report and a picture \
                        into the folder. You can try every other command on these files.")]
pub struct Args {
    /// Folder for the results
    #[arg(long, value_name = "FOLDER", default_value = "unrelu-demo")]
    out: PathBuf,

    /// Number of observations
    #[arg(long, value_name = "N", default_value_t = 1000, value_parser = clap::value_parser!(u32).range(1..))]
    count: u32,

    #[command(flatten)]
    device: DeviceArgs,

    /// Replace the results of an earlier run
    #[arg(long)]
    force: bool,
}

pub fn run(args: Args, command: &CommandLine) -> Result<Outcome> {
    fs::create_dir_all(&args.out).map_err(|error| Error::io(&args.out, "create the folder", error))?;
    let file = |name: &str| args.out.join(name);
    for name in ["network.safetensors", "truth.npy", "observations.npy", "codes.npy", "report.jsonl", "picture.png"] {
        check_free(&file(name), args.force)?;
    }
    interrupt::listen();
    // The file gets its name only after the device was opened, so a refused run leaves no file.
    let mut network_file = OutputFile::create(&file("network.safetensors"), args.force)?;
    network_file.append(NETWORK)?;
    network_file.sync()?;
    let network = load_network(&partial_path(network_file.path()), &NetworkOptions::default())?;

    let options = Options {
        method: Method::Best(BestMethod { tolerances: Tolerances::default().epsilon(NOISE), ..BestMethod::default() }),
        reproduces_within: Some(NOISE),
        device: args.device.device,
        adapter: args.device.adapter.clone(),
        backend: args.device.backend,
        threads: args.device.threads,
        ..Options::default()
    };
    let inverter = Inverter::new(network.clone(), options)?;
    if let Some(notice) = inverter.runtime().notice() {
        print::note(&flags::words(notice));
    }
    network_file.finish()?;
    generate(&network, &args)?;
    let run = FileRun {
        network: Some(file("network.safetensors")),
        mask: None,
        ignored_tensors: Vec::new(),
        other_inputs: Vec::new(),
        observations: NpyReader::open(&file("observations.npy"))?,
        codes: file("codes.npy"),
        report: Some(file("report.jsonl")),
        truth: Some(NpyReader::open(&file("truth.npy"))?),
        batch: BATCH,
        shard: Shard::WHOLE,
        force: args.force,
        journaling: Journaling::Off,
    };
    let mut progress = Progress::new("inverting", args.count.into());
    let result = run.run(&inverter, |done| progress.set(done), &interrupt::token());
    progress.finish();
    let totals = result?;
    let comparison = compare(&inverter, &args)?;
    draw(&network, &args, &comparison)?;
    let next = [
        "invert",
        &file("network.safetensors").display().to_string(),
        &file("observations.npy").display().to_string(),
        "-o",
        &file("refined.npy").display().to_string(),
        "--method",
        "linf",
        "--refine",
        "--epsilon",
        &NOISE.to_string(),
        "--truth",
        &file("truth.npy").display().to_string(),
    ];
    print::print(&format!(
        "{count} digits were drawn by a generator 20 → 60 → 784 from known codes, and noise from U(−{NOISE}, {NOISE}) was\n\
         added to each pixel. `best` recovered the codes with a median relative error of {error}:\n\n{summary}\n\
         A code is `converged` when many starts led to it, none led to a lower loss, and it is proven to be a\n\
         local minimum.\n\n{compared}\n\
         {picture} shows the first {PICTURED}. Try the fastest method on the same observations:\n\n  {command}\n",
        count = args.count,
        error = comparison::two_digits(totals.code_error.as_ref().map_or(f64::NAN, |error| error.quantile(0.5))),
        summary = summary::text(&totals, inverter.options()),
        compared = comparison.text(),
        picture = file("picture.png").display(),
        command = command.with_arguments(&next),
    ))?;
    Ok(if totals.all_solved() { Outcome::Complete } else { Outcome::Incomplete })
}

fn generate(network: &Network, args: &Args) -> Result<()> {
    let generation = Generation {
        network,
        network_file: None,
        codes: Codes::Random { count: args.count.into(), out: Some(args.out.join("truth.npy")) },
        operator: &Pixels(network.observation_length()),
        operator_out: None,
        mask: None,
        other_inputs: Vec::new(),
        output: args.out.join("observations.npy"),
        noise: Some(Noise::Uniform(NOISE)),
        seed: SEED,
        element_type: ElementType::F64,
        batch: BATCH,
        force: args.force,
    };
    generation.run(|_| !interrupt::requested()).map(drop)
}

/// The first rows of a file that the demo wrote, one per column.
fn first(args: &Args, name: &str, count: usize) -> Result<DMatrix<f64>> {
    let path = args.out.join(name);
    NpyReader::open(&path)?
        .read_batch(count)?
        .ok_or_else(|| Error::input(path.display(), "no row", "at least one", "run the demo again"))
}

fn compare(inverter: &Inverter, args: &Args) -> Result<Comparison> {
    Comparison::run(inverter, &first(args, "observations.npy", COMPARED)?, &first(args, "truth.npy", COMPARED)?)
}

/// Draws the first observations: one row each for the truth, the observation and some methods.
fn draw(network: &Network, args: &Args, comparison: &Comparison) -> Result<()> {
    let image = |codes: &DMatrix<f64>| forward(network, 0..network.depth(), codes);
    let observations = first(args, "observations.npy", PICTURED)?;
    let drawn = observations.ncols();
    let mut rows = vec![
        Row { label: "truth".to_owned(), images: image(&first(args, "truth.npy", PICTURED)?) },
        Row { label: "observation".to_owned(), images: observations },
    ];
    for entry in &comparison.entries {
        if let Some(name) = entry.pictured {
            let codes = entry.codes.columns(0, drawn).into_owned();
            rows.push(Row { label: entry.label(name), images: image(&codes) });
        }
    }
    let title = format!(
        "Recovered at noise {NOISE}; beside each method its median relative code error and time per observation"
    );
    let captions = (0..drawn).map(|index| index.to_string()).collect();
    let grid = Grid { title: Some(title), captions, rows, height: 28, width: 28, white: None, black: Some(0.0) };
    write_grid(&args.out.join("picture.png"), &grid, args.force)
}
