//! Finds the tensors of the generator, and their order. The files have no order of layers, and
//! often also contain an encoder or a discriminator. A wrong guess would invert another network. So
//! an ambiguous file is refused, and the message lists the candidates as values of the option.
//!
//! Two cases are unambiguous. In the first, the names of the layers differ only in their numbers
//! (`layers.0`, `net.2`, `fc3`, `blocks.1.linear`), the sizes fit in that order, and no layer
//! narrows before a later one widens, as in an autoencoder. In the second, the layers have one
//! parent, and only one order fits because each layer widens. In all other cases, the user picks
//! layers by name.
//!
//! Then every other tensor that could act on the layers gets a place, or is refused by name.

use super::chains::{break_in, list, narrows_then_widens, returns_to_its_start, sizes, width};
use super::ignored::ignored;
use super::left_over::Judge;
use super::modules::{Kind, Module, modules};
use super::names::{last_number, parent, pattern, position};
use super::norms_by_name::NormNames;
use super::picks::{Listed, fits, picked};
use super::places::{self, Place};
use super::scopes::Scopes;
use super::slopes::{self, Slope};
use super::suggestions::suggestions;
use super::tensor_file::{TensorFile, TensorInfo};
use super::weights::WeightNames;
use crate::error::{Error, Result};
use crate::network::Activation;

/// The tensors of one layer.
#[derive(Debug, Clone, PartialEq)]
pub struct LayerNames {
    /// The module's name: `decoder.0`.
    pub name: String,
    /// The weight, units × inputs.
    pub weight: WeightNames,
    pub units: usize,
    pub inputs: usize,
    /// The name of the bias, if there is one.
    pub bias: Option<String>,
    /// BatchNorm layers between the activation before this layer and its linear map.
    pub norms_before: Vec<NormNames>,
    /// BatchNorm layers between the linear map and its activation.
    pub norms: Vec<NormNames>,
    /// The slope of its activation, if the file has it.
    pub slope: Option<Slope>,
}

impl LayerNames {
    /// Whether the layer has a bias, its own or that of a folded BatchNorm.
    pub fn has_bias(&self) -> bool {
        self.bias.is_some() || self.folded().next().is_some()
    }

    /// All BatchNorm layers that are folded into the layer.
    pub fn folded(&self) -> impl Iterator<Item = &NormNames> {
        self.norms_before.iter().chain(&self.norms)
    }

    /// The names of all its tensors.
    pub fn tensors(&self) -> impl Iterator<Item = &String> {
        let norms = self.folded().flat_map(NormNames::tensors);
        let slope = self.slope.iter().map(|slope| &slope.tensor);
        self.weight.tensors().into_iter().chain(&self.bias).chain(norms).chain(slope)
    }
}

/// What the user says about the layers.
#[derive(Debug, Clone, Copy, Default)]
pub struct Choice<'o> {
    /// The names of the layers: modules, or the ends of their names after a dot.
    pub layers: Option<&'o [String]>,
    /// Tensors and modules that are left out.
    pub ignored: &'o [String],
    /// The activation of the hidden layers.
    pub activation: Option<Activation>,
}

/// The layers of the generator from the code to the output: those picked by name, or all of the
/// file's if they are unambiguous. Also the tensors that were ignored.
///
/// # Errors
/// [`Error::Input`] if a pick is unknown, ambiguous or not a layer, if the choice of layers is
/// ambiguous, or if a tensor that could act on the layers has no place.
pub fn resolve(file: &dyn TensorFile, choice: Choice) -> Result<(Vec<LayerNames>, Vec<String>)> {
    let source = file.source();
    let ignored = ignored(file.tensors(), choice.ignored, source)?;
    let kept: Vec<&TensorInfo> =
        file.tensors().iter().filter(|tensor| ignored.binary_search(&tensor.name).is_err()).collect();
    let modules = modules(kept);
    let listed = match choice.layers {
        Some(picks) => picked(&modules, picks, source)?,
        None => Listed { layers: automatic(&modules, source)?, ..Listed::default() },
    };
    let layers = arranged(file, &modules, &listed, choice.activation)?;
    Ok((layers, ignored))
}

/// Puts norms and slopes in their places, and refuses other tensors that could act.
fn arranged(
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
    Some(LayerNames {
        name: module.name.to_owned(),
        weight,
        units,
        inputs,
        bias: module.tensor("bias").map(str::to_owned),
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

/// Whether a BatchNorm is likely to follow a layer: the sizes fit, and the numbers if there are any.
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

fn automatic<'m, 'a>(modules: &'m [Module<'a>], source: &str) -> Result<Vec<&'m Module<'a>>> {
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
                "unrelu inverts fully connected generators only; if this is not part of the generator, pick the generator's layers: {suggestions}"
            ),
            None => "unrelu inverts fully connected generators only; merge linear operations into the weight matrices \
                     before saving (remove_parametrizations, or prune.remove for a pruned weight)"
                .to_owned(),
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

#[cfg(test)]
mod tests;
