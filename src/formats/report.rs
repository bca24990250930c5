//! The report: one row per observation, as `.jsonl` or `.csv` with the same names.
//!
//! Rows are written batch by batch. A number that is not finite is `null` in `.jsonl` and empty in
//! `.csv`. In `.csv`, nested names are joined by `_`, and the names of a layer contain its number:
//! `residual_linf`, `layer2_epsilon`. The entries of a vector are numbered from 0: `sd_0`.

mod columns;

use std::path::{Path, PathBuf};

use super::extent::{Extent, Tracker};
use super::output::OutputFile;
use super::streams::is_standard;
use crate::error::{Error, Result};
use crate::outcome::ObservationRow;
pub use columns::{Columns, UncertaintyColumns};

/// The formats of a report, chosen by the file's extension. Standard output gets JSON Lines.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Format {
    Jsonl,
    Csv,
}

fn format_of(path: &Path) -> Result<Format> {
    if is_standard(path) {
        return Ok(Format::Jsonl);
    }
    match path.extension().and_then(|extension| extension.to_str()) {
        Some("jsonl") => Ok(Format::Jsonl),
        Some("csv") => Ok(Format::Csv),
        _ => Err(Error::option("report", path.display().to_string(), "a file that ends in .jsonl or .csv")),
    }
}

/// An unfinished report.
#[derive(Debug)]
pub struct ReportWriter {
    output: OutputFile,
    format: Format,
    columns: Columns,
    header_written: bool,
}

impl ReportWriter {
    /// Refuses a file name without the extension of a report format.
    pub fn check_format(path: &Path) -> Result<()> {
        format_of(path).map(|_| ())
    }

    /// Creates the report.
    ///
    /// # Errors
    /// [`Error::BadOption`] for an extension other than `.jsonl` or `.csv`; the errors of
    /// [`OutputFile::create`].
    pub fn create(path: &Path, columns: Columns, force: bool) -> Result<Self> {
        let format = format_of(path)?;
        let output = OutputFile::create_or_standard(path, force)?;
        Ok(ReportWriter { output, format, columns, header_written: false })
    }

    /// Continues the partial report of an earlier run at `length` bytes; see
    /// [`OutputFile::resume`].
    pub fn resume(path: &Path, columns: Columns, length: u64, force: bool) -> Result<Self> {
        let format = format_of(path)?;
        let output = OutputFile::resume(path, length, force)?;
        Ok(ReportWriter { output, format, columns, header_written: length > 0 })
    }

    /// Keeps the partial file if this is dropped before it is finished.
    pub fn keep_partial(&mut self) {
        self.output.keep_partial();
    }

    /// From now on, tracks a digest of the rows; see [`OutputFile::track`].
    pub fn track(&mut self, tracker: Option<Tracker>) {
        self.output.track(tracker);
    }

    /// The length and digest so far; `None` if no digest is tracked.
    pub fn extent(&self) -> Option<Extent> {
        self.output.extent()
    }

    /// Hands everything written so far to the system, which keeps it if this process is killed.
    pub fn flush(&mut self) -> Result<()> {
        self.output.hand_over()
    }

    /// Synchronises everything written so far with the disk.
    pub fn sync(&mut self) -> Result<()> {
        self.output.sync()
    }

    /// Writes the header if no row was written, and synchronises everything with the disk.
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

    /// Renames the report to its final name, as [`OutputFile::finish_within_run`].
    pub fn finish_within_run(mut self) -> Result<PathBuf> {
        self.complete()?;
        self.output.finish_within_run()
    }
}
