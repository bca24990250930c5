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
use crate::formats::names::is_counter;
use crate::formats::network_file::{
    NetworkOptions, build_network, list_of_operations, open_tensor_file, resolve_layers,
};
use crate::formats::tensor_file::TensorInfo;
use crate::network::{Activation, Layer, Network};

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
    /// Why the layer-wise methods do not take the network; `None` if they do, or there is none.
    pub layerwise_obstacle: Option<String>,
    /// Why `best` does not take the objectives `l1` and `linf`; `None` if it does, or there is no
    /// network.
    pub objective_obstacle: Option<String>,
    /// Why it does not run on a GPU; `None` if it does, or there is none.
    pub gpu_obstacle: Option<String>,
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
    /// What kind of map it is, with its sizes.
    pub map: String,
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
        layerwise_obstacle: None,
        objective_obstacle: None,
        gpu_obstacle: None,
        tensors: file.tensors().to_vec(),
        unused: file.tensors().iter().map(|tensor| tensor.name.clone()).filter(|name| !is_counter(name)).collect(),
    };
    if let Some(list) = list_of_operations(&*file, options)? {
        let listed = list.tensors(&*file)?;
        inspection.unused.retain(|name| !listed.contains(name));
        match list.network(&*file, &options.ignore_tensors) {
            Ok(read) => {
                inspection.layers = read.network.layers().iter().enumerate().map(summary).collect();
                inspection.judge(&read.network);
                inspection.unused.retain(|name| !read.ignored_tensors.contains(name));
                inspection.assumptions = read.assumptions;
                inspection.ignored = read.ignored_tensors;
            }
            Err(error) => inspection.problem = Some(error),
        }
        return Ok(inspection);
    }
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
            map: format!("linear {} → {}", layer.inputs, layer.units),
            activation: network.map(|network| network.layers()[index].activation),
        });
    }
    match read {
        Ok(read) => {
            inspection.judge(&read.network);
            inspection.unused.retain(|name| !read.ignored_tensors.contains(name));
            inspection.assumptions = read.assumptions;
            inspection.ignored = read.ignored_tensors;
        }
        Err(error) => inspection.problem = Some(error),
    }
    Ok(inspection)
}

impl Inspection {
    /// What is to be said about the network itself.
    fn judge(&mut self, network: &Network) {
        self.notes = notes(network);
        self.layerwise_obstacle = network.layerwise_obstacle();
        self.objective_obstacle = network.objective_obstacle();
        self.gpu_obstacle = network.gpu_obstacle();
    }
}

/// The summary of a layer from a list of operations. `index`: counted from 0.
fn summary((index, layer): (usize, &Layer)) -> LayerSummary {
    let bias = layer.bias.iter().any(|b| *b != 0.0);
    LayerSummary {
        number: index + 1,
        name: layer.map().describe(),
        inputs: layer.inputs(),
        units: layer.units(),
        expansion: layer.units() as f64 / layer.inputs() as f64,
        parameters: layer.map().numbers().count() + if bias { layer.map().biases() } else { 0 },
        bias,
        batch_norms: Vec::new(),
        map: layer.map().describe(),
        activation: Some(layer.activation),
    }
}

/// Serialises a value as its text, or `null`.
fn as_text<T: ToString, S: Serializer>(value: &Option<T>, serializer: S) -> Result<S::Ok, S::Error> {
    value.as_ref().map(T::to_string).serialize(serializer)
}
