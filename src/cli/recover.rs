//! `unrelu recover`: latent codes from linear measurements, file to file.

use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use crate::batch::engine::Engine;
use crate::batch::{self, BestMethod, Method};
use crate::descent::DescentOptions;
use crate::error::{Error, Result};
use crate::formats::npy::NpyReader;
use crate::formats::output::refuse_overlap;
use crate::lp::formulation::target::Precision;
use crate::lp::formulation::{self, Tolerances};
use crate::lp::layer::LayerwiseOptions;
use crate::multistart::BestOptions;
use crate::network::Network;
use crate::recover::operators::{BlockAverage, Dense, Operator, Pixels};
use crate::recover::{Iteration, ProjectedOptions, RecoverOptions, Recoverer, Strategy};
use crate::run::journal::Shard;
use crate::run::mask::Mask;
use crate::run::request::{FileRun, Journaling};

use super::device_args::DeviceArgs;
use super::generate::StoredAs;
use super::image_size::ImageSize;
use super::network_args::NetworkArgs;
use super::picture::check_place;
use super::recovery_picture::{self, Pictured};
use super::{CommandLine, Outcome, file_run, print, summary};

/// Recover codes from linear measurements y = A G(z) + e: some pixels, random projections, averages
/// or any matrix
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  unrelu recover net.safetensors images.npy -o codes.npy --mask mask.npy --picture recovered.png\n  \
                  unrelu recover net.safetensors y.npy -o codes.npy --gaussian 100 --seed 1 --truth truth.npy\n  \
                  unrelu recover net.safetensors small.npy -o codes.npy --average 4 --image 28x28\n  \
                  unrelu recover net.safetensors y.npy -o codes.npy --operator A.npy --inner linf --refine\n\n\
                  By default, the squared error of the measurements is minimised directly from many starts (--direct). \
                  --inner METHOD uses projected gradient descent instead, with METHOD as the projection onto the \
                  generator's range. `unrelu generate` makes images of the codes. --resume, reports and exit codes are those \
                  of `unrelu invert`."
)]
pub struct Args {
    #[command(flatten)]
    network: NetworkArgs,

    /// The measurements, a .npy of shape (count, m): f64, f32, or u8 (scaled by 1/255); NaN where
    /// not measured
    measurements: PathBuf,

    /// Output file for the codes, a .npy of shape (count, k); NaN where a recovery failed
    #[arg(short, long, value_name = "CODES.npy")]
    output: PathBuf,

    /// Size of the noise of the measurements. The summary says how many residuals such noise
    /// explains. Layer-wise methods use it as the initial tolerance
    #[arg(long, value_name = "E", default_value_t = 1e-6, allow_negative_numbers = true)]
    epsilon: f64,

    /// Seed of the random operator and of random starting codes
    #[arg(long, value_name = "S", default_value_t = 0)]
    seed: u64,

    #[command(flatten)]
    device: DeviceArgs,

    /// Observations per batch. At most seven batches are in memory. Runs resume, and shards are
    /// cut, between batches
    #[arg(long, value_name = "N", default_value_t = 64, value_parser = clap::value_parser!(u32).range(1..))]
    batch: u32,

    /// Output file for the report, with one row per observation: status, residuals of the
    /// measurements, iterations and errors
    #[arg(long, value_name = "REPORT.csv|.jsonl")]
    report: Option<PathBuf>,

    /// The true codes. With them, the report has the errors of codes and images, and the summary
    /// also the success rates
    #[arg(long, value_name = "CODES.npy")]
    truth: Option<PathBuf>,

    /// Draw the first images: truth (with --truth), measurements, recovered
    #[arg(long, value_name = "FILE.png")]
    picture: Option<PathBuf>,

    /// Further codes to draw, such as those of another method; can be repeated
    #[arg(long, value_name = "CODES.npy", requires = "picture")]
    beside: Vec<PathBuf>,

    /// Height and width of one image [default: square]
    #[arg(long, value_name = "HxW")]
    image: Option<ImageSize>,

    /// Number type of the stored codes
    #[arg(long, default_value = "f64")]
    dtype: StoredAs,

    /// Continue an interrupted run of this command; if there is none, start at the beginning
    #[arg(long)]
    resume: bool,

    /// Use only part I of N of the measurements, counted from 1; `unrelu merge` joins the results
    #[arg(long, value_name = "I/N", conflicts_with = "picture")]
    shard: Option<Shard>,

    /// Replace existing outputs, and discard an unfinished run unless --resume is given
    #[arg(long)]
    force: bool,

    /// Print the summary as JSON
    #[arg(long)]
    json: bool,

    #[command(flatten)]
    operator: OperatorArgs,

    #[command(flatten)]
    way: WayArgs,
}

/// What was measured. By default: the pixels that are not NaN.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Kind of measurements (at most one; default: the pixels that are not NaN)")]
#[group(multiple = false)]
struct OperatorArgs {
    /// Some pixels: a .npy of shape (1, n) or (count, n) that is true or 1 where a pixel was
    /// observed
    #[arg(long, value_name = "MASK.npy")]
    mask: Option<PathBuf>,

    /// Any linear map: a .npy of shape (m, n)
    #[arg(long, value_name = "A.npy")]
    operator: Option<PathBuf>,

    /// M random projections, entries N(0, 1/M) drawn from --seed
    #[arg(long, value_name = "M")]
    gaussian: Option<usize>,

    /// Averages of blocks of B × B pixels
    #[arg(long, value_name = "B")]
    average: Option<usize>,
}

/// How codes are found.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Method")]
struct WayArgs {
    /// Minimise ½‖A G(z) − y‖² directly: by Levenberg–Marquardt from many starts (best) or by
    /// gradient descent. If pixels were measured, the layer-wise methods work too [default: best]
    #[arg(
        long,
        value_name = "best|descent|linf|l1|relaxed|exact",
        num_args = 0..=1,
        require_equals = true,
        default_missing_value = "best",
        value_parser = parse_direct,
        conflicts_with = "inner"
    )]
    direct: Option<Direct>,

    /// Use projected gradient descent, with this method as the projection onto the generator's
    /// range
    #[arg(long, value_name = "linf|l1|relaxed|exact|descent|best", value_parser = parse_inner)]
    inner: Option<Inner>,

    /// Refine each code by least squares on its linear region (with --inner, after every
    /// projection)
    #[arg(long)]
    refine: bool,

    /// Maximum number of starts per observation, with --direct or --inner best [default: 1000]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    starts: Option<u32>,

    /// Step size. With --inner, 1 is the step for an A that preserves lengths [default: 0.5]. With
    /// --direct=descent, the step size of the descent
    #[arg(long, value_name = "S", allow_negative_numbers = true)]
    step: Option<f64>,

    /// Maximum number of iterations per run; with --inner, of outer iterations [default: 300; with
    /// --direct=descent 1000]
    #[arg(long, value_name = "N")]
    iterations: Option<usize>,

    /// Momentum: the share of the last change that is added to each step, with --inner [default: 0]
    #[arg(long, value_name = "B", allow_negative_numbers = true)]
    momentum: Option<f64>,

    /// Further runs from random codes; the best is kept [default: 0]
    #[arg(long, value_name = "N")]
    restarts: Option<usize>,

    /// Maximum number of iterations per projection, with --inner descent [default: 1000]
    #[arg(long, value_name = "N")]
    inner_iterations: Option<usize>,

    /// Factor by which the tolerance of a layer-wise method grows [default: 1.2]
    #[arg(long, value_name = "A", allow_negative_numbers = true)]
    growth: Option<f64>,
}

/// `--direct`.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Direct {
    Best,
    By(Inner),
}

/// A method of inversion.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Inner {
    Layerwise(formulation::LayerwiseMethod),
    Descent,
    Best,
}

const EXPECTED: &str = "expected best, descent, linf, l1, relaxed or exact";

fn parse_inner(text: &str) -> Result<Inner, String> {
    match text {
        "descent" => Ok(Inner::Descent),
        "best" => Ok(Inner::Best),
        _ => text.parse().map(Inner::Layerwise).map_err(|_| EXPECTED.to_owned()),
    }
}

fn parse_direct(text: &str) -> Result<Direct, String> {
    match text {
        "best" => Ok(Direct::Best),
        _ => parse_inner(text).map(Direct::By),
    }
}

impl OperatorArgs {
    /// A description of the measurements.
    fn words(&self) -> String {
        match (&self.operator, self.gaussian, self.average) {
            (Some(_), ..) => "linear measurements".to_owned(),
            (_, Some(measurements), _) => format!("{measurements} random projections"),
            (_, _, Some(block)) => format!("averages of {block} × {block} pixels"),
            _ => "the observed pixels".to_owned(),
        }
    }

    fn operator(&self, pixels: usize, image: Option<ImageSize>, seed: u64) -> Result<Box<dyn Operator>> {
        if let Some(path) = &self.operator {
            return Ok(Box::new(Dense::from_file(path, pixels)?));
        }
        if let Some(measurements) = self.gaussian {
            return Ok(Box::new(Dense::gaussian(measurements, pixels, seed)?));
        }
        if let Some(block) = self.average {
            let size = ImageSize::of(pixels, image)?;
            return Ok(Box::new(BlockAverage::new(size.height, size.width, block)?));
        }
        Ok(Box::new(Pixels(pixels)))
    }
}

impl WayArgs {
    fn direct(&self) -> Option<Direct> {
        self.direct.or(if self.inner.is_none() { Some(Direct::Best) } else { None })
    }

    /// Refuses options that the chosen strategy does not use: the user expects an effect of them.
    fn refuse_idle_options(&self) -> Result<()> {
        let direct = self.direct();
        let (is_best, is_inner) = (direct == Some(Direct::Best), self.inner.is_some());
        let descends = direct == Some(Direct::By(Inner::Descent));
        let layerwise =
            matches!(direct, Some(Direct::By(Inner::Layerwise(_)))) || matches!(self.inner, Some(Inner::Layerwise(_)));
        let given = [
            ("--refine", self.refine, !is_best, "--inner, or --direct with another method than best"),
            ("--starts", self.starts.is_some(), is_best || self.inner == Some(Inner::Best), "--direct or --inner best"),
            ("--step", self.step.is_some(), is_inner || descends, "--inner or --direct=descent"),
            ("--iterations", self.iterations.is_some(), is_inner || descends, "--inner or --direct=descent"),
            ("--momentum", self.momentum.is_some(), is_inner, "--inner"),
            ("--restarts", self.restarts.is_some(), is_inner || descends, "--inner or --direct=descent"),
            (
                "--inner-iterations",
                self.inner_iterations.is_some(),
                self.inner == Some(Inner::Descent),
                "--inner descent",
            ),
            ("--growth", self.growth.is_some(), layerwise, "a layer-wise method"),
        ];
        match given.into_iter().find(|(_, is_given, has_use, _)| *is_given && !has_use) {
            Some((option, .., wanted)) => {
                let expected = format!("{wanted}; or leave out {option}");
                Err(Error::option(option, "given, but the chosen method does not use it", expected))
            }
            None => Ok(()),
        }
    }

    fn search(&self, seed: u64) -> BestOptions {
        let starts = self.starts.map_or(BestOptions::default().starts, |starts| starts as usize);
        BestOptions { starts, seed, ..BestOptions::default() }
    }

    fn strategy(&self, seed: u64) -> Strategy {
        match self.direct() {
            Some(Direct::Best) => Strategy::Search(self.search(seed)),
            Some(Direct::By(_)) => Strategy::Direct,
            None => {
                let default = ProjectedOptions::default();
                Strategy::Projected(ProjectedOptions {
                    step: self.step.unwrap_or(default.step),
                    momentum: self.momentum.unwrap_or(default.momentum),
                    iterations: self.iterations.unwrap_or(default.iterations),
                    restarts: self.restarts.unwrap_or(default.restarts),
                    seed,
                    ..default
                })
            }
        }
    }

    fn method(&self, tolerances: Tolerances, seed: u64) -> Method {
        let default = DescentOptions::default();
        match (self.direct(), self.inner) {
            (Some(Direct::By(Inner::Layerwise(method))), _) | (None, Some(Inner::Layerwise(method))) => {
                Method::Layerwise(LayerwiseOptions { method, tolerances, ..LayerwiseOptions::default() })
            }
            (Some(Direct::By(Inner::Descent)), _) => Method::Descent(DescentOptions {
                step: self.step,
                iterations: self.iterations.unwrap_or(default.iterations),
                restarts: self.restarts.unwrap_or(default.restarts),
                seed,
                ..default
            }),
            (None, Some(Inner::Descent)) => {
                let iterations = self.inner_iterations.unwrap_or(default.iterations);
                Method::Descent(DescentOptions { iterations, seed, ..default })
            }
            (Some(Direct::By(Inner::Best)), _) | (None, Some(Inner::Best)) => {
                Method::Best(BestMethod { search: self.search(seed), tolerances })
            }
            // The search does not use a method.
            (Some(Direct::Best), _) | (None, None) => Method::Layerwise(LayerwiseOptions::default()),
        }
    }
}

impl Args {
    fn options(&self, stored_as: crate::formats::npy::ElementType) -> Result<RecoverOptions> {
        self.way.refuse_idle_options()?;
        let growth = self.way.growth.unwrap_or(Tolerances::default().growth);
        let tolerances = Tolerances { epsilon: self.epsilon, growth };
        tolerances.validate()?;
        let inversion = batch::Options {
            method: self.way.method(tolerances, self.seed),
            refine: self.way.refine,
            reproduces_within: self.epsilon,
            device: self.device.device,
            adapter: self.device.adapter.clone(),
            threads: self.device.threads,
            // Projections get computed images, not images from a file.
            precision: if self.way.inner.is_some() { Precision::default() } else { Precision::from(stored_as) },
            codes_as: self.dtype.into(),
            ..batch::Options::default()
        };
        Ok(RecoverOptions { strategy: self.way.strategy(self.seed), inversion })
    }

    /// The options for the summary: those of the final codes, not those of the projections.
    fn told_as(&self, recoverer: &Recoverer) -> batch::Options {
        let options = recoverer.options().clone();
        match self.way.direct() {
            Some(Direct::By(_)) => options,
            Some(Direct::Best) => batch::Options { method: Method::Best(BestMethod::default()), ..options },
            None => batch::Options { method: Method::Descent(DescentOptions::default()), refine: false, ..options },
        }
    }

    fn check_picture(&self, network: &Network) -> Result<()> {
        let Some(picture) = &self.picture else { return Ok(()) };
        ImageSize::of(network.observation_length(), self.image)?;
        check_place(picture, self.force || self.resume)?;
        let mut others: Vec<(&str, &Path)> = vec![
            ("the network", &self.network.network),
            ("the measurements", &self.measurements),
            ("the output of codes", &self.output),
        ];
        others.extend(self.report.as_deref().map(|path| ("the report", path)));
        others.extend(self.truth.as_deref().map(|path| ("the true codes", path)));
        others.extend(self.operator.mask.as_deref().map(|path| ("the mask", path)));
        others.extend(self.operator.operator.as_deref().map(|path| ("the operator", path)));
        others.extend(self.beside.iter().map(|path| ("codes to draw", path.as_path())));
        refuse_overlap("--picture", picture, &others)?;
        for path in &self.beside {
            NpyReader::open(path)?.check_width(network.code_length(), "as the network's codes have")?;
        }
        Ok(())
    }
}

pub fn run(args: Args, command: &CommandLine) -> Result<Outcome> {
    let network = Arc::new(args.network.load()?);
    let measurements = NpyReader::open(&args.measurements)?;
    let truth = args.truth.as_deref().map(NpyReader::open).transpose()?;
    let mask = args.operator.mask.as_deref().map(Mask::open).transpose()?;
    let options = args.options(measurements.element_type())?;
    args.check_picture(&network)?;
    if let Some(rows) = args.operator.gaussian.filter(|rows| *rows > 0) {
        // Check this before a matrix of that size is drawn.
        measurements.check_width(rows, "as --gaussian says")?;
    }
    let operator = args.operator.operator(network.observation_length(), args.image, args.seed)?;
    let run = FileRun {
        observations: measurements,
        mask,
        network: Some(args.network.network.clone()),
        other_inputs: args.operator.operator.iter().map(|path| ("the operator", path.clone())).collect(),
        codes: args.output.clone(),
        report: args.report.clone(),
        truth,
        batch: args.batch as usize,
        shard: args.shard.unwrap_or(Shard::WHOLE),
        force: args.force,
        journaling: if args.resume { Journaling::Resume } else { Journaling::Begin },
    };
    let status_line = Arc::new(OnceLock::new());
    let shown = Arc::clone(&status_line);
    let recoverer = Recoverer::new(Arc::clone(&network), operator, options)?.on_iteration(move |iteration| {
        if let Some(status_line) = shown.get() {
            super::progress::StatusLine::set(status_line, || words(iteration));
        }
    });
    let begun = |line| {
        let _ = status_line.set(line);
    };
    let totals = file_run::carry_out(run, &recoverer, "recovering", command, begun)?;
    if let Some(picture) = &args.picture {
        recovery_picture::draw(&Pictured {
            network: &network,
            operator: recoverer.operator(),
            measured: args.operator.words(),
            measurements: &args.measurements,
            mask: args.operator.mask.as_deref(),
            truth: args.truth.as_deref(),
            codes: &args.output,
            beside: &args.beside,
            size: ImageSize::of(network.observation_length(), args.image)?,
            picture,
            force: args.force || args.resume,
        })?;
    }
    let text =
        if args.json { print::in_json(&totals.json())? } else { summary::text(&totals, &args.told_as(&recoverer)) };
    print::print(&text)?;
    Ok(if totals.all_solved() { Outcome::Complete } else { Outcome::Incomplete })
}

fn words(iteration: Iteration) -> String {
    let Iteration { first_index, count, number, going_on } = iteration;
    let last = first_index + count as u64 - 1;
    format!("observations {first_index} to {last}: outer iteration {number}, {going_on} not finished")
}
