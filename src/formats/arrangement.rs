//! Gives every BatchNorm and PReLU that could act on the layers its place, and refuses it by name
//! where its place is unknown.

use super::chains::{list, width};
use super::layer_names::LayerNames;
use super::left_over::Judge;
use super::modules::{Kind, Module};
use super::names::{last_number, parent};
use super::norms_by_name::NormNames;
use super::picks::{Listed, fits};
use super::places::{self, Place};
use super::scopes::Scopes;
use super::slopes::{self, Slope};
use super::tensor_file::TensorFile;
use crate::error::{Error, Result};
use crate::network::Activation;

/// The layers with their norms and slopes. `activation`: what the user states for hidden layers.
///
/// # Errors
/// [`Error::Input`] if a tensor that could act on the layers has no place.
pub fn arranged(
    file: &dyn TensorFile,
    modules: &[Module],
    listed: &Listed,
    activation: Option<Activation>,
) -> Result<Vec<LayerNames>> {
    let (chain, source) = (&listed.layers[..], file.source());
    let scopes = Scopes::new(modules, chain);
    let judge = Judge { source, modules, chain, scopes: &scopes };
    let mut layers: Vec<LayerNames> = chain.iter().filter_map(|module| layer(module)).collect();
    let mut norms = listed.norms.clone();
    let mut slopes = listed.slopes.clone();
    let mut unplaced = Vec::new();
    for module in modules {
        let (size, is_slope) = match module.kind {
            Kind::BatchNorm { features } => (Some(features), false),
            Kind::Slopes { count } => ((count > 1).then_some(count), true),
            _ => continue,
        };
        let is_listed = norms.iter().any(|(norm, _)| norm.name == module.name)
            || listed.slopes.iter().any(|(slope, _)| slope.name == module.name);
        if is_listed || !judge.module_acts(module, size) {
            continue;
        }
        match (places::place(modules, chain, module), is_slope) {
            (Some(place @ (Place::After(_) | Place::Before(_))), false) => {
                if listed.norms.iter().any(|(_, other)| *other == place) {
                    return Err(place_unknown(&[module], modules, listed, source));
                }
                norms.push((module, place));
            }
            (Some(Place::After(layer)), true) => slopes.push((module, layer)),
            (_, false) => return Err(place_unknown(&unknown_norms(&judge, &norms), modules, listed, source)),
            (_, true) => unplaced.push(module),
        }
    }
    for (norm, place) in &norms {
        fits(norm, *place, chain, source)?;
        match *place {
            Place::After(layer) => layers[layer].norms.extend(NormNames::of(norm)),
            Place::Before(layer) => layers[layer].norms_before.extend(NormNames::of(norm)),
            _ => {}
        }
    }
    for (module, layer) in &slopes {
        let Kind::Slopes { count } = module.kind else { continue };
        if !slopes::fits(count, chain[*layer]) || layers[*layer].slope.is_some() {
            return Err(slope_unknown(&[module], source));
        }
        layers[*layer].slope = Some(Slope::read(file, module)?);
    }
    if !unplaced.is_empty() {
        let values = unplaced.iter().map(|module| Ok((*module, Slope::read(file, module)?)));
        let values = values.collect::<Result<Vec<_>>>()?;
        let free = layers.iter().all(|layer| layer.slope.is_none());
        match slopes::assign(chain, &values, activation).filter(|_| free) {
            Some(assigned) => assigned.into_iter().for_each(|(layer, slope)| layers[layer].slope = Some(slope)),
            None => return Err(slope_unknown(&unplaced, source)),
        }
    }
    let mut used: Vec<&str> = layers.iter().flat_map(LayerNames::tensors).map(String::as_str).collect();
    used.sort_unstable();
    judge.refuse_left_over(&used)?;
    Ok(layers)
}

/// The tensors of a linear module; `None` for other modules.
fn layer(module: &Module) -> Option<LayerNames> {
    let (weight, units, inputs) = module.weight()?;
    let (bias, bias_mask) = module.bias().unzip();
    Some(LayerNames {
        name: module.name.to_owned(),
        weight,
        units,
        inputs,
        bias,
        bias_mask: bias_mask.flatten(),
        norms_before: Vec::new(),
        norms: Vec::new(),
        slope: None,
    })
}

/// The BatchNorms that may act and whose places are unknown.
fn unknown_norms<'m, 'a>(judge: &Judge<'_, 'm, 'a>, placed: &[(&Module, Place)]) -> Vec<&'m Module<'a>> {
    let is_unknown = |module: &&Module| {
        let Kind::BatchNorm { features } = module.kind else { return false };
        let place = places::place(judge.modules, judge.chain, module);
        judge.module_acts(module, Some(features))
            && !placed.iter().any(|(norm, _)| norm.name == module.name)
            && !matches!(place, Some(Place::After(_) | Place::Before(_)))
    };
    judge.modules.iter().filter(is_unknown).collect()
}

fn place_unknown(norms: &[&Module], modules: &[Module], listed: &Listed, source: &str) -> Error {
    let found = match places::words(modules, &listed.layers, norms[0]) {
        words if norms.len() > 1 || words.is_empty() => {
            format!("{}, whose names do not show their places", list(norms))
        }
        words => format!("{}, which {words}; its name does not show on which side of the activation", list(norms)),
    };
    let names = |after_activation: bool| -> Option<String> {
        let mut names = Vec::new();
        let mut waiting = norms.to_vec();
        for layer in &listed.layers {
            names.push(layer.name);
            let last = waiting.iter().position(|norm| belongs(norm, layer, &listed.layers, norms));
            if let Some(norm) = last.map(|at| waiting.remove(at)) {
                names.extend(after_activation.then_some("activation"));
                names.push(norm.name);
            }
        }
        let ends_well = !after_activation || names.last() == listed.layers.last().map(|layer| &layer.name);
        (waiting.is_empty() && listed.norms.is_empty() && listed.slopes.is_empty() && ends_well)
            .then(|| names.join(","))
    };
    let place = match (names(false), names(true)) {
        (Some(before), Some(after)) => format!(
            "list them where they stand: option `layers: {before}` if before the activation, option `layers: {after}` if \
             after it"
        ),
        (Some(before), None) => {
            format!("list them where they stand: option `layers: {before}` if before the activation")
        }
        _ => "list them where they stand in option `layers`, with the word `activation` before those that stand after the \
              activation"
            .to_owned(),
    };
    Error::input(
        source,
        found,
        "a BatchNorm whose place is known: before the activation it is folded into its layer, after it into the next layer",
        place,
    )
}

/// Whether a BatchNorm is likely to follow a layer: the sizes fit, and the numbers if there are
/// any.
fn belongs(norm: &Module, layer: &Module, layers: &[&Module], norms: &[&Module]) -> bool {
    let Kind::BatchNorm { features } = norm.kind else { return false };
    let same = layers.iter().filter(|layer| width(layer).0 == features).count();
    let alone = same == 1 && norms.iter().filter(|other| other.kind == norm.kind).count() == 1;
    let in_block = parent(norm.name) == parent(layer.name);
    width(layer).0 == features && (alone || in_block && last_number(norm.name) == last_number(layer.name))
}

fn slope_unknown(modules: &[&Module], source: &str) -> Error {
    let verb = if modules.len() == 1 { "does" } else { "do" };
    Error::input(
        source,
        format!("{}, whose name {verb} not show which activation it is", list(modules)),
        "one PReLU per hidden layer, numbered like the layers, or listed",
        "list it after each layer whose activation it is, as in option `layers: fc1,prelu,fc2,prelu,fc3`",
    )
}
