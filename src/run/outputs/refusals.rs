//! Outputs that are refused before any work: they exist, belong to another run, or are being
//! written.

use std::path::Path;

use super::Alternatives;
use crate::batch::engine::Engine;
use crate::error::{Error, Result};
use crate::formats::output::{check_ending, check_free, check_free_or_standard, partial_path, refuse_locked};
use crate::run::journal::{self, Found, Identity, alternatives_path};
use crate::run::request::FileRun;

/// Refuses outputs that exist, unless `force` is set.
pub(super) fn check_outputs(run: &FileRun, engine: &dyn Engine) -> Result<()> {
    if let Some(file) = Alternatives::of(run, engine) {
        check_free(&file.path, run.force)?;
    }
    if let Some(report) = &run.report {
        check_free_or_standard(report, run.force)?;
    }
    check_ending(&run.codes, &["npy"])?;
    check_free_or_standard(&run.codes, run.force)
}

/// Refuses outputs that another run is writing, before anything else is said about them: an
/// unfinished run can be resumed or discarded, but not while it is running.
pub(super) fn refuse_if_being_written(run: &FileRun) -> Result<()> {
    let journal = journal::journal_path(&run.codes);
    let alternatives = alternatives_path(&run.codes);
    for output in [Some(&run.codes), Some(&journal), Some(&alternatives), run.report.as_ref()].into_iter().flatten() {
        refuse_locked(output)?;
    }
    Ok(())
}

/// Refuses to compute codes again beside the report of a finished run, unless `force` is set.
pub(super) fn refuse_missing_codes(run: &FileRun) -> Result<()> {
    let report_exists = run.report.as_ref().is_some_and(|report| report.exists());
    match journal::find_finished(&run.codes)? {
        Some(found) if is_stale(&found, run) && report_exists && !run.force => {
            let fix = "put it back, or compute everything again with option `force`";
            Err(missing(&run.codes, &found, fix))
        }
        _ => Ok(()),
    }
}

/// The error for an output of a finished run that is gone.
pub(super) fn missing(path: &Path, found: &Found, fix: &str) -> Error {
    Error::Output {
        path: path.to_owned(),
        found: format!("is missing, although {} records a finished run", found.path.display()),
        fix: fix.into(),
    }
}

/// Protects an unfinished run from being overwritten by a new one.
pub(super) fn refuse_to_discard(run: &FileRun) -> Result<()> {
    match journal::find_unfinished(&run.codes)? {
        Some(found) if found.done() > 0 => Err(Error::Output {
            path: partial_path(&run.codes),
            found: format!("holds {} of {} observations of an unfinished run", found.done(), found.identity.length()),
            fix: "continue it with option `journaling: Resume`, or discard it with option `force`".into(),
        }),
        _ => Ok(()),
    }
}

pub(super) fn refuse_differences(found: &Found, identity: &Identity) -> Result<()> {
    let differences = found.identity.differences(identity);
    if differences.is_empty() {
        return Ok(());
    }
    Err(Error::Output {
        path: found.path.clone(),
        found: format!("the run was started with {}", differences.join("; with ")),
        fix: "use the same inputs and options, or start again with option `force` and without option `journaling: Resume`".into(),
    })
}

/// Whether the journal is finished but its codes are gone: it must not stop a new run.
pub(super) fn is_stale(found: &Found, run: &FileRun) -> bool {
    found.is_finished() && !run.codes.exists() && !partial_path(&run.codes).exists()
}
