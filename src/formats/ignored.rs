//! The option `ignore_tensors`: tensors that are left out although they could act on the layers.

use super::tensor_file::TensorInfo;
use crate::error::{Error, Result};

/// The names of the tensors that the option names: whole names, or the names of modules for all
/// their tensors. Sorted, so that two spellings of the same set are equal.
///
/// # Errors
/// [`Error::Input`] if a name fits no tensor.
pub fn ignored(tensors: &[TensorInfo], names: &[String], source: &str) -> Result<Vec<String>> {
    let mut ignored = Vec::new();
    for name in names {
        let name = name.trim();
        let is_named = |tensor: &str| {
            tensor.strip_prefix(name).is_some_and(|rest| rest.is_empty() || rest.starts_with('.')) && !name.is_empty()
        };
        let before = ignored.len();
        ignored.extend(tensors.iter().map(|tensor| &tensor.name).filter(|tensor| is_named(tensor)).cloned());
        if ignored.len() == before {
            return Err(Error::input(
                source,
                format!("no tensor or module `{name}`"),
                "names of tensors, or of modules for all their tensors",
                "correct the name in option `ignore_tensors`; `unrelu inspect` lists the tensors",
            ));
        }
    }
    ignored.sort();
    ignored.dedup();
    Ok(ignored)
}
