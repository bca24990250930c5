//! The option `layers`: names of modules from the code to the output.
//!
//! A BatchNorm is listed where it stands: after its layer, and after the word `activation` if the
//! activation comes first. `fc1,bn1,fc2` computes `fc2(σ(bn1(fc1 z)))`, and
//! `fc1,activation,bn1,fc2` computes `fc2(bn1(σ(fc1 z)))`. A listed PReLU is the activation.

use super::chains::{list, width};
use super::modules::{Kind, Module};
use super::places::Place;
use crate::error::{Error, Result};

/// The word for the place of an activation.
pub const ACTIVATION: &str = "activation";

/// The layers of the generator, with the norms and slopes that the user listed.
#[derive(Debug, Default)]
pub struct Listed<'m, 'a> {
    /// The linear layers from the code to the output.
    pub layers: Vec<&'m Module<'a>>,
    /// The listed BatchNorms, in order.
    pub norms: Vec<(&'m Module<'a>, Place)>,
    /// The listed PReLUs, with the layer that each follows.
    pub slopes: Vec<(&'m Module<'a>, usize)>,
}

/// Reads the option.
///
/// # Errors
/// [`Error::Input`] if a name is unknown, ambiguous or not a layer, or stands where it cannot.
pub fn picked<'m, 'a>(modules: &'m [Module<'a>], picks: &[String], source: &str) -> Result<Listed<'m, 'a>> {
    let mut listed = Listed::default();
    // The norms after the last layer, and whether its activation was listed.
    let (mut after_activation, mut waiting) = (false, Vec::new());
    for pick in picks {
        let module = match find(modules, pick, source) {
            Ok(module) => module,
            Err(_) if pick.trim() == ACTIVATION && !listed.layers.is_empty() && !after_activation => {
                after_activation = true;
                continue;
            }
            Err(error) => return Err(error),
        };
        match &module.kind {
            Kind::Linear { .. } => {
                let layer = listed.layers.len();
                listed.norms.extend(waiting.drain(..).map(|norm| (norm, Place::Before(layer))));
                listed.layers.push(module);
                after_activation = false;
            }
            Kind::BatchNorm { .. } => match listed.layers.len() {
                layers if layers > 0 && !after_activation => listed.norms.push((module, Place::After(layers - 1))),
                _ => waiting.push(module),
            },
            Kind::Slopes { .. } if !listed.layers.is_empty() && !after_activation => {
                listed.slopes.push((module, listed.layers.len() - 1));
                after_activation = true;
            }
            _ => return Err(not_a_layer(module, source)),
        }
    }
    if let Some(norm) = waiting.first() {
        return Err(Error::input(
            source,
            format!("{} after the activation of the last layer", norm.describe()),
            "every BatchNorm before the last activation, or before a layer",
            "list it where it stands; unrelu does not invert a BatchNorm of the output",
        ));
    }
    if listed.layers.is_empty() {
        return Err(Error::input(
            source,
            "no linear layer in option `layers`",
            "at least one",
            "name the layers from the code to the output",
        ));
    }
    for (norm, place) in &listed.norms {
        fits(norm, *place, &listed.layers, source)?;
    }
    Ok(listed)
}

/// Checks that a BatchNorm has as many features as the layer has entries at its place.
pub fn fits(norm: &Module, place: Place, layers: &[&Module], source: &str) -> Result<()> {
    let Kind::BatchNorm { features } = norm.kind else { return Ok(()) };
    let (layer, entries, what) = match place {
        Place::After(layer) => (layers[layer], width(layers[layer]).0, "units"),
        Place::Before(layer) => (layers[layer], width(layers[layer]).1, "inputs"),
        _ => return Ok(()),
    };
    if features == entries {
        return Ok(());
    }
    Err(Error::input(
        source,
        format!("{} at layer `{}` with {entries} {what}", norm.describe(), layer.name),
        format!("a BatchNorm with one feature for each of the {what}"),
        "list it directly after its layer in option `layers`",
    ))
}

fn not_a_layer(module: &Module, source: &str) -> Error {
    let (expected, fix) = match module.kind {
        Kind::Slopes { .. } => {
            ("a PReLU directly after a layer or its BatchNorm", "list it where the activation stands, once per layer")
        }
        _ => (
            "linear layers, with BatchNorm1d and PReLU",
            "leave out what is no part of the generator; for convolutions and other layers, give a list of operations with option \
             `architecture`, or an ONNX model",
        ),
    };
    Error::input(source, format!("{} in option `layers`", module.describe()), expected, fix)
}

/// Finds the module that `pick` names: by its whole name, or by the end of it after a dot.
fn find<'m, 'a>(modules: &'m [Module<'a>], pick: &str, source: &str) -> Result<&'m Module<'a>> {
    let pick = pick.trim();
    let pick = pick.strip_suffix(".weight").unwrap_or(pick);
    if let Some(module) = modules.iter().find(|module| module.name == pick) {
        return Ok(module);
    }
    let is_end = |module: &&Module| module.name.strip_suffix(pick).is_some_and(|start| start.ends_with('.'));
    let matches: Vec<_> = modules.iter().filter(is_end).collect();
    match matches[..] {
        [module] if !pick.is_empty() => Ok(module),
        [] => Err(Error::input(
            source,
            format!("no layer `{pick}`"),
            format!(
                "one of its layers: {}",
                list(&modules.iter().filter(|m| m.kind != Kind::Unknown).collect::<Vec<_>>())
            ),
            "correct the name in option `layers`",
        )),
        _ => Err(Error::input(
            source,
            format!("several layers whose names end in `{pick}`: {}", list(&matches)),
            "a name that only one of them has",
            "write the full name in option `layers`",
        )),
    }
}
