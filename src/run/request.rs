//! A run from file to file as it is asked for: which files, which part of the observations, and
//! what becomes of a run that does not end. All that can be refused is refused before any work.

use std::ops::Range;
use std::path::PathBuf;

use super::journal::Shard;
use super::mask::Mask;
use crate::batch::engine::Engine;
use crate::error::{Error, Result};
use crate::formats::npy::NpyReader;
use crate::formats::output::refuse_overlap;
use crate::formats::report::ReportWriter;

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
    /// Observations a batch, at least 1; [`MOST_BATCHES`](crate::batch::pipeline::MOST_BATCHES) are in memory at a time.
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
        self.mask.as_ref().map(|mask| Ok(("mask".to_owned(), mask.digest()?))).transpose()
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
        refuse_overlap("codes", &self.codes, &inputs)?;
        if let Some(report) = &self.report {
            ReportWriter::check_format(report)?;
            inputs.push(("the output of codes", &self.codes));
            refuse_overlap("report", report, &inputs)?;
        }
        Ok(())
    }
}
