//! The request for a file run: the files, the part of the observations, and the journaling.
//! Everything that can be refused is refused before any work.

use std::ops::Range;
use std::path::PathBuf;

use super::journal::{Shard, alternatives_path};
use super::mask::Mask;
use crate::batch::engine::Engine;
use crate::error::{Error, Result};
use crate::formats::npy::{NpyReader, PixelRange};
use crate::formats::output::refuse_overlap;
use crate::formats::report::ReportWriter;
use crate::formats::streams::{self, is_standard};
use crate::memory;

/// The files and options of a run.
#[derive(Debug)]
pub struct FileRun {
    /// The file of observations, `(count, n)`.
    pub observations: NpyReader,
    /// Which entries were observed, if the observations do not mark the others by `NaN`.
    pub mask: Option<Mask>,
    /// The network's file; no output may replace it.
    pub network: Option<PathBuf>,
    /// The tensors of the network's file that were left out on request. They are journaled.
    pub ignored_tensors: Vec<String>,
    /// Further inputs that no output may replace, each with a name for messages.
    pub other_inputs: Vec<(&'static str, PathBuf)>,
    /// The path for the codes, `(count, k)`; `-` is standard output.
    pub codes: PathBuf,
    /// The path for the report, if any; `-` is standard output, in JSON Lines.
    pub report: Option<PathBuf>,
    /// The true codes, `(count, k)`, if known. With them, the report has code errors.
    pub truth: Option<NpyReader>,
    /// Number of observations per batch, at least 1. At most
    /// [`MOST_BATCHES`](crate::batch::pipeline::MOST_BATCHES) batches are in memory, and for descents
    /// on a card, [`MOST_GROUPS`](crate::batch::pipeline::MOST_GROUPS) groups of them besides.
    pub batch: usize,
    /// The part of the observations to invert.
    pub shard: Shard,
    /// Whether existing outputs are replaced.
    pub force: bool,
    /// Whether the run keeps a journal, and whether it resumes an earlier run.
    pub journaling: Journaling,
}

/// Whether a run keeps a journal, and whether it resumes an earlier run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Journaling {
    /// No journal: an unfinished run leaves nothing behind.
    Off,
    /// Keep a journal, and start at the first observation. A run that reads or writes a stream
    /// keeps none, since it cannot be resumed.
    Begin,
    /// Continue where the journal of an earlier run ends, if there is one.
    Resume,
}

/// Where a run starts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Begun {
    /// At the first observation, as requested.
    Afresh,
    /// At the first observation, and without a journal: this stream can be neither read nor written
    /// twice.
    Once {
        /// The stream in words, such as `standard input`.
        stream: String,
    },
    /// At the first observation, because no journal has anything to resume.
    NothingToResume,
    /// After the observations that an earlier run has done.
    Resumed {
        /// Number of observations that are kept.
        done: u64,
        /// Number of observations that differ from the journal; they are computed again.
        lost: u64,
    },
    /// At the end: all observations are already done.
    AlreadyFinished,
}

/// Why a run stopped early.
#[derive(Debug)]
pub struct Stopped {
    /// The reason; [`Error::Cancelled`] if the caller cancelled the run.
    pub error: Error,
    /// Number of observations that a later run can resume from; 0 if nothing is kept.
    pub safe: u64,
}

impl From<Stopped> for Error {
    fn from(stopped: Stopped) -> Self {
        stopped.error
    }
}

impl FileRun {
    /// The mask, as an option of the run's identity; it is pinned.
    pub(super) fn mask_option(&mut self) -> Result<Option<(String, String)>> {
        let batch = self.batch.max(1);
        self.mask.as_mut().map(|mask| Ok(("mask".to_owned(), mask.pin(batch)?))).transpose()
    }

    /// How the inputs were read, where their shapes do not say it; one sentence per file.
    pub fn how_read(&self) -> Vec<String> {
        let observations = self.observations.how_read("observation");
        let mask = self.mask.as_ref().and_then(Mask::how_read);
        let truth = self.truth.as_ref().and_then(|truth| truth.how_read("code"));
        [observations, mask, truth].into_iter().flatten().collect()
    }

    /// The range that pixels are read in, as an option of the run's identity.
    pub(super) fn pixels_option(&self) -> Option<(String, String)> {
        let pixels = self.observations.pixels();
        (pixels != PixelRange::Unscaled).then(|| ("pixels".to_owned(), pixels.to_string()))
    }

    /// The first input or output that is a stream, in words; such a run cannot be resumed.
    pub fn stream(&self) -> Option<String> {
        let mut inputs = [Some(&self.observations), self.truth.as_ref()].into_iter().flatten();
        if let Some(input) = inputs.find(|input| input.is_stream()) {
            return Some(input.path().display().to_string());
        }
        let to_output = is_standard(&self.codes) || self.report.as_deref().is_some_and(is_standard);
        to_output.then(|| streams::OUTPUT.to_owned())
    }

    /// Refuses what a run with streams cannot do.
    fn check_streams(&self, engine: &dyn Engine) -> Result<()> {
        streams::refuse_twice(streams::OUTPUT, &[("codes", Some(&self.codes)), ("report", self.report.as_deref())])?;
        if is_standard(&self.codes) && engine.options().alternatives > 0 {
            let found = "given with codes on standard output, beside which no file lies";
            return Err(Error::option("alternatives", found, "a file for the codes"));
        }
        let Some(stream) = self.stream() else { return Ok(()) };
        let refuse = |option: &str, found: &str, expected: &str| {
            Err(Error::option(option, format!("{found} with {stream}, which goes by once"), expected))
        };
        if self.journaling == Journaling::Resume {
            return refuse("journaling: Resume", "given", "files, or a run from the beginning");
        }
        if self.shard != Shard::WHOLE {
            return refuse("shard", "a part", "files, or all observations: parts are joined by their journals");
        }
        Ok(())
    }

    /// The ignored tensors, as an option of the run's identity.
    pub(super) fn ignored_option(&self) -> Option<(String, String)> {
        let ignored = &self.ignored_tensors;
        (!ignored.is_empty()).then(|| ("ignore_tensors".to_owned(), ignored.join(",")))
    }

    /// The range of observations of this run.
    pub fn range(&self) -> Range<u64> {
        self.shard.range(self.observations.count() as u64, self.batch.max(1) as u64)
    }

    /// Refuses inputs that cannot be inverted, and outputs that are also inputs, before any work.
    ///
    /// # Errors
    /// [`Error::Input`] for a wrong shape, or true codes of another number or length.
    /// [`Error::BadOption`] for an output that is also an input or the other output, or for an
    /// unknown report format.
    pub fn check(&mut self, engine: &dyn Engine) -> Result<()> {
        self.check_streams(engine)?;
        self.observations.fit(engine.observation_length(), engine.length_comes_from())?;
        // One batch at least is read, inverted and written.
        let batch = self.batch.min(self.observations.count());
        let width = engine.observation_length() + engine.generator().code_length();
        let bytes = memory::of_matrix(batch, width).and_then(|bytes| bytes.checked_mul(2));
        memory::check("batch", || format!("{} of {batch} observations", self.batch), bytes)?;
        if let Some(mask) = &mut self.mask {
            mask.check(&self.observations)?;
        }
        if let Some(truth) = &mut self.truth {
            truth.fit(engine.generator().code_length(), "the length of the network's codes")?;
            truth.set_pixels(PixelRange::Unscaled);
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
        let alternatives = alternatives_path(&self.codes);
        let has_alternatives = engine.options().alternatives > 0;
        if has_alternatives {
            refuse_overlap("alternatives", &alternatives, &inputs)?;
        }
        if let Some(report) = &self.report {
            ReportWriter::check_format(report)?;
            inputs.push(("the output of codes", &self.codes));
            inputs.extend(has_alternatives.then_some(("the output of alternatives", &*alternatives)));
            refuse_overlap("report", report, &inputs)?;
        }
        Ok(())
    }
}
