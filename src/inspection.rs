//! The contents of a network file, and what would prevent or impair an inversion.
//!
//! Also for files that cannot be used yet: if no network can be made, the tensors are listed with
//! what is missing.

pub mod check;
mod comparison;
mod guess;
mod notes;
mod rounding;

use std::path::Path;

use serde::{Serialize, Serializer};

use crate::error::{Error, Result};
use crate::formats::assumption::Assumption;
use crate::formats::network_file::{NetworkOptions, build_network, open_tensor_file, resolve_layers};
use crate::formats::tensor_file::TensorInfo;
use crate::network::Activation;

pub use notes::{Note, notes};

/// The result of [`inspect`].
#[derive(Debug, Serialize)]
pub struct Inspection {
    /// The file.
    pub file: String,
    /// Its format, detected from its contents.
    pub format: String,
    /// The layers from the code to the output; empty if they cannot be identified.
    pub layers: Vec<LayerSummary>,
    /// What would prevent or impair an inversion; empty if no network could be made.
    pub notes: Vec<Note>,
    /// Why no network could be made from the file with the given options; `None` if it could.
    #[serde(serialize_with = "as_text")]
    pub problem: Option<Error>,
    /// What the file does not say, and how it was read.
    pub assumptions: Vec<Assumption>,
    /// All tensors of the file.
    pub tensors: Vec<TensorInfo>,
    /// Names of the tensors that belong to no layer, except BatchNorm's counters.
    pub unused: Vec<String>,
    /// Names of the tensors that were left out, as option `ignore_tensors` says.
    pub ignored: Vec<String>,
}

/// A summary of one layer.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct LayerSummary {
    /// The number of the layer, counted from 1 at the code.
    pub number: usize,
    /// Its name in the file.
    pub name: String,
    pub inputs: usize,
    pub units: usize,
    /// `n_i / n_{i-1}`.
    pub expansion: f64,
    /// Number of entries of weight and bias.
    pub parameters: usize,
    pub bias: bool,
    /// Names of the BatchNorm layers that are folded into it.
    pub batch_norms: Vec<String>,
    /// The activation; `None` if neither the file nor the options state it.
    #[serde(serialize_with = "as_text")]
    pub activation: Option<Activation>,
}

/// Inspects a network file.
///
/// # Errors
/// If the file cannot be read or has an unknown format, or if the options name layers that it does
/// not have. If no network can be made for another reason, this is not an error but the
/// [`problem`](Inspection::problem) in the result.
pub fn inspect(path: &Path, options: &NetworkOptions) -> Result<Inspection> {
    let file = open_tensor_file(path)?;
    let mut inspection = Inspection {
        file: file.source().to_owned(),
        format: file.format().to_owned(),
        layers: Vec::new(),
        notes: Vec::new(),
        problem: None,
        assumptions: Vec::new(),
        ignored: Vec::new(),
        tensors: file.tensors().to_vec(),
        unused: file.tensors().iter().map(|tensor| tensor.name.clone()).filter(|name| !is_counter(name)).collect(),
    };
    let resolved = match resolve_layers(&*file, options) {
        Ok(resolved) => resolved,
        // The caller's list of layers is wrong, not the file.
        Err(error) if options.layers.is_some() || !options.ignore_tensors.is_empty() => return Err(error),
        Err(error) => {
            inspection.problem = Some(error);
            return Ok(inspection);
        }
    };
    let names = resolved.layers.clone();
    let read = build_network(&*file, resolved, options);
    for (index, layer) in names.iter().enumerate() {
        let used: Vec<&String> = layer.tensors().collect();
        inspection.unused.retain(|name| !used.contains(&name));
        let network = read.as_ref().ok().map(|read| &read.network);
        inspection.layers.push(LayerSummary {
            number: index + 1,
            name: layer.name.clone(),
            inputs: layer.inputs,
            units: layer.units,
            expansion: layer.units as f64 / layer.inputs as f64,
            parameters: layer.units * layer.inputs + if layer.has_bias() { layer.units } else { 0 },
            bias: layer.has_bias(),
            batch_norms: layer.folded().map(|norm| norm.name.clone()).collect(),
            activation: network.map(|network| network.layers()[index].activation),
        });
    }
    match read {
        Ok(read) => {
            inspection.notes = notes(&read.network);
            inspection.unused.retain(|name| !read.ignored_tensors.contains(name));
            inspection.assumptions = read.assumptions;
            inspection.ignored = read.ignored_tensors;
        }
        Err(error) => inspection.problem = Some(error),
    }
    Ok(inspection)
}

/// Whether it is a counter that BatchNorm needs for training only.
fn is_counter(name: &str) -> bool {
    name.ends_with("num_batches_tracked")
}

/// Serialises a value as its text, or `null`.
fn as_text<T: ToString, S: Serializer>(value: &Option<T>, serializer: S) -> Result<S::Ok, S::Error> {
    value.as_ref().map(T::to_string).serialize(serializer)
}
