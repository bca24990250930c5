//! `unrelu recover`: latent codes from linear measurements, file to file.

mod strategy_args;

use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use crate::batch::engine::Engine;
use crate::batch::{self, BestMethod, Method};
use crate::descent::DescentOptions;
use crate::error::{Error, Result};
use crate::formats::npy::{NpyReader, PixelRange};
use crate::formats::output::{check_free_before, refuse_overlap};
use crate::formats::streams::{self, is_read_once};
use crate::lp::formulation::Tolerances;
use crate::multistart::Objective;
use crate::network::Network;
use crate::precision::Precision;
use crate::recover::{Iteration, RecoverOptions, Recoverer, Strategy};
use crate::run::journal::Shard;
use crate::run::mask::Mask;
use crate::run::request::{FileRun, Journaling};

use strategy_args::{Direct, StrategyArgs};

use super::device_args::DeviceArgs;
use super::generate::StoredAs;
use super::image_size::ImageSize;
use super::judge_args::JudgeArgs;
use super::network_args::NetworkArgs;
use super::operator_args::OperatorArgs;
use super::picture::check_place;
use super::prior_args::PriorArgs;
use super::recovery_picture::{self, Pictured};
use super::uncertainty_args::UncertaintyArgs;
use super::verdict_args::VerdictArgs;
use super::{CommandLine, Outcome, file_run, flags, print, record, summary};

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

    /// The measurements, a .npy of shape (count, m), or an .npz with one such array; NaN where not
    /// measured; - is standard input. Bytes (uint8) are pixels, see --pixels
    measurements: PathBuf,

    /// Output file for the codes, a .npy of shape (count, k); NaN where a recovery failed; - is
    /// standard output
    #[arg(short, long, value_name = "CODES.npy")]
    output: PathBuf,

    /// Size of the noise of the measurements (ε₀), an absolute number. Answers are judged by it,
    /// unless --noise is given. Layer-wise methods use it as the initial tolerance [default:
    /// 1e-6 of the largest absolute entry of each observation, and not less than the rounding of
    /// its numbers]
    #[arg(long, value_name = "E", allow_negative_numbers = true)]
    epsilon: Option<f64>,

    /// The range that pixel values 0 to 255 stand for: 0..1 (divided by 255), -1..1 (divided by
    /// 127.5, minus 1) or 0..255 (unchanged) [default: for uint8 -1..1 if the network ends in tanh,
    /// otherwise 0..1]
    #[arg(long, value_name = "0..1|-1..1|0..255", allow_hyphen_values = true)]
    pixels: Option<PixelRange>,

    /// Seed of the random operator and of random starting codes
    #[arg(long, value_name = "S", default_value_t = 0)]
    seed: u64,

    #[command(flatten)]
    prior: PriorArgs,

    #[command(flatten)]
    judge: JudgeArgs,

    #[command(flatten)]
    uncertainty: UncertaintyArgs,

    #[command(flatten)]
    device: DeviceArgs,

    /// Observations per batch. At most seven batches are in memory; for `descent`, a graphics card
    /// takes several together, up to 8,192 runs. Runs resume, and shards are cut, between batches
    #[arg(long, value_name = "N", default_value_t = 64, value_parser = clap::value_parser!(u32).range(1..))]
    batch: u32,

    /// Output file for the report, with one row per observation: status, residuals of the
    /// measurements, iterations and errors; - is standard output, as .jsonl
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

    /// Height and width of one image, or 3xHxW for three channels [default: as the network's file
    /// has it, or square]
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

    /// Print the summary as JSON, with the version, the digests of the inputs and the options
    #[arg(long)]
    json: bool,

    #[command(flatten)]
    verdict: VerdictArgs,

    #[command(flatten)]
    operator: OperatorArgs,

    #[command(flatten)]
    strategy: StrategyArgs,
}

impl Args {
    /// Refuses options that have no meaning, alone or together.
    pub(super) fn check_options(&self) -> Result<()> {
        self.options(crate::formats::npy::ElementType::F64).map(drop)
    }

    fn options(&self, stored_as: crate::formats::npy::ElementType) -> Result<RecoverOptions> {
        self.strategy.refuse_idle_options()?;
        let growth = self.strategy.growth.unwrap_or(Tolerances::default().growth);
        let tolerances = Tolerances::default().epsilon(self.epsilon.or(self.judge.epsilon())).growth(growth);
        tolerances.validate()?;
        let inversion = batch::Options {
            method: self.strategy.method(tolerances, self.seed),
            refine: self.strategy.refine.then_some(Objective::L2),
            reproduces_within: self.epsilon,
            noise: self.judge.noise().size,
            noise_law: self.judge.noise().law,
            prior: self.prior.prior,
            uncertainty: self.uncertainty.uncertainty,
            alternatives: self.uncertainty.alternatives(),
            code_law: self.judge.code_law.unwrap_or_default(),
            device: self.device.device,
            adapter: self.device.adapter.clone(),
            backend: self.device.backend,
            threads: self.device.threads,
            // Projections get computed images, not images from a file.
            precision: if self.strategy.inner.is_some() { Precision::default() } else { Precision::from(stored_as) },
            codes_as: self.dtype.into(),
            ..batch::Options::default()
        };
        Ok(RecoverOptions { strategy: self.strategy.strategy(self.seed, self.judge.objective()), inversion })
    }

    /// The options for the summary: those of the final codes, not those of the projections.
    fn told_as(&self, recoverer: &Recoverer) -> batch::Options {
        let options = recoverer.options().clone();
        match self.strategy.direct() {
            Some(Direct::By(_)) => options,
            Some(Direct::Best) => {
                let search = self.strategy.search(self.seed, self.judge.objective());
                batch::Options { method: Method::Best(BestMethod::default().search(search)), ..options }
            }
            None => batch::Options { method: Method::Descent(DescentOptions::default()), refine: None, ..options },
        }
    }

    fn check_picture(&self, network: &Network, image_shape: &[usize]) -> Result<()> {
        let Some(picture) = &self.picture else { return Ok(()) };
        ImageSize::of_shape(image_shape, self.image)?;
        check_place(picture, self.force || self.resume)?;
        let drawn = [Some(&self.measurements), self.truth.as_ref(), self.operator.mask.as_ref(), Some(&self.output)];
        if let Some(stream) = drawn.into_iter().flatten().chain(&self.beside).find(|path| is_read_once(path)) {
            let found = format!("given with `{}`, which goes by once", stream.display());
            return Err(Error::option("--picture", found, "files, from which it is drawn at the end"));
        }
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
            NpyReader::open(path)?.fit(network.code_length(), "as the network's codes have")?;
        }
        Ok(())
    }
}

pub fn run(args: Args, command: &CommandLine) -> Result<Outcome> {
    let outputs = [Some(args.output.as_path()), args.report.as_deref()];
    print::data_goes_to(&outputs);
    let inputs = [
        ("MEASUREMENTS", Some(args.measurements.as_path())),
        ("truth", args.truth.as_deref()),
        ("mask", args.operator.mask.as_deref()),
        ("operator", args.operator.operator.as_deref()),
    ];
    streams::refuse_twice(streams::INPUT, &inputs)?;
    if !args.resume {
        check_free_before(&args.measurements, &outputs, args.force)?;
    }
    let read = args.network.load()?;
    let network = Arc::new(read.network);
    let mut measurements = NpyReader::open_stream(&args.measurements)?;
    let truth = args.truth.as_deref().map(NpyReader::open_stream).transpose()?;
    let image_shape = ImageSize::shape_or(args.image, read.image_shape)?;
    let mask = args.operator.mask.as_deref().map(|path| Mask::open(path, &image_shape)).transpose()?;
    args.operator.choose_pixels(&mut measurements, &network, args.pixels)?;
    let options = args.options(measurements.numbers())?;
    let pixels = measurements.pixels();
    if let Some(assumed) = measurements.assumed_pixels(args.pixels) {
        print::note(&flags::words(&assumed));
    }
    if let (Some(objective), Strategy::Search(_)) = (args.judge.objective(), &options.strategy) {
        print::note(&format!("noise {}: the search minimises {objective}", args.judge.noise()));
    }
    args.check_picture(&network, &image_shape)?;
    if let Some(rows) = args.operator.gaussian.filter(|rows| *rows > 0) {
        // Check this before a matrix of that size is drawn.
        measurements.fit(rows, "as --gaussian says")?;
    }
    let operator = args.operator.operator(&image_shape, args.image, args.seed)?;
    let run = FileRun {
        observations: measurements,
        mask,
        network: Some(args.network.network.clone()),
        ignored_tensors: read.ignored_tensors,
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
    let finished = file_run::carry_out(run, &recoverer, "recovering", command, begun)?;
    if let Some(picture) = &args.picture {
        recovery_picture::draw(&Pictured {
            network: &network,
            operator: recoverer.operator(),
            measured: args.operator.words(),
            measurements: &args.measurements,
            pixels,
            mask: args.operator.mask.as_deref(),
            truth: args.truth.as_deref(),
            codes: &args.output,
            beside: &args.beside,
            size: ImageSize::of_shape(&image_shape, args.image)?,
            image_shape: &image_shape,
            picture,
            force: args.force || args.resume,
        })?;
    }
    let totals = &finished.summary;
    let ended = record::Ended { totals, identity: finished.identity.as_ref(), codes: &args.output };
    ended.tell(args.json, &args.verdict, || summary::text(totals, &args.told_as(&recoverer)))
}

fn words(iteration: Iteration) -> String {
    let Iteration { first_index, count, number, unfinished } = iteration;
    let last = first_index + count as u64 - 1;
    format!("observations {first_index} to {last}: outer iteration {number}, {unfinished} not finished")
}
