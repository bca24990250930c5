//! Networks as a list of operations, in the words of torch: `docs/OPERATIONS.md` has the format.
//!
//! [`document`] is the JSON as it stands, [`parsing`] reads it, [`assembly`] makes the layers.
//! Operations that act entry by entry are folded into the map before or behind them where this is
//! exact, so that a dense network is the same whichever way it was described.

mod activation;
mod assembly;
mod document;
mod maps;
mod parsing;
mod tensors;
mod writing;

use super::described::Described;
use crate::error::{Error, Result};
use crate::network::Network;

use self::assembly::Assembly;
use self::parsing::parse;
pub use self::tensors::{NamedTensors, Tensor, Tensors};
pub use self::writing::operations_of;

/// The names of the tensors that a JSON document lists, in its order.
///
/// # Errors
/// [`Error::Input`] if it is no list of operations.
pub fn listed_tensors(document: &str, source: &str) -> Result<Vec<String>> {
    let document = parse(document, source)?;
    Ok(document.operations.iter().flat_map(|operation| operation.tensors()).map(str::to_owned).collect())
}

/// Makes the network that a JSON document describes. `source` names the document in messages.
///
/// # Errors
/// [`Error::Input`]; the message names the operation, counted from 1, and what is wrong with it.
pub fn read_operations(document: &str, source: &str, tensors: &dyn Tensors) -> Result<Network> {
    read_labelled(document, source, tensors, &[]).map(|described| described.network)
}

/// Makes a network like [`read_operations`], with its shapes. Messages name each operation by its
/// label, if there are labels.
///
/// # Errors
/// As for [`read_operations`].
pub fn read_labelled(document: &str, source: &str, tensors: &dyn Tensors, labels: &[String]) -> Result<Described> {
    let document = parse(document, source)?;
    let mut assembly = Assembly::new(&document.input, source, tensors, labels)?;
    for (number, operation) in (1..).zip(&document.operations) {
        assembly.add(number, operation)?;
    }
    let (layers, image_shape) = assembly.finish();
    if layers.is_empty() {
        return Err(Error::input(
            source,
            "a list without a map or an activation",
            "at least one operation that changes its input",
            "list the operations from the code to the observation",
        ));
    }
    Ok(Described { network: Network::new(layers, source)?, code_shape: document.input, image_shape })
}

#[cfg(test)]
mod tests;
