//! Which part of the model a tensor belongs to. A tensor belongs to the nearest part that has
//! layers: `encoder.bn.mean` to `encoder` if it has linear layers. If none of these layers was
//! picked, the tensor belongs to another network.

use std::collections::HashMap;

use super::modules::{Kind, Module};
use super::names::{is_of_another_network, parent};

/// The layers in each part of the model, by the name of the part.
pub struct Scopes<'a> {
    layers: HashMap<&'a str, Layers>,
    /// Whether the picked layers are those of an encoder or a discriminator by name.
    picks_are_of_another_network: bool,
}

/// The number of layers in a part of the model, and of those that were picked.
#[derive(Debug, Clone, Copy, Default)]
pub struct Layers {
    pub all: usize,
    pub picked: usize,
}

impl<'a> Scopes<'a> {
    /// Counts the layers of every part.
    pub fn new(modules: &[Module<'a>], chain: &[&Module]) -> Self {
        let mut layers: HashMap<&str, Layers> = HashMap::new();
        let is_layer = |module: &&Module| matches!(module.kind, Kind::Linear { .. } | Kind::Unsupported(_));
        for module in modules.iter().filter(is_layer) {
            let picked = usize::from(chain.iter().any(|layer| layer.name == module.name));
            let mut part = module.name;
            while !part.is_empty() {
                part = parent(part);
                let count = layers.entry(part).or_default();
                count.all += 1;
                count.picked += picked;
            }
            if module.name.is_empty() {
                let count = layers.entry("").or_default();
                count.all += 1;
                count.picked += picked;
            }
        }
        Scopes { layers, picks_are_of_another_network: chain.iter().any(|layer| is_of_another_network(layer.name)) }
    }

    /// The layers of the nearest part that has some. `part`: the name of the part that a tensor or
    /// module stands in.
    pub fn around(&self, part: &str) -> Layers {
        let mut part = part;
        loop {
            match self.layers.get(part) {
                Some(layers) => return *layers,
                None if part.is_empty() => return Layers::default(),
                None => part = parent(part),
            }
        }
    }

    /// Whether the name is that of an encoder or a discriminator, and those of the picks are not.
    pub fn names_another_network(&self, name: &str) -> bool {
        !self.picks_are_of_another_network && is_of_another_network(name)
    }
}
