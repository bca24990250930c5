//! `unrelu generate`: observations from codes, given or random, with or without noise.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use clap::ValueEnum;
use serde_json::{Value, json};

use crate::error::{Error, Result};
use crate::formats::npy::{ElementType, NpyReader};
use crate::formats::output::check_free_before;
use crate::formats::streams::{self, ReadDigest, input_name, is_read_once, is_standard};
use crate::generate::{Codes, Generation};
use crate::network::Network;
use crate::random::Noise;
use crate::recover::operators::Operator;
use crate::run::journal::{Source, network_digest};
use crate::run::mask::Mask;

use super::image_size::ImageSize;
use super::network_args::NetworkArgs;
use super::operator_args::OperatorArgs;
use super::progress::Progress;
use super::{CommandLine, Outcome, interrupt, print, record};

/// Run a generator forward: make observations from given codes, or from random codes N(0, I)
#[derive(Debug, clap::Args)]
#[command(
    override_usage = "unrelu generate [OPTIONS] NETWORK CODES -o OBSERVATIONS.npy\n       \
                      unrelu generate [OPTIONS] NETWORK --count N -o OBSERVATIONS.npy",
    after_help = "Examples:\n  unrelu generate net.safetensors --count 1000 --seed 1 --codes-out codes.npy \
                  -o observations.npy --noise uniform:0.01\n  unrelu generate net.safetensors --count 100 --gaussian 50 \
                  -o y.npy --operator-out A.npy --noise gaussian:0.01"
)]
pub struct Args {
    #[command(flatten)]
    network: NetworkArgs,

    /// Codes to start from, a .npy of shape (count, k); - is standard input
    #[arg(required_unless_present = "count", conflicts_with = "count")]
    codes: Option<PathBuf>,

    /// Draw this many random codes instead
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    count: Option<u64>,

    /// Output file for the random codes; - is standard output
    #[arg(long, value_name = "CODES.npy", requires = "count", conflicts_with = "codes")]
    codes_out: Option<PathBuf>,

    /// Output file for the observations, a .npy of shape (count, n), or (count, m) for m
    /// measurements; - is standard output
    #[arg(short, long, value_name = "OBSERVATIONS.npy")]
    output: PathBuf,

    #[command(flatten)]
    operator: OperatorArgs,

    /// Output file for the matrix of --gaussian, --average or --operator, a .npy of shape (m, n):
    /// the --operator of `unrelu recover`; - is standard output
    #[arg(long, value_name = "A.npy")]
    operator_out: Option<PathBuf>,

    /// Height and width of one image, or 3xHxW for three channels, for --average and --mask
    /// [default: as the network's file has it, or square]
    #[arg(long, value_name = "HxW")]
    image: Option<ImageSize>,

    /// Noise to add, after the measurement: uniform:A for U(−A, A), gaussian:SIGMA for N(0,
    /// SIGMA²), laplace:B for Laplace noise of mean absolute value B, gross:SHARE for a share of
    /// entries that are replaced by any number of the observation's range
    #[arg(long)]
    noise: Option<Noise>,

    /// Seed of random codes, projections and noise; the same seed gives the same numbers on every
    /// machine
    #[arg(long, default_value_t = 0)]
    seed: u64,

    /// Number type of the outputs
    #[arg(long, default_value = "f64")]
    dtype: StoredAs,

    /// Observations per batch. One batch is in memory; the size does not change the results
    #[arg(long, value_name = "N", default_value_t = 1024, value_parser = clap::value_parser!(u32).range(1..))]
    batch: u32,

    /// Replace existing outputs
    #[arg(long)]
    force: bool,

    /// Print what was generated as JSON, with the version, the digests of the inputs and the
    /// options
    #[arg(long)]
    json: bool,
}

/// `--dtype`.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub enum StoredAs {
    F64,
    F32,
}

impl From<StoredAs> for ElementType {
    fn from(stored_as: StoredAs) -> Self {
        match stored_as {
            StoredAs::F64 => ElementType::F64,
            StoredAs::F32 => ElementType::F32,
        }
    }
}

pub fn run(args: Args, _: &CommandLine) -> Result<Outcome> {
    let outputs = [Some(args.output.as_path()), args.codes_out.as_deref(), args.operator_out.as_deref()];
    print::data_goes_to(&outputs);
    let given = [
        ("CODES", args.codes.as_deref()),
        ("mask", args.operator.mask.as_deref()),
        ("operator", args.operator.operator.as_deref()),
    ];
    streams::refuse_twice(streams::INPUT, &given)?;
    if let Some(codes) = &args.codes {
        check_free_before(codes, &outputs, args.force)?;
    }
    let begun = Instant::now();
    let read = args.network.load()?;
    let network = read.network;
    let mut codes = match (&args.codes, args.count) {
        (Some(path), _) => Codes::File(Box::new(NpyReader::open_stream(path)?)),
        (None, Some(count)) => Codes::Random { count, out: args.codes_out.clone() },
        (None, None) => return Err(Error::option("CODES", "nothing", "a file with codes, or --count")),
    };
    let image_shape = ImageSize::shape_or(args.image, read.image_shape)?;
    let operator = args.operator.operator(&image_shape, args.image, args.seed)?;
    let mut mask = args.operator.mask.as_deref().map(|path| Mask::open(path, &image_shape)).transpose()?;
    let record =
        if args.json { Some(Record::of(&args, &network, &mut codes, &*operator, mask.as_mut())?) } else { None };
    let given = [("the mask", &args.operator.mask), ("the operator", &args.operator.operator)];
    let other_inputs = given.into_iter().filter_map(|(what, path)| Some((what, path.clone()?))).collect();
    let mut progress = Progress::new("generating", codes.count());
    let goes_by =
        args.codes.as_deref().is_some_and(is_read_once) || outputs.iter().flatten().any(|out| is_standard(out));
    let generation = Generation {
        network: &network,
        network_file: Some(args.network.network.clone()),
        codes,
        operator: &*operator,
        operator_out: args.operator_out.clone(),
        mask,
        other_inputs,
        output: args.output.clone(),
        noise: args.noise,
        seed: args.seed,
        element_type: args.dtype.into(),
        batch: args.batch as usize,
        force: args.force,
    };
    interrupt::listen_for(goes_by);
    let result = generation.run(|done| {
        progress.set(done);
        !interrupt::requested()
    });
    progress.finish();
    let count = result?;
    if let Some(record) = record {
        let record = record.json(&args, &network, [count, operator.measurements() as u64], begun.elapsed());
        print::print(&print::in_json(&record)?)?;
    }
    Ok(Outcome::Complete)
}

/// What a generation was made from, taken before its inputs are used.
struct Record {
    /// The digest of the file of codes; `None` for a stream, whose digest is known at its end.
    codes: Option<String>,
    stream: Option<ReadDigest>,
    /// The options that change the outputs, by the names of their fields.
    options: Vec<(String, String)>,
}

impl Record {
    fn of(
        args: &Args,
        network: &Network,
        codes: &mut Codes,
        operator: &dyn Operator,
        mask: Option<&mut Mask>,
    ) -> Result<Self> {
        let (codes, stream) = match codes {
            Codes::File(reader) if reader.is_stream() => (None, reader.read_digest()),
            Codes::File(reader) => {
                reader.fit(network.code_length(), "the length of the network's codes")?;
                (Some(reader.pin(args.batch as usize)?), None)
            }
            Codes::Random { .. } => (None, None),
        };
        let codes_as = match args.dtype {
            StoredAs::F64 => "f64",
            StoredAs::F32 => "f32",
        };
        let mut options = vec![operator.identity(), ("codes_as".to_owned(), codes_as.to_owned())];
        options.extend(args.noise.map(|noise| ("noise".to_owned(), noise.to_string())));
        if let Some(mask) = mask {
            options.push(("mask".to_owned(), mask.pin(args.batch as usize)?));
        }
        if args.noise.is_some() || args.codes.is_none() {
            options.push(("seed".to_owned(), args.seed.to_string()));
        }
        Ok(Record { codes, stream, options })
    }

    /// `count` outputs of `width` numbers.
    fn json(self, args: &Args, network: &Network, [count, width]: [u64; 2], elapsed: Duration) -> Value {
        let Record { codes, stream, options } = self;
        let digest = codes.or_else(|| stream.map(|digest| digest.hex()));
        let source = |path: &Path, digest: String| {
            record::of_source(&Source { file: input_name(path).display().to_string(), digest })
        };
        let shown = |path: &Path| path.display().to_string();
        json!({
            "observations": count,
            "measurements": width,
            "device": "CPU",
            "threads": rayon::current_num_threads(),
            "seconds": { "total": elapsed.as_secs_f64() },
            "run": {
                "version": env!("CARGO_PKG_VERSION"),
                "network": source(&args.network.network, network_digest(network)),
                "codes": args.codes.as_deref().zip(digest).map(|(path, digest)| source(path, digest)),
                "options": record::of_options(&options),
                "count": count,
                "batch": args.batch,
                "output": shown(&args.output),
                "codes_out": args.codes_out.as_deref().map(shown),
                "operator_out": args.operator_out.as_deref().map(shown),
            },
        })
    }
}
