//! `unrelu generate`: observations from codes, given or random, with or without noise.

use std::path::PathBuf;

use clap::ValueEnum;

use crate::error::{Error, Result};
use crate::formats::npy::{ElementType, NpyReader};
use crate::generate::{Codes, Generation};
use crate::random::Noise;
use crate::run::mask::Mask;

use super::image_size::ImageSize;
use super::network_args::NetworkArgs;
use super::operator_args::OperatorArgs;
use super::progress::Progress;
use super::{CommandLine, Outcome, interrupt};

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

    /// Codes to start from, a .npy of shape (count, k)
    #[arg(required_unless_present = "count", conflicts_with = "count")]
    codes: Option<PathBuf>,

    /// Draw this many random codes instead
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    count: Option<u64>,

    /// Output file for the random codes
    #[arg(long, value_name = "CODES.npy", requires = "count", conflicts_with = "codes")]
    codes_out: Option<PathBuf>,

    /// Output file for the observations, a .npy of shape (count, n), or (count, m) for m
    /// measurements
    #[arg(short, long, value_name = "OBSERVATIONS.npy")]
    output: PathBuf,

    #[command(flatten)]
    operator: OperatorArgs,

    /// Output file for the matrix of --gaussian, --average or --operator, a .npy of shape (m, n):
    /// the --operator of `unrelu recover`
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
    let read = args.network.load()?;
    let network = read.network;
    let codes = match (&args.codes, args.count) {
        (Some(path), _) => Codes::File(NpyReader::open(path)?),
        (None, Some(count)) => Codes::Random { count, out: args.codes_out },
        (None, None) => return Err(Error::option("CODES", "nothing", "a file with codes, or --count")),
    };
    let image_shape = ImageSize::shape_or(args.image, read.image_shape)?;
    let operator = args.operator.operator(&image_shape, args.image, args.seed)?;
    let mask = args.operator.mask.as_deref().map(|path| Mask::open(path, &image_shape)).transpose()?;
    let given = [("the mask", &args.operator.mask), ("the operator", &args.operator.operator)];
    let other_inputs = given.into_iter().filter_map(|(what, path)| Some((what, path.clone()?))).collect();
    let mut progress = Progress::new("generating", codes.count());
    let generation = Generation {
        network: &network,
        network_file: Some(args.network.network),
        codes,
        operator: &*operator,
        operator_out: args.operator_out,
        mask,
        other_inputs,
        output: args.output,
        noise: args.noise,
        seed: args.seed,
        element_type: args.dtype.into(),
        batch: args.batch as usize,
        force: args.force,
    };
    interrupt::listen();
    let result = generation.run(|done| {
        progress.set(done);
        !interrupt::requested()
    });
    progress.finish();
    result.map(|()| Outcome::Complete)
}
