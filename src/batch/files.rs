//! From a file of observations to files of codes and reports. All that can be refused is refused before any work; what is done is
//! on the disk as each batch ends, and a journal beside it says so.

use std::ops::Range;
use std::path::PathBuf;
use std::time::Instant;

use nalgebra::DMatrix;

use super::clocks::Clocks;
use super::engine::Engine;
use super::mask::Mask;
use super::outputs::Outputs;
use super::summary::Summary;
use super::{InvertedBatch, pipeline};
use crate::cpu::forward::forward;
use crate::error::{Error, Result};
use crate::formats::npy::NpyReader;
use crate::formats::output::refuse_overlap;
use crate::formats::report::ReportWriter;
use crate::journal::Shard;

/// Which files a run reads and writes.
#[derive(Debug)]
pub struct FileRun {
    /// The observations, `(count, n)`.
    pub observations: NpyReader,
    /// Which entries were observed, where the file of observations does not say so by `NaN`.
    pub mask: Option<Mask>,
    /// The network's file, which no output may replace.
    pub network: Option<PathBuf>,
    /// Further inputs that no output may replace, each with what it is.
    pub other_inputs: Vec<(&'static str, PathBuf)>,
    /// Where the codes go, `(count, k)`.
    pub codes: PathBuf,
    /// Where the report goes, if anywhere.
    pub report: Option<PathBuf>,
    /// The true codes, `(count, k)`, if known: adds errors.
    pub truth: Option<NpyReader>,
    /// Observations a batch, at least 1; [`pipeline::MOST_BATCHES`] are in memory at a time.
    pub batch: usize,
    /// Which part of the observations.
    pub shard: Shard,
    /// Whether existing outputs are replaced.
    pub force: bool,
    /// What becomes of a run that does not end.
    pub journaling: Journaling,
}

/// Whether a run can be taken up again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Journaling {
    /// No: what does not end leaves nothing behind.
    Off,
    /// It keeps a journal, and begins at the beginning.
    Begin,
    /// It goes on where the journal of an earlier run ends, if there is one.
    Resume,
}

/// Where a run began.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Begun {
    /// At the beginning, as asked.
    Afresh,
    /// At the beginning, since no journal has anything to go on from.
    NothingToResume,
    /// After the observations that an earlier run had done.
    Resumed {
        /// Observations that are kept.
        done: u64,
        /// Observations that were written, but not as the journal says: they are done again.
        lost: u64,
    },
    /// At the end: nothing was left to do.
    AlreadyFinished,
}

/// Why a run ended before its end.
#[derive(Debug)]
pub struct Stopped {
    /// The reason; [`Error::Cancelled`] where the caller said so.
    pub error: Error,
    /// Observations that are safe on the disk with a journal to go on from; 0 if nothing is kept.
    pub safe: u64,
}

impl From<Stopped> for Error {
    fn from(stopped: Stopped) -> Self {
        stopped.error
    }
}

impl FileRun {
    /// The mask among the options that identify a run.
    pub(super) fn mask_option(&self) -> Result<Option<(String, String)>> {
        self.mask.as_ref().map(|mask| Ok(("--mask".to_owned(), mask.digest()?))).transpose()
    }

    /// The observations that this run is about.
    pub fn range(&self) -> Range<u64> {
        self.shard.range(self.observations.count() as u64, self.batch.max(1) as u64)
    }

    /// Refuses inputs that could not be inverted, and outputs that are inputs, before any work.
    ///
    /// # Errors
    /// [`Error::Input`] for a wrong width, an empty file, or true codes of another shape; [`Error::BadOption`] for an output that is also
    /// an input or the other output, or a report of another format.
    pub fn check(&self, engine: &dyn Engine) -> Result<()> {
        self.observations.check_width(engine.observation_length(), engine.length_comes_from())?;
        if self.observations.count() == 0 {
            return Err(Error::input(
                self.observations.path().display(),
                "no observation",
                "at least one row",
                "check how the file was written",
            ));
        }
        if let Some(mask) = &self.mask {
            mask.check(&self.observations)?;
        }
        if let Some(truth) = &self.truth {
            truth.check_width(engine.generator().code_length(), "as the network's codes have")?;
            if truth.count() != self.observations.count() {
                return Err(Error::input(
                    truth.path().display(),
                    format!("{} codes", truth.count()),
                    format!("{}, one for each observation", self.observations.count()),
                    "give the codes that these observations were generated from",
                ));
            }
        }
        let mut inputs = vec![("the observations", self.observations.path())];
        inputs.extend(self.network.as_deref().map(|path| ("the network", path)));
        inputs.extend(self.truth.as_ref().map(|truth| ("the true codes", truth.path())));
        inputs.extend(self.mask.as_ref().map(|mask| ("the mask", mask.path())));
        inputs.extend(self.other_inputs.iter().map(|(what, path)| (*what, path.as_path())));
        refuse_overlap("-o", &self.codes, &inputs)?;
        if let Some(report) = &self.report {
            ReportWriter::check_format(report)?;
            inputs.push(("the output of codes", &self.codes));
            refuse_overlap("--report", report, &inputs)?;
        }
        Ok(())
    }

    /// Checks everything, and begins the outputs or takes them up again.
    ///
    /// # Errors
    /// Those of [`Self::check`]; [`Error::Output`] for outputs that exist without `force`, or belong to a run that has not ended, or
    /// to one with other inputs or options; reading failures.
    pub fn start(mut self, engine: &dyn Engine) -> Result<StartedRun<'_>> {
        self.check(engine)?;
        let range = self.range();
        let (outputs, begun, before) = Outputs::open(&self, engine, range.clone())?;
        let next = range.start + before.observations;
        self.observations.skip_to(next as usize)?;
        if let Some(truth) = &mut self.truth {
            truth.skip_to(next as usize)?;
        }
        if let Some(mask) = &mut self.mask {
            mask.skip_to(next as usize)?;
        }
        Ok(StartedRun { files: self, engine, range, outputs, begun, before })
    }

    /// [`Self::start`] and [`StartedRun::run`]. After each batch `progress` is told how many observations are done; `stop` is asked
    /// before each.
    pub fn run(
        self,
        engine: &dyn Engine,
        progress: impl FnMut(u64),
        stop: impl Fn() -> bool + Sync,
    ) -> Result<Summary> {
        Ok(self.start(engine)?.run(progress, stop)?)
    }
}

/// A run whose inputs and outputs are open.
#[derive(Debug)]
pub struct StartedRun<'a> {
    files: FileRun,
    engine: &'a dyn Engine,
    range: Range<u64>,
    /// `None` where all is done.
    outputs: Option<Outputs>,
    begun: Begun,
    /// What an earlier run did.
    before: Summary,
}

impl StartedRun<'_> {
    /// Where it began.
    pub fn begun(&self) -> Begun {
        self.begun
    }

    /// Observations of this run, those of an earlier one that it goes on from included.
    pub fn total(&self) -> u64 {
        self.range.end - self.range.start
    }

    /// Observations that were done before.
    pub fn done(&self) -> u64 {
        self.before.observations
    }

    /// Inverts what is left. After each batch that is safe on the disk `progress` is told how many observations are done; `stop` is
    /// asked before each, and what was begun is ended then.
    ///
    /// # Errors
    /// [`Error::Cancelled`] when `stop` said so; reading, writing and device failures.
    pub fn run(self, mut progress: impl FnMut(u64), stop: impl Fn() -> bool + Sync) -> Result<Summary, Stopped> {
        let start = Instant::now();
        let total = self.total();
        let StartedRun { files, engine, range, outputs, before, .. } = self;
        let Some(mut outputs) = outputs else { return Ok(before) };
        let mut safe = if outputs.is_journaled() { before.observations } else { 0 };
        let clocks = Clocks::default();
        let mut summary = before.clone();
        // Asked before and after, not meanwhile: it takes a turn of the pool, which is busy.
        summary.device = engine.inverter().device_description();
        let (mut refine, mut residuals) = (0.0, 0.0);
        let first = range.start + before.observations;
        let source = BatchesOf { files, end: range.end as usize };
        let mut up_to_date = |summary: &mut Summary, batch: Option<&InvertedBatch>| {
            if let Some(batch) = batch {
                refine += batch.times.refine.as_secs_f64();
                residuals += batch.times.residuals.as_secs_f64();
            }
            summary.seconds = before.seconds;
            summary.seconds.add(&clocks.seconds(refine, residuals, start.elapsed().as_secs_f64()));
            summary.dispatches = before.dispatches + engine.inverter().device().dispatches();
            summary.threads = engine.inverter().threads();
        };
        let outcome = pipeline::run(engine, &clocks, source, first, stop, |mut batch, truth| {
            clocks.write.time(|| -> Result<()> {
                if let Some(truth) = truth {
                    add_errors(&mut batch, &truth, engine);
                }
                outputs.write(&batch)?;
                summary.add(&batch);
                up_to_date(&mut summary, Some(&batch));
                outputs.commit(&summary)
            })?;
            if outputs.is_journaled() {
                safe = summary.observations;
            }
            progress(summary.observations);
            Ok(())
        });
        if outcome.is_err() || summary.observations < total {
            // What cannot be made safe now is either there when the run goes on, or not believed.
            let _ = outputs.sync();
        }
        let outcome = outcome.and_then(|()| {
            if summary.observations < total {
                return Err(Error::Cancelled);
            }
            up_to_date(&mut summary, None);
            summary.device = engine.inverter().device_description();
            clocks.write.time(|| outputs.finish(&summary))?;
            up_to_date(&mut summary, None);
            Ok(())
        });
        outcome.map(|()| summary).map_err(|error| Stopped { error, safe })
    }
}

/// The observations of a run, batch by batch, each with its true codes.
struct BatchesOf {
    files: FileRun,
    end: usize,
}

impl Iterator for BatchesOf {
    type Item = Result<(DMatrix<f64>, Option<DMatrix<f64>>)>;

    fn next(&mut self) -> Option<Self::Item> {
        let FileRun { observations, truth, mask, batch, .. } = &mut self.files;
        let most = (*batch).max(1).min(self.end - observations.position());
        if most == 0 {
            return None;
        }
        let read = observations.read_batch(most).transpose()?;
        Some(read.and_then(|mut read| {
            if let Some(mask) = mask {
                mask.hide(&mut read)?;
            }
            let truth = truth.as_mut().map(|truth| truth.read_batch(most)).transpose()?;
            Ok((read, truth.flatten()))
        }))
    }
}

/// `‖z − z*‖₂ / ‖z*‖₂` for each observation, and the same of the images where the report has a column for it; `NaN` where it failed.
fn add_errors(batch: &mut InvertedBatch, truth: &DMatrix<f64>, engine: &dyn Engine) {
    for (row, error) in batch.rows.iter_mut().zip(relative_errors(&batch.codes, truth)) {
        row.code_error = Some(error);
    }
    if engine.report_columns(true).image_error {
        let generator = engine.generator();
        let images = |codes: &DMatrix<f64>| forward(generator, 0..generator.depth(), codes);
        let errors = engine.inverter().in_pool(|| relative_errors(&images(&batch.codes), &images(truth)));
        for (row, error) in batch.rows.iter_mut().zip(errors) {
            row.image_error = Some(error);
        }
    }
}

fn relative_errors(found: &DMatrix<f64>, truth: &DMatrix<f64>) -> Vec<f64> {
    let pairs = found.column_iter().zip(truth.column_iter());
    pairs
        .map(|(found, truth)| {
            let difference = (found - truth).norm();
            if difference == 0.0 { 0.0 } else { difference / truth.norm() }
        })
        .collect()
}
