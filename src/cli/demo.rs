//! `unrelu demo`: the whole path on the bundled generator, for a first look.

use std::fs;
use std::path::PathBuf;

use nalgebra::DMatrix;
use unrelu::batch::files::{FileRun, Journaling};
use unrelu::batch::{BestMethod, Inverter, Method, Options};
use unrelu::cpu::forward::forward;
use unrelu::descent::DescentOptions;
use unrelu::error::{Error, Result};
use unrelu::formats::network_file::{NetworkOptions, load_network};
use unrelu::formats::npy::{ElementType, NpyReader};
use unrelu::formats::output::{OutputFile, check_free, partial_path};
use unrelu::generate::{Codes, Generation};
use unrelu::journal::Shard;
use unrelu::lp::formulation::Tolerances;
use unrelu::network::Network;
use unrelu::pictures::{Grid, Row, write_grid};
use unrelu::random::Noise;

use super::device_args::DeviceArgs;
use super::progress::Progress;
use super::{Outcome, interrupt, print, summary};

/// The generator that comes with the program; examples/README.md says how it was made.
const NETWORK: &[u8] = include_bytes!("../../examples/mnist_relu_20_60_784.safetensors");
/// Amplitude of the uniform noise, and the tolerance that the search starts from.
const NOISE: f64 = 0.01;
const SEED: u64 = 1;
const BATCH: usize = 250;
/// Observations in the picture.
const PICTURED: usize = 12;

/// Invert 1,000 noisy observations of the bundled generator, and draw some of them
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  unrelu demo --out unrelu-demo\n\n\
                        Writes the network, the true codes, the observations, the recovered codes, a report and a picture \
                        into the folder, so that every other command can be tried on them.")]
pub struct Args {
    /// Folder for what it writes
    #[arg(long, value_name = "FOLDER", default_value = "unrelu-demo")]
    out: PathBuf,

    /// Observations to invert
    #[arg(long, value_name = "N", default_value_t = 1000, value_parser = clap::value_parser!(u32).range(1..))]
    count: u32,

    #[command(flatten)]
    device: DeviceArgs,

    /// Replace what an earlier run wrote
    #[arg(long)]
    force: bool,
}

pub fn run(args: Args) -> Result<Outcome> {
    fs::create_dir_all(&args.out).map_err(|error| Error::io(&args.out, "create the folder", error))?;
    let file = |name: &str| args.out.join(name);
    for name in ["network.safetensors", "truth.npy", "observations.npy", "codes.npy", "report.jsonl", "picture.png"] {
        check_free(&file(name), args.force)?;
    }
    interrupt::listen();
    // Not under its name before the device is known to be there: a run that is refused leaves nothing behind.
    let mut network_file = OutputFile::create(&file("network.safetensors"), args.force)?;
    network_file.append(NETWORK)?;
    network_file.sync()?;
    let network = load_network(&partial_path(network_file.path()), &NetworkOptions::default())?;

    let options = Options {
        method: Method::Best(BestMethod {
            tolerances: Tolerances { epsilon: NOISE, ..Tolerances::default() },
            ..BestMethod::default()
        }),
        reproduces_within: NOISE,
        device: args.device.device,
        adapter: args.device.adapter.clone(),
        threads: args.device.threads,
        ..Options::default()
    };
    let inverter = Inverter::new(network.clone(), options)?;
    if let Some(notice) = inverter.device_notice() {
        print::note(notice);
    }
    network_file.finish()?;
    generate(&network, &args)?;
    let run = FileRun {
        network: Some(file("network.safetensors")),
        mask: None,
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
    let result = run.run(&inverter, |done| progress.set(done), interrupt::requested);
    progress.finish();
    let totals = result?;
    draw(&network, &args)?;
    print::print(&format!(
        "{count} digits were drawn by a generator 20 → 60 → 784 from known codes, and noise from U(−{NOISE}, {NOISE}) was added.\n\
         `best` looked for the codes again:\n\n{}\n\
         A code is `converged` when many starts have led to it again and none to a lower loss. What error is left is the\n\
         noise's: least squares from the true codes come hardly nearer.\n\
         {out}/picture.png shows the first {PICTURED}: truth, observation, recovered, and gradient descent beside them.\n\
         Try: unrelu invert {out}/network.safetensors {out}/observations.npy -o codes.npy --method l1 --epsilon {NOISE}\n",
        summary::text(&totals, inverter.options()),
        count = args.count,
        out = args.out.display(),
    ))?;
    Ok(if totals.all_solved() { Outcome::Complete } else { Outcome::Incomplete })
}

fn generate(network: &Network, args: &Args) -> Result<()> {
    let generation = Generation {
        network,
        network_file: None,
        codes: Codes::Random { count: args.count.into(), out: Some(args.out.join("truth.npy")) },
        output: args.out.join("observations.npy"),
        noise: Some(Noise::Uniform(NOISE)),
        seed: SEED,
        element_type: ElementType::F64,
        batch: BATCH,
        force: args.force,
    };
    generation.run(|_| !interrupt::requested())
}

/// The first observations, a row each for truth, observation, recovered and gradient descent.
fn draw(network: &Network, args: &Args) -> Result<()> {
    let first = |name: &str| -> Result<DMatrix<f64>> {
        let path = args.out.join(name);
        NpyReader::open(&path)?
            .read_batch(PICTURED)?
            .ok_or_else(|| Error::input(path.display(), "no row", "at least one", "run the demo again"))
    };
    let image = |codes: &DMatrix<f64>| forward(network, 0..network.depth(), codes);
    let observations = first("observations.npy")?;
    // Descent is the baseline as people run it: random start, restarts, the same observations.
    let descent = Options {
        method: Method::Descent(DescentOptions { restarts: 2, ..DescentOptions::default() }),
        device: args.device.device,
        adapter: args.device.adapter.clone(),
        threads: args.device.threads,
        ..Options::default()
    };
    let descended = Inverter::new(network.clone(), descent)?.invert(&observations)?;
    let drawn = observations.ncols();
    let rows = vec![
        Row { label: "truth".to_owned(), images: image(&first("truth.npy")?) },
        Row { label: "observation".to_owned(), images: observations },
        Row { label: "recovered".to_owned(), images: image(&first("codes.npy")?) },
        Row { label: "gradient descent".to_owned(), images: image(&descended.codes) },
    ];
    let captions = (0..drawn).map(|index| index.to_string()).collect();
    let grid = Grid { title: None, captions, rows, height: 28, width: 28, white: None };
    write_grid(&args.out.join("picture.png"), &grid, args.force)
}
