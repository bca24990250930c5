//! `unrelu bench throughput`.

use std::path::PathBuf;

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

/// The CPU against the GPU, transfers included: forward passes, classification, descent, whole inversions by size of the batch
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  unrelu bench throughput --quick\n  \
                        unrelu bench throughput --picture throughput.png\n  \
                        unrelu bench throughput --device gpu --quantities forward,descend --batches 256,4096\n  \
                        unrelu bench throughput --network decoder.pth --activation relu --json > rows.json\n\n\
                        Without --network: a random 20→100→500 and the bundled trained 20→60→784. A row that would take \
                        too long or too much memory is in the table, with the reason in the place of figures. With \
                        --device gpu a run without a single figure of the GPU fails.")]
pub struct Args {
    /// A few batches and short repetitions: seconds instead of minutes
    #[arg(long)]
    quick: bool,

    /// Print a list of rows as JSON
    #[arg(long)]
    json: bool,

    /// Sizes of batches [default: 1 to 65536 in powers of 4; with --quick 1, 16, 256, 4096]
    #[arg(long, value_name = "N,…", value_delimiter = ',')]
    batches: Vec<usize>,

    /// Only these of forward, classify, descend and invert
    #[arg(long, value_name = "QUANTITY,…", value_delimiter = ',')]
    quantities: Vec<Quantity>,

    #[command(flatten)]
    subject: SubjectArgs,

    /// What runs beside the CPU: auto takes a hardware GPU if there is one, gpu any adapter and insists on it, cpu none
    #[arg(long, value_name = "auto|cpu|gpu", default_value = "auto")]
    device: DeviceChoice,

    /// A part of the name of the adapter to use (see `unrelu devices`); software rasterizers only by name or --device gpu
    #[arg(long, value_name = "NAME")]
    adapter: Option<String>,

    /// Threads of the CPU, and of the GPU's host side [default: the processors this process may use]
    #[arg(long, value_name = "N")]
    threads: Option<usize>,

    /// Seconds that one pass over a batch may take; larger batches are left out and listed [default: 60, with --quick 0.3]
    #[arg(long, value_name = "S")]
    seconds: Option<f64>,

    /// Mebibytes that a batch may take; larger ones are left out and listed [default: half of what is free]
    #[arg(long, value_name = "MIB", value_parser = clap::value_parser!(u32).range(1..))]
    memory: Option<u32>,

    /// Draw throughput against batch into this file
    #[arg(long, value_name = "FILE.png")]
    picture: Option<PathBuf>,

    /// Replace a picture that exists
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
    let rows = throughput::run(&options, &subjects, &interrupt::requested, |event| {
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
        return Err(Error::NothingMeasured(format!("none of the GPU, for which --device gpu asks: {why}")));
    }
    Ok(Outcome::Complete)
}

/// Hands on the event with its texts in the user's words, before the table breaks them into lines.
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

/// What a person sees meanwhile whose standard output is read by a program.
fn note(event: &Event<'_>) {
    match event {
        Event::Begun(machine, _) => {
            print::note(&table::machine_line(machine));
            machine.notice.iter().for_each(|notice| print::note(notice));
        }
        Event::Notice(text) => print::note(text),
        Event::Series(subject, quantity) => print::note(&format!("{}: {}", subject.name, quantity.title())),
        Event::Ended(Some(Crossover::From(batch))) => print::note(&format!("  GPU faster from a batch of {batch} on")),
        Event::Ended(Some(Crossover::Nowhere)) => print::note("  GPU faster nowhere"),
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
        threads: args.threads,
        pass_seconds: args.seconds.unwrap_or(usual.pass_seconds),
        memory: args.memory.map(|mebibytes| f64::from(mebibytes) * f64::from(1 << 20)),
        ..usual
    }
}
