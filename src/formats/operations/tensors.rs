//! Where the tensors of a list of operations come from.

use std::collections::BTreeMap;

use crate::error::{Error, Result};
use crate::formats::tensor_file::TensorFile;

/// A tensor: its extents, outermost first, and its numbers in row-major order.
#[derive(Debug, Clone, PartialEq)]
pub struct Tensor {
    /// The extents.
    pub shape: Vec<usize>,
    /// As many numbers as the product of the extents.
    pub numbers: Vec<f64>,
}

/// Named tensors.
pub trait Tensors {
    /// The tensor of this name.
    ///
    /// # Errors
    /// [`Error::Input`] if there is none, or it cannot be read.
    fn tensor(&self, name: &str) -> Result<Tensor>;
}

impl Tensors for &dyn TensorFile {
    fn tensor(&self, name: &str) -> Result<Tensor> {
        let found = self.tensors().iter().find(|tensor| tensor.name == name);
        let Some(info) = found else {
            let names: Vec<&str> = self.tensors().iter().map(|tensor| tensor.name.as_str()).collect();
            return Err(missing(self.source(), name, &names));
        };
        Ok(Tensor { shape: info.shape.clone(), numbers: self.read(name)? })
    }
}

/// Tensors in memory.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct NamedTensors(pub BTreeMap<String, Tensor>);

impl Tensors for NamedTensors {
    fn tensor(&self, name: &str) -> Result<Tensor> {
        let names = || self.0.keys().map(String::as_str).collect::<Vec<_>>();
        self.0.get(name).cloned().ok_or_else(|| missing("the tensors given", name, &names()))
    }
}

/// Most names that a message lists.
const MOST_NAMES: usize = 12;

fn missing(source: &str, name: &str, names: &[&str]) -> Error {
    let shown = names.iter().take(MOST_NAMES).copied().collect::<Vec<_>>().join(", ");
    let more = if names.len() > MOST_NAMES { ", …" } else { "" };
    Error::input(
        source,
        format!("no tensor `{name}`"),
        format!("one of {shown}{more}"),
        "correct the name in the list of operations",
    )
}
