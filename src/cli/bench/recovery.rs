//! `unrelu bench recovery`.

use crate::bench::recovery::case::Case;
use crate::bench::recovery::contest::Contestant;
use crate::bench::recovery::{self, Options, table, warm};
use crate::error::Result;

use crate::cli::subject_args::SubjectArgs;
use crate::cli::{Outcome, interrupt, print};

/// Recovery from linear measurements: each method on the same data, against the best fit
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  unrelu bench recovery --quick\n  \
                        unrelu bench recovery --cases hidden:0.5,gaussian:100 --noise 0,0.1 --count 40\n  \
                        unrelu bench recovery --network net.safetensors --ways direct,pgd-linf-refined --json > rows.json\n  \
                        unrelu bench recovery --projections\n\n\
                        Without --network: a random 20→100→500 and the bundled trained 20→60→784. Codes are N(0, I).")]
pub struct Args {
    /// Two cases without noise and 10 observations: seconds instead of minutes
    #[arg(long)]
    quick: bool,

    /// Instead, measure how much time warm starts save in projections
    #[arg(long)]
    projections: bool,

    /// Print a list of rows as JSON
    #[arg(long)]
    json: bool,

    /// The measurements to test [default: all of docs/RECOVERY.md]
    #[arg(long, value_name = "hidden:SHARE|centre|lower|gaussian:M|average:B,…", value_delimiter = ',')]
    cases: Vec<Case>,

    /// Noise, as shares of the root mean square of the measurements [default: 0,0.1]
    #[arg(long, value_name = "SHARE,…", value_delimiter = ',')]
    noise: Vec<f64>,

    /// Test only these of direct, pgd-linf-refined, pgd-descent, direct-descent and layer-wise
    #[arg(long, value_name = "WAY,…", value_delimiter = ',')]
    ways: Vec<Contestant>,

    /// Observations per case [default: 200, with --quick 10]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    count: Option<u32>,

    #[command(flatten)]
    subject: SubjectArgs,

    /// Number of threads [default: the processors this process may use]
    #[arg(long, value_name = "N")]
    threads: Option<usize>,

    /// Time limit in seconds per method and case; remaining observations are skipped [default: 20,
    /// with --quick 0.5]
    #[arg(long, value_name = "S")]
    seconds: Option<f64>,
}

pub fn run(args: Args) -> Result<Outcome> {
    let subjects = args.subject.subjects()?;
    let (options, json) = (resolve(&args), args.json);
    interrupt::listen();
    if args.projections {
        let rows = warm::run(&subjects, options.count, options.threads)?;
        return print::print(&if json { print::in_json(&rows)? } else { table::projections(&rows) })
            .map(|()| Outcome::Complete);
    }
    if !json {
        let threads = options.threads.unwrap_or_else(rayon::current_num_threads);
        print::print(&table::heading(&options, threads))?;
    }
    let rows = recovery::run(&options, &subjects, &interrupt::token(), |rows| {
        if !json {
            return print::print(&table::lines(rows));
        }
        if let Some(row) = rows.first() {
            print::note(&format!("{}, {}", row.network, row.case));
        }
        Ok(())
    })?;
    if json {
        print::print(&print::in_json(&rows)?)?;
    }
    Ok(Outcome::Complete)
}

fn resolve(args: &Args) -> Options {
    let usual = if args.quick { Options::quick() } else { Options::full() };
    Options {
        cases: if args.cases.is_empty() { usual.cases } else { args.cases.clone() },
        noises: if args.noise.is_empty() { usual.noises } else { args.noise.clone() },
        ways: if args.ways.is_empty() { usual.ways } else { args.ways.clone() },
        count: args.count.map_or(usual.count, |count| count as usize),
        seconds: args.seconds.unwrap_or(usual.seconds),
        threads: args.threads,
    }
}
