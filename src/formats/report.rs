//! The report: what became of each observation, one row each, as `.jsonl` or `.csv` with the same names.
//!
//! The rows are written as batches end; numbers that do not exist are `null`, or empty in `.csv`. Nested names are joined by
//! `_` there, a layer's with its number: `residual_linf`, `layer2_epsilon`.

use std::path::Path;

use serde::{Serialize, Serializer};

use super::extent::{Extent, Tracker};
use super::output::OutputFile;
use crate::error::{Error, Result};

/// How an observation ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Status {
    /// Every LP passed the certificate.
    Solved,
    /// There is a code, but some LP did not pass.
    NotCertified,
    /// The iteration ended by its stop rule.
    Converged,
    /// The iteration ended at its cap.
    NotConverged,
    /// There is no code; why.
    Failed(String),
}

impl Status {
    /// Whether the answer has the guarantee of its method.
    pub fn is_good(&self) -> bool {
        matches!(self, Status::Solved | Status::Converged)
    }

    /// As reports write it.
    pub fn text(&self) -> String {
        match self {
            Status::Solved => "solved".to_owned(),
            Status::NotCertified => "not-certified".to_owned(),
            Status::Converged => "converged".to_owned(),
            Status::NotConverged => "not-converged".to_owned(),
            Status::Failed(why) => format!("failed: {why}"),
        }
    }
}

impl Serialize for Status {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.text())
    }
}

/// `G(z) − x` over the observed entries, in f64, from the code as written. `NaN` where there is no code.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Residual {
    /// Largest entry.
    pub linf: f64,
    /// Sum of absolute entries.
    pub l1: f64,
    /// Euclidean norm over that of the observation.
    pub l2_relative: f64,
    /// Root mean square per observed entry; not in the report.
    #[serde(skip)]
    pub rms: f64,
    /// Observed entries; not in the report.
    #[serde(skip)]
    pub observed: usize,
}

/// One layer, in the order they were solved.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct LayerRow {
    /// Numbered from 1 at the code.
    pub layer: usize,
    /// `ε` of the answer.
    pub epsilon: f64,
    /// δ, Σe or the relaxed maximum, of the unrefined answer.
    pub objective: f64,
    /// Entries of the target above ε.
    pub active_rows: usize,
    /// Whether the LP has this optimum only.
    pub determined: bool,
    /// Entries of the layer's input that it leaves open.
    pub undetermined_entries: usize,
    /// LPs solved.
    pub solves: usize,
    /// Of these, LPs that the optimum of a neighbouring ε led to by a few pivots.
    pub from_neighbour: usize,
    /// Interior-point iterations of the others.
    pub iterations: u64,
    /// Simplex pivots.
    pub pivots: u64,
    /// LPs whose first answer did not pass the certificate, and that took a slower path.
    pub retries: usize,
    /// Whether they all passed the certificate.
    pub certified: bool,
}

/// How a search from many starts found its code.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct SearchRow {
    /// Where the run began that found it first.
    pub start: &'static str,
    /// The number of that run, from 1.
    pub first_found: usize,
    /// Runs that ended at it, each from another start.
    pub found: usize,
    /// Runs made.
    pub runs: usize,
    /// Whether the data determine the code locally: whether every direction away from it raises the loss.
    pub determined: bool,
    /// Whether the code is a local minimum to first order for certain, on either side of every kink.
    pub stationary: bool,
}

/// One row of the report.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ObservationRow {
    /// The observation, from 0.
    pub index: u64,
    /// How it ended.
    pub status: Status,
    /// Whether the final residual is at most ε₀ in the maximum norm: the code is a pre-image.
    pub reproduces: bool,
    /// Whether noise of size ε₀ explains the residual, by [`NoiseTest`](crate::batch::NoiseTest); not in
    /// the report.
    #[serde(skip)]
    pub explained: bool,
    /// The final residual.
    pub residual: Residual,
    /// Saturated entries that became one-sided rows. The column is called `clamped`.
    #[serde(rename = "clamped")]
    pub saturated: usize,
    /// Whether refinement improved the code.
    pub refined: bool,
    /// Iterations of `descent`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub iterations: Option<u32>,
    /// How `best` found the code.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub search: Option<SearchRow>,
    /// `‖z − z*‖₂ / ‖z*‖₂` to the true code, where it is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub code_error: Option<f64>,
    /// `‖G(z) − G(z*)‖₂ / ‖G(z*)‖₂` to the true image, where a recovery knows it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub image_error: Option<f64>,
    /// The layer-wise methods' layers, the last first.
    pub layers: Vec<LayerRow>,
}

/// The two formats, chosen by the file's extension.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Format {
    Jsonl,
    Csv,
}

fn format_of(path: &Path) -> Result<Format> {
    match path.extension().and_then(|extension| extension.to_str()) {
        Some("jsonl") => Ok(Format::Jsonl),
        Some("csv") => Ok(Format::Csv),
        _ => Err(Error::option("report", path.display().to_string(), "a file that ends in .jsonl or .csv")),
    }
}

/// A report on its way.
#[derive(Debug)]
pub struct ReportWriter {
    output: OutputFile,
    format: Format,
    columns: Columns,
    header_written: bool,
}

/// Which optional columns a `.csv` has; fixed for a run.
#[derive(Debug, Clone)]
pub struct Columns {
    /// The layers of a layer-wise method, in the order they are solved.
    pub layers: Vec<usize>,
    /// Whether true codes are known.
    pub code_error: bool,
    /// Whether true images are.
    pub image_error: bool,
    /// Whether the method counts iterations for the observation as a whole.
    pub iterations: bool,
    /// Whether the method searches from many starts.
    pub search: bool,
}

impl ReportWriter {
    /// Refuses a name that says no format of a report.
    pub fn check_format(path: &Path) -> Result<()> {
        format_of(path).map(|_| ())
    }

    /// Begins the report.
    ///
    /// # Errors
    /// [`Error::BadOption`] for another extension than `.jsonl` or `.csv`, and those of [`OutputFile::create`].
    pub fn create(path: &Path, columns: Columns, force: bool) -> Result<Self> {
        let format = format_of(path)?;
        Ok(ReportWriter { output: OutputFile::create(path, force)?, format, columns, header_written: false })
    }

    /// Takes up the partial report of an earlier run at `length` bytes; see [`OutputFile::resume`].
    pub fn resume(path: &Path, columns: Columns, length: u64, force: bool) -> Result<Self> {
        let format = format_of(path)?;
        let output = OutputFile::resume(path, length, force)?;
        Ok(ReportWriter { output, format, columns, header_written: length > 0 })
    }

    /// Leaves the partial file in place if this is dropped before it is finished.
    pub fn keep_partial(&mut self) {
        self.output.keep_partial();
    }

    /// From here on keeps a digest of the rows; see [`OutputFile::track`].
    pub fn track(&mut self, tracker: Option<Tracker>) {
        self.output.track(tracker);
    }

    /// Length and digest so far; `None` where no digest was kept.
    pub fn extent(&self) -> Option<Extent> {
        self.output.extent()
    }

    /// Hands what was written so far to the system, where it outlives this process.
    pub fn flush(&mut self) -> Result<()> {
        self.output.hand_over()
    }

    /// Makes what was written so far safe on the disk.
    pub fn sync(&mut self) -> Result<()> {
        self.output.sync()
    }

    /// Writes the header if no row has brought it, and makes all of it safe on the disk.
    pub fn complete(&mut self) -> Result<()> {
        if self.format == Format::Csv && !self.header_written {
            self.write_csv(&[])?;
        }
        self.output.sync()
    }

    /// Appends rows.
    pub fn write(&mut self, rows: &[ObservationRow]) -> Result<()> {
        match self.format {
            Format::Jsonl => {
                for row in rows {
                    let mut line = serde_json::to_vec(row).map_err(|error| self.unwritable(error.into()))?;
                    line.push(b'\n');
                    self.output.append(&line)?;
                }
                Ok(())
            }
            Format::Csv => self.write_csv(rows),
        }
    }

    fn write_csv(&mut self, rows: &[ObservationRow]) -> Result<()> {
        let mut writer = csv::Writer::from_writer(Vec::new());
        let to_io = |error: csv::Error| std::io::Error::other(error);
        if !self.header_written {
            writer.write_record(self.columns.names()).map_err(|error| self.unwritable(to_io(error)))?;
            self.header_written = true;
        }
        for row in rows {
            writer.write_record(self.columns.fields(row)).map_err(|error| self.unwritable(to_io(error)))?;
        }
        let bytes = writer.into_inner().map_err(|error| self.unwritable(error.into_error()))?;
        self.output.append(&bytes)
    }

    fn unwritable(&self, error: std::io::Error) -> Error {
        Error::io(self.output.path(), "write the report", error)
    }

    /// Gives the report its name.
    pub fn finish(mut self) -> Result<()> {
        self.complete()?;
        self.output.finish()
    }
}

impl Columns {
    fn names(&self) -> Vec<String> {
        let mut names: Vec<String> = [
            "index",
            "status",
            "reproduces",
            "residual_linf",
            "residual_l1",
            "residual_l2_relative",
            "clamped",
            "refined",
        ]
        .map(str::to_owned)
        .into();
        names.extend(self.iterations.then(|| "iterations".to_owned()));
        if self.search {
            names.extend(SEARCH_NAMES.map(|name| format!("search_{name}")));
        }
        names.extend(self.code_error.then(|| "code_error".to_owned()));
        names.extend(self.image_error.then(|| "image_error".to_owned()));
        for layer in &self.layers {
            names.extend(LAYER_NAMES.map(|name| format!("layer{layer}_{name}")));
        }
        names
    }

    fn fields(&self, row: &ObservationRow) -> Vec<String> {
        let mut fields = vec![
            row.index.to_string(),
            row.status.text(),
            row.reproduces.to_string(),
            number(row.residual.linf),
            number(row.residual.l1),
            number(row.residual.l2_relative),
            row.saturated.to_string(),
            row.refined.to_string(),
        ];
        if self.iterations {
            fields.push(row.iterations.map_or_else(String::new, |iterations| iterations.to_string()));
        }
        if self.search {
            match &row.search {
                Some(search) => fields.extend([
                    search.start.to_owned(),
                    search.first_found.to_string(),
                    search.found.to_string(),
                    search.runs.to_string(),
                    search.determined.to_string(),
                    search.stationary.to_string(),
                ]),
                None => fields.extend(SEARCH_NAMES.map(|_| String::new())),
            }
        }
        if self.code_error {
            fields.push(row.code_error.map_or_else(String::new, number));
        }
        if self.image_error {
            fields.push(row.image_error.map_or_else(String::new, number));
        }
        for layer in &self.layers {
            match row.layers.iter().find(|row| row.layer == *layer) {
                Some(row) => fields.extend([
                    number(row.epsilon),
                    number(row.objective),
                    row.active_rows.to_string(),
                    row.determined.to_string(),
                    row.undetermined_entries.to_string(),
                    row.solves.to_string(),
                    row.from_neighbour.to_string(),
                    row.iterations.to_string(),
                    row.pivots.to_string(),
                    row.retries.to_string(),
                    row.certified.to_string(),
                ]),
                None => fields.extend(LAYER_NAMES.map(|_| String::new())),
            }
        }
        fields
    }
}

const SEARCH_NAMES: [&str; 6] = ["start", "first_found", "found", "runs", "determined", "stationary"];

const LAYER_NAMES: [&str; 11] = [
    "epsilon",
    "objective",
    "active_rows",
    "determined",
    "undetermined_entries",
    "solves",
    "from_neighbour",
    "iterations",
    "pivots",
    "retries",
    "certified",
];

/// The shortest text that reads back as the same f64; nothing for a number that does not exist.
fn number(value: f64) -> String {
    if value.is_finite() { format!("{value:?}") } else { String::new() }
}
