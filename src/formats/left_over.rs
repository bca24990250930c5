//! Tensors that could act on the generator's layers but are not used. Each is refused by name,
//! because leaving it out would invert another network. The option `ignore_tensors` is the only way
//! past.
//!
//! A tensor may act if it stands between the layers, or if it belongs to the same part of the model
//! and has a fitting size. A loose number fits everywhere. The tensors of another chain (an
//! encoder, a second head) may not act, nor do recorded numbers and the state of an optimizer.

use super::chains::width;
use super::modules::{Kind, Module};
use super::names::{
    STRUCTURE, is_of_an_optimizer, is_recorded, last_number, parent, pattern, position, stands_between,
};
use super::places::{self, Place};
use super::scopes::Scopes;
use super::tensor_file::TensorInfo;
use crate::error::{Error, Result};

/// What is needed to judge a tensor.
pub struct Judge<'s, 'm, 'a> {
    pub source: &'s str,
    pub modules: &'m [Module<'a>],
    pub chain: &'s [&'m Module<'a>],
    pub scopes: &'s Scopes<'a>,
}

impl Judge<'_, '_, '_> {
    /// Refuses the first kind of module or tensor that could act. `used`: the names of the tensors
    /// that the layers use, sorted.
    pub fn refuse_left_over(&self, used: &[&str]) -> Result<()> {
        for module in self.modules {
            let acts = match &module.kind {
                // One number fits everywhere.
                Kind::Norm { features, .. } => {
                    self.module_acts(module, (*features > 1).then_some(*features)) || self.is_in_a_block(module)
                }
                Kind::Unsupported(_) => {
                    self.is_enclosed(module) || self.is_in_a_block(module) || self.is_among_few(module)
                }
                Kind::Linear { .. } if !self.is_picked(module) => {
                    self.is_enclosed(module) || self.is_in_a_block(module) || self.linear_fits(module)
                }
                Kind::BatchNorm { .. } | Kind::Slopes { .. } => {
                    let is_used = |info: &TensorInfo| used.binary_search(&info.name.as_str()).is_ok();
                    self.is_in_a_block(module) && !module.infos().any(is_used)
                }
                _ => false,
            };
            if acts {
                return Err(self.cannot_be_folded(module));
            }
        }
        let loose: Vec<&TensorInfo> = self.loose(used).collect();
        if loose.is_empty() { Ok(()) } else { Err(self.loose_tensors(&loose)) }
    }

    fn is_picked(&self, module: &Module) -> bool {
        self.chain.iter().any(|layer| layer.name == module.name)
    }

    /// Whether a BatchNorm, PReLU or other normalisation whose place is not `Elsewhere` may act.
    /// `features`: its number of entries; `None` if it fits everywhere.
    pub fn module_acts(&self, module: &Module, features: Option<usize>) -> bool {
        if is_of_an_optimizer(module.name) {
            return false;
        }
        if let Some(place) = places::place(self.modules, self.chain, module) {
            return place != Place::Elsewhere;
        }
        let layers = self.scopes.around(parent(module.name));
        match layers.picked {
            0 => false,
            picked if picked == layers.all => true,
            _ => {
                features.is_none_or(|features| self.sizes(features)) && !self.scopes.names_another_network(module.name)
            }
        }
    }

    /// Whether a layer has this number of inputs or units.
    fn sizes(&self, size: usize) -> bool {
        self.chain.iter().any(|layer| width(layer).0 == size || width(layer).1 == size)
    }

    /// Whether picked layers stand before and after a module in its `Sequential`, or among the
    /// numbers of one family.
    fn is_enclosed(&self, module: &Module) -> bool {
        let family = |layer: &&&Module| {
            parent(layer.name) == parent(module.name)
                && (position(layer.name).is_some() && position(module.name).is_some()
                    || pattern(layer.name) == pattern(module.name))
        };
        let picks: Vec<(u64, &&Module)> =
            self.chain.iter().filter(family).filter_map(|layer| Some((last_number(layer.name)?, layer))).collect();
        let Some(own) = last_number(module.name) else { return false };
        // Numbers that do not rise along the chain are no positions.
        if !picks.is_sorted_by(|(left, _), (right, _)| left < right) {
            return false;
        }
        let before = picks.iter().rev().find(|(number, _)| *number < own);
        let after = picks.iter().find(|(number, _)| *number > own);
        match (before, after, &module.kind) {
            (Some(_), Some(_), _) if position(module.name).is_some() => true,
            (Some((_, before)), Some((_, after)), Kind::Linear { units, inputs }) => {
                width(before).0 == *inputs || width(after).1 == *units
            }
            _ => false,
        }
    }

    /// Whether a module belongs to a part of the model whose position is between those of picked
    /// layers: `net.2.fc` between `net.0` and `net.4`.
    fn is_in_a_block(&self, module: &Module) -> bool {
        self.stands_between(parent(module.name))
    }

    fn stands_between(&self, name: &str) -> bool {
        let layers: Vec<&str> = self.chain.iter().map(|layer| layer.name).collect();
        stands_between(name, &layers)
    }

    /// Whether a layer that cannot be inverted stands in a part of the model of which everything
    /// else was picked.
    fn is_among_few(&self, module: &Module) -> bool {
        let layers = self.scopes.around(parent(module.name));
        let others = self.modules.iter().filter(|other| matches!(other.kind, Kind::Linear { .. }));
        let mut beside = others.filter(|other| parent(other.name) == parent(module.name));
        position(module.name).is_none() && layers.picked > 1 && beside.all(|other| self.is_picked(other))
    }

    /// Whether a linear layer beside the picked ones keeps the size between two of them, or skips
    /// some of them.
    fn linear_fits(&self, module: &Module) -> bool {
        let (units, inputs) = width(module);
        let is_beside = self.scopes.around(parent(module.name)).picked > 0;
        if !is_beside || is_of_an_optimizer(module.name) || self.scopes.names_another_network(module.name) {
            return false;
        }
        let inner = self.chain.len().saturating_sub(1);
        let keeps = units == inputs && self.chain[..inner].iter().any(|layer| width(layer).0 == units);
        let skips = (0..self.chain.len()).any(|from| {
            width(self.chain[from]).1 == inputs && self.chain[from + 1..].iter().any(|to| width(to).0 == units)
        });
        // A numbered family has its own order.
        keeps || skips && !self.chain.iter().all(|layer| pattern(layer.name) == pattern(module.name))
    }

    /// The tensors outside all layers that may act, and those that the modules of the picked layers
    /// do not use.
    fn loose<'t>(&'t self, used: &'t [&str]) -> impl Iterator<Item = &'t TensorInfo> {
        self.modules.iter().flat_map(move |module| {
            let unused =
                module.infos().filter(|info| is_float(info) && used.binary_search(&info.name.as_str()).is_err());
            let is_used = |info: &TensorInfo| used.binary_search(&info.name.as_str()).is_ok();
            unused.filter(move |info| match module.kind {
                Kind::Linear { .. } => self.is_picked(module),
                Kind::Unknown => self.loose_acts(module, info),
                _ => module.infos().any(is_used),
            })
        })
    }

    fn loose_acts(&self, module: &Module, info: &TensorInfo) -> bool {
        if info.shape.contains(&0) {
            return false;
        }
        if self.stands_between(module.name) {
            return true;
        }
        let name = info.name.as_str();
        if self.scopes.around(module.name).picked == 0
            || is_of_an_optimizer(name)
            || self.scopes.names_another_network(module.name)
        {
            return false;
        }
        let extents: Vec<usize> = info.shape.iter().copied().filter(|extent| *extent != 1).collect();
        let entries: usize = extents.iter().product();
        let outputs = self.chain.last().map_or(0, |layer| width(layer).0);
        let inputs = self.chain.first().map_or(0, |layer| width(layer).1);
        match extents[..] {
            [] => !is_recorded(name),
            [length] => self.sizes(length) || outputs.is_multiple_of(length) && !is_recorded(name),
            _ if entries == outputs || entries == inputs => true,
            [rows, columns] => self.sizes(rows) && self.sizes(columns),
            _ => false,
        }
    }

    fn cannot_be_folded(&self, module: &Module) -> Error {
        let place = places::words(self.modules, self.chain, module);
        let what = match module.kind {
            Kind::Linear { .. } => "every linear layer between the picked ones",
            _ => "linear layers, with BatchNorm1d and PReLU of one slope",
        };
        let (found, fix) = match (&module.kind, place.is_empty()) {
            (Kind::Linear { .. }, _) => (
                format!("{}, which could act between or beside the picked layers", module.describe()),
                format!(
                    "list it in option `layers` if it stands there; if it is no part of the generator, leave it out by \
                     option `ignore_tensors: {}`",
                    module.name
                ),
            ),
            (_, false) => (
                format!("{}, which {place} and cannot be folded", module.describe()),
                "unrelu does not invert it; convolutions and their BatchNorms are read from an ONNX model, or with a list of operations"
                    .to_owned(),
            ),
            (_, true) => (
                format!("{}, which could act on the picked layers and cannot be folded", module.describe()),
                format!(
                    "unrelu does not invert it; for convolutions, {STRUCTURE}; if it is no part of the generator, leave it out by option \
                     `ignore_tensors: {}`",
                    module.name
                ),
            ),
        };
        Error::input(self.source, found, what, fix)
    }

    fn loose_tensors(&self, loose: &[&TensorInfo]) -> Error {
        const MOST: usize = 12;
        let shown: Vec<String> =
            loose.iter().take(MOST).map(|info| format!("`{}` {:?}", info.name, info.shape)).collect();
        let names: Vec<&str> = loose.iter().map(|info| info.name.as_str()).collect();
        let more = if loose.len() > MOST { format!(" and {} more", loose.len() - MOST) } else { String::new() };
        let outputs = self.chain.last().map_or(0, |layer| width(layer).0);
        let fits = loose.iter().any(|info| info.shape.iter().product::<usize>() == outputs);
        let place = if fits { ", with as many entries as the network has outputs" } else { "" };
        let (is_are, them) = if loose.len() == 1 { ("tensor", "it is") } else { ("tensors", "they are") };
        Error::input(
            self.source,
            format!("{is_are} {}{more}, of no layer{place}", shown.join(", ")),
            "every tensor that acts on the generator within its linear layers",
            format!(
                "fold what acts on values into a layer when you export the weights; if {them} no part of the generator, \
                 use option `ignore_tensors: {}`",
                names.join(",")
            ),
        )
    }
}

/// Whether a tensor has floating-point numbers.
pub fn is_float(info: &TensorInfo) -> bool {
    info.element_type.starts_with('F') || info.element_type.starts_with("BF")
}
