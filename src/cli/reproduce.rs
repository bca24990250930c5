//! `unrelu reproduce`: the paper's figures and table, and further experiments.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use crate::error::{Error, Result};
use crate::experiments::{Experiment, Options, Study, Watch};

use super::progress::Progress;
use super::subject_args::SubjectArgs;
use super::{CommandLine, Outcome, flags, interrupt, print};

/// Reproduce the paper's figures and table, and further experiments
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  unrelu reproduce figure2 --out reproduction\n  unrelu reproduce all --out quick --quick\n\n\
                        figure1, figure5    error of the codes against noise; figure1 with descent, figure5 all linear programs\n\
                        figure2             success rate against the code length\n\
                        figure3             denoising\n\
                        figure4, figure6    sensing and inpainting\n\
                        table1              time against the code length\n\
                        bounds              Theorems 4 and 5 and Corollary 1, measured\n\
                        expansion           success rate against the expansion, with Theorem 3's 2.1\n\
                        hardness            the 3SAT gadgets of Theorems 1 and 2, and Example 1\n\
                        printed             the linear programs as printed, as the authors' program has them, and here\n\
                        steps               gradient descent by its step\n\n\
                        Each experiment writes NAME.csv with one row per run, NAME.svg and NAME.png, and the summary NAME.txt. After an \
                        interruption, the same command continues. docs/REPRODUCTION.md discusses each result."
)]
pub struct Args {
    /// What to reproduce: figure1 to figure6, table1, bounds, expansion, hardness, printed, steps,
    /// or all
    #[arg(value_name = "NAME")]
    what: What,

    /// Folder for the results
    #[arg(long, value_name = "FOLDER", default_value = "unrelu-reproduction")]
    out: PathBuf,

    /// Small sizes and few runs: everything takes about a minute instead of an hour
    #[arg(long)]
    quick: bool,

    /// Seed of the random networks, codes, noise and starts
    #[arg(long, value_name = "S", default_value_t = 1)]
    seed: u64,

    #[command(flatten)]
    trained: SubjectArgs,

    /// Number of threads [default: the processors this process may use]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1024))]
    threads: Option<u16>,
}

#[derive(Debug, Clone)]
struct What(Vec<Experiment>);

impl std::str::FromStr for What {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "all" => Ok(What(Experiment::ALL.to_vec())),
            name => {
                let named = name.parse().map(|experiment| What(vec![experiment]));
                named.map_err(|error: String| format!("{error}, all"))
            }
        }
    }
}

pub fn run(args: Args, _: &CommandLine) -> Result<Outcome> {
    let network = args.trained.given()?.map(|(name, network)| (name, Arc::new(network)));
    let options = Options {
        out: args.out.clone(),
        quick: args.quick,
        seed: args.seed,
        network,
        threads: args.threads.map(usize::from),
    };
    interrupt::listen();
    let onlooker = Onlooker::default();
    let study = Study::open(options, &onlooker)?;
    let mut refused = None;
    for experiment in &args.what.0 {
        let told = experiment.run(&study);
        onlooker.finish();
        match told {
            Ok(text) => print::print(&format!("{text}\n\n"))?,
            Err(Error::Cancelled) => {
                print::note("finished runs are recorded; the same command continues after them");
                return Err(Error::Cancelled);
            }
            // If one experiment cannot use this network, the others still run.
            Err(error) if error.is_usage() && args.what.0.len() > 1 => {
                print::note(&format!("{experiment}: {}", flags::message(&error)));
                refused.get_or_insert(error);
            }
            Err(error) => return Err(error),
        }
    }
    if let Some(error) = refused {
        return Err(error);
    }
    print::print(&format!("Data and pictures are in {}.\n", args.out.display()))?;
    Ok(Outcome::Complete)
}

/// Shows the progress of the current experiment.
#[derive(Default)]
struct Onlooker(Mutex<Option<Progress>>);

impl Onlooker {
    fn progress(&self) -> std::sync::MutexGuard<'_, Option<Progress>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn finish(&self) {
        if let Some(progress) = self.progress().take() {
            progress.finish();
        }
    }
}

impl Watch for Onlooker {
    fn begin(&self, what: &str, done: usize, total: usize) {
        self.finish();
        *self.progress() = Some(Progress::starting_at(what, done as u64, total as u64));
    }

    fn done(&self, done: usize) {
        if let Some(progress) = &mut *self.progress() {
            progress.set(done as u64);
        }
    }

    fn cancelled(&self) -> bool {
        interrupt::requested()
    }
}
