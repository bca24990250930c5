//! Everything that determines the bytes of a file run, for its journal.

use std::fs;
use std::ops::Range;
use std::path::{Path, PathBuf};

use super::journal::{Identity, Source, network_digest};
use super::request::FileRun;
use crate::batch::engine::Engine;
use crate::error::Result;

/// The identity of a run over the observations of `range`. The inputs are pinned: a batch that
/// differs from what the digests cover is refused when it is read.
///
/// # Errors
/// If an input cannot be read. Each input is read once, to compute its digest.
pub(super) fn identity(run: &mut FileRun, engine: &dyn Engine, range: Range<u64>) -> Result<Identity> {
    let batch = run.batch.max(1);
    let network = run.network.as_ref().map_or("the network given".to_owned(), |path| path.display().to_string());
    let own = run.mask_option()?.into_iter().chain(run.ignored_option()).chain(run.pixels_option());
    let options = engine.options_that_matter().into_iter().chain(own);
    Ok(Identity {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        network: Source { file: network, digest: network_digest(engine.generator()) },
        observations: Source::pinned(&mut run.observations, batch)?,
        truth: run.truth.as_mut().map(|truth| Source::pinned(truth, batch)).transpose()?,
        options: options.collect(),
        count: run.observations.count() as u64,
        batch: batch as u64,
        first: range.start,
        end: range.end,
        report: run.report.as_deref().map(|report| beside(&run.codes, report)),
    })
}

/// The name of a report in a journal. It is the file name if the report lies in the folder of the
/// codes, so that both can be moved. Otherwise it is the whole path.
pub(super) fn beside(codes: &Path, report: &Path) -> String {
    let folder = |path: &Path| {
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        fs::canonicalize(folder).ok()
    };
    let name = match (folder(codes), folder(report), report.file_name()) {
        (Some(codes), Some(report), Some(name)) if codes == report => PathBuf::from(name),
        _ => std::path::absolute(report).unwrap_or_else(|_| report.to_owned()),
    };
    name.display().to_string()
}
