//! Runs from a file of observations to files of codes and reports. After each batch, the results
//! are written and a journal beside them records the progress.

use std::ops::Range;
use std::time::Instant;

use nalgebra::DMatrix;

use super::journal::Identity;
use super::outputs::{Opened, Outputs, can_be_resumed};
use super::request::{Begun, FileRun, Stopped};
use crate::batch::clocks::Clocks;
use crate::batch::engine::Engine;
use crate::batch::summary::Summary;
use crate::batch::{InvertedBatch, pipeline};
use crate::cancel::CancelToken;
use crate::cpu::forward::forward;
use crate::error::{Error, Result};
use crate::formats::npy::NpyReader;
use crate::observation::Observations;

impl FileRun {
    /// Checks everything, then creates the outputs or resumes those of an earlier run.
    ///
    /// # Errors
    /// Those of [`Self::check`]. [`Error::Output`] for outputs that exist without `force`, or that
    /// belong to an unfinished run or to a run with other inputs or options. Errors while reading.
    pub fn start(mut self, engine: &dyn Engine) -> Result<StartedRun<'_>> {
        self.check(engine)?;
        let range = self.range();
        let Opened { outputs, begun, before, identity } = Outputs::open(&mut self, engine, range.clone())?;
        let next = range.start + before.observations;
        self.observations.skip_to(next as usize)?;
        if let Some(truth) = &mut self.truth {
            truth.skip_to(next as usize)?;
        }
        if let Some(mask) = &mut self.mask {
            mask.skip_to(next as usize)?;
        }
        Ok(StartedRun { files: self, engine, range, outputs, begun, before, identity })
    }

    /// [`Self::start`] followed by [`StartedRun::run`]. After each batch, `progress` receives the
    /// number of observations done. `cancel` is checked before each batch.
    pub fn run(self, engine: &dyn Engine, progress: impl FnMut(u64), cancel: &CancelToken) -> Result<Summary> {
        Ok(self.start(engine)?.run(progress, cancel)?.summary)
    }
}

/// A run whose inputs and outputs are open.
#[derive(Debug)]
pub struct StartedRun<'a> {
    files: FileRun,
    engine: &'a dyn Engine,
    range: Range<u64>,
    /// `None` if all observations are already done.
    outputs: Option<Outputs>,
    begun: Begun,
    /// The totals of the earlier run.
    before: Summary,
    /// What the run computes; `None` without journaling.
    identity: Option<Identity>,
}

/// A run that is finished.
#[derive(Debug)]
pub struct Finished {
    /// The totals.
    pub summary: Summary,
    /// What the run computed, with the digests of all inputs; `None` without journaling.
    pub identity: Option<Identity>,
}

impl StartedRun<'_> {
    /// Where the run starts.
    pub fn begun(&self) -> Begun {
        self.begun.clone()
    }

    /// Number of observations of this run, including those of an earlier run that it resumes.
    pub fn total(&self) -> u64 {
        self.range.end - self.range.start
    }

    /// Number of observations that an earlier run has done.
    pub fn done(&self) -> u64 {
        self.before.observations
    }

    /// Inverts the remaining observations. After each batch is written, `progress` receives the
    /// number of observations done. `cancel` is checked before each batch; batches that have
    /// started are finished.
    ///
    /// # Errors
    /// [`Error::Cancelled`] if the run was cancelled; errors of reading, writing and the device.
    pub fn run(self, mut progress: impl FnMut(u64), cancel: &CancelToken) -> Result<Finished, Stopped> {
        let start = Instant::now();
        let total = self.total();
        let StartedRun { files, engine, range, outputs, before, mut identity, .. } = self;
        let codes = files.codes.clone();
        let Some(mut outputs) = outputs else { return Ok(Finished { summary: before, identity }) };
        let digests = [files.observations.read_digest(), files.truth.as_ref().and_then(NpyReader::read_digest)];
        let mut kept = if outputs.is_journaled() { before.observations } else { 0 };
        let clocks = Clocks::default();
        let mut summary = before.clone();
        // Read before and after the run only: the description waits for a thread of the busy pool.
        summary.device = engine.runtime().description();
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
            summary.dispatches = before.dispatches + engine.runtime().device().dispatches();
            summary.threads = engine.runtime().threads();
        };
        let outcome = pipeline::run(engine, &clocks, source, first, cancel, |mut batch, truth| {
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
                kept = summary.observations;
            }
            progress(summary.observations);
            Ok(())
        });
        if outcome.is_err() || summary.observations < total {
            // A failure here is harmless: on resume, the journal is checked against the files.
            let _ = outputs.sync();
        }
        let outcome = outcome.and_then(|()| {
            if summary.observations < total {
                return Err(Error::Cancelled);
            }
            up_to_date(&mut summary, None);
            summary.device = engine.runtime().description();
            clocks.write.time(|| outputs.finish(&summary))?;
            up_to_date(&mut summary, None);
            Ok(())
        });
        if let Some(Identity { observations, truth, .. }) = &mut identity {
            for (source, digest) in [Some(observations), truth.as_mut()].into_iter().zip(&digests) {
                if let (Some(source), Some(digest)) = (source, digest) {
                    source.digest = digest.hex();
                }
            }
        }
        outcome
            .map(|()| Finished { summary, identity })
            .map_err(|error| Stopped { error, safe: if can_be_resumed(&codes) { kept } else { 0 } })
    }
}

/// The observations of a run, batch by batch, each batch with its true codes.
struct BatchesOf {
    files: FileRun,
    end: usize,
}

impl Iterator for BatchesOf {
    type Item = Result<(Observations, Option<DMatrix<f64>>)>;

    fn next(&mut self) -> Option<Self::Item> {
        let FileRun { observations, truth, mask, batch, .. } = &mut self.files;
        let most = (*batch).max(1).min(self.end - observations.position());
        if most == 0 {
            return None;
        }
        let read = observations.read_observations(most).transpose()?;
        Some(read.and_then(|mut read| {
            match (mask, &mut read) {
                (None, _) => {}
                (Some(mask), Observations::Double(read)) => mask.hide(read)?,
                (Some(mask), Observations::Single(read)) => mask.hide(read)?,
            }
            let truth = truth.as_mut().map(|truth| truth.read_batch(most)).transpose()?;
            Ok((read, truth.flatten()))
        }))
    }
}

/// Adds `‖z − z*‖₂ / ‖z*‖₂` to each row, and the same for the images if the report has that column;
/// `NaN` for a failed observation.
fn add_errors(batch: &mut InvertedBatch, truth: &DMatrix<f64>, engine: &dyn Engine) {
    for (row, error) in batch.rows.iter_mut().zip(relative_errors(&batch.codes, truth)) {
        row.code_error = Some(error);
    }
    if engine.report_columns(true).image_error {
        let generator = engine.generator();
        let images = |codes: &DMatrix<f64>| forward(generator, 0..generator.depth(), codes);
        let errors = engine.runtime().run(|| relative_errors(&images(&batch.codes), &images(truth)));
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
