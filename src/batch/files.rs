//! From a file of observations to files of codes and reports. All that can be refused is refused before any work, and
//! nothing is left behind by a run that does not finish.

use std::path::PathBuf;
use std::time::Instant;

use nalgebra::DMatrix;

use super::summary::{Summary, add_since};
use super::{InvertedBatch, Inverter};
use crate::error::{Error, Result};
use crate::formats::npy::{NpyReader, NpyWriter};
use crate::formats::output::{check_free, refuse_overlap};
use crate::formats::report::ReportWriter;

/// Which files a run reads and writes.
#[derive(Debug)]
pub struct FileRun {
    /// The observations, `(count, n)`.
    pub observations: NpyReader,
    /// The network's file, which no output may replace.
    pub network: Option<PathBuf>,
    /// Where the codes go, `(count, k)`.
    pub codes: PathBuf,
    /// Where the report goes, if anywhere.
    pub report: Option<PathBuf>,
    /// The true codes, `(count, k)`, if known: adds errors.
    pub truth: Option<NpyReader>,
    /// Observations in memory at a time, at least 1.
    pub batch: usize,
    /// Whether existing outputs are replaced.
    pub force: bool,
}

impl FileRun {
    /// Refuses whatever could not be read, inverted or written, before any work.
    ///
    /// # Errors
    /// [`Error::Input`] for a wrong width, an empty file, or true codes of another shape; [`Error::Output`] for outputs that
    /// exist without `force`; [`Error::BadOption`] for an output that is also an input or the other output.
    pub fn check(&self, inverter: &Inverter) -> Result<()> {
        self.observations.check_width(inverter.network().observation_length(), "as the network has outputs")?;
        if self.observations.count() == 0 {
            return Err(Error::input(
                self.observations.path().display(),
                "no observation",
                "at least one row",
                "check how the file was written",
            ));
        }
        if let Some(truth) = &self.truth {
            truth.check_width(inverter.network().code_length(), "as the network's codes have")?;
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
        refuse_overlap("-o", &self.codes, &inputs)?;
        if let Some(report) = &self.report {
            ReportWriter::check(report, self.force)?;
            inputs.push(("the output of codes", &self.codes));
            refuse_overlap("--report", report, &inputs)?;
        }
        check_free(&self.codes, self.force)
    }

    /// Inverts the whole file. After each batch `progress` is told how many observations are done and says whether to go on.
    ///
    /// # Errors
    /// Those of [`Self::check`]; [`Error::Cancelled`] when `progress` says stop; reading, writing and device failures.
    pub fn run(mut self, inverter: &Inverter, mut progress: impl FnMut(u64) -> bool) -> Result<Summary> {
        let start = Instant::now();
        self.check(inverter)?;
        let network = inverter.network();
        let mut codes = NpyWriter::create(&self.codes, network.code_length(), inverter.options().codes_as, self.force)?;
        let columns = inverter.report_columns(self.truth.is_some());
        let report = self.report.as_deref().map(|path| ReportWriter::create(path, columns, self.force));
        let mut report = report.transpose()?;
        let mut summary = Summary::default();
        let mut done = 0;
        loop {
            let reading = Instant::now();
            let Some(observations) = self.observations.read_batch(self.batch.max(1))? else { break };
            let truth = self.truth.as_mut().map(|truth| truth.read_batch(self.batch.max(1))).transpose()?.flatten();
            add_since(&mut summary.seconds.read, reading);
            let mut batch = inverter.invert_from(&observations, done)?;
            if let Some(truth) = truth {
                add_code_errors(&mut batch, &truth);
            }
            let writing = Instant::now();
            codes.write(&batch.codes)?;
            if let Some(report) = &mut report {
                report.write(&batch.rows)?;
            }
            add_since(&mut summary.seconds.write, writing);
            summary.add(&batch);
            done += observations.ncols() as u64;
            if !progress(done) && done < self.observations.count() as u64 {
                return Err(Error::Cancelled);
            }
        }
        let writing = Instant::now();
        // The report first: codes under their name mean that the run is whole.
        if let Some(report) = report {
            report.finish()?;
        }
        codes.finish()?;
        add_since(&mut summary.seconds.write, writing);
        add_since(&mut summary.seconds.total, start);
        summary.device = inverter.device_description();
        summary.dispatches = inverter.device().dispatches();
        summary.threads = inverter.threads();
        Ok(summary)
    }
}

/// `‖z − z*‖₂ / ‖z*‖₂` for each observation; `NaN` where it failed.
fn add_code_errors(batch: &mut InvertedBatch, truth: &DMatrix<f64>) {
    for ((row, code), truth) in batch.rows.iter_mut().zip(batch.codes.column_iter()).zip(truth.column_iter()) {
        let difference = (code - truth).norm();
        row.code_error = Some(if difference == 0.0 { 0.0 } else { difference / truth.norm() });
    }
}
