//! `unrelu merge`: joins the outputs of shards.

use std::path::PathBuf;

use crate::error::Result;
use crate::run::merge::Merge;

use super::verdict_args::VerdictArgs;
use super::{CommandLine, Outcome, interrupt, print, record, summary};

/// Join the codes and reports of shards; the result has the same bytes as that of a single run
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  \
    for i in 1 2 3 4; do\n    unrelu invert net.safetensors observations.npy -o part-$i.npy --report part-$i.jsonl --shard $i/4\n  done\n  \
    unrelu merge -o codes.npy --report report.jsonl part-1.npy part-2.npy part-3.npy part-4.npy\n\n\
    Each part needs its journal (PART.journal) beside it. Parts of different networks, observations or options are refused, and \
    so are gaps and overlaps. The exit codes are those of `unrelu invert`. See docs/CLUSTER.md for SLURM and Kubernetes.")]
pub struct Args {
    /// The codes of all shards, in any order
    #[arg(required = true, value_name = "PART")]
    parts: Vec<PathBuf>,

    /// Output file for the codes, a .npy of shape (count, k); - is standard output
    #[arg(short, long, value_name = "CODES.npy")]
    output: PathBuf,

    /// Output file for the report, in the format of the parts' reports; - is standard output
    #[arg(long, value_name = "REPORT.csv|.jsonl")]
    report: Option<PathBuf>,

    /// Replace existing outputs
    #[arg(long)]
    force: bool,

    /// Print the summary as JSON, with the version, the digests of the inputs and the options
    #[arg(long)]
    json: bool,

    #[command(flatten)]
    verdict: VerdictArgs,
}

pub fn run(args: Args, _: &CommandLine) -> Result<Outcome> {
    print::data_goes_to(&[Some(&args.output), args.report.as_deref()]);
    interrupt::listen();
    let count = args.parts.len();
    let merge = Merge { parts: args.parts, codes: args.output.clone(), report: args.report, force: args.force };
    let merged = merge.run(|_| (), &interrupt::token())?;
    if merged.reports_left {
        print::note("the parts have reports; give --report REPORT to join them too");
    }
    let totals = &merged.summary;
    let text = || summary::merged(totals, count, &args.output);
    let ended = record::Ended { totals, identity: Some(&merged.identity), codes: &args.output };
    ended.tell(args.json, &args.verdict, text)
}
