//! How a run into files ends: its totals for people, or with `--json` for programs, with what made
//! them; and the verdict.

use std::path::Path;

use serde_json::{Map, Value, json};

use crate::batch::summary::Summary;
use crate::error::Result;
use crate::run::journal::{Identity, Source, find_finished};

use super::verdict_args::VerdictArgs;
use super::{Outcome, print};

/// Prints the totals of the run that wrote `codes`, and judges them. `text`: the totals for people.
///
/// # Errors
/// Those of reading the journal beside the codes, and of printing.
pub fn end(
    totals: &Summary,
    codes: &Path,
    (json, verdict): (bool, &VerdictArgs),
    text: impl FnOnce() -> String,
) -> Result<Outcome> {
    if json {
        print::print(&of_run(totals, codes)?)?;
    } else {
        print::summary(&text())?;
    }
    Ok(verdict.outcome(totals))
}

/// The totals of the run that wrote `codes`, with its version, inputs and options, as JSON.
fn of_run(totals: &Summary, codes: &Path) -> Result<String> {
    let mut record = totals.json();
    if let Some(found) = find_finished(codes)? {
        record["run"] = of_identity(&found.identity, codes);
    }
    print::in_json(&record)
}

fn of_identity(identity: &Identity, codes: &Path) -> Value {
    let Identity { version, network, observations, truth, options, count, batch, first, end, report } = identity;
    let options: Map<String, Value> = options.iter().map(|(name, value)| (name.clone(), json!(value))).collect();
    json!({
        "version": version,
        "network": of_source(network),
        "observations": of_source(observations),
        "truth": truth.as_ref().map(of_source),
        "options": options,
        "count": count,
        "batch": batch,
        "first": first,
        "end": end,
        "codes": codes.display().to_string(),
        "report": report,
    })
}

fn of_source(source: &Source) -> Value {
    json!({ "file": source.file, "digest": source.digest })
}
