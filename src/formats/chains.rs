//! Properties of a list of linear modules, from names and sizes alone. Do the sizes fit, does it
//! look like an autoencoder, and which parts could be a generator? `layers_by_name.rs` uses them to
//! choose layers and to write messages.

use super::modules::{Kind, Module};

/// The units and inputs of a linear module.
pub fn width(module: &Module) -> (usize, usize) {
    match module.kind {
        Kind::Linear { units, inputs } => (units, inputs),
        _ => (0, 0),
    }
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

/// Lists the first modules for a message.
pub fn list(modules: &[&Module]) -> String {
    const MOST: usize = 12;
    let shown = modules.iter().take(MOST).map(|module| module.describe()).collect::<Vec<_>>().join(", ");
    if modules.len() > MOST { format!("{shown} and {} more", modules.len() - MOST) } else { shown }
}

/// The sizes in the form `20 → 400 → 784`.
pub fn sizes(chain: &[&Module]) -> String {
    let mut sizes = vec![width(chain[0]).1.to_string()];
    sizes.extend(chain.iter().map(|module| width(module).0.to_string()));
    sizes.join(" → ")
}

/// The name with every number replaced by `*`, so that names that differ only in numbers are equal.
pub fn pattern(name: &str) -> String {
    let mut pattern = String::new();
    for character in name.chars() {
        if !character.is_ascii_digit() {
            pattern.push(character);
        } else if !pattern.ends_with('*') {
            pattern.push('*');
        }
    }
    pattern
}

/// The part of a name before the last dot.
pub fn parent(name: &str) -> &str {
    name.rsplit_once('.').map_or("", |(parent, _)| parent)
}

/// Suggested values for the option `layers`: sequences of layers that widen and could be the
/// generator. If there are none, all sequences.
pub fn suggestions(linears: &[&Module]) -> Option<String> {
    const MOST: usize = 4;
    let mut families: Vec<(String, Vec<&Module>)> = Vec::new();
    for module in linears {
        let family = pattern(parent(module.name));
        match families.iter_mut().find(|(name, _)| *name == family) {
            Some((_, members)) => members.push(module),
            None => families.push((family, vec![module])),
        }
    }
    let mut runs: Vec<Vec<&Module>> = Vec::new();
    for (_, members) in families {
        let mut run: Vec<&Module> = Vec::new();
        for module in members {
            let chains = run.last().is_none_or(|last| width(last).0 == width(module).1);
            run.push(module);
            if !chains || narrows_then_widens(&run) {
                run.pop();
                runs.push(std::mem::replace(&mut run, vec![module]));
            }
        }
        runs.push(run);
    }
    let widens = |run: &[&Module]| width(run[run.len() - 1]).0 > width(run[0]).1;
    if runs.iter().any(|run| widens(run)) {
        runs.retain(|run| widens(run));
    }
    // The sort is stable: equal sequences keep the order of the file.
    runs.sort_by_key(|run| usize::MAX - run.len());
    let shown: Vec<_> = runs
        .iter()
        .filter(|run| !run[0].name.is_empty())
        .take(MOST)
        .map(|run| {
            let names = run.iter().map(|module| module.name).collect::<Vec<_>>().join(",");
            format!("option `layers: {names}` ({})", sizes(run))
        })
        .collect();
    if shown.is_empty() { None } else { Some(shown.join(" or ")) }
}
