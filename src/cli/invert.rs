//! `unrelu invert`: latent codes from observations, file to file.

use std::path::PathBuf;

use unrelu::batch::files::FileRun;
use unrelu::batch::{Inverter, Method, Options, SolverChoice};
use unrelu::descent::DescentOptions;
use unrelu::error::{Error, Result};
use unrelu::formats::npy::{ElementType, NpyReader};
use unrelu::lp::formulation::target::Precision;
use unrelu::lp::formulation::{self, RowRule, Stop, Tolerances};
use unrelu::lp::layer::LayerOptions;

use super::device_args::DeviceArgs;
use super::generate::StoredAs;
use super::network_args::NetworkArgs;
use super::progress::Progress;
use super::{Outcome, interrupt, print, summary};

/// Invert a generator: latent codes from observations, layer by layer or by gradient descent
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  unrelu invert net.safetensors observations.npy -o codes.npy --epsilon 0.01 --refine\n  \
                        unrelu invert decoder.pth images.npy -o codes.npy --layers fc3,fc4 --activation relu \
                        --output-activation sigmoid --report report.jsonl\n\n\
                        Entries that were not observed are NaN. Exit code 3: finished, but some observations have no \
                        certified (or converged) answer; the report says which and why."
)]
pub struct Args {
    #[command(flatten)]
    network: NetworkArgs,

    /// The observations, a .npy of shape (count, n): f64, f32, or u8 (scaled by 1/255); NaN where unobserved
    observations: PathBuf,

    /// Where the codes go, a .npy of shape (count, k); NaN where an observation failed
    #[arg(short, long, value_name = "CODES.npy")]
    output: PathBuf,

    /// How: linf, l1 or relaxed for noisy observations, exact for realizable ones, descent as the baseline
    #[arg(long, default_value = "linf", value_parser = parse_method)]
    method: MethodName,

    /// Tolerance that the search starts from (ε₀), about the size of the noise; also what counts as reproduced
    #[arg(long, value_name = "E", default_value_t = 1e-6, allow_negative_numbers = true)]
    epsilon: f64,

    /// Factor by which the tolerance grows (α)
    #[arg(long, value_name = "A", default_value_t = 1.2, allow_negative_numbers = true)]
    growth: f64,

    /// Then re-solve the least squares on the code's linear region; kept only where the squared loss falls
    #[arg(long)]
    refine: bool,

    /// LeakyReLU rows near and below zero: corrected, printed (as in the paper) or inactive
    #[arg(long, value_name = "RULE", default_value = "corrected")]
    rows: RowRule,

    /// Which step of the ladder l1 and relaxed return: the lowest loss, or the paper's first stop
    #[arg(long, value_name = "RULE", default_value = "lowest")]
    stop: Stop,

    /// What solves the linear programs: interior-point, or clarabel as a slow reference
    #[arg(long, value_name = "SOLVER", default_value = "interior-point")]
    solver: SolverChoice,

    #[command(flatten)]
    device: DeviceArgs,

    /// Observations in memory at a time
    #[arg(long, value_name = "N", default_value_t = 256, value_parser = clap::value_parser!(u32).range(1..))]
    batch: u32,

    /// One row an observation: status, residuals, and for each layer ε, objective and whether it is determined
    #[arg(long, value_name = "REPORT.csv|.jsonl")]
    report: Option<PathBuf>,

    /// The true codes, to add errors and the success rate
    #[arg(long, value_name = "CODES.npy")]
    truth: Option<PathBuf>,

    /// What the codes are stored as
    #[arg(long, default_value = "f64")]
    dtype: StoredAs,

    /// Replace outputs that exist
    #[arg(long)]
    force: bool,

    /// Print the summary as JSON
    #[arg(long)]
    json: bool,

    #[command(flatten)]
    descent: DescentArgs,
}

/// Options of `--method descent`.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Options of --method descent")]
struct DescentArgs {
    /// Step size [default: from the layers' norms]
    #[arg(long, value_name = "S", allow_negative_numbers = true)]
    step: Option<f64>,

    /// Most iterations of a run [default: 1000]
    #[arg(long, value_name = "N")]
    iterations: Option<usize>,

    /// Further runs from other random codes; the lowest loss is kept [default: 0]
    #[arg(long, value_name = "N")]
    restarts: Option<usize>,

    /// Seed of the random codes [default: 0]
    #[arg(long, value_name = "S")]
    seed: Option<u64>,
}

/// `--method`.
#[derive(Debug, Clone, Copy, PartialEq)]
enum MethodName {
    Layerwise(formulation::Method),
    Descent,
}

fn parse_method(text: &str) -> Result<MethodName> {
    if text == "descent" {
        return Ok(MethodName::Descent);
    }
    text.parse()
        .map(MethodName::Layerwise)
        .map_err(|_| Error::option("--method", text, "linf, l1, relaxed, exact or descent"))
}

impl Args {
    fn method(&self, tolerances: Tolerances) -> Result<Method> {
        let given = &self.descent;
        match self.method {
            MethodName::Layerwise(method) => {
                let descent_only = [
                    ("--step", given.step.is_some()),
                    ("--iterations", given.iterations.is_some()),
                    ("--restarts", given.restarts.is_some()),
                    ("--seed", given.seed.is_some()),
                ];
                if let Some((option, _)) = descent_only.into_iter().find(|(_, given)| *given) {
                    return Err(Error::option(
                        option,
                        format!("given with --method {method}"),
                        "--method descent with it",
                    ));
                }
                Ok(Method::Layerwise(LayerOptions { method, tolerances, rows: self.rows, stop: self.stop }))
            }
            MethodName::Descent => {
                let default = DescentOptions::default();
                Ok(Method::Descent(DescentOptions {
                    step: given.step,
                    iterations: given.iterations.unwrap_or(default.iterations),
                    restarts: given.restarts.unwrap_or(default.restarts),
                    seed: given.seed.unwrap_or(default.seed),
                }))
            }
        }
    }

    fn options(&self, stored_as: ElementType) -> Result<Options> {
        let tolerances = Tolerances { epsilon: self.epsilon, growth: self.growth };
        tolerances.validate()?;
        Ok(Options {
            method: self.method(tolerances)?,
            refine: self.refine,
            reproduces_within: self.epsilon,
            solver: self.solver,
            device: self.device.device,
            adapter: self.device.adapter.clone(),
            threads: self.device.threads,
            precision: Precision::from(stored_as),
            codes_as: self.dtype.into(),
        })
    }
}

pub fn run(args: Args) -> Result<Outcome> {
    let network = args.network.load()?;
    let observations = NpyReader::open(&args.observations)?;
    let truth = args.truth.as_deref().map(NpyReader::open).transpose()?;
    let options = args.options(observations.element_type())?;
    warn_of_doubts(&network);
    let total = observations.count() as u64;
    let run = FileRun {
        observations,
        codes: args.output,
        report: args.report,
        truth,
        batch: args.batch as usize,
        force: args.force,
    };
    let inverter = Inverter::new(network, options)?;
    run.check(&inverter)?;
    // What auto chose is said before the work, not after it.
    if let Some(notice) = inverter.device_notice() {
        print::note(notice);
    }
    interrupt::listen();
    let mut progress = Progress::new("inverting", total);
    let mut device_warned = false;
    let result = run.run(&inverter, |done| {
        progress.set(done);
        if let (false, Some(warning)) = (device_warned, inverter.device().warning()) {
            device_warned = true;
            print::note(&warning);
        }
        !interrupt::requested()
    });
    progress.finish();
    let totals = result?;
    let text = if args.json { summary::json(&totals)? } else { summary::text(&totals, inverter.options()) };
    print::print(&text)?;
    Ok(if totals.all_solved() { Outcome::Complete } else { Outcome::Incomplete })
}

/// What makes answers doubtful is said, and does not stop the run.
fn warn_of_doubts(network: &unrelu::network::Network) {
    for (index, layer) in network.layers().iter().enumerate().filter(|(_, layer)| layer.units() < layer.inputs()) {
        print::note(&format!(
            "warning: layer {} has {} units for {} inputs: it does not expand, so its input is not determined",
            index + 1,
            layer.units(),
            layer.inputs()
        ));
    }
}
