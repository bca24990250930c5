//! How a run into files ends: its totals for people, or with `--json` for programs, with what made
//! them; and the verdict.

use std::path::Path;

use serde_json::{Map, Value, json};

use crate::batch::summary::Summary;
use crate::error::Result;
use crate::run::journal::{Identity, Source};

use super::verdict_args::VerdictArgs;
use super::{Outcome, print};

/// A finished run.
pub struct Ended<'a> {
    /// Its totals.
    pub totals: &'a Summary,
    /// What it computed.
    pub identity: Option<&'a Identity>,
    /// Where its codes are.
    pub codes: &'a Path,
}

impl Ended<'_> {
    /// Prints the totals, and judges them. `text`: the totals for people.
    ///
    /// # Errors
    /// Those of printing.
    pub fn tell(&self, json: bool, verdict: &VerdictArgs, text: impl FnOnce() -> String) -> Result<Outcome> {
        if json {
            let mut record = self.totals.json();
            record["shares"] = shares(self.totals);
            if let Some(identity) = self.identity {
                record["run"] = of_identity(identity, self.codes);
            }
            print::print(&print::in_json(&record)?)?;
        } else {
            print::summary(&text())?;
        }
        Ok(verdict.outcome(self.totals))
    }
}

/// Options by their names.
pub fn of_options(options: &[(String, String)]) -> Map<String, Value> {
    options.iter().map(|(name, value)| (name.clone(), json!(value))).collect()
}

/// What the shares of `--require` are compared with; `null` of no observations.
fn shares(totals: &Summary) -> Value {
    let share = |count: u64| (totals.observations > 0).then(|| count as f64 / totals.observations as f64);
    json!({
        "solved": share(totals.solved),
        "reproduced": share(totals.reproduced),
        "determined": share(totals.determined),
    })
}

fn of_identity(identity: &Identity, codes: &Path) -> Value {
    let Identity { version, network, observations, truth, options, count, batch, first, end, report } = identity;
    json!({
        "version": version,
        "network": of_source(network),
        "observations": of_source(observations),
        "truth": truth.as_ref().map(of_source),
        "options": of_options(options),
        "count": count,
        "batch": batch,
        "first": first,
        "end": end,
        "codes": codes.display().to_string(),
        "report": report,
    })
}

pub fn of_source(source: &Source) -> Value {
    json!({ "file": source.file, "digest": source.digest })
}
