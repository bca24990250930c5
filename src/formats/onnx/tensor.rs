//! The numbers of a tensor: within the model, or in another file of the same folder.

use std::io::{Read, Seek, SeekFrom};
use std::path::{Component, Path, PathBuf};

use half::{bf16, f16};

use super::array::{Array, Data, entries};
use super::messages::TensorProto;
use crate::error::{Error, Result};
use crate::formats::files::File;

/// Most entries of one tensor.
const MOST: usize = 1 << 32;

/// A type of entries that is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    F32,
    U8,
    I8,
    I32,
    I64,
    Bool,
    F16,
    F64,
    Bf16,
}

impl Kind {
    /// By ONNX's number of the type.
    fn of(data_type: i32) -> Option<Self> {
        Some(match data_type {
            1 => Kind::F32,
            2 => Kind::U8,
            3 => Kind::I8,
            6 => Kind::I32,
            7 => Kind::I64,
            9 => Kind::Bool,
            10 => Kind::F16,
            11 => Kind::F64,
            16 => Kind::Bf16,
            _ => return None,
        })
    }

    /// Bytes per entry.
    fn bytes(self) -> usize {
        match self {
            Kind::U8 | Kind::I8 | Kind::Bool => 1,
            Kind::F16 | Kind::Bf16 => 2,
            Kind::F32 | Kind::I32 => 4,
            Kind::I64 | Kind::F64 => 8,
        }
    }

    fn read(self, bytes: &[u8]) -> Data {
        fn each<const N: usize, T>(bytes: &[u8], convert: impl Fn([u8; N]) -> T) -> Vec<T> {
            bytes.as_chunks::<N>().0.iter().map(|chunk| convert(*chunk)).collect()
        }
        match self {
            Kind::F32 => Data::Floats(each(bytes, |b| f64::from(f32::from_le_bytes(b)))),
            Kind::F64 => Data::Floats(each(bytes, f64::from_le_bytes)),
            Kind::F16 => Data::Floats(each(bytes, |b| f16::from_le_bytes(b).to_f64())),
            Kind::Bf16 => Data::Floats(each(bytes, |b| bf16::from_le_bytes(b).to_f64())),
            Kind::I64 => Data::Integers(each(bytes, i64::from_le_bytes)),
            Kind::I32 => Data::Integers(each(bytes, |b| i64::from(i32::from_le_bytes(b)))),
            Kind::I8 => Data::Integers(each(bytes, |[b]: [u8; 1]| i64::from(b as i8))),
            Kind::U8 => Data::Integers(each(bytes, |[b]: [u8; 1]| i64::from(b))),
            Kind::Bool => Data::Integers(each(bytes, |[b]: [u8; 1]| i64::from(b != 0))),
        }
    }

    /// From the fields of ONNX that hold numbers one by one.
    fn fields(self, tensor: &TensorProto) -> Data {
        let small = &tensor.int32_data;
        match self {
            Kind::F32 => Data::Floats(tensor.float_data.iter().map(|x| f64::from(*x)).collect()),
            Kind::F64 => Data::Floats(tensor.double_data.clone()),
            Kind::F16 => Data::Floats(small.iter().map(|bits| f16::from_bits(*bits as u16).to_f64()).collect()),
            Kind::Bf16 => Data::Floats(small.iter().map(|bits| bf16::from_bits(*bits as u16).to_f64()).collect()),
            Kind::I64 => Data::Integers(tensor.int64_data.clone()),
            Kind::Bool => Data::Integers(small.iter().map(|x| i64::from(*x != 0)).collect()),
            Kind::I32 | Kind::I8 | Kind::U8 => Data::Integers(small.iter().map(|x| i64::from(*x)).collect()),
        }
    }
}

/// The name of a type, as other formats write it.
pub fn type_name(data_type: i32) -> String {
    match Kind::of(data_type) {
        Some(kind) => format!("{kind:?}").to_uppercase(),
        None => format!("type {data_type}"),
    }
}

/// Whether entries of this type are floating-point numbers.
pub fn is_float(data_type: i64) -> bool {
    let kind = i32::try_from(data_type).ok().and_then(Kind::of);
    matches!(kind, Some(Kind::F32 | Kind::F64 | Kind::F16 | Kind::Bf16))
}

/// The extents of a tensor, if their product is a possible number of entries.
pub fn shape_of(tensor: &TensorProto) -> Option<Vec<usize>> {
    let shape: Option<Vec<usize>> = tensor.dims.iter().map(|extent| usize::try_from(*extent).ok()).collect();
    shape.filter(|shape| entries(shape, MOST).is_some())
}

/// Reads a tensor. `what` names it in messages, `file` is that of the model.
///
/// # Errors
/// [`Error::Input`] for a type that is not read, for extents that do not fit the bytes, and for
/// data outside the folder; [`Error::Io`] for data that cannot be read.
pub fn read(tensor: &TensorProto, what: &str, source: &str, file: Option<&Path>) -> Result<Array> {
    let refused = |found: String, expected: String| {
        Error::input(source, format!("{what}: {found}"), expected, "export or copy the file again")
    };
    let Some(kind) = Kind::of(tensor.data_type) else {
        return Err(Error::input(
            source,
            format!("{what}: entries of ONNX's type {}", tensor.data_type),
            "F16, BF16, F32, F64, or integers",
            "export the network in floating point, without quantisation",
        ));
    };
    let Some(shape) = shape_of(tensor) else {
        return Err(refused(format!("extents {:?}", tensor.dims), format!("0 or more each, {MOST} entries in all")));
    };
    let count: usize = shape.iter().product();
    let length = count.checked_mul(kind.bytes());
    let data = if tensor.data_location == 1 {
        let bytes = external(tensor, what, source, file, length)?;
        kind.read(&bytes)
    } else if !tensor.raw_data.is_empty() {
        if length != Some(tensor.raw_data.len()) {
            let found = format!("{} bytes for extents {shape:?} of type {kind:?}", tensor.raw_data.len());
            return Err(refused(found, format!("{} bytes", length.unwrap_or(usize::MAX))));
        }
        kind.read(&tensor.raw_data)
    } else {
        kind.fields(tensor)
    };
    let array = Array { shape, data };
    if array.len() == count {
        return Ok(array);
    }
    Err(refused(format!("{} numbers for extents {:?}", array.len(), array.shape), format!("{count} numbers")))
}

/// The bytes of a tensor in another file of the model's folder.
fn external(
    tensor: &TensorProto,
    what: &str,
    source: &str,
    file: Option<&Path>,
    length: Option<usize>,
) -> Result<Vec<u8>> {
    let refused = |found: String, expected: &str, fix: &str| {
        Error::input(source, format!("{what}: {found}"), expected.to_owned(), fix.to_owned())
    };
    let value = |key: &str| tensor.external_data.iter().find(|entry| entry.key == key).map(|entry| &*entry.value);
    let location = value("location").unwrap_or_default();
    let Some(path) = file.and_then(|file| beside(file, location)) else {
        return Err(refused(
            format!("data in `{location}`"),
            "the name of a file in the folder of the model, without a path",
            "move the data beside the model: onnx.save_model(model, path, save_as_external_data=True)",
        ));
    };
    let number = |key: &str, default: Option<u64>| match value(key) {
        None => Ok(default),
        Some(text) => text.parse().map(Some).map_err(|_| {
            refused(format!("{key} `{text}` of its data"), "a number of bytes", "export or copy the file again")
        }),
    };
    let cannot_read = |error| Error::io(&path, "read", error);
    let mut data = File::open(&path).map_err(cannot_read)?;
    let metadata = data.metadata().map_err(cannot_read)?;
    let wanted = length.and_then(|length| u64::try_from(length).ok());
    let offset = number("offset", Some(0))?.unwrap_or(0);
    let held = metadata.len().saturating_sub(offset);
    let stated = number("length", wanted)?;
    match (length, wanted) {
        (Some(length), Some(wanted)) if metadata.is_file() && wanted <= held && stated == Some(wanted) => {
            data.seek(SeekFrom::Start(offset)).map_err(cannot_read)?;
            let mut bytes = vec![0; length];
            data.read_exact(&mut bytes).map_err(cannot_read)?;
            Ok(bytes)
        }
        _ => Err(refused(
            format!("{} bytes from byte {offset} of `{location}`, {held} there", stated.unwrap_or(u64::MAX)),
            "as many bytes as its extents and its type say, within the file",
            "copy the model and its data again, together",
        )),
    }
}

/// The path of a file beside `file`, if `name` is a plain name.
fn beside(file: &Path, name: &str) -> Option<PathBuf> {
    let mut parts = Path::new(name).components();
    let is_plain = matches!((parts.next(), parts.next()), (Some(Component::Normal(_)), None));
    // A path of another system is not taken for a name.
    let is_plain = is_plain && !name.contains(['/', '\\', ':']);
    is_plain.then(|| file.with_file_name(name))
}
