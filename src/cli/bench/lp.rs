//! `unrelu bench lp`.

use std::path::PathBuf;

use crate::bench::lp::instances::{CASES, Case};
use crate::bench::lp::{self, Options, table};
use crate::error::{Error, Result};
use crate::lp::formulation::LayerwiseMethod;

use crate::cli::{Outcome, interrupt, print};

/// Linear programs of one layer: unrelu's solver against Clarabel on the same problems
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  unrelu bench lp --quick\n  \
                        unrelu bench lp --sizes 500x100 --methods linf,l1\n  \
                        unrelu bench lp --export lps --json > ours.json    for scripts/bench_peers.py\n\n\
                        Layers: 500x100 (ReLU, LeakyReLU, and without noise), 784x60 (random and trained weights, and \
                        without noise), 100x20, 600x250, 2000x200; --quick leaves the last two out unless --sizes \
                        names them.")]
pub struct Args {
    /// Small batches and fewer repetitions: seconds instead of minutes
    #[arg(long)]
    quick: bool,

    /// Print a list of rows as JSON
    #[arg(long)]
    json: bool,

    /// Test only layers of these sizes, ROWSxCOLUMNS
    #[arg(long, value_name = "SIZE,…", value_delimiter = ',')]
    sizes: Vec<String>,

    /// Test only these of linf, l1, relaxed and exact (the feasibility problem of layers without
    /// noise)
    #[arg(long, value_name = "METHOD,…", value_delimiter = ',')]
    methods: Vec<LayerwiseMethod>,

    /// Linear programs per batch [default: 1000, with --quick 25]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    batch: Option<u32>,

    /// Print the share of the solver's time that each stage takes
    #[arg(long, conflicts_with = "json")]
    profile: bool,

    /// Write the first linear programs of each group into this folder, as .npy files with an index
    #[arg(long, value_name = "FOLDER")]
    export: Option<PathBuf>,

    /// Replace an existing export
    #[arg(long, requires = "export")]
    force: bool,
}

pub fn run(args: Args) -> Result<Outcome> {
    let json = args.json;
    let options = resolve(args)?;
    interrupt::listen();
    if !json {
        print::print(&table::heading(options.batch, rayon::current_num_threads(), options.clarabel_seconds))?;
    }
    let groups = options.groups().count();
    let mut done = 0;
    let rows = lp::run(&options, |group, measured| {
        if interrupt::requested() {
            return Err(Error::Cancelled);
        }
        done += 1;
        if json {
            print::note(&format!("{done} of {groups}: {group}"));
            return Ok(());
        }
        print::print(&table::lines(group, measured))
    })?;
    if json {
        print::print(&print::in_json(&rows)?)?;
    } else {
        print::print(table::FOOTING)?;
    }
    Ok(Outcome::Complete)
}

fn resolve(args: Args) -> Result<Options> {
    let mut options = if args.quick { Options::quick() } else { Options::full() };
    if !args.sizes.is_empty() {
        options.cases = pick(&args.sizes)?;
    }
    if !args.methods.is_empty() {
        options.methods = args.methods;
    }
    if let Some(batch) = args.batch {
        options.batch = batch as usize;
    }
    options.profile = args.profile;
    options.export = args.export;
    options.force = args.force;
    Ok(options)
}

/// The layers of the table that have one of these sizes.
fn pick(names: &[String]) -> Result<Vec<Case>> {
    let name = |case: &Case| format!("{}x{}", case.rows, case.columns);
    if let Some(unknown) = names.iter().find(|wanted| !CASES.iter().any(|case| name(case) == **wanted)) {
        let mut known: Vec<String> = Vec::new();
        for case in &CASES {
            if !known.contains(&name(case)) {
                known.push(name(case));
            }
        }
        return Err(Error::option("--sizes", unknown, known.join(", ")));
    }
    Ok(CASES.into_iter().filter(|case| names.contains(&name(case))).collect())
}
