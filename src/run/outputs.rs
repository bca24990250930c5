//! The outputs of a run: codes, report and journal, newly created or resumed.

mod refusals;

use std::ops::Range;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use nalgebra::DMatrix;
use serde_json::Value;

use super::identity::identity;
use super::journal::{self, Found, Identity, Journal, Progress, alternatives_path};
use super::request::{Begun, FileRun, Journaling};
use crate::batch::InvertedBatch;
use crate::batch::engine::Engine;
use crate::batch::summary::Summary;
use crate::error::{Error, Result};
use crate::formats::extent::{Extent, matching};
use crate::formats::npy::{DATA_START, NpyWriter};
use crate::formats::output::{check_free, give_name, partial_path, sync_folders};
use crate::formats::report::ReportWriter;
use crate::formats::streams::is_standard;
use refusals::{
    check_outputs, is_stale, missing, refuse_differences, refuse_if_being_written, refuse_missing_codes,
    refuse_to_discard,
};

/// The outputs of a run when it starts.
pub(super) struct Opened {
    /// `None` if all observations are done.
    pub outputs: Option<Outputs>,
    /// Where the run starts.
    pub begun: Begun,
    /// The totals so far.
    pub before: Summary,
    /// What the run computes; `None` if nobody asked for it.
    pub identity: Option<Identity>,
}

/// The outputs of an unfinished run.
#[derive(Debug)]
pub(super) struct Outputs {
    codes: NpyWriter,
    report: Option<ReportWriter>,
    /// The best distinct codes per observation, if they are wanted.
    alternatives: Option<NpyWriter>,
    journal: Option<Journal>,
    /// The codes whose journal, of an earlier run, goes when a run without one is complete.
    unjournaled: Option<PathBuf>,
    /// When the next synchronisation with the disk is due.
    sync_due: Instant,
}

/// Minimum time between two synchronisations with the disk, and before the first: a run that is
/// shorter synchronises once, at its end.
const BETWEEN_SYNCS: Duration = Duration::from_secs(1);
/// The same minimum, in multiples of the duration of the last synchronisation. A slow disk then
/// does not delay the run.
const SYNCS_APART: u32 = 20;

impl Outputs {
    /// Creates or resumes the outputs.
    pub fn open(run: &mut FileRun, engine: &dyn Engine, range: Range<u64>) -> Result<Opened> {
        refuse_if_being_written(run)?;
        let identity = match run.journaling {
            Journaling::Off => None,
            Journaling::Begin | Journaling::Resume => Some(identity(run, engine, range.clone())?),
        };
        let (outputs, begun, before) = match (run.journaling, &identity) {
            (Journaling::Resume, Some(identity)) => Self::resume(run, engine, identity)?,
            _ => {
                let (outputs, begun) = Self::afresh(run, engine, identity.as_ref())?;
                (Some(outputs), begun, Summary::default())
            }
        };
        Ok(Opened { outputs, begun, before, identity })
    }

    fn afresh(run: &FileRun, engine: &dyn Engine, identity: Option<&Identity>) -> Result<(Self, Begun)> {
        check_outputs(run, engine)?;
        let stream = run.stream();
        if identity.is_some() && !is_standard(&run.codes) {
            journal::check_place(&run.codes)?;
            if !run.force {
                refuse_to_discard(run)?;
            }
        }
        if stream.is_some() && !is_standard(&run.codes) {
            journal::discard_unfinished(&run.codes)?;
        }
        let outputs = Self::begin(run, engine, identity.filter(|_| stream.is_none()))?;
        Ok((outputs, stream.map_or(Begun::Afresh, |stream| Begun::Once { stream })))
    }

    fn begin(run: &FileRun, engine: &dyn Engine, identity: Option<&Identity>) -> Result<Self> {
        let width = engine.generator().code_length();
        let range = run.range();
        let rows = range.end - range.start;
        let mut codes = NpyWriter::create_of(&run.codes, rows, width, engine.options().codes_as, run.force)?;
        let columns = engine.report_columns(run.truth.is_some());
        let report = run.report.as_deref().map(|path| ReportWriter::create(path, columns, run.force));
        let mut report = report.transpose()?;
        let element_type = engine.options().codes_as;
        let mut alternatives = match Alternatives::of(run, engine) {
            Some(file) => {
                Some(NpyWriter::create(&file.path, file.width, element_type, run.force)?.of_vectors(file.codes))
            }
            None => None,
        };
        let journal = identity.map(|identity| Journal::create(&run.codes, identity)).transpose()?;
        if journal.is_some() {
            codes.track(None);
            if let Some(alternatives) = &mut alternatives {
                alternatives.track(None);
            }
            if let Some(report) = &mut report {
                report.track(None);
            }
        }
        let has_none = journal.is_none() && !is_standard(&run.codes);
        let unjournaled = has_none.then(|| run.codes.clone());
        Ok(Outputs { codes, report, alternatives, journal, unjournaled, sync_due: Instant::now() + BETWEEN_SYNCS })
    }

    /// The outputs are `None` if all observations are done.
    fn resume(run: &mut FileRun, engine: &dyn Engine, identity: &Identity) -> Result<(Option<Self>, Begun, Summary)> {
        let found = journal::find(&run.codes)?.filter(|found| !is_stale(found, run));
        let Some(found) = found else {
            refuse_missing_codes(run)?;
            check_outputs(run, engine)?;
            journal::check_place(&run.codes)?;
            let outputs = Self::begin(run, engine, Some(identity))?;
            return Ok((Some(outputs), Begun::NothingToResume, Summary::default()));
        };
        refuse_differences(&found, identity)?;
        if found.is_finished() {
            return Ok((None, Begun::AlreadyFinished, complete_names(&found, run)?));
        }
        check_outputs(run, engine)?;
        let file = Alternatives::of(run, engine);
        let verified = found.verified(&run.codes, run.report.as_deref(), file.as_ref().map(|file| &*file.path))?;
        let lost = found.done() - verified.done;
        let Some(last) = found.entry(verified.entries)? else {
            let outputs = Self::begin(run, engine, Some(identity))?;
            let begun = if lost == 0 { Begun::NothingToResume } else { Begun::Resumed { done: 0, lost } };
            return Ok((Some(outputs), begun, Summary::default()));
        };
        let before = totals_of(last, &found)?;
        let width = engine.generator().code_length();
        let mut codes = NpyWriter::resume(&run.codes, width, engine.options().codes_as, verified.done, run.force)?;
        codes.track(Some(verified.codes));
        let mut report = None;
        if let (Some(path), Some(tracker)) = (&run.report, verified.report) {
            let columns = engine.report_columns(run.truth.is_some());
            let mut writer = ReportWriter::resume(path, columns, tracker.extent().bytes, run.force)?;
            writer.track(Some(tracker));
            report = Some(writer);
        }
        let mut alternatives = None;
        if let (Some(file), Some(tracker)) = (file, verified.alternatives) {
            let element_type = engine.options().codes_as;
            let writer = NpyWriter::resume(&file.path, file.width, element_type, verified.done, run.force)?;
            let mut writer = writer.of_vectors(file.codes);
            writer.track(Some(tracker));
            alternatives = Some(writer);
        }
        let journal = Some(Journal::resume(&run.codes, &found, verified.entries)?);
        let begun = Begun::Resumed { done: verified.done, lost };
        let outputs = Outputs {
            codes,
            report,
            alternatives,
            journal,
            unjournaled: None,
            sync_due: Instant::now() + BETWEEN_SYNCS,
        };
        Ok((Some(outputs), begun, before))
    }

    /// Whether a later run can resume these outputs.
    pub fn is_journaled(&self) -> bool {
        self.journal.is_some()
    }

    /// Writes a batch.
    pub fn write(&mut self, batch: &InvertedBatch) -> Result<()> {
        self.codes.write(&batch.codes)?;
        if let Some(alternatives) = &mut self.alternatives {
            alternatives.write(&listed_codes(batch, alternatives.width()))?;
        }
        match &mut self.report {
            Some(report) => report.write(&batch.rows),
            None => Ok(()),
        }
    }

    /// Hands the written bytes to the system and then records them in the journal, in this order.
    /// From time to time, all files are synchronised with the disk in the same order. If the
    /// process is killed, nothing is lost. After a power failure, at most the batches since the
    /// last synchronisation are lost: a journal line without its bytes is ignored.
    pub fn commit(&mut self, summary: &Summary) -> Result<()> {
        if self.journal.is_none() {
            return Ok(());
        }
        self.codes.flush()?;
        if let Some(alternatives) = &mut self.alternatives {
            alternatives.flush()?;
        }
        if let Some(report) = &mut self.report {
            report.flush()?;
        }
        let progress = self.progress(summary, false);
        if let Some(journal) = &mut self.journal {
            journal.record(&progress)?;
            journal.keep();
        }
        self.codes.keep_partial();
        if let Some(alternatives) = &mut self.alternatives {
            alternatives.keep_partial();
        }
        if let Some(report) = &mut self.report {
            report.keep_partial();
        }
        if Instant::now() >= self.sync_due { self.sync() } else { Ok(()) }
    }

    /// Synchronises everything up to the last commit with the disk.
    pub fn sync(&mut self) -> Result<()> {
        let start = Instant::now();
        self.codes.sync()?;
        if let Some(alternatives) = &mut self.alternatives {
            alternatives.sync()?;
        }
        if let Some(report) = &mut self.report {
            report.sync()?;
        }
        if let Some(journal) = &mut self.journal {
            journal.sync()?;
        }
        self.sync_due = Instant::now() + BETWEEN_SYNCS.max(SYNCS_APART * start.elapsed());
        Ok(())
    }

    /// Renames the outputs, the codes last. So codes under their final name mean a complete run. If
    /// the power fails before the names are on the disk, resuming gives them again.
    pub fn finish(mut self, summary: &Summary) -> Result<()> {
        let mut named = Vec::new();
        self.codes.complete()?;
        if let Some(alternatives) = &mut self.alternatives {
            alternatives.complete()?;
        }
        if let Some(report) = &mut self.report {
            report.complete()?;
        }
        let progress = self.progress(summary, true);
        if let Some(journal) = &mut self.journal {
            journal.record(&progress)?;
            journal.keep();
            self.codes.keep_partial();
        }
        if let Some(mut alternatives) = self.alternatives {
            if self.journal.is_some() {
                alternatives.keep_partial();
            }
            named.push(alternatives.finish_within_run()?);
        }
        if let Some(mut report) = self.report {
            if self.journal.is_some() {
                report.keep_partial();
            }
            named.push(report.finish_within_run()?);
        }
        if let Some(journal) = self.journal {
            journal.condense(&progress)?;
        }
        if let Some(codes) = &self.unjournaled {
            journal::discard(codes)?;
        }
        named.push(self.codes.finish_within_run()?);
        sync_folders(&named);
        Ok(())
    }

    fn progress(&self, summary: &Summary, finished: bool) -> Progress {
        let nothing = || Extent { bytes: 0, digest: String::new() };
        Progress {
            done: summary.observations,
            finished,
            codes: self.codes.extent().unwrap_or_else(nothing),
            report: self.report.as_ref().and_then(ReportWriter::extent),
            alternatives: self.alternatives.as_ref().and_then(NpyWriter::extent),
            totals: totals(summary),
        }
    }
}

/// The file of the best distinct codes per observation.
struct Alternatives {
    path: PathBuf,
    /// Codes per observation.
    codes: usize,
    /// Numbers per observation.
    width: usize,
}

impl Alternatives {
    /// `None` if they are not wanted.
    fn of(run: &FileRun, engine: &dyn Engine) -> Option<Self> {
        let codes = engine.options().alternatives;
        let width = codes * engine.generator().code_length();
        (codes > 0).then(|| Alternatives { path: alternatives_path(&run.codes), codes, width })
    }
}

/// The listed codes of a batch, one column per observation, `NaN` where there is none.
fn listed_codes(batch: &InvertedBatch, width: usize) -> DMatrix<f64> {
    let mut listed = DMatrix::from_element(width, batch.rows.len(), f64::NAN);
    for (mut column, row) in listed.column_iter_mut().zip(&batch.rows) {
        let codes = row.alternatives.iter().flat_map(|found| &found.codes);
        column.iter_mut().zip(codes).for_each(|(number, code)| *number = *code);
    }
    listed
}

/// Whether the files that a later run would resume are still in their places.
pub(super) fn can_be_resumed(codes: &Path) -> bool {
    let exists = |path: &Path| partial_path(path).exists() || path.exists();
    exists(codes) && exists(&journal::journal_path(codes))
}

/// Renames the remaining outputs of a finished run that was killed during the renaming.
fn complete_names(found: &Found, run: &FileRun) -> Result<Summary> {
    let Some(last) = found.last()? else { return Ok(Summary::default()) };
    let mut outputs: Vec<(&PathBuf, u64, &Extent)> = Vec::new();
    if let (Some(path), Some(extent)) = (&run.report, &last.report) {
        outputs.push((path, 0, extent));
    }
    let alternatives = alternatives_path(&run.codes);
    if let Some(extent) = &last.alternatives {
        outputs.push((&alternatives, DATA_START as u64, extent));
    }
    outputs.push((&run.codes, DATA_START as u64, &last.codes));
    for (path, from, extent) in &outputs {
        if !holds(path, *from, extent)? {
            let partial = partial_path(path);
            if !path.exists() && !partial.exists() {
                let fix = "put it back, or compute everything again with option `force` and without option \
                           `journaling: Resume`";
                return Err(missing(path, found, fix));
            }
            if !holds(&partial, *from, extent)? {
                return Err(Error::Output {
                    path: (*path).clone(),
                    found: format!("differs from what {} records", found.path.display()),
                    fix: "start again with option `force` and without option `journaling: Resume`".into(),
                });
            }
            check_free(path, run.force)?;
            give_name(&partial, path)?;
        }
    }
    if found.path != journal::journal_path(&run.codes) {
        Journal::resume(&run.codes, found, found.entries())?.condense(&last)?;
    }
    totals_of(last, found)
}

/// Whether a file has exactly this length and digest.
pub(super) fn holds(path: &Path, from: u64, extent: &Extent) -> Result<bool> {
    let length = std::fs::metadata(path).map(|metadata| metadata.len());
    Ok(length.is_ok_and(|length| length == extent.bytes) && matching(path, from, [extent])?.0 == 1)
}

/// The summary in the form that a journal stores.
pub(super) fn totals(summary: &Summary) -> Value {
    // Cannot fail: the value has only numbers, strings and maps with string keys.
    serde_json::to_value(summary).unwrap_or_default()
}

/// Reads the summary that [`totals`] wrote into a journal's entry.
pub(super) fn totals_of(last: Progress, found: &Found) -> Result<Summary> {
    let done = last.done;
    let summary = serde_json::from_value(last.totals).ok();
    summary.filter(|summary: &Summary| summary.observations == done).ok_or_else(|| {
        Error::input(
            found.path.display(),
            "an entry without the totals of the run",
            "a journal of this version",
            "start again with option `force` and without option `journaling: Resume`",
        )
    })
}
