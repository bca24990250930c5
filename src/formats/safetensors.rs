//! Safetensors: a length, a JSON header with the name, type, shape and place of each tensor, then
//! the bytes.
//!
//! Reading and writing are implemented here. The header is checked against the file before memory
//! of the claimed size is allocated. Tensors are read one at a time. The written header has its
//! entries in a fixed order, so that the same network gives the same bytes (the `safetensors` crate
//! writes metadata in the order of a hash map).

use std::collections::BTreeMap;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::files::File;
use super::operations::{Tensor, operations_of};
use super::output::{OutputFile, check_ending};
use super::tensor_file::{TensorFile, TensorInfo, natural_order};
use crate::error::{Error, Result};
use crate::network::{Activation, Network};

/// The maximum header length that the format allows.
const LONGEST_HEADER: u64 = 100_000_000;

/// Memory for tied tensors, as a multiple of the bytes of all tensors.
const TIED: u64 = 8;

/// The metadata key of the activation of every layer but the last.
pub const ACTIVATION: &str = "activation";
/// The metadata key of the last layer's activation.
pub const OUTPUT_ACTIVATION: &str = "output_activation";
/// The key of a list of operations in the metadata.
pub const OPERATIONS: &str = "operations";

/// An open `.safetensors` file.
#[derive(Debug)]
pub struct SafetensorsFile {
    contents: Contents,
    source: String,
    tensors: Vec<TensorInfo>,
    /// The range of each tensor's bytes in the file, by name.
    places: BTreeMap<String, (u64, u64)>,
    metadata: BTreeMap<String, String>,
}

/// Where the bytes are stored.
#[derive(Debug)]
enum Contents {
    File(PathBuf),
    /// Compiled into the program.
    Bytes(&'static [u8]),
}

/// A tensor's entry in the header.
#[derive(Deserialize)]
struct Entry {
    dtype: String,
    shape: Vec<u64>,
    data_offsets: (u64, u64),
}

/// Whether a file can be safetensors: it starts with the length of a header and `{`. `start`: at
/// least its first 9 bytes.
pub fn looks_like_safetensors(start: &[u8]) -> bool {
    start.get(8) == Some(&b'{')
}

impl SafetensorsFile {
    /// Opens the file and checks its header against its length.
    ///
    /// # Errors
    /// [`Error::Input`] if the header is invalid, or claims more or fewer bytes than the file has.
    pub fn open(path: &Path) -> Result<Self> {
        let cannot_read = |error| Error::io(path, "read", error);
        let mut file = File::open(path).map_err(cannot_read)?;
        let file_length = file.metadata().map_err(cannot_read)?.len();
        Self::parse(&mut file, file_length, Contents::File(path.to_owned()), path.display().to_string())
    }

    /// Opens a file that was compiled into the program; `source` names it in messages.
    ///
    /// # Errors
    /// As for [`open`](Self::open).
    pub fn from_bytes(bytes: &'static [u8], source: &str) -> Result<Self> {
        Self::parse(&mut &*bytes, bytes.len() as u64, Contents::Bytes(bytes), source.to_owned())
    }

    /// Reads the header of a file of `file_length` bytes.
    fn parse(file: &mut impl Read, file_length: u64, contents: Contents, source: String) -> Result<Self> {
        let mut length = [0; 8];
        file.read_exact(&mut length).map_err(|error| match error.kind() {
            io::ErrorKind::UnexpectedEof => refuse(&source, format!("{file_length} bytes"), "a header"),
            _ => Error::io(Path::new(&source), "read", error),
        })?;
        let header_length = u64::from_le_bytes(length);
        if header_length > file_length.saturating_sub(8) || header_length > LONGEST_HEADER {
            return Err(refuse(
                &source,
                format!("a header that claims {header_length} bytes in a file of {file_length}"),
                "a header that fits into the file",
            ));
        }
        // At most LONGEST_HEADER, and at most the length of the file.
        let mut text = vec![0; header_length as usize];
        file.read_exact(&mut text).map_err(|error| Error::io(Path::new(&source), "read", error))?;
        let header: Map<String, Value> = serde_json::from_slice(&text)
            .map_err(|error| refuse(&source, format!("a header that is not JSON ({error})"), "a JSON header"))?;

        let data_start = 8 + header_length;
        let data_length = file_length - data_start;
        let mut opened = SafetensorsFile {
            contents,
            source,
            tensors: Vec::new(),
            places: BTreeMap::new(),
            metadata: BTreeMap::new(),
        };
        let mut claimed = 0;
        let mut total = 0u64;
        for (name, value) in header {
            if name == "__metadata__" {
                opened.metadata = serde_json::from_value(value).map_err(|error| {
                    refuse(&opened.source, format!("metadata that are not strings ({error})"), "one string per key")
                })?;
                continue;
            }
            let entry: Entry = serde_json::from_value(value).map_err(|error| {
                refuse(
                    &opened.source,
                    format!("tensor {name} with an invalid description ({error})"),
                    "dtype, shape and data_offsets",
                )
            })?;
            claimed = claimed.max(entry.data_offsets.1);
            total = total.saturating_add(entry.data_offsets.1.saturating_sub(entry.data_offsets.0));
            opened.add(name, entry, data_start, data_length)?;
        }
        if claimed != data_length {
            return Err(refuse(
                &opened.source,
                format!("{data_length} bytes of data after the header"),
                &format!("{claimed} bytes, according to the header"),
            ));
        }
        // Each tensor is read into memory of its own. Tensors on the same bytes could need any
        // amount of it.
        if total > data_length {
            return Err(refuse(
                &opened.source,
                format!("tensors of {total} bytes together in {data_length} bytes of data"),
                "tensors that do not overlap",
            ));
        }
        opened.add_tied(data_length);
        opened.tensors.sort_by(|left, right| natural_order(&left.name, &right.name));
        Ok(opened)
    }

    /// Adds tied tensors: `safetensors.torch.save_model` stores one of them, and the metadata map
    /// the names of the others to it.
    fn add_tied(&mut self, data_length: u64) {
        // Each is read into memory of its own, as the others are.
        let mut left = data_length.saturating_mul(TIED);
        for (name, kept) in &self.metadata {
            let Some(info) = self.tensors.iter().find(|info| info.name == *kept) else { continue };
            let Some(place) = self.places.get(kept).copied() else { continue };
            if place.1 <= left && !self.places.contains_key(name) {
                left -= place.1;
                self.tensors.push(TensorInfo { name: name.clone(), ..info.clone() });
                self.places.insert(name.clone(), place);
            }
        }
    }

    fn add(&mut self, name: String, entry: Entry, data_start: u64, data_length: u64) -> Result<()> {
        let (begin, end) = entry.data_offsets;
        if begin > end || end > data_length {
            return Err(refuse(
                &self.source,
                format!("tensor {name} at bytes {begin} to {end} of {data_length} bytes of data"),
                "tensors that lie inside the file",
            ));
        }
        let elements = entry.shape.iter().try_fold(1u64, |product, extent| product.checked_mul(*extent));
        // Other types are listed but not read, so their size does not matter.
        if let Some(size) = element_size(&entry.dtype)
            && elements.and_then(|elements| elements.checked_mul(size)) != Some(end - begin)
        {
            return Err(refuse(
                &self.source,
                format!("tensor {name} of type {} and shape {:?} in {} bytes", entry.dtype, entry.shape, end - begin),
                "the number of bytes that type and shape need",
            ));
        }
        let shape =
            entry.shape.iter().map(|extent| usize::try_from(*extent)).collect::<Result<_, _>>().map_err(|_| {
                refuse(
                    &self.source,
                    format!("tensor {name} of shape {:?}", entry.shape),
                    "a shape that this machine can address",
                )
            })?;
        self.places.insert(name.clone(), (data_start + begin, end - begin));
        self.tensors.push(TensorInfo { name, shape, element_type: entry.dtype });
        Ok(())
    }
}

impl TensorFile for SafetensorsFile {
    fn source(&self) -> &str {
        &self.source
    }

    fn format(&self) -> &str {
        "safetensors"
    }

    fn tensors(&self) -> &[TensorInfo] {
        &self.tensors
    }

    fn metadata(&self, key: &str) -> Option<&str> {
        self.metadata.get(key).map(String::as_str)
    }

    fn read(&self, name: &str) -> Result<Vec<f64>> {
        let (Some(info), Some(&(start, length))) =
            (self.tensors.iter().find(|tensor| tensor.name == name), self.places.get(name))
        else {
            return Err(Error::input(
                &self.source,
                format!("no tensor {name}"),
                "a tensor of the file",
                "name one that `unrelu inspect` lists",
            ));
        };
        let bytes = self.contents.read(start, length)?;
        if bytes.len() as u64 != length {
            return Err(refuse(
                &self.source,
                format!("{} bytes of tensor {name}", bytes.len()),
                &format!("{length} bytes"),
            ));
        }
        widen(&bytes, &info.element_type).ok_or_else(|| {
            Error::input(
                &self.source,
                format!("tensor {name} of type {}", info.element_type),
                "F16, BF16, F32 or F64",
                "convert the weights to floating point before saving them",
            )
        })
    }
}

impl Contents {
    /// Reads up to `length` bytes from `start` on; fewer at the end of the file.
    fn read(&self, start: u64, length: u64) -> Result<Vec<u8>> {
        let mut bytes = Vec::new();
        match self {
            Contents::File(path) => {
                let read = File::open(path).and_then(|mut file| {
                    file.seek(SeekFrom::Start(start))?;
                    file.take(length).read_to_end(&mut bytes)
                });
                read.map_err(|error| Error::io(path, "read", error))?;
            }
            Contents::Bytes(all) => bytes.extend(all.iter().skip(start as usize).take(length as usize)),
        }
        Ok(bytes)
    }
}

fn refuse(source: &str, found: String, expected: &str) -> Error {
    Error::input(source, found, expected, "the file is damaged or not a safetensors file: copy or save it again")
}

fn element_size(element_type: &str) -> Option<u64> {
    match element_type {
        "F16" | "BF16" => Some(2),
        "F32" => Some(4),
        "F64" => Some(8),
        _ => None,
    }
}

/// Converts little-endian floating-point numbers to f64. `element_type`: `F16`, `BF16`, `F32` or
/// `F64`; `None` for other types.
pub(super) fn widen(bytes: &[u8], element_type: &str) -> Option<Vec<f64>> {
    let numbers = match element_type {
        "F16" => bytes.as_chunks().0.iter().map(|chunk| half::f16::from_le_bytes(*chunk).to_f64()).collect(),
        "BF16" => bytes.as_chunks().0.iter().map(|chunk| half::bf16::from_le_bytes(*chunk).to_f64()).collect(),
        "F32" => bytes.as_chunks().0.iter().map(|chunk| f64::from(f32::from_le_bytes(*chunk))).collect(),
        "F64" => bytes.as_chunks().0.iter().map(|chunk| f64::from_le_bytes(*chunk)).collect(),
        _ => return None,
    };
    Some(numbers)
}

/// Writes `network` in f64: `layers.0.weight` and so on from the code to the output, the biases
/// that are not zero, and as metadata the activations. A network that these do not describe, with
/// convolutions or several hidden activations, has a list of operations in the metadata instead.
///
/// # Errors
/// [`Error::Output`] if the file exists and `force` is not set. [`Error::Io`].
pub fn write_network(path: &Path, network: &Network, force: bool) -> Result<()> {
    let (metadata, tensors) = match activations(network) {
        Some((activation, output)) if network.is_dense() => (
            json!({ ACTIVATION: activation.to_string(), OUTPUT_ACTIVATION: output.to_string() }),
            dense_tensors(network),
        ),
        _ => {
            let (document, tensors) = operations_of(network);
            (json!({ OPERATIONS: document }), tensors)
        }
    };
    let mut header = Map::new();
    header.insert("__metadata__".into(), metadata);
    let mut data: Vec<u8> = Vec::new();
    for (name, tensor) in tensors {
        let begin = data.len();
        tensor.numbers.iter().for_each(|number| data.extend_from_slice(&number.to_le_bytes()));
        header.insert(name, json!({ "dtype": "F64", "shape": tensor.shape, "data_offsets": [begin, data.len()] }));
    }
    let mut text = Value::Object(header).to_string();
    // The data begin at a multiple of 8, so that the file can be mapped into memory.
    text.extend(std::iter::repeat_n(' ', text.len().next_multiple_of(8) - text.len()));
    check_ending(path, &["safetensors"])?;
    let mut output = OutputFile::create(path, force)?;
    output.append(&(text.len() as u64).to_le_bytes())?;
    output.append(text.as_bytes())?;
    output.append(&data)?;
    output.finish()
}

/// The weights of a dense network and the biases that are not zero.
fn dense_tensors(network: &Network) -> Vec<(String, Tensor)> {
    let mut tensors = Vec::new();
    for (index, layer) in network.layers().iter().enumerate() {
        let (units, inputs) = (layer.units(), layer.inputs());
        // The format stores row after row; these are the columns of the transpose.
        let numbers = layer.weight().transpose().as_slice().to_vec();
        tensors.push((format!("layers.{index}.weight"), Tensor { shape: vec![units, inputs], numbers }));
        if layer.bias.iter().any(|entry| *entry != 0.0) {
            let numbers = layer.bias.as_slice().to_vec();
            tensors.push((format!("layers.{index}.bias"), Tensor { shape: vec![units], numbers }));
        }
    }
    tensors
}

/// The common activation of the hidden layers (the output's, if there are none), and the output's;
/// `None` if hidden layers have different ones.
fn activations(network: &Network) -> Option<(Activation, Activation)> {
    let layers = network.layers();
    let output = layers[layers.len() - 1].activation;
    let hidden = &layers[..layers.len() - 1];
    let activation = hidden.first().map_or(output, |layer| layer.activation);
    hidden.iter().all(|layer| layer.activation == activation).then_some((activation, output))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::random_network;

    #[test]
    fn the_format_s_own_library_reads_what_is_written() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("net.safetensors");
        let network = random_network(&[3, 5, 7], Activation::LeakyRelu(0.1), 1).unwrap();
        write_network(&path, &network, false).unwrap();
        let bytes = std::fs::read(&path).unwrap();
        let read = safetensors::SafeTensors::deserialize(&bytes).unwrap();
        let mut names = read.names();
        names.sort();
        assert_eq!(names, ["layers.0.weight", "layers.1.weight"]);
        let weight = read.tensor("layers.1.weight").unwrap();
        assert_eq!((weight.shape(), weight.dtype()), (&[7, 5][..], safetensors::Dtype::F64));
        let numbers: Vec<f64> = widen(weight.data(), "F64").unwrap();
        assert_eq!(numbers[1], network.layers()[1].weight()[(0, 1)]);
        let (_, header) = safetensors::SafeTensors::read_metadata(&bytes).unwrap();
        assert_eq!(header.metadata().as_ref().unwrap()["activation"], "leaky_relu:0.1");
    }

    #[test]
    fn every_width_of_number_is_widened() {
        assert_eq!(widen(&[0x00, 0x3e], "F16"), Some(vec![1.5]));
        assert_eq!(widen(&[0xc0, 0x3f], "BF16"), Some(vec![1.5]));
        assert_eq!(widen(&1.5f32.to_le_bytes(), "F32"), Some(vec![1.5]));
        assert_eq!(widen(&1.5f64.to_le_bytes(), "F64"), Some(vec![1.5]));
        assert_eq!(widen(&[1], "U8"), None);
    }
}
