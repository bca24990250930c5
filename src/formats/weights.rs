//! The weight of a linear layer, stored whole or in parts. PyTorch computes the weight from the
//! parts in evaluation mode, and so does this file.
//!
//! - Weight normalisation: `W = v · g / ‖v‖`. The norm runs over the axes along which `g` has one
//!   entry: over each row by default (`dim=0`), over all of `v` for `dim=None`.
//! - Spectral normalisation: `W = V / σ` (`spectral_norm.rs`).
//! - Pruning: `W = V ∘ M` with a mask `M`.

use super::spectral_norm::{Layout, Sigma};
use super::tensor_file::TensorFile;
use crate::error::{Error, Result};

/// The names of the tensors of a weight, units × inputs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum WeightNames {
    /// The weight itself.
    Whole(String),
    /// Weight normalisation.
    WeightNorm {
        /// `g`.
        magnitude: String,
        /// `v`, units × inputs.
        direction: String,
        /// Whether `g` has one entry per unit, or per input. If neither, it has one entry.
        per: Per,
    },
    /// Spectral normalisation.
    SpectralNorm {
        /// `V`, units × inputs.
        weight: String,
        /// `u`.
        left: String,
        /// `v`.
        right: String,
        /// Whether `u` has one entry per unit.
        layout: Layout,
    },
    /// A pruned weight.
    Pruned {
        /// `V`, units × inputs.
        weight: String,
        /// `M`, of the same shape.
        mask: String,
    },
}

/// What each entry of the magnitude `g` of weight normalisation belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Per {
    /// A row of the weight.
    Unit,
    /// A column of the weight.
    Input,
    /// The whole weight.
    Weight,
}

impl Per {
    /// From the shape of `g`; `None` if it fits none.
    pub fn of(shape: &[usize], units: usize, inputs: usize) -> Option<Self> {
        match *shape {
            [rows, 1] if rows == units => Some(Per::Unit),
            [1, columns] if columns == inputs => Some(Per::Input),
            [] | [1] | [1, 1] => Some(Per::Weight),
            _ => None,
        }
    }
}

impl WeightNames {
    /// The names of all tensors.
    pub fn tensors(&self) -> Vec<&String> {
        match self {
            WeightNames::Whole(weight) => vec![weight],
            WeightNames::WeightNorm { magnitude, direction, .. } => vec![magnitude, direction],
            WeightNames::SpectralNorm { weight, left, right, .. } => vec![weight, left, right],
            WeightNames::Pruned { weight, mask } => vec![weight, mask],
        }
    }

    /// What the weight is computed by; `None` if it is stored whole.
    pub fn normalisation(&self) -> Option<&'static str> {
        match self {
            WeightNames::Whole(_) => None,
            WeightNames::WeightNorm { .. } => Some("weight normalisation"),
            WeightNames::SpectralNorm { .. } => Some("spectral normalisation"),
            WeightNames::Pruned { .. } => Some("pruning"),
        }
    }

    /// The weight in row-major order.
    ///
    /// # Errors
    /// If a tensor cannot be read, or if a norm is 0.
    pub fn read(&self, file: &dyn TensorFile, inputs: usize) -> Result<Vec<f64>> {
        match self {
            WeightNames::Whole(weight) => file.read(weight),
            WeightNames::WeightNorm { magnitude, direction, per } => {
                weight_norm(file, (magnitude, direction), *per, inputs)
            }
            WeightNames::SpectralNorm { weight, left, right, layout } => {
                let (mut numbers, u, v) = (file.read(weight)?, file.read(left)?, file.read(right)?);
                let sigma = match Sigma::of(&numbers, inputs, &u, &v).choose(*layout) {
                    Ok(sigma) if sigma != 0.0 && sigma.is_finite() => sigma,
                    Ok(sigma) => return Err(not_normalised(file, weight, &format!("a spectral norm of {sigma}"))),
                    Err(found) => return Err(unknown_layout(file, weight, &found)),
                };
                numbers.iter_mut().for_each(|w| *w /= sigma);
                Ok(numbers)
            }
            WeightNames::Pruned { weight, mask } => pruned(file, weight, mask),
        }
    }
}

/// The product of a tensor and its mask, which have the same shape.
pub fn pruned(file: &dyn TensorFile, tensor: &str, mask: &str) -> Result<Vec<f64>> {
    let (mut numbers, mask) = (file.read(tensor)?, file.read(mask)?);
    numbers.iter_mut().zip(&mask).for_each(|(number, mask)| *number *= mask);
    Ok(numbers)
}

fn weight_norm(
    file: &dyn TensorFile,
    (magnitude, direction): (&String, &String),
    per: Per,
    inputs: usize,
) -> Result<Vec<f64>> {
    let (g, mut v) = (file.read(magnitude)?, file.read(direction)?);
    let group = |index: usize| match per {
        Per::Unit => index / inputs,
        Per::Input => index % inputs,
        Per::Weight => 0,
    };
    let mut squares = vec![0.0; g.len()];
    for (index, entry) in v.iter().enumerate() {
        squares[group(index)] += entry * entry;
    }
    if let Some(at) = squares.iter().position(|square| *square == 0.0 || !square.is_finite()) {
        return Err(not_normalised(file, direction, &format!("a norm of {} at entry {at}", squares[at].sqrt())));
    }
    for (index, entry) in v.iter_mut().enumerate() {
        *entry *= g[group(index)] / squares[group(index)].sqrt();
    }
    Ok(v)
}

fn not_normalised(file: &dyn TensorFile, tensor: &str, what: &str) -> Error {
    Error::input(
        file.source(),
        format!("{what} in tensor `{tensor}`"),
        "a norm that the weight can be divided by",
        "train or export the network again",
    )
}

fn unknown_layout(file: &dyn TensorFile, tensor: &str, found: &str) -> Error {
    Error::input(
        file.source(),
        format!("{found} for the square weight `{tensor}`"),
        "vectors `u` and `v` that fit one of `dim=0` and `dim=1` of spectral_norm, as after training",
        "remove the normalisation before saving: torch.nn.utils.remove_spectral_norm(layer), or \
         torch.nn.utils.parametrize.remove_parametrizations(layer, 'weight')",
    )
}
