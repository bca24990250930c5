//! Networks as `.npz` archives of named weights, as `numpy.savez(path, **weights)` writes them.

use std::path::{Path, PathBuf};

use super::npy::NpyReader;
use super::npz::{Member, has_arrays, members};
use super::tensor_file::{TensorFile, TensorInfo, natural_order};
use crate::error::{Error, Result};

/// An open archive of weights.
#[derive(Debug)]
pub struct NpzNetwork {
    path: PathBuf,
    source: String,
    members: Vec<Member>,
    tensors: Vec<TensorInfo>,
}

impl NpzNetwork {
    /// Opens the archive and reads the headers of its arrays; `None` if it has no arrays.
    ///
    /// # Errors
    /// [`Error::Input`] for a damaged archive; [`Error::Io`].
    pub fn open(path: &Path) -> Result<Option<Self>> {
        if !has_arrays(path) {
            return Ok(None);
        }
        let members = members(path)?;
        let mut tensors = Vec::with_capacity(members.len());
        for member in &members {
            // Objects, texts and single numbers are listed, but they are no weights.
            let (shape, element_type) = match NpyReader::open_member(path, member.clone()) {
                Ok(reader) => (reader.shape().to_vec(), reader.element_type().tensor_name()),
                Err(error @ Error::Io { .. }) => return Err(error),
                Err(_) => (Vec::new(), "not a float tensor"),
            };
            tensors.push(TensorInfo { name: member.name.clone(), shape, element_type: element_type.to_owned() });
        }
        tensors.sort_by(|left, right| natural_order(&left.name, &right.name));
        Ok(Some(NpzNetwork { path: path.to_owned(), source: path.display().to_string(), members, tensors }))
    }
}

impl TensorFile for NpzNetwork {
    fn source(&self) -> &str {
        &self.source
    }

    fn format(&self) -> &str {
        "NumPy .npz"
    }

    fn tensors(&self) -> &[TensorInfo] {
        &self.tensors
    }

    fn metadata(&self, _key: &str) -> Option<&str> {
        None
    }

    fn read(&self, name: &str) -> Result<Vec<f64>> {
        let Some(member) = self.members.iter().find(|member| member.name == name) else {
            return Err(Error::input(
                &self.source,
                format!("no array {name}"),
                "an array of the file",
                "name one that `unrelu inspect` lists",
            ));
        };
        let mut reader = NpyReader::open_member(&self.path, member.clone())?;
        if reader.element_type().is_integer() {
            return Err(Error::input(
                &self.source,
                format!("array {name} of type {}", reader.element_type().name()),
                "float16, float32 or float64",
                "save array.astype(numpy.float32)",
            ));
        }
        let total = reader.shape().iter().product();
        reader.fit(total, "the whole array")?;
        Ok(reader.read_batch(1)?.map_or(Vec::new(), |row| row.as_slice().to_vec()))
    }
}
