//! What decides the bytes of a run from file to file, for its journal.

use std::fs;
use std::ops::Range;
use std::path::{Path, PathBuf};

use super::engine::Engine;
use super::files::FileRun;
use super::{BestMethod, Inverter, Method, Options};
use crate::descent::DescentOptions;
use crate::error::Result;
use crate::formats::npy::ElementType;
use crate::journal::{Identity, Source, network_digest};
use crate::lp::layer::LayerOptions;
use crate::multistart::BestOptions;

/// The identity of a run over the observations of `range`.
///
/// # Errors
/// Where an input cannot be read: all are read once, for their digests.
pub(super) fn identity(run: &FileRun, engine: &dyn Engine, range: Range<u64>) -> Result<Identity> {
    let network = run.network.as_ref().map_or("the network given".to_owned(), |path| path.display().to_string());
    Ok(Identity {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        network: Source { file: network, digest: network_digest(engine.generator()) },
        observations: Source::of_file(run.observations.path())?,
        truth: run.truth.as_ref().map(|truth| Source::of_file(truth.path())).transpose()?,
        options: engine.options_that_matter().into_iter().chain(run.mask_option()?).collect(),
        count: run.observations.count() as u64,
        batch: run.batch.max(1) as u64,
        first: range.start,
        end: range.end,
        report: run.report.as_deref().map(|report| beside(&run.codes, report)),
    })
}

/// Options that change an answer, as the command line names them. Each field is named here, so that a new one is not forgotten.
pub(super) fn options_that_matter(inverter: &Inverter) -> Vec<(String, String)> {
    let Options {
        method,
        refine,
        reproduces_within,
        solver,
        // What runs where, and on how many threads, changes no certified answer.
        device: _,
        adapter: _,
        threads: _,
        // The observations' digest covers their type.
        precision: _,
        codes_as,
    } = inverter.options();
    // Descent and the search run in f32 on a GPU and in f64 on the CPU, whose description would add its number of threads.
    let runs_on = || {
        let device = inverter.device();
        if device.is_asynchronous() { device.description() } else { "cpu".to_owned() }
    };
    let mut options = match method {
        Method::Layerwise(LayerOptions { method, tolerances, rows, stop }) => vec![
            ("--method", method.to_string()),
            ("--epsilon", tolerances.epsilon.to_string()),
            ("--growth", tolerances.growth.to_string()),
            ("--rows", rows.to_string()),
            ("--stop", stop.to_string()),
            ("--solver", solver.to_string()),
        ],
        Method::Best(BestMethod { search: BestOptions { starts, seed, objective }, tolerances }) => vec![
            ("--method", "best".to_owned()),
            ("--epsilon", tolerances.epsilon.to_string()),
            ("--growth", tolerances.growth.to_string()),
            ("--solver", solver.to_string()),
            ("--objective", objective.to_string()),
            ("--starts", starts.to_string()),
            ("--seed", seed.to_string()),
            ("--device", runs_on()),
        ],
        Method::Descent(DescentOptions { optimizer, step, iterations, restarts, seed }) => vec![
            ("--method", "descent".to_owned()),
            ("--optimizer", optimizer.to_string()),
            ("--step", step.map_or("default".to_owned(), |step| step.to_string())),
            ("--iterations", iterations.to_string()),
            ("--restarts", restarts.to_string()),
            ("--seed", seed.to_string()),
            ("--device", runs_on()),
        ],
    };
    options.extend([
        ("reproduced within", reproduces_within.to_string()),
        ("--refine", if *refine { "given" } else { "not given" }.to_owned()),
        ("--dtype", if *codes_as == ElementType::F32 { "f32" } else { "f64" }.to_owned()),
    ]);
    options.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}

/// How a journal names a report: by its name if it lies in the folder of the codes, so that both can move, else by its whole path.
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
