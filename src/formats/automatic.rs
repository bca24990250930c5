//! Chooses the layers of a file whose names and sizes leave one order only.
//!
//! Two cases are unambiguous. In the first, the names of the layers differ only in their numbers
//! (`layers.0`, `net.2`, `fc3`, `blocks.1.linear`), the sizes fit in that order, and no layer
//! narrows before a later one widens, as in an autoencoder. In the second, the layers have one
//! parent, and only one order fits because each layer widens. In all other cases, the user picks
//! layers by name.

use super::chains::{break_in, list, narrows_then_widens, returns_to_its_start, sizes, width};
use super::modules::{Kind, Module};
use super::names::{STRUCTURE, parent, pattern, position};
use super::suggestions::suggestions;
use crate::error::{Error, Result};

/// The linear layers from the code to the output, in their only possible order.
///
/// # Errors
/// [`Error::Input`] if the choice or the order is ambiguous, or if a layer cannot be inverted. The
/// message lists what could be picked.
pub fn automatic<'m, 'a>(modules: &'m [Module<'a>], source: &str) -> Result<Vec<&'m Module<'a>>> {
    let linears: Vec<&Module> = modules.iter().filter(|m| matches!(m.kind, Kind::Linear { .. })).collect();
    let obstacles: Vec<&Module> = modules.iter().filter(|m| matches!(m.kind, Kind::Unsupported(_))).collect();
    if !obstacles.is_empty() {
        return Err(unsupported(source, &obstacles, &linears));
    }
    if linears.is_empty() {
        return Err(Error::input(
            source,
            "no weight matrix",
            "tensors named like `layers.0.weight` or `decoder.0.weight`, [units, inputs]",
            "save the generator's state_dict, torch.save(model.state_dict(), path)",
        ));
    }
    plain_order(&linears, source)
}

/// The linear layers in their only possible order; `linears` are in natural order.
fn plain_order<'m, 'a>(linears: &[&'m Module<'a>], source: &str) -> Result<Vec<&'m Module<'a>>> {
    let first = pattern(linears[0].name);
    if linears.iter().all(|module| pattern(module.name) == first) {
        // `layers.0`, `layers.1` … is unrelu's own format: it always holds the generator, in order.
        let is_own_format = linears.iter().enumerate().all(|(index, m)| m.name == format!("layers.{index}"));
        let in_sequence = linears.iter().all(|module| position(module.name).is_some());
        let found = match break_in(linears) {
            Some((before, after)) => {
                format!("{} followed by {}, whose sizes do not fit", before.describe(), after.describe())
            }
            None if !is_own_format && narrows_then_widens(linears) => {
                format!("layers that narrow and then widen, {}, as an autoencoder does", sizes(linears))
            }
            None if !in_sequence && returns_to_its_start(linears) => {
                format!("layers that widen and then narrow, {}, as a decoder and its encoder do", sizes(linears))
            }
            None => return Ok(linears.to_vec()),
        };
        return Err(ambiguous(source, found, linears));
    }
    let mut by_width = linears.to_vec();
    by_width.sort_by_key(|module| width(module).1);
    let widens = by_width.iter().all(|module| width(module).0 > width(module).1);
    let one_parent = linears.iter().all(|module| parent(module.name) == parent(linears[0].name));
    if widens && one_parent && break_in(&by_width).is_none() {
        return Ok(by_width);
    }
    Err(ambiguous(source, format!("layers whose names do not determine their order: {}", list(linears)), linears))
}

fn unsupported(source: &str, modules: &[&Module], linears: &[&Module]) -> Error {
    // A layer that belongs to the same part of the model may belong to the same network.
    let is_apart = |chain: &[&Module]| {
        modules.iter().all(|module| chain.iter().all(|layer| !parent(layer.name).starts_with(parent(module.name))))
    };
    Error::input(
        source,
        list(modules),
        "linear layers, optionally with BatchNorm1d or PReLU",
        match suggestions(linears, is_apart) {
            Some(suggestions) => format!(
                "the names of tensors describe fully connected generators only; if this is not part of the generator, pick the generator's \
                 layers: {suggestions}; for convolutions, {STRUCTURE}"
            ),
            None => format!(
                "the names of tensors describe fully connected generators only: for convolutions, {STRUCTURE}; merge linear \
                 operations into the weight matrices before saving (remove_parametrizations, or prune.remove for a pruned weight)"
            ),
        },
    )
}

fn ambiguous(source: &str, found: String, linears: &[&Module]) -> Error {
    let fix = match suggestions(linears, |_| true) {
        Some(suggestions) => format!("pick them in order from the code to the output: {suggestions}"),
        None => "pick them in order from the code to the output with option `layers`".to_owned(),
    };
    Error::input(source, found, "the layers of one generator, in an unambiguous order", fix)
}
