//! Finds the BatchNorm of a linear layer, from names alone. In a `Sequential`, it is the module
//! directly after the layer (`net.1` for `net.0`). If there is a gap, another module stands between
//! them, most likely the activation. Elsewhere, it is the module with the layer's number under the
//! same parent (`bn1` for `fc1`, `blocks.0.bn` for `blocks.0.linear`), which usually stands before
//! the activation.

use super::chains::{parent, pattern};
use super::modules::{Kind, Module};

/// The names of the tensors of a BatchNorm.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NormNames {
    pub name: String,
    pub mean: String,
    pub variance: String,
    /// `weight`; `None` if the BatchNorm has no affine parameters.
    pub scale: Option<String>,
    /// `bias`; `None` if the BatchNorm has no affine parameters.
    pub shift: Option<String>,
}

impl NormNames {
    /// The tensors of a BatchNorm module; `None` for other modules.
    pub fn of(module: &Module) -> Option<Self> {
        Some(NormNames {
            name: module.name.to_owned(),
            mean: module.tensor("running_mean")?.to_owned(),
            variance: module.tensor("running_var")?.to_owned(),
            scale: module.tensor("weight").map(str::to_owned),
            shift: module.tensor("bias").map(str::to_owned),
        })
    }
}

/// Finds the BatchNorm between `linear` and its activation.
pub fn norm_of<'m, 'a>(modules: &'m [Module<'a>], linear: &Module) -> Option<&'m Module<'a>> {
    let Kind::Linear { units, .. } = linear.kind else { return None };
    let fits =
        |module: &&Module| module.kind == Kind::BatchNorm { features: units } && belongs(module.name, linear.name);
    let mut candidates = modules.iter().filter(fits);
    // Two candidates are ambiguous, so neither is used.
    candidates.next().filter(|_| candidates.next().is_none())
}

fn belongs(norm: &str, linear: &str) -> bool {
    if parent(norm) != parent(linear) {
        return false;
    }
    let (norm_number, linear_number) = (last_number(norm), last_number(linear));
    if pattern(norm) == pattern(linear) {
        // The names are positions in a `Sequential`.
        return matches!((norm_number, linear_number), (Some(norm), Some(linear)) if linear.checked_add(1) == Some(norm));
    }
    norm_number == linear_number
}

/// The last number in the last part of a name.
fn last_number(name: &str) -> Option<u64> {
    let own = name.rsplit('.').next().unwrap_or(name);
    let digits = own.rsplit(|character: char| !character.is_ascii_digit()).find(|part| !part.is_empty());
    digits.and_then(|digits| digits.parse().ok())
}

/// BatchNorm layers among the `chosen` linear layers that are folded into none of them and would be
/// ignored. They have the same family, and stand between the first and the last layer or directly
/// after it.
pub fn norms_left_over<'m, 'a>(modules: &'m [Module<'a>], chosen: &[&Module]) -> Vec<&'m Module<'a>> {
    let folded: Vec<&str> = chosen.iter().filter_map(|linear| norm_of(modules, linear)).map(|norm| norm.name).collect();
    let is_among = |norm: &Module| {
        let family: Vec<_> =
            chosen.iter().filter(|linear| pattern(parent(linear.name)) == pattern(parent(norm.name))).collect();
        let same_sequence = family.iter().any(|linear| pattern(linear.name) == pattern(norm.name));
        if !same_sequence {
            // The names do not show its position. It counts if it could stand after one of the
            // layers.
            return family.len() == chosen.len() && chosen.len() == linears_in_family(modules, norm);
        }
        let numbers = || family.iter().filter_map(|linear| last_number(linear.name));
        match (numbers().min(), numbers().max(), last_number(norm.name)) {
            (Some(first), Some(last), Some(own)) => first < own && own <= last.saturating_add(1),
            _ => true,
        }
    };
    let is_norm = |module: &&Module| matches!(module.kind, Kind::BatchNorm { .. });
    modules.iter().filter(is_norm).filter(|norm| !folded.contains(&norm.name) && is_among(norm)).collect()
}

fn linears_in_family(modules: &[Module], norm: &Module) -> usize {
    let is_relative = |module: &&Module| {
        matches!(module.kind, Kind::Linear { .. }) && pattern(parent(module.name)) == pattern(parent(norm.name))
    };
    modules.iter().filter(is_relative).count()
}
