//! `unrelu devices`: what `--device`, `--adapter` and `--backend` can choose from.

use std::fmt::Write;

use crate::adapter::{AdapterDescription, Kinds, Selection};
use crate::device::list_adapters;
use crate::error::Result;

use super::{CommandLine, Outcome, print};

/// List the devices that batched work can run on
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  unrelu devices --json")]
pub struct Args {
    /// Print the list as JSON
    #[arg(long)]
    json: bool,
}

pub fn run(args: Args, _: &CommandLine) -> Result<Outcome> {
    let adapters = list_adapters();
    let text = if args.json { print::in_json(&adapters)? } else { text(&adapters) };
    print::print(&text)?;
    Ok(Outcome::Complete)
}

fn text(adapters: &[AdapterDescription]) -> String {
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let mut text = format!("CPU: {threads} {}\n", if threads == 1 { "thread" } else { "threads" });
    for adapter in adapters {
        let features = [("f64", adapter.f64), ("subgroups", adapter.subgroups), ("timestamps", adapter.timestamps)];
        let features: Vec<&str> = features.iter().filter(|(_, has)| *has).map(|(name, _)| *name).collect();
        // Writing to a String cannot fail.
        let _ = writeln!(
            text,
            "{} ({}, {})\n    driver {}\n    bindings up to {} MiB, workgroups of up to {} invocations, {} KiB shared{}",
            adapter.name,
            adapter.backend,
            adapter.kind,
            adapter.driver,
            adapter.max_binding_bytes >> 20,
            adapter.max_invocations,
            adapter.workgroup_bytes >> 10,
            if features.is_empty() { String::new() } else { format!(", {}", features.join(", ")) },
        );
    }
    let hardware = Selection { kinds: Kinds::Hardware, ..Selection::default() };
    let _ = match hardware.choose(adapters).map(|place| &adapters[place]) {
        None => writeln!(text, "--device auto uses the CPU."),
        Some(AdapterDescription { name, backend, .. }) => writeln!(
            text,
            "--device auto uses {name} ({backend}) for best, descent and the search of recover, and otherwise the CPU."
        ),
    };
    if adapters.is_empty() {
        text.push_str(
            "No graphics adapter was found. To use one, install a Vulkan driver (on Debian and Ubuntu: \
             mesa-vulkan-drivers).\n",
        );
    } else if adapters.iter().all(|adapter| !adapter.hardware) {
        text.push_str("A software rasterizer is used only with --device gpu or --adapter.\n");
    }
    text
}
