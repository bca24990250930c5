//! PReLU: a LeakyReLU whose slopes are in the file. One slope per layer, or many equal ones, can be
//! inverted.

use super::chains::width;
use super::modules::Module;
use super::names::{last_number, parent, pattern};
use super::tensor_file::TensorFile;
use crate::error::{Error, Result};
use crate::network::Activation;

/// The slope of a PReLU.
#[derive(Debug, Clone, PartialEq)]
pub struct Slope {
    /// The name of the module.
    pub module: String,
    /// The name of the tensor.
    pub tensor: String,
    pub value: f64,
}

impl Slope {
    /// Reads the slope of a PReLU.
    ///
    /// # Errors
    /// If it has different slopes, or a slope that unrelu does not invert.
    pub fn read(file: &dyn TensorFile, module: &Module) -> Result<Self> {
        let tensor = module.tensor("weight").unwrap_or_default();
        let values = file.read(tensor)?;
        let refuse = |found: String| {
            Err(Error::input(
                file.source(),
                format!("{} with {found}", module.describe()),
                "one slope per layer, at least 0 and less than 1",
                "unrelu inverts no other PReLU, and no RMSNorm; train the generator with one slope per layer",
            ))
        };
        match values.first() {
            Some(first) if values.iter().all(|value| value == first) => {
                if *first >= 0.0 && *first < 1.0 {
                    return Ok(Slope { module: module.name.to_owned(), tensor: tensor.to_owned(), value: *first });
                }
                refuse(format!("slope {first}"))
            }
            Some(_) => refuse(format!("{} different slopes", values.len())),
            None => refuse("no slope".to_owned()),
        }
    }

    /// The activation with this slope.
    pub fn activation(&self) -> Activation {
        if self.value == 0.0 { Activation::Relu } else { Activation::LeakyRelu(self.value) }
    }

    /// Whether an activation is this one, up to the rounding of a slope to f32.
    pub fn agrees_with(&self, activation: Activation) -> bool {
        match activation {
            Activation::LeakyRelu(slope) => slope as f32 == self.value as f32,
            other => other == self.activation(),
        }
    }
}

/// The layers of PReLUs whose names do not show their place, one per PReLU and layer; `None` if
/// that is ambiguous. `given`: the activation that the user stated for the hidden layers.
pub fn assign(
    chain: &[&Module],
    slopes: &[(&Module, Slope)],
    given: Option<Activation>,
) -> Option<Vec<(usize, Slope)>> {
    let hidden = chain.len().saturating_sub(1);
    let (_, first) = slopes.first()?;
    let equal = slopes.iter().all(|(_, slope)| slope.value == first.value);
    let confirmed = given.is_some_and(|given| first.agrees_with(given));
    if equal && hidden > 0 && (slopes.len() == hidden || confirmed) {
        return Some((0..hidden).map(|layer| (layer, slopes[layer.min(slopes.len() - 1)].1.clone())).collect());
    }
    if slopes.len() != hidden {
        return None;
    }
    let in_blocks = slopes.iter().zip(chain).all(|((module, _), layer)| {
        let beside = |other: &&&Module| parent(other.name) == parent(module.name);
        parent(module.name) == parent(layer.name) && chain.iter().filter(beside).count() == 1
    });
    let rises = |names: Vec<&str>| {
        let numbers: Option<Vec<u64>> = names.iter().map(|name| last_number(name)).collect();
        names.iter().all(|name| pattern(name) == pattern(names[0]))
            && numbers.is_some_and(|numbers| numbers.is_sorted_by(|left, right| left < right))
    };
    let numbered = rises(slopes.iter().map(|(module, _)| module.name).collect())
        && rises(chain.iter().map(|module| module.name).collect());
    (in_blocks || numbered).then(|| slopes.iter().map(|(_, slope)| slope.clone()).enumerate().collect())
}

/// Checks that a PReLU has one slope, or one per unit of its layer.
pub fn fits(count: usize, layer: &Module) -> bool {
    count == 1 || count == width(layer).0
}
