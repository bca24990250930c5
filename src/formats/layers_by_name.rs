//! Finds the tensors of the generator, and their order. The files have no order of layers, and
//! often also contain an encoder or a discriminator. A wrong guess would invert another network. So
//! an ambiguous file is refused, and the message lists the candidates as values of the option.
//!
//! The layers are picked by name (`picks.rs`) or chosen if only one order is possible
//! (`automatic.rs`). Then every other tensor that could act on them gets a place, or is refused by
//! name (`arrangement.rs`, `left_over.rs`).

use super::arrangement::arranged;
use super::automatic::automatic;
use super::ignored::ignored;
use super::layer_names::LayerNames;
use super::modules::modules;
use super::picks::{Listed, picked};
use super::tensor_file::{TensorFile, TensorInfo};
use crate::error::Result;
use crate::network::Activation;

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

#[cfg(test)]
mod tests;
