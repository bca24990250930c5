//! The header of a `.npy` file: a magic string, a version, and a Python dictionary literal with the
//! element type, the order and the shape. The parser is written here and is strict, and the length
//! is checked before memory is allocated. A general parser of Python literals would recurse as
//! deeply as a malicious file demands.

use std::io::{self, Read};

use super::element_type::ElementType;
use super::rows::show_shape;
use crate::error::{Error, Result};
use crate::formats::lfs;

const MAGIC: &[u8; 6] = b"\x93NUMPY";

/// Maximum length of a header that is read. NumPy itself refuses more than 10,000 characters.
const LONGEST: usize = 65_536;

/// Length of every header that is written. It is enough for any shape, and a multiple of 64, which
/// is NumPy's alignment.
pub const WRITTEN_LENGTH: usize = 128;

/// A valid header of an array of numbers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Header {
    pub element_type: ElementType,
    pub big_endian: bool,
    /// Whether the numbers are in column-major order, and that differs from row-major order.
    pub fortran_order: bool,
    /// At least one dimension, each at least 1.
    pub shape: Vec<usize>,
    /// The offset of the numbers.
    pub data_start: u64,
}

impl Header {
    /// Reads the header from the beginning of a file; `source` names the file in messages.
    pub fn read(file: &mut impl Read, source: &str) -> Result<Header> {
        let (text, data_start) = read_text(file, source)?;
        let fields = Fields::parse(&text)
            .ok_or_else(|| not_npy(source, format!("an invalid header, `{}`", shorten(text.trim_end()))))?;
        let (element_type, big_endian) = element_type(&fields.description, source)?;
        let shape = checked_shape(&fields.shape, source)?;
        let fortran_order = fields.fortran_order && shape.iter().filter(|extent| **extent > 1).count() > 1;
        Ok(Header { element_type, big_endian, fortran_order, shape, data_start })
    }

    /// Number of bytes of the whole file. The claim of a header can be any number.
    pub fn length(&self) -> u128 {
        let size = self.element_type.size() as u128;
        let numbers = self.shape.iter().fold(size, |product, extent| product.saturating_mul(*extent as u128));
        numbers.saturating_add(u128::from(self.data_start))
    }

    /// The header for a file that is being written; always [`WRITTEN_LENGTH`] bytes. `row`: the
    /// shape of one row, at most two extents.
    pub fn written(element_type: ElementType, count: u64, row: &[usize]) -> Vec<u8> {
        let row: String = row.iter().map(|extent| format!(", {extent}")).collect();
        let text =
            format!("{{'descr': '{}', 'fortran_order': False, 'shape': ({count}{row}), }}", element_type.description());
        let mut bytes = Vec::with_capacity(WRITTEN_LENGTH);
        bytes.extend_from_slice(MAGIC);
        bytes.extend_from_slice(&[1, 0]);
        bytes.extend_from_slice(&((WRITTEN_LENGTH - 10) as u16).to_le_bytes());
        bytes.extend_from_slice(text.as_bytes());
        // Two numbers of 20 digits and a small one still leave space.
        bytes.resize(WRITTEN_LENGTH - 1, b' ');
        bytes.push(b'\n');
        bytes
    }
}

/// The text of the dictionary, and the offset after it.
fn read_text(file: &mut impl Read, source: &str) -> Result<(String, u64)> {
    let mut start = Vec::new();
    read_up_to(file, 8, &mut start, source)?;
    if start.is_empty() {
        return Err(not_npy(source, "an empty file".into()));
    }
    if start.len() < 8 || start[..6] != *MAGIC {
        read_up_to(file, lfs::START, &mut start, source)?;
        if let Some(refusal) = lfs::refusal(&start, source) {
            return Err(refusal);
        }
        return Err(not_npy(source, describe_start(&start[..start.len().min(8)]).into()));
    }
    let (version, length_bytes) = match start[6] {
        1 => (1, 2),
        version @ (2 | 3) => (version, 4),
        version => return Err(not_npy(source, format!("format version {version}.{}", start[7]))),
    };
    let mut length = Vec::new();
    read_up_to(file, length_bytes, &mut length, source)?;
    if length.len() < length_bytes {
        return Err(truncated(source));
    }
    let length = length.iter().rev().fold(0usize, |sum, byte| sum << 8 | usize::from(*byte));
    if length > LONGEST {
        return Err(not_npy(source, format!("a header that claims {length} bytes")));
    }
    let mut text = Vec::new();
    read_up_to(file, length, &mut text, source)?;
    if text.len() < length {
        return Err(truncated(source));
    }
    // Latin-1 before version 3, UTF-8 since then. Valid headers are ASCII in both cases.
    let text = if version < 3 {
        text.iter().map(|byte| char::from(*byte)).collect()
    } else {
        String::from_utf8_lossy(&text).into()
    };
    Ok((text, (8 + length_bytes + length) as u64))
}

fn read_up_to(file: &mut impl Read, most: usize, into: &mut Vec<u8>, source: &str) -> Result<()> {
    let read: io::Result<usize> = file.take(most as u64).read_to_end(into);
    read.map(|_| ()).map_err(|error| Error::io(source.as_ref(), "read", error))
}

/// Describes a file that is not a `.npy`, from its first bytes.
fn describe_start(start: &[u8]) -> &'static str {
    if start.starts_with(b"PK") {
        "a damaged zip archive"
    } else if start.starts_with(b"\x89HDF") {
        "an HDF5 file"
    } else if start.iter().all(|byte| matches!(byte, b'\t' | b'\n' | b'\r' | b' '..=b'~')) {
        "a text file"
    } else {
        "a file without the start of a .npy file"
    }
}

fn not_npy(source: &str, found: String) -> Error {
    Error::input(
        source,
        found,
        "a NumPy .npy or .npz file with one observation or code per row",
        "save the array with numpy.save(path, array)",
    )
}

fn truncated(source: &str) -> Error {
    Error::input(source, "a file that ends inside its header", "a complete .npy file", "copy or save the file again")
}

/// The three entries of the dictionary.
struct Fields {
    /// The type string without quotes, or the text of a structured type.
    description: Description,
    fortran_order: bool,
    shape: Vec<u64>,
}

enum Description {
    Plain(String),
    Structured(String),
}

impl Fields {
    fn parse(text: &str) -> Option<Fields> {
        let mut rest = text.trim().strip_prefix('{')?;
        let (mut description, mut fortran_order, mut shape) = (None, None, None);
        loop {
            rest = rest.trim_start();
            if rest.starts_with('}') {
                break;
            }
            let (key, after) = quoted(rest)?;
            let value = after.trim_start().strip_prefix(':')?.trim_start();
            rest = match key {
                "descr" => {
                    if let Some((name, after)) = quoted(value) {
                        description = Some(Description::Plain(name.to_owned()));
                        after
                    } else {
                        // A list of fields. It is refused anyway, so its end does not matter.
                        description = Some(Description::Structured(shorten(value)));
                        fortran_order.get_or_insert(false);
                        shape.get_or_insert(Vec::new());
                        break;
                    }
                }
                "fortran_order" => {
                    fortran_order = Some(value.starts_with("True"));
                    value.strip_prefix("True").or_else(|| value.strip_prefix("False"))?
                }
                "shape" => {
                    let (inside, after) = value.strip_prefix('(')?.split_once(')')?;
                    // Python 2 wrote an `L` after long integers.
                    let numbers = inside.split(',').map(|number| number.trim().trim_end_matches('L'));
                    shape = Some(
                        numbers
                            .filter(|number| !number.is_empty())
                            .map(|number| number.parse().ok())
                            .collect::<Option<_>>()?,
                    );
                    after
                }
                _ => return None,
            };
            rest = rest.trim_start();
            rest = rest.strip_prefix(',').unwrap_or(rest);
        }
        Some(Fields { description: description?, fortran_order: fortran_order?, shape: shape? })
    }
}

/// A quoted string at the start of `text`, and the text after it.
fn quoted(text: &str) -> Option<(&str, &str)> {
    let quote = text.chars().next().filter(|quote| matches!(quote, '\'' | '"'))?;
    text[1..].split_once(quote)
}

fn element_type(description: &Description, source: &str) -> Result<(ElementType, bool)> {
    const EXPECTED: &str = "floating-point numbers, integers or booleans";
    let refuse = |found: String, fix: &str| Err(Error::input(source, found, EXPECTED, fix));
    let name = match description {
        Description::Plain(name) => name.as_str(),
        Description::Structured(text) => {
            return refuse(
                format!("a structured type, {text}"),
                "save one numeric field, or numpy.lib.recfunctions.structured_to_unstructured(array)",
            );
        }
    };
    let (order, kind) = match name.chars().next() {
        Some(order @ ('<' | '>' | '|' | '=')) => (order, &name[1..]),
        _ => ('=', name),
    };
    if let Some(element_type) = ElementType::from_kind(kind) {
        return Ok((element_type, order == '>'));
    }
    match kind {
        "O" => refuse(
            format!("Python objects ({name}), which are never unpickled"),
            "make a rectangular array of numbers: numpy.stack(array).astype(numpy.float64)",
        ),
        "V2" => refuse(
            format!("elements of 2 bytes without a type ({name}), as bfloat16 numbers are saved"),
            "save array.astype(numpy.float32)",
        ),
        _ if kind.starts_with('c') => {
            refuse(format!("complex numbers ({name})"), "save the real part, array.real, if you mean that")
        }
        _ => refuse(format!("elements of type {name}"), "save array.astype(numpy.float64)"),
    }
}

/// The extents of an array that has rows of at least one number. There may be no rows: an empty
/// selection is inverted to an empty result.
fn checked_shape(shape: &[u64], source: &str) -> Result<Vec<usize>> {
    let refuse = |fix: &str| {
        let found = format!("an array of shape {}", show_shape(shape));
        Err(Error::input(source, found, "an array with one observation or code per row", fix))
    };
    if shape.is_empty() {
        return refuse("save array.reshape(1, 1)");
    }
    if shape.contains(&0) && (shape.len() == 1 || shape[1..].contains(&0)) {
        return refuse("save an array with at least one column, also where it has no rows");
    }
    match shape.iter().map(|extent| usize::try_from(*extent)).collect() {
        Ok(shape) => Ok(shape),
        Err(_) => refuse("the array is larger than this machine can address"),
    }
}

fn shorten(text: &str) -> String {
    const MOST: usize = 80;
    if text.chars().count() <= MOST { text.to_owned() } else { text.chars().take(MOST).collect::<String>() + " …" }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header(text: &str) -> Result<Header> {
        let mut bytes = b"\x93NUMPY\x01\x00".to_vec();
        bytes.extend_from_slice(&(text.len() as u16).to_le_bytes());
        bytes.extend_from_slice(text.as_bytes());
        Header::read(&mut bytes.as_slice(), "a.npy")
    }

    #[test]
    fn reads_what_it_writes() {
        let bytes = Header::written(ElementType::F32, u64::MAX, &[64, usize::MAX]);
        assert_eq!(bytes.len(), WRITTEN_LENGTH);
        let read = Header::read(&mut Header::written(ElementType::F32, 12, &[34]).as_slice(), "a.npy").unwrap();
        let expected = Header {
            element_type: ElementType::F32,
            big_endian: false,
            fortran_order: false,
            shape: vec![12, 34],
            data_start: 128,
        };
        assert_eq!(read, expected);
    }

    #[test]
    fn reads_other_writers_headers() {
        let read = header("{\"shape\": (3L, 4L), \"fortran_order\": False, \"descr\": \">f8\"}").unwrap();
        assert_eq!((&read.shape[..], read.big_endian), (&[3, 4][..], true));
        let fortran_order = |shape: &str| {
            header(&format!("{{'descr': '<f8', 'fortran_order': True, 'shape': {shape}, }}")).unwrap().fortran_order
        };
        assert!(fortran_order("(3, 4)") && fortran_order("(2, 1, 3)"));
        // One order is as good as the other.
        assert!(!fortran_order("(1, 4)") && !fortran_order("(4,)") && !fortran_order("(1, 1, 9)"));
    }

    #[test]
    fn refuses_with_the_repair() {
        let cases = [
            ("{'descr': '<f8', 'fortran_order': False, 'shape': (), }", "reshape(1, 1)"),
            ("{'descr': '<f8', 'fortran_order': False, 'shape': (4, 0), }", "at least one column"),
            ("{'descr': '<f8', 'fortran_order': False, 'shape': (0,), }", "at least one column"),
            ("{'descr': '|O', 'fortran_order': False, 'shape': (3, 4), }", "never unpickled"),
            ("{'descr': '<c16', 'fortran_order': False, 'shape': (3, 4), }", "array.real"),
            ("{'descr': '<f16', 'fortran_order': False, 'shape': (3, 4), }", "astype(numpy.float64)"),
            ("{'descr': '|V2', 'fortran_order': False, 'shape': (3, 4), }", "bfloat16"),
            ("{'descr': [('a', '<f4'), ('b', '<f4')], 'fortran_order': False, 'shape': (3,), }", "structured"),
            ("{'descr': '<f8', 'fortran_order': False, 'shape': (3, -4), }", "invalid header"),
            ("{'descr': '<f8', 'shape': (3, 4), }", "invalid header"),
            ("{'descr': '<f8', 'fortran_order': False, 'shape': (3, 4)", "invalid header"),
            ("((((((((((((", "invalid header"),
        ];
        for (text, repair) in cases {
            let message = header(text).unwrap_err().to_string();
            assert!(message.contains(repair), "{text}: {message}");
        }
    }
}
