//! Networks whose tensors do not fit in memory are refused before they are read.

use super::described::Described;
use super::stated::Stated;
use super::tensor_file::{TensorFile, TensorInfo};
use crate::error::Result;
use crate::memory;

/// Tensors of fewer bytes are read without asking how much memory there is.
const SMALL: u64 = 1 << 24;

/// A file whose large tensors are checked against the memory that is left.
pub struct Bounded(pub Box<dyn TensorFile>);

impl TensorFile for Bounded {
    fn read(&self, name: &str) -> Result<Vec<f64>> {
        if let Some(tensor) = self.tensors().iter().find(|tensor| tensor.name == name) {
            let entries = tensor.shape.iter().try_fold(1_u64, |product, extent| product.checked_mul(*extent as u64));
            let bytes = entries.and_then(|entries| entries.checked_mul(8));
            if bytes.is_none_or(|bytes| bytes > SMALL) {
                let found = || format!("tensor `{name}` of shape {:?}", tensor.shape);
                memory::check_input(self.source(), found, bytes)?;
            }
        }
        self.0.read(name)
    }

    fn source(&self) -> &str {
        self.0.source()
    }

    fn format(&self) -> &str {
        self.0.format()
    }

    fn tensors(&self) -> &[TensorInfo] {
        self.0.tensors()
    }

    fn metadata(&self, key: &str) -> Option<&str> {
        self.0.metadata(key)
    }

    fn module_number(&self, module: &str, attribute: &str) -> Option<f64> {
        self.0.module_number(module, attribute)
    }

    fn stated_activations(&self, layers: &[&str]) -> Stated {
        self.0.stated_activations(layers)
    }

    fn describes_itself(&self) -> bool {
        self.0.describes_itself()
    }

    fn own_network(&self) -> Option<Result<Described>> {
        self.0.own_network()
    }
}
