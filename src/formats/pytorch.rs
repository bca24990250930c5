//! PyTorch checkpoints, `.pth` and `.pt`, in every layout that `torch.save` has written. The crate
//! `pytorch-reader` interprets the pickle as data; no code of the file is executed. Nested
//! dictionaries (`state_dict`, `model`) become parts of the names, which `layers_by_name.rs`
//! supports.

mod memory;
mod pickle_memory;

use std::path::Path;

use pytorch_reader::{DType, FileFormat, PytorchError, PytorchReader};

use super::safetensors::widen;
use super::tensor_file::{TensorFile, TensorInfo, natural_order};
use crate::error::{Error, Result};

/// An open checkpoint.
#[derive(Debug)]
pub struct PytorchFile {
    source: String,
    /// Memory that one tensor may take, in bytes.
    budget: u64,
    reader: PytorchReader,
    tensors: Vec<TensorInfo>,
}

/// Number of bytes at the start of a file that show its format.
pub const START: usize = 262;

/// Whether a file can be a checkpoint. `start`: its first [`START`] bytes, or fewer if it is
/// shorter.
pub fn looks_like_pytorch(start: &[u8]) -> bool {
    // Zip; tar; pickles of protocol 2 and later, which the legacy format also starts with.
    start.starts_with(b"PK") || start.get(257..262) == Some(b"ustar") || start.first() == Some(&0x80)
}

impl PytorchFile {
    /// Opens the checkpoint and reads the descriptions of its tensors, but not their numbers.
    ///
    /// # Errors
    /// [`Error::Input`] if it is damaged or contains something unsupported (a scripted model,
    /// sparse tensors).
    pub fn open(path: &Path) -> Result<Self> {
        let source = path.display().to_string();
        let budget = memory::check(path)?;
        let reader = PytorchReader::new(path).map_err(|error| match error {
            PytorchError::Io(error) if error.kind() != std::io::ErrorKind::UnexpectedEof => {
                Error::io(path, "read", error)
            }
            error => Error::input(
                &source,
                format!("a file that cannot be read as a PyTorch checkpoint ({error})"),
                "a state_dict, whole and undamaged",
                "save it with torch.save(model.state_dict(), path), or copy it again",
            ),
        })?;
        let mut tensors: Vec<_> = reader
            .tensors()
            .iter()
            .map(|(name, tensor)| TensorInfo {
                name: name.clone(),
                shape: tensor.shape().to_vec(),
                element_type: type_name(tensor.dtype()).to_owned(),
            })
            .collect();
        tensors.sort_by(|left, right| natural_order(&left.name, &right.name));
        Ok(PytorchFile { source, budget, reader, tensors })
    }
}

impl TensorFile for PytorchFile {
    fn source(&self) -> &str {
        &self.source
    }

    fn format(&self) -> &str {
        match self.reader.metadata().format_type {
            FileFormat::Zip => "PyTorch (zip)",
            FileFormat::Legacy => "PyTorch (legacy)",
            FileFormat::Tar => "PyTorch (tar)",
            FileFormat::Pickle => "pickle",
        }
    }

    fn tensors(&self) -> &[TensorInfo] {
        &self.tensors
    }

    fn metadata(&self, _key: &str) -> Option<&str> {
        None
    }

    fn read(&self, name: &str) -> Result<Vec<f64>> {
        let Some(tensor) = self.reader.get(name) else {
            return Err(Error::input(
                &self.source,
                format!("no tensor {name}"),
                "a tensor of the file",
                "name one that `unrelu inspect` lists",
            ));
        };
        // A tensor can repeat the numbers of its storage as often as its shape says.
        let size = tensor
            .shape()
            .iter()
            .try_fold(tensor.dtype().size() as u64, |size, extent| size.checked_mul(u64::try_from(*extent).ok()?));
        if size.is_none_or(|size| size > self.budget) {
            return Err(Error::input(
                &self.source,
                format!("tensor {name} of shape {:?}, which is far larger than the file", tensor.shape()),
                format!("at most {} bytes", self.budget),
                "save a contiguous copy of the tensor, tensor.contiguous()",
            ));
        }
        let bytes = tensor.read().map_err(|error| {
            Error::input(
                &self.source,
                format!("tensor {name} that cannot be read ({error})"),
                "a whole, undamaged checkpoint",
                "copy or save the file again",
            )
        })?;
        widen(&native_to_little_endian(bytes, tensor.dtype()), type_name(tensor.dtype())).ok_or_else(|| {
            Error::input(
                &self.source,
                format!("tensor {name} of type {}", type_name(tensor.dtype())),
                "float16, bfloat16, float32 or float64",
                "save model.float().state_dict(); dequantize quantized weights first",
            )
        })
    }
}

/// The reader returns numbers in this machine's byte order.
fn native_to_little_endian(mut bytes: Vec<u8>, element_type: DType) -> Vec<u8> {
    if cfg!(target_endian = "big") {
        bytes.chunks_exact_mut(element_type.size()).for_each(<[u8]>::reverse);
    }
    bytes
}

/// The names of the types in safetensors.
fn type_name(element_type: DType) -> &'static str {
    match element_type {
        DType::F64 => "F64",
        DType::F32 => "F32",
        DType::F16 => "F16",
        DType::BF16 => "BF16",
        DType::I64 => "I64",
        DType::I32 => "I32",
        DType::I16 => "I16",
        DType::I8 => "I8",
        DType::U64 => "U64",
        DType::U32 => "U32",
        DType::U16 => "U16",
        DType::U8 => "U8",
        DType::Bool => "BOOL",
    }
}
