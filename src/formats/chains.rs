//! What can be said of a row of linear modules from names and sizes alone: whether they chain,
//! whether they look like an autoencoder, which runs of them could be a generator. Words for
//! messages, and the tests of what is plain in `layers_by_name.rs`.

use super::modules::{Kind, Module};

/// Units and inputs of a linear module.
pub fn width(module: &Module) -> (usize, usize) {
    match module.kind {
        Kind::Linear { units, inputs } => (units, inputs),
        _ => (0, 0),
    }
}

/// The first two neighbours that do not chain.
pub fn break_in<'m, 'a>(chain: &[&'m Module<'a>]) -> Option<(&'m Module<'a>, &'m Module<'a>)> {
    chain.windows(2).find(|pair| width(pair[0]).0 != width(pair[1]).1).map(|pair| (pair[0], pair[1]))
}

/// Whether a layer narrows and a later one widens, as in an autoencoder.
pub fn narrows_then_widens(chain: &[&Module]) -> bool {
    let narrows = chain.iter().position(|module| width(module).0 < width(module).1);
    narrows.is_some_and(|at| chain[at..].iter().any(|module| width(module).0 > width(module).1))
}

/// The modules as a message lists them, the first dozen.
pub fn list(modules: &[&Module]) -> String {
    const MOST: usize = 12;
    let shown = modules.iter().take(MOST).map(|module| module.describe()).collect::<Vec<_>>().join(", ");
    if modules.len() > MOST { format!("{shown} and {} more", modules.len() - MOST) } else { shown }
}

/// `20 → 400 → 784`.
pub fn sizes(chain: &[&Module]) -> String {
    let mut sizes = vec![width(chain[0]).1.to_string()];
    sizes.extend(chain.iter().map(|module| width(module).0.to_string()));
    sizes.join(" → ")
}

/// The name with every number replaced, so that names that only count alike are equal.
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

/// Everything before the last dot.
pub fn parent(name: &str) -> &str {
    name.rsplit_once('.').map_or("", |(parent, _)| parent)
}

/// Chains that could be the generator, as values of the option `layers`: those that widen, or if
/// there are none, all.
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
    // Stable: among equals the file's order stays.
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
