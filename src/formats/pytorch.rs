//! PyTorch checkpoints, `.pth` and `.pt`, in every layout that `torch.save` has written. The crate
//! `pytorch-reader` interprets the pickle as data; no code of the file is executed. Nested
//! dictionaries (`state_dict`, `model`) become parts of the names, which `layers_by_name.rs`
//! supports. `pickle.rs` reads the rest: arrays of NumPy, and the modules of a whole model.

mod archive;
mod kind;
mod memory;
mod model;
mod numpy_arrays;
mod pickle;
mod pickle_memory;
mod stored_pickle;

use std::io::Read;
use std::path::Path;

use pytorch_reader::{DType, FileFormat, PytorchError, PytorchReader};

use model::Model;
use numpy_arrays::NumpyArray;
use pickle::Pickle;

use super::files::File;
use super::safetensors::widen;
use super::stated::Stated;
use super::tensor_file::{TensorFile, TensorInfo, natural_order};
use crate::error::{Error, Result};

/// An open checkpoint.
#[derive(Debug)]
pub struct PytorchFile {
    source: String,
    /// Memory that one tensor may take, in bytes.
    budget: u64,
    /// `None` for a pickle in a `.npy` file, which has arrays of NumPy only.
    reader: Option<PytorchReader>,
    tensors: Vec<TensorInfo>,
    /// The pickle of the saved object, if it was read.
    pickle: Option<Pickle>,
    model: Model,
    arrays: Vec<NumpyArray>,
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
        let cannot_read = |error| Error::io(path, "read", error);
        let mut start = Vec::new();
        File::open(path).and_then(|file| file.take(START as u64).read_to_end(&mut start)).map_err(cannot_read)?;
        let repaired = if start.starts_with(b"PK") { archive::repaired(path).map_err(cannot_read)? } else { None };
        let budget = memory::check(path, repaired.as_deref())?;
        let stored = stored_pickle::read(path, &start, budget, repaired.as_deref())?;
        let (pickle, rewritten) = stored.map_or((None, None), |stored| (Some(stored.pickle), stored.rewritten));
        let opened = match rewritten.or(repaired) {
            Some(bytes) => PytorchReader::from_bytes(bytes, None),
            None => PytorchReader::new(path),
        };
        let is_model = pickle.as_ref().is_some_and(|pickle| !Model::of(pickle).is_empty());
        let reader = opened.map_err(|error| match error {
            PytorchError::Io(error) if error.kind() != std::io::ErrorKind::UnexpectedEof => {
                Error::io(path, "read", error)
            }
            error if is_model => Error::input(
                &source,
                format!("a whole model that cannot be read ({error})"),
                "a state_dict",
                "load the model and save its state_dict: torch.save(model.state_dict(), path)",
            ),
            error => Error::input(
                &source,
                format!("a file that cannot be read as a PyTorch checkpoint ({error})"),
                "a state_dict, whole and undamaged",
                "save it with torch.save(model.state_dict(), path), or copy it again",
            ),
        })?;
        Ok(Self::with(source, budget, Some(reader), pickle))
    }

    /// Opens a `.npy` file of one dictionary of arrays; `None` if it holds something else.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn open_npy(path: &Path) -> Result<Option<Self>> {
        let Some(pickle) = stored_pickle::of_npy(path)? else { return Ok(None) };
        let file = Self::with(path.display().to_string(), 0, None, Some(pickle));
        Ok(Some(file).filter(|file| !file.arrays.is_empty()))
    }

    fn with(source: String, budget: u64, reader: Option<PytorchReader>, pickle: Option<Pickle>) -> Self {
        let mut tensors: Vec<_> = reader
            .iter()
            .flat_map(PytorchReader::tensors)
            .map(|(name, tensor)| TensorInfo {
                name: name.clone(),
                shape: tensor.shape().to_vec(),
                element_type: type_name(tensor.dtype()).to_owned(),
            })
            .collect();
        let mut arrays = pickle.as_ref().map_or(Vec::new(), numpy_arrays::arrays);
        arrays.retain(|array| tensors.iter().all(|tensor| tensor.name != array.info.name));
        tensors.extend(arrays.iter().map(|array| array.info.clone()));
        tensors.sort_by(|left, right| natural_order(&left.name, &right.name));
        let model = pickle.as_ref().map_or_else(Model::default, Model::of);
        PytorchFile { source, budget, reader, tensors, pickle, model, arrays }
    }
}

impl TensorFile for PytorchFile {
    fn source(&self) -> &str {
        &self.source
    }

    fn format(&self) -> &str {
        match self.reader.as_ref().map(|reader| &reader.metadata().format_type) {
            Some(FileFormat::Zip) => "PyTorch (zip)",
            Some(FileFormat::Legacy) => "PyTorch (legacy)",
            Some(FileFormat::Tar) => "PyTorch (tar)",
            Some(FileFormat::Pickle) => "pickle",
            None => "NumPy dictionary",
        }
    }

    fn tensors(&self) -> &[TensorInfo] {
        &self.tensors
    }

    fn metadata(&self, _key: &str) -> Option<&str> {
        None
    }

    fn module_number(&self, module: &str, attribute: &str) -> Option<f64> {
        self.model.number(self.pickle.as_ref()?, module, attribute)
    }

    fn stated_activations(&self, layers: &[&str]) -> Stated {
        self.pickle.as_ref().map_or_else(Stated::default, |pickle| self.model.stated(pickle, layers))
    }

    fn read(&self, name: &str) -> Result<Vec<f64>> {
        if let Some(array) = self.arrays.iter().find(|array| array.info.name == name) {
            let numbers = self.pickle.as_ref().and_then(|pickle| array.read(pickle));
            return numbers.ok_or_else(|| {
                Error::input(
                    &self.source,
                    format!("array {name} of type {} that cannot be read", array.info.element_type),
                    "float16, float32 or float64 numbers, as many as its shape says",
                    "save array.astype(numpy.float32)",
                )
            });
        }
        let Some(tensor) = self.reader.as_ref().and_then(|reader| reader.get(name)) else {
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
