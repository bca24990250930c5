//! The options of an inverter that change an answer: part of what identifies a run.

use super::{BestMethod, Method, Options};
use crate::descent::DescentOptions;
use crate::formats::npy::ElementType;
use crate::lp::layer::LayerwiseOptions;
use crate::multistart::BestOptions;
use crate::runtime::Runtime;

/// Options that change an answer, by the names of their fields. Each field is named here, so that a
/// new one is not forgotten.
pub(crate) fn options_that_matter(options: &Options, runtime: &Runtime) -> Vec<(String, String)> {
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
    } = options;
    let mut named = match method {
        Method::Layerwise(LayerwiseOptions { method, tolerances, rows, stop }) => vec![
            ("method", method.to_string()),
            ("epsilon", tolerances.epsilon.to_string()),
            ("growth", tolerances.growth.to_string()),
            ("rows", rows.to_string()),
            ("stop", stop.to_string()),
            ("solver", solver.to_string()),
        ],
        Method::Best(BestMethod { search: BestOptions { starts, seed, objective }, tolerances }) => vec![
            ("method", "best".to_owned()),
            ("epsilon", tolerances.epsilon.to_string()),
            ("growth", tolerances.growth.to_string()),
            ("solver", solver.to_string()),
            ("objective", objective.to_string()),
            ("starts", starts.to_string()),
            ("seed", seed.to_string()),
            ("device", runs_on(runtime)),
        ],
        Method::Descent(DescentOptions { optimizer, step, iterations, restarts, seed }) => vec![
            ("method", "descent".to_owned()),
            ("optimizer", optimizer.to_string()),
            ("step", step.map_or("default".to_owned(), |step| step.to_string())),
            ("iterations", iterations.to_string()),
            ("restarts", restarts.to_string()),
            ("seed", seed.to_string()),
            ("device", runs_on(runtime)),
        ],
    };
    named.extend([
        ("reproduces_within", reproduces_within.to_string()),
        ("refine", if *refine { "given" } else { "not given" }.to_owned()),
        ("codes_as", if *codes_as == ElementType::F32 { "f32" } else { "f64" }.to_owned()),
    ]);
    named.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}

/// What descent and the search depend on: they run in f32 on a GPU and in f64 on the CPU. The CPU's
/// description has its number of threads, which changes nothing.
pub(crate) fn runs_on(runtime: &Runtime) -> String {
    let device = runtime.device();
    if device.is_asynchronous() { device.description() } else { "cpu".to_owned() }
}
