//! Properties of a list of linear modules, from sizes alone. Do the sizes fit, and does the list
//! look like an autoencoder?

use super::modules::{Kind, Module};

/// The units and inputs of a linear module.
pub fn width(module: &Module) -> (usize, usize) {
    match module.kind {
        Kind::Linear { units, inputs } => (units, inputs),
        _ => (0, 0),
    }
}

/// The inputs of the first layer, followed by the units of every layer.
pub fn widths(chain: &[&Module]) -> Vec<usize> {
    let first = chain.first().map(|module| width(module).1);
    first.into_iter().chain(chain.iter().map(|module| width(module).0)).collect()
}

/// The first two neighbours whose sizes do not fit.
pub fn break_in<'m, 'a>(chain: &[&'m Module<'a>]) -> Option<(&'m Module<'a>, &'m Module<'a>)> {
    chain.windows(2).find(|pair| width(pair[0]).0 != width(pair[1]).1).map(|pair| (pair[0], pair[1]))
}

/// Whether a layer narrows and a later layer widens, as in an autoencoder.
pub fn narrows_then_widens(chain: &[&Module]) -> bool {
    let narrows = chain.iter().position(|module| width(module).0 < width(module).1);
    narrows.is_some_and(|at| chain[at..].iter().any(|module| width(module).0 > width(module).1))
}

/// Whether the layers widen and then narrow to the first size or below it, as a decoder that is
/// followed by its encoder.
pub fn returns_to_its_start(chain: &[&Module]) -> bool {
    let widths = widths(chain);
    match (widths.first(), widths.last(), widths.iter().max()) {
        (Some(first), Some(last), Some(most)) => chain.len() > 1 && last <= first && first < most,
        _ => false,
    }
}

/// Lists the first modules for a message.
pub fn list(modules: &[&Module]) -> String {
    const MOST: usize = 12;
    let shown = modules.iter().take(MOST).map(|module| module.describe()).collect::<Vec<_>>().join(", ");
    if modules.len() > MOST { format!("{shown} and {} more", modules.len() - MOST) } else { shown }
}

/// The sizes in the form `20 → 400 → 784`.
pub fn sizes(chain: &[&Module]) -> String {
    widths(chain).iter().map(usize::to_string).collect::<Vec<_>>().join(" → ")
}
