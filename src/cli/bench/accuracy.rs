//! `unrelu bench accuracy`.

use crate::bench::accuracy::contest::Contestant;
use crate::bench::accuracy::{self, Options, table};
use crate::error::Result;
use crate::random::Noise;

use crate::cli::subject_args::SubjectArgs;
use crate::cli::{Outcome, interrupt, print};

/// Accuracy and speed of each method by noise, against the best fit to the data
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  unrelu bench accuracy --quick\n  \
                        unrelu bench accuracy --noise gaussian:0.1 --methods linf-refined,best\n  \
                        unrelu bench accuracy --network net.safetensors --observed 0.5 --json > rows.json\n\n\
                        Without --network: a random 20→100→500 and the bundled trained 20→60→784. Codes are N(0, I). The \
                        limits are the local minima of the squared error, the largest error (limit linf) and the sum of \
                        errors (limit l1) that descent reaches from the true code.")]
pub struct Args {
    /// Two kinds of noise and 20 observations: a minute instead of many
    #[arg(long)]
    quick: bool,

    /// Print a list of rows as JSON
    #[arg(long)]
    json: bool,

    /// Noise added to the observations [default: uniform and gaussian, 1e-4 to 1e-1 in powers of
    /// 10; laplace, 1e-2 and 1e-1; gross:0.05]
    #[arg(long, value_name = "uniform:A|gaussian:SIGMA|laplace:B|gross:SHARE,…", value_delimiter = ',')]
    noise: Vec<Noise>,

    /// Test only these of linf, linf-refined, linf-refined-linf, l1, l1-refined, l1-refined-l1,
    /// relaxed, descent, best, best-linf and best-l1
    #[arg(long, value_name = "METHOD,…", value_delimiter = ',')]
    methods: Vec<Contestant>,

    /// Observations per kind and size of noise [default: 200, with --quick 20]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    count: Option<u32>,

    /// Share of the entries that are observed [default: 1]
    #[arg(long, value_name = "SHARE")]
    observed: Option<f64>,

    #[command(flatten)]
    subject: SubjectArgs,

    /// Number of threads [default: the processors this process may use]
    #[arg(long, value_name = "N")]
    threads: Option<usize>,

    /// Time limit in seconds per method and noise; remaining observations are skipped [default: 60,
    /// with --quick 1]
    #[arg(long, value_name = "S")]
    seconds: Option<f64>,
}

pub fn run(args: Args) -> Result<Outcome> {
    let subjects = args.subject.subjects()?;
    let (options, json) = (resolve(&args), args.json);
    interrupt::listen();
    if !json {
        let threads = options.threads.unwrap_or_else(rayon::current_num_threads);
        print::print(&table::heading(&options, threads))?;
    }
    let rows = accuracy::run(&options, &subjects, &interrupt::token(), |subject, noise, rows| {
        if json {
            print::note(&format!("{}, noise {noise}", subject.name));
            return Ok(());
        }
        print::print(&table::lines(subject, noise, rows))
    })?;
    if json {
        print::print(&print::in_json(&rows)?)?;
    }
    Ok(Outcome::Complete)
}

fn resolve(args: &Args) -> Options {
    let usual = if args.quick { Options::quick() } else { Options::full() };
    Options {
        noises: if args.noise.is_empty() { usual.noises } else { args.noise.clone() },
        methods: if args.methods.is_empty() { usual.methods } else { args.methods.clone() },
        count: args.count.map_or(usual.count, |count| count as usize),
        observed: args.observed.unwrap_or(usual.observed),
        seconds: args.seconds.unwrap_or(usual.seconds),
        threads: args.threads,
    }
}
