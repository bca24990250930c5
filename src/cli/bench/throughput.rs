//! `unrelu bench throughput`.

use std::path::PathBuf;

use crate::adapter::Backend;
use crate::bench::throughput::machine::Machine;
use crate::bench::throughput::quantity::Quantity;
use crate::bench::throughput::row::Crossover;
use crate::bench::throughput::{self, Event, Kind, Options, table};
use crate::device::DeviceChoice;
use crate::error::{Error, Result};
use crate::formats::output::refuse_overlap;
use crate::pictures::plot::write_plot;
use crate::pictures::throughput::plot;

use crate::cli::picture::check_place;
use crate::cli::subject_args::SubjectArgs;
use crate::cli::{Outcome, flags, interrupt, print};

/// CPU against GPU by batch size: forward passes, classification, descent and whole inversions,
/// with transfers
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  unrelu bench throughput --quick\n  \
                        unrelu bench throughput --picture throughput.png\n  \
                        unrelu bench throughput --device gpu --quantities forward,descend --batches 256,4096\n  \
                        unrelu bench throughput --network decoder.pth --activation relu --json > rows.json\n\n\
                        Without --network: a random 20→100→500 and the bundled trained 20→60→784. A row that would take \
                        too long or too much memory gives the reason instead of figures. With --device gpu, the command \
                        fails if it has no GPU results.")]
pub struct Args {
    /// Few batch sizes and short repetitions: seconds instead of minutes
    #[arg(long)]
    quick: bool,

    /// Print a list of rows as JSON
    #[arg(long)]
    json: bool,

    /// Batch sizes [default: 1 to 65536 in powers of 4; with --quick 1, 16, 256, 4096]
    #[arg(long, value_name = "N,…", value_delimiter = ',')]
    batches: Vec<usize>,

    /// Measure only these of forward, classify, descend and invert
    #[arg(long, value_name = "QUANTITY,…", value_delimiter = ',')]
    quantities: Vec<Quantity>,

    #[command(flatten)]
    subject: SubjectArgs,

    /// What to compare with the CPU: auto uses a hardware GPU if there is one, gpu requires an
    /// adapter of any kind, cpu measures the CPU alone
    #[arg(long, value_name = "auto|cpu|gpu", default_value = "auto")]
    device: DeviceChoice,

    /// Part of the name of the adapter to use (see `unrelu devices`). A software rasterizer is used
    /// only by name or with --device gpu
    #[arg(long, value_name = "NAME")]
    adapter: Option<String>,

    /// Graphics API, where there are several. By default one with subgroup operations
    #[arg(long, value_name = "vulkan|dx12|metal")]
    backend: Option<Backend>,

    /// Number of threads, for the CPU and for the host side of the GPU [default: the processors
    /// this process may use]
    #[arg(long, value_name = "N")]
    threads: Option<usize>,

    /// Time limit in seconds per pass over a batch; larger batches are listed but not run [default:
    /// 60, with --quick 0.3]
    #[arg(long, value_name = "S")]
    seconds: Option<f64>,

    /// Memory limit in MiB per batch; larger batches are listed but not run [default: half of what
    /// is free]
    #[arg(long, value_name = "MIB", value_parser = clap::value_parser!(u32).range(1..))]
    memory: Option<u32>,

    /// Output file for a plot of throughput against batch size
    #[arg(long, value_name = "FILE.png")]
    picture: Option<PathBuf>,

    /// Replace an existing picture
    #[arg(long, requires = "picture")]
    force: bool,
}

pub fn run(args: Args) -> Result<Outcome> {
    if let Some(picture) = &args.picture {
        check_place(picture, args.force)?;
        let network = args.subject.network.iter().map(|network| ("the network", network.as_path()));
        refuse_overlap("--picture", picture, &network.collect::<Vec<_>>())?;
    }
    let subjects = args.subject.subjects()?;
    let options = resolve(&args);
    interrupt::listen();
    let mut title = String::new();
    let rows = throughput::run(&options, &subjects, &interrupt::token(), |event| {
        if let Event::Begun(machine, _) = &event {
            title = table::machine_line(machine);
        }
        in_flags(&event, |event| {
            if args.json {
                note(event);
                return Ok(());
            }
            print::print(&table::text(event))
        })
    })?;
    if args.json {
        print::print(&flags::words(&print::in_json(&rows)?))?;
    } else {
        print::print(table::FOOTING)?;
    }
    if let Some(picture) = &args.picture {
        write_plot(picture, &plot(&rows, &title), args.force)?;
    }
    if args.device == DeviceChoice::Gpu && !rows.iter().any(|row| row.device == Kind::Gpu && row.per_second.is_some()) {
        let why = rows.iter().filter(|row| row.device == Kind::Gpu).find_map(|row| row.note.as_deref());
        let why = why.unwrap_or("not run").to_owned();
        return Err(Error::NothingMeasured(format!("no GPU results, although --device gpu was given: {why}")));
    }
    Ok(Outcome::Complete)
}

/// Passes on the event with flags in place of fields, before the table breaks its texts into lines.
fn in_flags(event: &Event<'_>, show: impl FnOnce(&Event<'_>) -> Result<()>) -> Result<()> {
    match event {
        Event::Begun(machine, options) => {
            let notice = machine.notice.as_deref().map(flags::words);
            show(&Event::Begun(&Machine { notice, ..(*machine).clone() }, options))
        }
        Event::Notice(text) => show(&Event::Notice(&flags::words(text))),
        Event::Rows(rows) => {
            let mut rows = rows.to_vec();
            for row in &mut rows {
                row.note = row.note.as_deref().map(flags::words);
            }
            show(&Event::Rows(&rows))
        }
        Event::Series(..) | Event::Ended(_) => show(event),
    }
}

/// Progress on standard error while standard output carries JSON.
fn note(event: &Event<'_>) {
    match event {
        Event::Begun(machine, _) => {
            print::note(&table::machine_line(machine));
            machine.notice.iter().for_each(|notice| print::note(notice));
        }
        Event::Notice(text) => print::note(text),
        Event::Series(subject, quantity) => print::note(&format!("{}: {}", subject.name, quantity.title())),
        Event::Ended(Some(Crossover::From(batch))) => print::note(&format!("  GPU faster from a batch of {batch} on")),
        Event::Ended(Some(Crossover::Nowhere)) => print::note("  GPU not faster at any batch size"),
        Event::Rows(_) | Event::Ended(None) => {}
    }
}

fn resolve(args: &Args) -> Options {
    let usual = if args.quick { Options::quick() } else { Options::full() };
    Options {
        batches: if args.batches.is_empty() { usual.batches } else { args.batches.clone() },
        quantities: if args.quantities.is_empty() { usual.quantities } else { args.quantities.clone() },
        device: args.device,
        adapter: args.adapter.clone(),
        backend: args.backend,
        threads: args.threads,
        pass_seconds: args.seconds.unwrap_or(usual.pass_seconds),
        memory: args.memory.map(|mebibytes| f64::from(mebibytes) * f64::from(1 << 20)),
        ..usual
    }
}
