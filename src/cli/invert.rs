//! `unrelu invert`: latent codes from observations, file to file.

use std::path::PathBuf;

use crate::batch::{BestMethod, Inverter, Method, MissRate, Options, SolverChoice};
use crate::descent::{DescentOptions, Optimizer};
use crate::error::{Error, Result};
use crate::formats::npy::{ElementType, NpyReader, PixelRange};
use crate::formats::output::check_free_before;
use crate::formats::streams;
use crate::lp::formulation::{self, Tolerances};
use crate::multistart::{BestOptions, Objective};
use crate::network::Network;
use crate::precision::Precision;
use crate::run::journal::Shard;
use crate::run::request::{FileRun, Journaling};

use super::device_args::DeviceArgs;
use super::generate::StoredAs;
use super::judge_args::JudgeArgs;
use super::layerwise_args::LayerwiseArgs;
use super::network_args::NetworkArgs;
use super::prior_args::PriorArgs;
use super::uncertainty_args::UncertaintyArgs;
use super::verdict_args::VerdictArgs;
use super::{CommandLine, Outcome, file_run, flags, print, record, summary};

/// Invert a generator: latent codes from observations, layer by layer, by a search from many
/// starts, or by gradient descent
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  unrelu invert net.safetensors observations.npy -o codes.npy --epsilon 0.01 --refine\n  \
                        unrelu invert decoder.pth images.npy -o codes.npy --layers fc3,fc4 --activation relu \
                        --output-activation sigmoid --report report.jsonl\n  \
                        unrelu invert net.safetensors observations.npy -o part-2.npy --shard 2/4\n  \
                        unrelu invert net.safetensors observations.npy -o codes.npy --resume\n\n\
                        With - for standard input or output, a run takes its place in a pipeline; messages and the summary then \
                        go to standard error. It keeps no journal and cannot be resumed.\n\n\
                        CODES.npy.journal records the inputs and options. An interrupted run leaves its journal and its results \
                        as .partial files. The same command with --resume continues it and writes the same bytes as a run without \
                        an interruption. `unrelu merge` joins shards.\n\n\
                        Unobserved entries are NaN. Exit code 3: finished, but some observations have no certified (or \
                        converged) answer, or none that explains them; the report says which and why."
)]
pub struct Args {
    #[command(flatten)]
    network: NetworkArgs,

    /// The observations, a .npy of shape (count, n) or (count, h, w), or an .npz with one such
    /// array; NaN where unobserved; - is standard input. Bytes (uint8) are pixels, see --pixels
    observations: PathBuf,

    /// Output file for the codes, a .npy of shape (count, k); NaN where an observation failed; - is
    /// standard output
    #[arg(short, long, value_name = "CODES.npy")]
    output: PathBuf,

    /// Layer by layer: linf, l1 or relaxed for noisy observations, exact for noise-free ones. All
    /// layers together: best, the lowest error found from many starts, or descent, the baseline
    /// [default: linf; best if --noise names a law, or if a layer does not expand]
    #[arg(long, value_name = "linf|l1|relaxed|exact|best|descent", value_parser = parse_method)]
    method: Option<MethodName>,

    /// Initial tolerance (ε₀), an absolute number: the bound or standard deviation of the noise.
    /// Answers are judged by it, unless --noise is given [default: 1e-6 of the largest absolute
    /// entry of each observation, and not less than the rounding of its numbers]
    #[arg(long, value_name = "E", allow_negative_numbers = true)]
    epsilon: Option<f64>,

    /// The range that pixel values 0 to 255 stand for: 0..1 (divided by 255), -1..1 (divided by
    /// 127.5, minus 1) or 0..255 (unchanged) [default: for uint8 -1..1 if the network ends in tanh,
    /// otherwise 0..1]
    #[arg(long, value_name = "0..1|-1..1|0..255", allow_hyphen_values = true)]
    pixels: Option<PixelRange>,

    /// Factor by which the tolerance grows (α) [default: 1.2]
    #[arg(long, value_name = "A", allow_negative_numbers = true)]
    growth: Option<f64>,

    /// Afterwards, refine each code on the linear regions of all layers together, to a local
    /// minimum of the squared error (l2), the largest error (linf) or the sum of errors (l1). The
    /// result is kept only if this error falls [default: no refinement; without a value l2, or the
    /// norm of the law that --noise names]
    #[arg(long, value_name = "l2|linf|l1", num_args = 0..=1, require_equals = true)]
    refine: Option<Option<Objective>>,

    /// Solver of the linear programs; clarabel is a slow reference [default: interior-point]
    #[arg(long, value_name = "interior-point|clarabel")]
    solver: Option<SolverChoice>,

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
    #[arg(long, value_name = "N", default_value_t = 256, value_parser = clap::value_parser!(u32).range(1..))]
    batch: u32,

    /// Output file for the report, with one row per observation: status, residuals, and for each
    /// layer ε, the objective and whether the layer is determined; - is standard output, as .jsonl
    #[arg(long, value_name = "REPORT.csv|.jsonl")]
    report: Option<PathBuf>,

    /// The true codes. With them, the report has the code errors, and the summary also the success
    /// rate
    #[arg(long, value_name = "CODES.npy")]
    truth: Option<PathBuf>,

    /// Number type of the stored codes
    #[arg(long, default_value = "f64")]
    dtype: StoredAs,

    /// Continue an interrupted run of this command; if there is none, start at the beginning
    #[arg(long)]
    resume: bool,

    /// Invert only part I of N of the observations, counted from 1; `unrelu merge` joins the
    /// results
    #[arg(long, value_name = "I/N")]
    shard: Option<Shard>,

    /// Replace existing outputs, and discard an unfinished run unless --resume is given
    #[arg(long)]
    force: bool,

    /// Print the summary as JSON, with the version, the digests of the inputs and the options
    #[arg(long)]
    json: bool,

    #[command(flatten)]
    verdict: VerdictArgs,

    /// Seed of the random codes that best and descent start from [default: 0]
    #[arg(long, value_name = "S")]
    seed: Option<u64>,

    /// What --method best minimises: the squared error (l2), the sum of absolute errors (l1, if a
    /// few entries have gross errors), or the largest error (linf) [default: l2, or by the law that
    /// --noise names]
    #[arg(long, value_name = "l2|l1|linf")]
    objective: Option<Objective>,

    /// Maximum number of runs per observation of --method best. It stops earlier once the lowest
    /// loss was found often enough [default: 1000]
    #[arg(long, value_name = "N")]
    starts: Option<usize>,

    /// For --method best: the share of the lowest minima that may be missed. How many runs this
    /// takes is measured first, on outputs of the network with noise of the size that --noise
    /// names; on networks where every start leads to the same minimum, two are enough. `none`
    /// stands for the usual search of at least 48 runs [default: 0.01 for squares, with a named
    /// size of the noise]
    #[arg(long, value_name = "SHARE|none")]
    miss_rate: Option<MissRate>,

    #[command(flatten)]
    layerwise: LayerwiseArgs,

    #[command(flatten)]
    descent: DescentArgs,
}

/// Options of `--method descent`.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Options of --method descent")]
struct DescentArgs {
    /// Plain gradient descent, momentum 0.9 (heavy ball), or Adam with 0.9 and 0.999 [default:
    /// plain]
    #[arg(long, value_name = "plain|momentum|adam")]
    optimizer: Option<Optimizer>,

    /// Step size, or learning rate [default: from the norms of the layers; for adam 0.1, a length
    /// in code space]
    #[arg(long, value_name = "S", allow_negative_numbers = true)]
    step: Option<f64>,

    /// Maximum number of iterations per run [default: 1000]
    #[arg(long, value_name = "N")]
    iterations: Option<usize>,

    /// Further runs from other random codes; the lowest loss is kept [default: 0]
    #[arg(long, value_name = "N")]
    restarts: Option<usize>,
}

/// `--method`.
#[derive(Debug, Clone, Copy, PartialEq)]
enum MethodName {
    Layerwise(formulation::LayerwiseMethod),
    Best,
    Descent,
}

impl std::fmt::Display for MethodName {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            MethodName::Layerwise(method) => method.fmt(f),
            MethodName::Best => f.write_str("best"),
            MethodName::Descent => f.write_str("descent"),
        }
    }
}

fn parse_method(text: &str) -> Result<MethodName, String> {
    match text {
        "best" => Ok(MethodName::Best),
        "descent" => Ok(MethodName::Descent),
        _ => text
            .parse()
            .map(MethodName::Layerwise)
            .map_err(|_| "expected linf, l1, relaxed, exact, best or descent".to_owned()),
    }
}

impl Args {
    /// Refuses options that the method does not use: the user expects an effect of them.
    fn refuse_idle_options(&self) -> Result<()> {
        use formulation::LayerwiseMethod::{Exact, L1, Relaxed};
        let method = self.method_name();
        let descent = method == MethodName::Descent;
        let best = method == MethodName::Best;
        let ladder = matches!(method, MethodName::Layerwise(L1 | Relaxed));
        let random = (best || descent, "--method best or descent");
        let layerwise = (!descent && !best, "a layer-wise method");
        let programs = (!descent, "a layer-wise method or --method best");
        let grows = (!descent && method != MethodName::Layerwise(Exact), "--method linf, l1, relaxed or best");
        let only_descent = (descent, "--method descent");
        let given = [
            ("--optimizer", self.descent.optimizer.is_some(), only_descent),
            ("--step", self.descent.step.is_some(), only_descent),
            ("--iterations", self.descent.iterations.is_some(), only_descent),
            ("--restarts", self.descent.restarts.is_some(), only_descent),
            ("--seed", self.seed.is_some(), random),
            ("--objective", self.objective.is_some(), (best, "--method best")),
            ("--starts", self.starts.is_some(), (best, "--method best")),
            ("--miss-rate", self.miss_rate.is_some(), (best, "--method best")),
            ("--growth", self.growth.is_some(), grows),
            ("--solver", self.solver.is_some(), programs),
            ("--refine", self.refine.is_some(), (!best, "another method, since best is already refined")),
        ];
        let of_layers = self.layerwise.given().map(|(option, is_given, of_ladders)| {
            let use_of = if of_ladders { (ladder, "--method l1 or relaxed") } else { layerwise };
            (option, is_given, use_of)
        });
        match given.into_iter().chain(of_layers).find(|(_, is_given, (has_use, _))| *is_given && !has_use) {
            Some((option, _, (_, wanted))) => {
                let expected = format!("{wanted}; or leave out {option}");
                Err(Error::option(option, format!("given with --method {method}"), expected))
            }
            None => Ok(()),
        }
    }

    /// The method: a law of the noise is for the search in its norm.
    fn method_name(&self) -> MethodName {
        let has_law = self.judge.objective().is_some();
        let usual = MethodName::Layerwise(formulation::LayerwiseMethod::Linf);
        self.method.unwrap_or(if has_law { MethodName::Best } else { usual })
    }

    /// Chooses `best` for a network whose codes the layer-wise methods do not determine, and says
    /// so, unless the user chose a method or gave an option of theirs.
    fn choose_method(&mut self, network: &Network) {
        let asks_for_layers = self.refine.is_some() || self.layerwise.given().iter().any(|(_, is_given, _)| *is_given);
        if self.method.is_some() || asks_for_layers || !matches!(self.method_name(), MethodName::Layerwise(_)) {
            return;
        }
        let narrows = || narrowing_layers(network).next().map(|layer| format!("{layer}: it does not expand"));
        if let Some(reason) = network.layerwise_obstacle().or_else(narrows) {
            self.method = Some(MethodName::Best);
            print::note(&format!("--method best, since layer-wise methods do not suit this network ({reason})"));
        }
    }

    /// What a search minimises: as asked for, or by the law of the noise.
    fn objective(&self) -> Objective {
        self.objective.or(self.judge.objective()).unwrap_or_default()
    }

    /// What refinement minimises.
    fn refinement(&self) -> Option<Objective> {
        self.refine.map(|named| named.or(self.judge.objective()).unwrap_or_default())
    }

    /// What a named law of the noise has chosen; `None` without one.
    fn choice(&self) -> Option<String> {
        let noise = self.judge.noise();
        noise.law?;
        let method = match (self.method_name(), self.refinement()) {
            (MethodName::Best, _) => format!("--method best --objective {}", self.objective()),
            (method, Some(refined)) => format!("--method {method} --refine={refined}"),
            (method, None) => format!("--method {method}"),
        };
        let has_tolerance = !matches!(
            self.method_name(),
            MethodName::Descent | MethodName::Layerwise(formulation::LayerwiseMethod::Exact)
        );
        let tolerance = self
            .judge
            .epsilon()
            .filter(|_| has_tolerance)
            .map_or_else(String::new, |size| format!("; the tolerance starts at {}", self.epsilon.unwrap_or(size)));
        Some(format!("noise {noise}: {method}{tolerance}"))
    }

    fn method(&self, tolerances: Tolerances) -> Method {
        match self.method_name() {
            MethodName::Layerwise(method) => Method::Layerwise(self.layerwise.options(method, tolerances)),
            MethodName::Best => {
                let default = BestOptions::default();
                let search = BestOptions {
                    objective: self.objective(),
                    starts: self.starts.unwrap_or(default.starts),
                    seed: self.seed.unwrap_or(default.seed),
                    ..default
                };
                Method::Best(BestMethod { search, tolerances, miss_rate: self.miss_rate.unwrap_or_default() })
            }
            MethodName::Descent => {
                let (given, default) = (&self.descent, DescentOptions::default());
                Method::Descent(DescentOptions {
                    optimizer: given.optimizer.unwrap_or(default.optimizer),
                    step: given.step,
                    iterations: given.iterations.unwrap_or(default.iterations),
                    restarts: given.restarts.unwrap_or(default.restarts),
                    seed: self.seed.unwrap_or(default.seed),
                })
            }
        }
    }

    /// Refuses options that have no meaning, alone or together.
    pub(super) fn check_options(&self) -> Result<()> {
        self.options(ElementType::F64).map(drop)
    }

    fn options(&self, stored_as: ElementType) -> Result<Options> {
        self.refuse_idle_options()?;
        let growth = self.growth.unwrap_or(Tolerances::default().growth);
        let tolerances = Tolerances::default().epsilon(self.epsilon.or(self.judge.epsilon())).growth(growth);
        tolerances.validate()?;
        Ok(Options {
            method: self.method(tolerances),
            refine: self.refinement(),
            reproduces_within: self.epsilon,
            noise: self.judge.noise().size,
            noise_law: self.judge.noise().law,
            prior: self.prior.prior,
            uncertainty: self.uncertainty.uncertainty,
            alternatives: self.uncertainty.alternatives(),
            code_law: self.judge.code_law.unwrap_or_default(),
            solver: self.solver.unwrap_or_default(),
            device: self.device.device,
            adapter: self.device.adapter.clone(),
            backend: self.device.backend,
            threads: self.device.threads,
            precision: Precision::from(stored_as),
            codes_as: self.dtype.into(),
        })
    }
}

pub fn run(mut args: Args, command: &CommandLine) -> Result<Outcome> {
    let outputs = [Some(args.output.as_path()), args.report.as_deref()];
    print::data_goes_to(&outputs);
    let inputs = [("OBSERVATIONS", Some(args.observations.as_path())), ("truth", args.truth.as_deref())];
    streams::refuse_twice(streams::INPUT, &inputs)?;
    if !args.resume {
        check_free_before(&args.observations, &outputs, args.force)?;
    }
    let read = args.network.load()?;
    let network = read.network;
    args.choose_method(&network);
    let mut observations = NpyReader::open_stream(&args.observations)?;
    let truth = args.truth.as_deref().map(NpyReader::open_stream).transpose()?;
    observations.choose_pixels(network.layers()[network.depth() - 1].activation, args.pixels)?;
    let options = args.options(observations.numbers())?;
    if let Some(assumed) = observations.assumed_pixels(args.pixels) {
        print::note(&flags::words(&assumed));
    }
    if let Some(choice) = args.choice() {
        print::note(&choice);
    }
    if let Some(rate) = options.measured_rate(&network) {
        let search = if args.miss_rate.is_none() { "; for the usual search, add --miss-rate none" } else { "" };
        print::note(&format!("measuring how many runs a miss rate of {rate} takes{search}"));
    }
    if let MethodName::Layerwise(method) = args.method_name() {
        warn_of_doubts(&network);
        for (option, missing) in args.layerwise.without_effect(method, &network) {
            print::note(&format!("{option} changes nothing here: {missing}"));
        }
    }
    let run = FileRun {
        observations,
        network: Some(args.network.network),
        mask: None,
        ignored_tensors: read.ignored_tensors,
        other_inputs: Vec::new(),
        codes: args.output.clone(),
        report: args.report,
        truth,
        batch: args.batch as usize,
        shard: args.shard.unwrap_or(Shard::WHOLE),
        force: args.force,
        journaling: if args.resume { Journaling::Resume } else { Journaling::Begin },
    };
    let inverter = Inverter::new(network, options)?;
    let finished = file_run::carry_out(run, &inverter, "inverting", command, |_| {})?;
    let totals = &finished.summary;
    let ended = record::Ended { totals, identity: finished.identity.as_ref(), codes: &args.output };
    ended.tell(args.json, &args.verdict, || summary::text(totals, inverter.options()))
}

/// The layers with fewer units than inputs, described.
fn narrowing_layers(network: &Network) -> impl Iterator<Item = String> {
    let narrow = network.layers().iter().enumerate().filter(|(_, layer)| layer.units() < layer.inputs());
    narrow
        .map(|(index, layer)| format!("layer {} has {} units for {} inputs", index + 1, layer.units(), layer.inputs()))
}

/// Prints warnings about layers whose inputs cannot be determined. The run continues.
fn warn_of_doubts(network: &Network) {
    for layer in narrowing_layers(network) {
        print::note(&format!("warning: {layer}: it does not expand, so its input is not determined"));
    }
}
