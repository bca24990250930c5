//! Joins the outputs of shards to the outputs of one run, byte for byte. Each part has a finished
//! journal that describes it. Parts of different runs, gaps and overlaps are refused before
//! anything is written. A part that changes while it is copied is refused as well.

use std::path::{Path, PathBuf};

use super::identity::beside;
use super::journal::{self, Found, Identity, Progress};
use super::outputs::{holds, totals, totals_of};
use crate::batch::summary::Summary;
use crate::cancel::CancelToken;
use crate::error::{Error, Result};
use crate::formats::extent::{CHUNK, Extent, Verified};
use crate::formats::npy::{DATA_START, ElementType, NpyReader, NpyWriter};
use crate::formats::output::{OutputFile, check_free, check_free_or_standard, refuse_overlap};
use crate::formats::report::ReportWriter;
use crate::formats::streams::{self, is_standard};

/// The files that a merge reads and writes.
#[derive(Debug)]
pub struct Merge {
    /// The codes of the shards, in any order.
    pub parts: Vec<PathBuf>,
    /// The path for all codes.
    pub codes: PathBuf,
    /// The path for the whole report, if any; in the format of the parts' reports.
    pub report: Option<PathBuf>,
    /// Whether existing outputs are replaced.
    pub force: bool,
}

/// A finished shard.
struct Part {
    codes: PathBuf,
    report: Option<PathBuf>,
    /// The alternatives beside the codes, if the run wrote them.
    alternatives: Option<PathBuf>,
    identity: Identity,
    last: Progress,
    summary: Summary,
    /// The entries per row and their type; `None` for a shard without observations.
    shape: Option<(usize, ElementType)>,
}

/// The result of a merge.
#[derive(Debug)]
pub struct Merged {
    /// The totals of all parts; the times are sums.
    pub summary: Summary,
    /// What the run of all parts computes.
    pub identity: Identity,
    /// Whether the parts have reports but no merged report was requested.
    pub reports_left: bool,
}

impl Merge {
    /// Joins the parts.
    ///
    /// # Errors
    /// [`Error::Input`] for a part that is unfinished, has no journal, differs from its journal, or
    /// belongs to another run, and for gaps and overlaps. [`Error::Output`] for outputs that exist
    /// without `force`. Errors of reading and writing.
    pub fn run(self, mut progress: impl FnMut(u64), cancel: &CancelToken) -> Result<Merged> {
        let mut parts = self.parts.iter().map(|path| Part::open(path)).collect::<Result<Vec<_>>>()?;
        parts.sort_by_key(|part| (part.identity.first, part.identity.end));
        let Some(first) = parts.first() else {
            return Err(Error::option("parts", "nothing", "the codes of every shard"));
        };
        refuse_mixtures(&parts)?;
        refuse_gaps_and_overlaps(&parts)?;
        let shape = match common_shape(&parts)? {
            Some(shape) => shape,
            None => shape_without_rows(first)?,
        };
        let identity = Identity {
            first: 0,
            end: first.identity.count,
            report: self.report_file().map(|report| beside(&self.codes, report)),
            ..first.identity.clone()
        };
        let replace_report = self.check_outputs(&parts, &identity)?;

        let (width, element_type) = shape;
        let mut codes = NpyWriter::create_of(&self.codes, identity.count, width, element_type, self.force)?;
        codes.track(None);
        let mut report = match &self.report {
            Some(path) => {
                let mut report = OutputFile::create_or_standard(path, replace_report)?;
                report.track(None);
                Some(report)
            }
            None => None,
        };
        let mut alternatives = self.alternatives_of(&parts, width, element_type, replace_report)?;
        let mut summary = Summary::default();
        for (index, part) in parts.iter().enumerate() {
            if cancel.is_cancelled() {
                return Err(Error::Cancelled);
            }
            part.append_codes(&mut codes)?;
            if let Some(alternatives) = &mut alternatives {
                part.append_alternatives(alternatives)?;
            }
            if let Some(report) = &mut report {
                part.append_report(report, index > 0)?;
            }
            summary.merge(&part.summary);
            progress(summary.observations);
        }
        codes.complete()?;
        if let Some(alternatives) = &mut alternatives {
            alternatives.complete()?;
        }
        if let Some(report) = &mut report {
            report.sync()?;
        }
        let last = Progress {
            done: summary.observations,
            finished: true,
            codes: codes.extent().unwrap_or(Extent { bytes: 0, digest: String::new() }),
            report: report.as_ref().filter(|report| !report.is_standard()).and_then(OutputFile::extent),
            alternatives: alternatives.as_ref().and_then(NpyWriter::extent),
            totals: totals(&summary),
        };
        // The journal first: with it, the next merge recognises a report that this one has left.
        if !is_standard(&self.codes) {
            journal::write_whole(&self.codes, &identity, &last)?;
        }
        if let Some(report) = report {
            report.finish()?;
        }
        if let Some(alternatives) = alternatives {
            alternatives.finish()?;
        }
        codes.finish()?;
        let reports_left = self.report.is_none() && parts.iter().any(|part| part.report.is_some());
        Ok(Merged { summary, identity, reports_left })
    }

    /// The file of all alternatives, if the parts have some. `width`: entries per code.
    fn alternatives_of(
        &self,
        parts: &[Part],
        width: usize,
        element_type: ElementType,
        force: bool,
    ) -> Result<Option<NpyWriter>> {
        // A shard without observations has no rows.
        let mut with_rows = parts.iter().filter(|part| part.shape.is_some());
        let found =
            with_rows.find_map(|part| Some((part, part.alternatives.as_deref()?, part.last.alternatives.as_ref()?)));
        let Some((part, path, extent)) = found else { return Ok(None) };
        let Some((numbers, _)) = shape_of(path, part.last.done, extent)? else { return Ok(None) };
        let writer = NpyWriter::create(&journal::alternatives_path(&self.codes), numbers, element_type, force)?;
        let mut writer = writer.of_vectors(numbers / width.max(1));
        writer.track(None);
        Ok(Some(writer))
    }

    /// Refuses outputs that cannot be written. Returns whether an existing report is replaced.
    fn check_outputs(&self, parts: &[Part], identity: &Identity) -> Result<bool> {
        let mut inputs: Vec<(&str, &Path)> = parts.iter().map(|part| ("a part", part.codes.as_path())).collect();
        inputs.extend(parts.iter().filter_map(|part| Some(("a part's report", part.report.as_deref()?))));
        inputs.extend(parts.iter().filter_map(|part| Some(("a part's alternatives", part.alternatives.as_deref()?))));
        refuse_overlap("codes", &self.codes, &inputs)?;
        if let Some(report) = &self.report {
            ReportWriter::check_format(report)?;
            inputs.push(("the output of codes", &self.codes));
            refuse_overlap("report", report, &inputs)?;
            for part in parts {
                let Some(of_part) = &part.report else {
                    return Err(Error::option(
                        "report",
                        format!("given, but {} was made without a report", part.codes.display()),
                        "parts that all have one, or no option `report`",
                    ));
                };
                if !is_standard(report) && of_part.extension() != report.extension() {
                    return Err(Error::option(
                        "report",
                        report.display().to_string(),
                        format!("the format of the parts' reports, such as {}", of_part.display()),
                    ));
                }
            }
        }
        streams::refuse_twice(streams::OUTPUT, &[("codes", Some(&self.codes)), ("report", self.report.as_deref())])?;
        if !is_standard(&self.codes) {
            journal::check_place(&self.codes)?;
        } else if parts.iter().any(|part| part.alternatives.is_some()) {
            let found = "parts that have them, with codes on standard output, beside which no file lies";
            return Err(Error::option("alternatives", found, "a file for the codes"));
        }
        let replace_report = self.force || self.has_left_a_report(identity)?;
        if let Some(report) = &self.report {
            check_free_or_standard(report, replace_report)?;
        }
        if parts.iter().any(|part| part.alternatives.is_some()) {
            let path = journal::alternatives_path(&self.codes);
            refuse_overlap("alternatives", &path, &inputs)?;
            check_free(&path, replace_report)?;
        }
        check_free_or_standard(&self.codes, self.force)?;
        Ok(replace_report)
    }

    /// The report, if it is a file.
    fn report_file(&self) -> Option<&Path> {
        self.report.as_deref().filter(|report| !is_standard(report))
    }

    /// Whether the report is that of this same merge, which ended before its codes had their name.
    fn has_left_a_report(&self, identity: &Identity) -> Result<bool> {
        let Some(report) = self.report_file().filter(|_| !self.codes.exists()) else { return Ok(false) };
        let Some(found) = journal::find_finished(&self.codes)?.filter(|found| found.identity == *identity) else {
            return Ok(false);
        };
        let extent = found.last()?.and_then(|last| last.report);
        extent.map_or(Ok(false), |extent| holds(report, 0, &extent))
    }
}

impl Part {
    fn open(codes: &Path) -> Result<Self> {
        let refuse = |found: String, fix: &str| {
            Error::input(codes.display(), found, "the codes of a finished shard, with the journal beside them", fix)
        };
        let journal = journal::journal_path(codes);
        if let Some(found) = journal::find_unfinished(codes)?
            && !codes.exists()
        {
            let found = format!("{} of its {} observations done", found.done(), found.identity.length());
            return Err(refuse(found, "finish it: run its command again with option `journaling: Resume`"));
        }
        if !codes.exists() {
            return Err(refuse("no such file".to_owned(), "run that shard, or check the name"));
        }
        let Some(found) = journal::find_finished(codes)? else {
            let found = format!("no {} beside it", journal.display());
            return Err(refuse(found, "copy it along with the codes, or run that shard again"));
        };
        let Some(last) = found.last()?.filter(|last| last.finished) else {
            let found = format!("an unfinished journal {}", journal.display());
            return Err(refuse(found, "run that shard's command again with option `journaling: Resume`"));
        };
        let differs = |path: &Path| {
            Error::input(
                path.display(),
                "contents or a length that differ from its journal",
                "the file that the shard's run wrote",
                "copy it again, or run that shard again",
            )
        };
        if !holds(codes, DATA_START as u64, &last.codes)? {
            return Err(differs(codes));
        }
        let length = found.identity.length();
        if last.done != length || found.identity.end > found.identity.count {
            let Identity { first, end, count, .. } = found.identity;
            let found = format!("a journal of {} observations done, from {first} to {end} of {count}", last.done);
            return Err(refuse(found, "run that shard again"));
        }
        let shape = shape_of(codes, length, &last.codes)?;
        let alternatives = last.alternatives.as_ref().map(|extent| (journal::alternatives_path(codes), extent));
        if let Some((path, extent)) = &alternatives {
            let found = if path.exists() { holds(path, DATA_START as u64, extent)? } else { false };
            if !found {
                return Err(differs(path));
            }
        }
        let alternatives = alternatives.map(|(path, _)| path);
        let folder = codes.parent().unwrap_or(Path::new(""));
        let report = found.identity.report.as_ref().map(|report| folder.join(report));
        let summary = totals_of(last.clone(), &found)?;
        let Found { identity, .. } = found;
        Ok(Part { codes: codes.to_owned(), report, alternatives, identity, last, summary, shape })
    }

    /// Appends the rows of the part, byte for byte.
    fn append_codes(&self, codes: &mut NpyWriter) -> Result<()> {
        append_rows(&self.codes, &self.last.codes, codes)
    }

    /// Appends the alternatives of the part, byte for byte.
    fn append_alternatives(&self, output: &mut NpyWriter) -> Result<()> {
        let (Some(path), Some(extent)) = (&self.alternatives, &self.last.alternatives) else { return Ok(()) };
        append_rows(path, extent, output)
    }

    /// Appends the report of the part, byte for byte; without its header if `headed` and `.csv`.
    fn append_report(&self, output: &mut OutputFile, headed: bool) -> Result<()> {
        let (Some(path), Some(extent)) = (&self.report, &self.last.report) else { return Ok(()) };
        if !holds(path, 0, extent)? {
            return Err(Error::input(
                path.display(),
                "no report, or contents that differ from the journal",
                format!("the report of {}", self.codes.display()),
                "copy it to where it was beside the codes, run that shard again, or merge without option `report`",
            ));
        }
        let mut reader = Verified::open(path, 0, extent)?;
        let mut in_header = headed && path.extension().is_some_and(|extension| extension == "csv");
        let mut buffer = vec![0; CHUNK];
        while let Some(mut bytes) = reader.next(&mut buffer)? {
            if in_header {
                let end = bytes.iter().position(|byte| *byte == b'\n');
                in_header = end.is_none();
                bytes = &bytes[end.map_or(bytes.len(), |end| end + 1)..];
            }
            output.append(bytes)?;
        }
        Ok(())
    }
}

/// Appends the rows of a `.npy` file, which must have this extent, to `output`.
fn append_rows(path: &Path, extent: &Extent, output: &mut NpyWriter) -> Result<()> {
    let row = output.row_bytes();
    let mut reader = Verified::open(path, DATA_START as u64, extent)?;
    let mut buffer = vec![0; row * (CHUNK / row).max(1)];
    while let Some(bytes) = reader.next(&mut buffer)? {
        output.append_encoded(bytes)?;
    }
    Ok(())
}

/// The shape of a part's rows. The digest in the journal leaves out the header of the codes, so it
/// is checked here against the number of observations and the length of the file.
fn shape_of(codes: &Path, count: u64, extent: &Extent) -> Result<Option<(usize, ElementType)>> {
    let refuse = |found: String| {
        Error::input(
            codes.display(),
            found,
            format!("one row for each of the {count} observations in its journal"),
            "copy it again, or run that shard again",
        )
    };
    if count == 0 {
        // A shard without observations has a header only.
        let is_empty = extent.bytes == DATA_START as u64;
        return if is_empty { Ok(None) } else { Err(refuse(format!("{} bytes", extent.bytes))) };
    }
    let reader = NpyReader::open(codes)?;
    let (rows, width, element_type) = (reader.count(), reader.width(), reader.element_type());
    let numbers = extent.bytes.checked_sub(DATA_START as u64);
    if rows as u64 != count || numbers != Some((rows * width * element_type.size()) as u64) {
        return Err(refuse(format!("shape ({rows}, {width}) in a file of {} bytes", extent.bytes)));
    }
    Ok(Some((width, element_type)))
}

/// The shape of the codes of a run without observations, from the header of a part.
fn shape_without_rows(part: &Part) -> Result<(usize, ElementType)> {
    let reader = NpyReader::open(&part.codes)?;
    Ok((reader.width(), reader.element_type()))
}

/// Refuses parts whose rows differ in length or type, which parts of one run do not.
fn common_shape(parts: &[Part]) -> Result<Option<(usize, ElementType)>> {
    let mut shaped = parts.iter().filter_map(|part| Some((part, part.shape?)));
    let Some((first, shape)) = shaped.next() else { return Ok(None) };
    let words =
        |(width, element_type): (usize, ElementType)| format!("rows of {width} numbers of type {element_type:?}");
    match shaped.find(|(_, other)| *other != shape) {
        None => Ok(Some(shape)),
        Some((part, other)) => Err(Error::input(
            part.codes.display(),
            words(other),
            format!("{}, as {} has", words(shape), first.codes.display()),
            "copy it again, or run that shard again",
        )),
    }
}

/// Refuses parts of different runs.
fn refuse_mixtures(parts: &[Part]) -> Result<()> {
    let Some((first, others)) = parts.split_first() else { return Ok(()) };
    for part in others {
        let mut differences = part.identity.mixture(&first.identity);
        if part.identity.count != first.identity.count {
            differences.push(format!("{} observations instead of {}", part.identity.count, first.identity.count));
        }
        if !differences.is_empty() {
            return Err(Error::input(
                part.codes.display(),
                format!("a part made with {}", differences.join("; with ")),
                format!("parts of one run, as {} is", first.codes.display()),
                "run that shard again with the inputs and options of the others",
            ));
        }
    }
    Ok(())
}

fn refuse_gaps_and_overlaps(parts: &[Part]) -> Result<()> {
    let mut next = 0;
    let mut before: Option<&Part> = None;
    let missing = |from: u64, end: u64| {
        Error::input(
            "the parts",
            format!("observations {from} to {} in no part", end - 1),
            "every observation in exactly one part",
            "name the part that holds them, or run its shard",
        )
    };
    for part in parts {
        let Identity { first, end, .. } = part.identity;
        if first > next {
            return Err(missing(next, first));
        }
        if first < next && end > first {
            let other = before.map_or(String::new(), |part| part.codes.display().to_string());
            return Err(Error::input(
                part.codes.display(),
                format!("observations {first} to {}, which overlap those of {other}", end - 1),
                "every observation in exactly one part",
                "leave out one of the two parts",
            ));
        }
        next = next.max(end);
        before = Some(part);
    }
    match parts.first() {
        Some(part) if next < part.identity.count => Err(missing(next, part.identity.count)),
        _ => Ok(()),
    }
}
