//! The options of an inverter that change an answer: part of a run's identity.

use super::{BestMethod, Method, Options};
use crate::descent::DescentOptions;
use crate::formats::npy::ElementType;
use crate::lp::layer::{HiddenEpsilon, HiddenSign, LayerwiseOptions, RelaxedWeights, RowTolerances};
use crate::multistart::{BestOptions, Objective};
use crate::runtime::Runtime;

/// The options that change an answer, by the names of their fields. The pattern names every field,
/// so the compiler reports a new field that is missing here. `miss_rate`: the one that is measured,
/// by itself or by name.
pub(crate) fn options_that_matter(
    options: &Options,
    miss_rate: Option<f64>,
    runtime: &Runtime,
) -> Vec<(String, String)> {
    let Options {
        method,
        refine,
        reproduces_within,
        noise,
        noise_law,
        prior,
        uncertainty,
        alternatives,
        code_law,
        solver,
        // The device and the number of threads do not change a certified answer.
        device: _,
        adapter: _,
        backend: _,
        threads: _,
        // The digest of the observations includes their type.
        precision: _,
        codes_as,
    } = options;
    let mut named = match method {
        Method::Layerwise(layerwise) => of_layers(layerwise, solver.to_string()),
        Method::Best(best) => of_search(best, miss_rate, solver.to_string(), runtime),
        Method::Descent(DescentOptions { optimizer, step, iterations, restarts, seed }) => vec![
            ("method", "descent".to_owned()),
            ("optimizer", optimizer.to_string()),
            ("step", or_default(*step)),
            ("iterations", iterations.to_string()),
            ("restarts", restarts.to_string()),
            ("seed", seed.to_string()),
            ("device", runs_on(runtime)),
        ],
    };
    named.extend([
        ("reproduces_within", or_default(*reproduces_within)),
        ("noise", noise.map_or("not given".to_owned(), |noise| noise.to_string())),
        ("code_law", code_law.to_string()),
        ("refine", refine.map_or("not given".to_owned(), name_of_refinement)),
        ("codes_as", if *codes_as == ElementType::F32 { "f32" } else { "f64" }.to_owned()),
    ]);
    if let Some(law) = noise_law {
        named.push(("noise_law", law.to_string()));
    }
    if *prior != 0.0 {
        named.push(("prior", prior.to_string()));
    }
    if *uncertainty {
        named.push(("uncertainty", "given".to_owned()));
    }
    if *alternatives > 0 {
        named.push(("alternatives", alternatives.to_string()));
    }
    named.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}

/// Those of the layer-wise methods. Departures from the paper's form are named where there are any,
/// as in journals from before there were such options.
fn of_layers(options: &LayerwiseOptions, solver: String) -> Vec<(&'static str, String)> {
    let LayerwiseOptions {
        method,
        tolerances,
        rows,
        stop,
        passes,
        row_tolerances,
        hidden_epsilon,
        relaxed_weights,
        hidden_sign,
    } = options;
    let mut named = vec![
        ("method", method.to_string()),
        ("epsilon", or_default(tolerances.epsilon)),
        ("growth", tolerances.growth.to_string()),
        ("rows", rows.to_string()),
        ("stop", stop.to_string()),
        ("solver", solver),
    ];
    if *passes != 1 {
        named.push(("passes", passes.to_string()));
    }
    if *row_tolerances != RowTolerances::default() {
        named.push(("row_tolerances", row_tolerances.to_string()));
    }
    if *hidden_epsilon != HiddenEpsilon::default() {
        named.push(("hidden_epsilon", hidden_epsilon.to_string()));
    }
    if *relaxed_weights != RelaxedWeights::default() {
        named.push(("relaxed_weights", relaxed_weights.to_string()));
    }
    if *hidden_sign != HiddenSign::default() {
        named.push(("hidden_sign", hidden_sign.to_string()));
    }
    named
}

/// Those of `best`. The miss rate is named where one is measured, as in journals from before there
/// was any.
fn of_search(
    options: &BestMethod,
    miss_rate: Option<f64>,
    solver: String,
    runtime: &Runtime,
) -> Vec<(&'static str, String)> {
    let BestMethod { search: BestOptions { starts, seed, objective, reach: _, end: _ }, tolerances, miss_rate: _ } =
        options;
    let mut named = vec![
        ("method", "best".to_owned()),
        ("epsilon", or_default(tolerances.epsilon)),
        ("growth", tolerances.growth.to_string()),
        ("solver", solver),
        ("objective", objective.to_string()),
        ("starts", starts.to_string()),
        ("seed", seed.to_string()),
        ("device", runs_on(runtime)),
    ];
    if let Some(rate) = miss_rate {
        named.push(("miss_rate", rate.to_string()));
    }
    named
}

/// `given` for squares, as in journals from before there were other norms.
fn name_of_refinement(objective: Objective) -> String {
    if objective == Objective::L2 { "given".to_owned() } else { objective.to_string() }
}

fn or_default(number: Option<f64>) -> String {
    number.map_or("default".to_owned(), |number| number.to_string())
}

/// The device that the results of descent and of the search depend on: they run in f32 on a GPU and
/// in f64 on the CPU. The CPU's description contains its number of threads, which changes no
/// result.
pub(crate) fn runs_on(runtime: &Runtime) -> String {
    let device = runtime.device();
    if device.is_asynchronous() { device.description() } else { "cpu".to_owned() }
}
