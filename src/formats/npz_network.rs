//! Networks as `.npz` archives of named weights, as `numpy.savez(path, **weights)` writes them.

use std::io::{self, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use flate2::read::DeflateDecoder;

use super::files::File;
use super::npy::{ElementType, NpyReader};
use super::npz::{Member, has_arrays, members};
use super::tensor_file::{TensorFile, TensorInfo, natural_order};
use crate::error::{Error, Result};

/// Memory that an array of any archive may take.
const LEAST: u64 = 1 << 20;
/// Memory per byte of the archive, as for checkpoints. Deflated weights are about as large as their
/// archive.
const PER_BYTE: u64 = 64;
/// Maximum number of bytes of an array's header that are read for its type and shape.
const MOST_OF_A_HEADER: u64 = 4096;

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
        check_memory(path, &members)?;
        let mut tensors = Vec::with_capacity(members.len());
        for member in &members {
            let (shape, element_type) = match NpyReader::open_member(path, member.clone()) {
                Ok(reader) => (reader.shape().to_vec(), reader.element_type().tensor_name().to_owned()),
                Err(error @ Error::Io { .. }) => return Err(error),
                // Single numbers and long doubles are not read, but they may act. Objects and texts
                // are listed, but they are no weights.
                Err(_) => start_of(path, member)
                    .ok()
                    .and_then(|start| described(&start))
                    .unwrap_or_else(|| (Vec::new(), "not a float tensor".to_owned())),
            };
            tensors.push(TensorInfo { name: member.name.clone(), shape, element_type });
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

/// Refuses an archive with an array that would take more than its budget.
fn check_memory(path: &Path, members: &[Member]) -> Result<()> {
    let length =
        File::open(path).and_then(|file| file.metadata()).map_err(|error| Error::io(path, "read", error))?.len();
    let budget = LEAST.saturating_add(length.saturating_mul(PER_BYTE));
    match members.iter().find(|member| member.length > budget) {
        None => Ok(()),
        Some(member) => Err(Error::input(
            path.display(),
            format!("an array `{}` of more than {budget} bytes in a file of {length}", member.name),
            "an archive whose arrays are about as large as its file",
            "save them again with numpy.savez",
        )),
    }
}

/// The first bytes of an array's `.npy` file.
fn start_of(path: &Path, member: &Member) -> io::Result<Vec<u8>> {
    let mut file = File::open(path)?;
    file.seek(SeekFrom::Start(member.start))?;
    let stored = file.take(member.stored);
    let mut start = Vec::new();
    match member.deflated {
        true => DeflateDecoder::new(stored).take(MOST_OF_A_HEADER).read_to_end(&mut start)?,
        false => stored.take(MOST_OF_A_HEADER).read_to_end(&mut start)?,
    };
    Ok(start)
}

/// The shape and element type that a header states, for arrays that are not read; `None` unless
/// they are arrays of numbers. `start`: the first bytes of a `.npy` file.
fn described(start: &[u8]) -> Option<(Vec<usize>, String)> {
    let text: String = String::from_utf8_lossy(start).replace('"', "'").split_whitespace().collect();
    let kind = text.split_once("'descr':'")?.1.split_once('\'')?.0.trim_start_matches(['<', '>', '=', '|']);
    let element_type = match (ElementType::from_kind(kind), kind.strip_prefix('f')) {
        (Some(known), _) => known.tensor_name().to_owned(),
        (None, Some(bytes)) => format!("F{}", bytes.parse::<usize>().ok()?.checked_mul(8)?),
        (None, None) => return None,
    };
    let extents = text.split_once("'shape':(")?.1.split_once(')')?.0;
    let shape = extents.split(',').filter(|extent| !extent.is_empty());
    let shape = shape.map(|extent| extent.trim_end_matches('L').parse().ok()).collect::<Option<_>>()?;
    Some((shape, element_type))
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use zip::write::SimpleFileOptions;
    use zip::{CompressionMethod, ZipWriter};

    use super::*;

    /// An archive with arrays of zeros, given by their names, types, shapes and numbers of bytes.
    fn archive(arrays: &[(&str, &str, &str, usize)], method: CompressionMethod) -> Result<Option<NpzNetwork>> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("net.npz");
        let mut zip = ZipWriter::new(std::fs::File::create(&path).unwrap());
        for (name, kind, shape, bytes) in arrays {
            zip.start_file(format!("{name}.npy"), SimpleFileOptions::default().compression_method(method)).unwrap();
            let header = format!("{{'descr': '{kind}', 'fortran_order': False, 'shape': {shape}, }}");
            let header = format!("{header:<117}\n");
            zip.write_all(b"\x93NUMPY\x01\x00").unwrap();
            zip.write_all(&(header.len() as u16).to_le_bytes()).unwrap();
            zip.write_all(header.as_bytes()).unwrap();
            zip.write_all(&vec![0; *bytes]).unwrap();
        }
        zip.finish().unwrap();
        NpzNetwork::open(&path)
    }

    #[test]
    fn single_numbers_have_their_type() {
        for method in [CompressionMethod::Stored, CompressionMethod::Deflated] {
            let arrays = [
                ("a", "<f4", "()", 4),
                ("b", "<i8", "()", 8),
                ("c", "<f16", "(2, 3)", 96),
                ("d", "|O", "()", 5),
                ("e", "<f8", "(2,)", 16),
            ];
            let archive = archive(&arrays, method).unwrap().unwrap();
            let listed: Vec<_> =
                archive.tensors().iter().map(|info| (&info.shape[..], info.element_type.as_str())).collect();
            let expected: [(&[usize], &str); 5] =
                [(&[], "F32"), (&[], "I64"), (&[2, 3], "F128"), (&[], "not a float tensor"), (&[2], "F64")];
            assert_eq!(listed, expected);
        }
    }

    #[test]
    fn an_array_far_larger_than_its_archive_is_refused() {
        let arrays = [("zeros", "<f8", "(400000,)", 3_200_000)];
        assert!(archive(&arrays, CompressionMethod::Stored).is_ok());
        let message = archive(&arrays, CompressionMethod::Deflated).unwrap_err().to_string();
        assert!(message.contains("an array `zeros` of more than"), "{message}");
    }
}
