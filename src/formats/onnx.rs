//! ONNX models, read as a list of operations. `docs/ONNX.md` says what is read.
//!
//! [`model`] decodes the file, [`graph`] follows the nodes, and [`chain`] writes the list. Nothing
//! in a file is executed. Sizes are checked before memory is taken for them.

mod activations;
mod arguments;
mod arithmetic;
mod array;
mod chain;
mod entrywise;
mod folding;
mod graph;
mod images;
mod maps;
mod messages;
mod model;
mod movement;
mod node;
mod reader;
mod recognition;
mod resize;
mod settling;
mod shapes;
mod signal;
mod tensor;
mod values;

use std::io::Read;
use std::path::{Path, PathBuf};

use self::array::Data;
use self::model::Model;
use super::described::Described;
use super::files::File;
use super::operations::read_labelled;
use super::tensor_file::{TensorFile, TensorInfo, natural_order};
use crate::error::{Error, Result};
use crate::memory;

/// An ONNX model.
#[derive(Debug)]
pub struct OnnxFile {
    model: Model,
    tensors: Vec<TensorInfo>,
}

/// Whether the first bytes, or the name, are those of an ONNX model.
pub fn looks_like_onnx(start: &[u8], path: &Path) -> bool {
    // The version of the format, then the producer, the graph or another field of the model.
    let is_model = matches!(start, [0x08, 1..=0x7f, 0x12 | 0x1a | 0x22 | 0x28 | 0x32 | 0x3a | 0x42, ..]);
    let is_named = path.extension().is_some_and(|ending| ending.eq_ignore_ascii_case("onnx"));
    is_model || (is_named && !start.is_empty())
}

impl OnnxFile {
    /// Opens a file.
    ///
    /// # Errors
    /// [`Error::Input`] if it is no ONNX model, or of another version; [`Error::Io`].
    pub fn open(path: &Path) -> Result<Self> {
        let cannot_read = |error| Error::io(path, "read", error);
        let mut file = File::open(path).map_err(cannot_read)?;
        let length = file.metadata().map_err(cannot_read)?.len();
        // All of it, and the tensors that it holds.
        let source = path.display().to_string();
        memory::check_input(&source, || format!("a file of {length} bytes"), length.checked_mul(2))?;
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes).map_err(cannot_read)?;
        Self::decode(bytes, &source, Some(path.to_owned()))
    }

    /// Reads the bytes of a file. Tensors in other files are only found beside `file`.
    ///
    /// # Errors
    /// As for [`Self::open`].
    pub fn decode(bytes: Vec<u8>, source: &str, file: Option<PathBuf>) -> Result<Self> {
        let model = Model::decode(bytes, source, file)?;
        let mut tensors = model.infos();
        tensors.sort_by(|left, right| natural_order(&left.name, &right.name));
        Ok(OnnxFile { model, tensors })
    }
}

impl TensorFile for OnnxFile {
    fn source(&self) -> &str {
        &self.model.source
    }

    fn format(&self) -> &str {
        "ONNX"
    }

    fn tensors(&self) -> &[TensorInfo] {
        &self.tensors
    }

    fn metadata(&self, _: &str) -> Option<&str> {
        None
    }

    fn describes_itself(&self) -> bool {
        true
    }

    fn own_network(&self) -> Option<Result<Described>> {
        let read = graph::operations(&self.model)
            .and_then(|list| read_labelled(&list.document, &self.model.source, &list.tensors, &list.labels));
        Some(read)
    }

    fn read(&self, name: &str) -> Result<Vec<f64>> {
        let source = &self.model.source;
        let Some(found) = self.model.tensors.iter().find(|tensor| tensor.name == name) else {
            return Err(Error::input(
                source,
                format!("no tensor `{name}`"),
                "a tensor of the file",
                "correct the name",
            ));
        };
        let array = tensor::read(found, &format!("tensor `{name}`"), source, self.model.file.as_deref())?;
        match array.data {
            Data::Floats(numbers) => Ok(numbers),
            Data::Integers(_) => Err(Error::input(
                source,
                format!("tensor `{name}` of integers"),
                "floating-point numbers",
                "name another tensor",
            )),
        }
    }
}

#[cfg(test)]
mod tests;
