//! The types of the numbers in a `.npy` file, and their conversion to f64.

use super::pixels::PixelRange;

/// The element type of a file. Tolerances depend on it: f32 data are accurate only to about 1e-7.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum ElementType {
    /// 64-bit floating-point numbers.
    F64,
    /// 32-bit floating-point numbers.
    F32,
    /// 16-bit floating-point numbers.
    F16,
    /// Bytes. As observations they are pixels; see [`PixelRange`].
    U8,
    /// 8-bit integers.
    I8,
    /// 16-bit integers.
    I16,
    /// 16-bit integers without sign.
    U16,
    /// 32-bit integers.
    I32,
    /// 32-bit integers without sign.
    U32,
    /// 64-bit integers. Numbers that f64 does not hold exactly are refused.
    I64,
    /// 64-bit integers without sign. Numbers that f64 does not hold exactly are refused.
    U64,
    /// Booleans, read as 0 and 1.
    Bool,
}

/// The integers below this size are exact in f64.
const EXACT: u64 = 1 << f64::MANTISSA_DIGITS;

impl ElementType {
    /// Number of bytes per element.
    pub(crate) fn size(self) -> usize {
        use ElementType::*;
        match self {
            F64 | I64 | U64 => 8,
            F32 | I32 | U32 => 4,
            F16 | I16 | U16 => 2,
            U8 | I8 | Bool => 1,
        }
    }

    /// Whether the elements are integers. Booleans are not.
    pub(crate) fn is_integer(self) -> bool {
        use ElementType::*;
        matches!(self, U8 | I8 | I16 | U16 | I32 | U32 | I64 | U64)
    }

    /// The type string of NumPy, without the byte order.
    pub(crate) fn from_kind(kind: &str) -> Option<Self> {
        use ElementType::*;
        Some(match kind {
            "f8" | "d" => F64,
            "f4" | "f" => F32,
            "f2" | "e" => F16,
            "u1" | "B" => U8,
            "i1" | "b" => I8,
            "i2" | "h" => I16,
            "u2" | "H" => U16,
            "i4" => I32,
            "u4" => U32,
            "i8" => I64,
            "u8" => U64,
            "b1" | "?" => Bool,
            _ => return None,
        })
    }

    /// The type string of a file that is written.
    pub(super) fn description(self) -> &'static str {
        use ElementType::*;
        match self {
            F64 => "<f8",
            F32 => "<f4",
            F16 => "<f2",
            U8 => "|u1",
            I8 => "|i1",
            I16 => "<i2",
            U16 => "<u2",
            I32 => "<i4",
            U32 => "<u4",
            I64 => "<i8",
            U64 => "<u8",
            Bool => "|b1",
        }
    }

    /// The name in safetensors, for the tensors of a network.
    pub(crate) fn tensor_name(self) -> &'static str {
        use ElementType::*;
        match self {
            F64 => "F64",
            F32 => "F32",
            F16 => "F16",
            U8 => "U8",
            I8 => "I8",
            I16 => "I16",
            U16 => "U16",
            I32 => "I32",
            U32 => "U32",
            I64 => "I64",
            U64 => "U64",
            Bool => "BOOL",
        }
    }

    /// The name in NumPy, for messages.
    pub(crate) fn name(self) -> &'static str {
        use ElementType::*;
        match self {
            F64 => "float64",
            F32 => "float32",
            F16 => "float16",
            U8 => "uint8",
            I8 => "int8",
            I16 => "int16",
            U16 => "uint16",
            I32 => "int32",
            U32 => "uint32",
            I64 => "int64",
            U64 => "uint64",
            Bool => "bool",
        }
    }

    /// Converts complete elements to f64. `Err` is the index of an integer that f64 does not hold
    /// exactly, and its value.
    pub(crate) fn decode(
        self,
        bytes: &[u8],
        big_endian: bool,
        pixels: PixelRange,
    ) -> Result<Vec<f64>, (usize, String)> {
        use ElementType::*;
        let mut numbers = match self {
            F64 => each(bytes, big_endian, f64::from_le_bytes),
            F32 => each(bytes, big_endian, |chunk| f64::from(f32::from_le_bytes(chunk))),
            F16 => each(bytes, big_endian, |chunk| half::f16::from_le_bytes(chunk).to_f64()),
            I64 => {
                let number = |chunk| i64::from_le_bytes(chunk) as f64;
                let numbers = each(bytes, big_endian, number);
                refuse_inexact(&numbers)?;
                numbers
            }
            U64 => {
                let number = |chunk| u64::from_le_bytes(chunk) as f64;
                let numbers = each(bytes, big_endian, number);
                refuse_inexact(&numbers)?;
                numbers
            }
            I32 => each(bytes, big_endian, |chunk| f64::from(i32::from_le_bytes(chunk))),
            U32 => each(bytes, big_endian, |chunk| f64::from(u32::from_le_bytes(chunk))),
            I16 => each(bytes, big_endian, |chunk| f64::from(i16::from_le_bytes(chunk))),
            U16 => each(bytes, big_endian, |chunk| f64::from(u16::from_le_bytes(chunk))),
            I8 => each(bytes, false, |chunk| f64::from(i8::from_le_bytes(chunk))),
            U8 => each(bytes, false, |chunk: [u8; 1]| f64::from(chunk[0])),
            Bool => each(bytes, false, |chunk: [u8; 1]| f64::from(u8::from(chunk[0] != 0))),
        };
        if pixels != PixelRange::Unscaled {
            numbers.iter_mut().for_each(|number| *number = pixels.scaled(*number));
        }
        Ok(numbers)
    }
}

/// Converts complete elements of f32.
pub(super) fn decode_single(bytes: &[u8], big_endian: bool) -> Vec<f32> {
    each(bytes, big_endian, f32::from_le_bytes)
}

fn each<const SIZE: usize, T>(bytes: &[u8], big: bool, number: impl Fn([u8; SIZE]) -> T) -> Vec<T> {
    let chunks = bytes.as_chunks::<SIZE>().0.iter();
    let turned = |mut chunk: [u8; SIZE]| {
        if big {
            chunk.reverse();
        }
        number(chunk)
    };
    chunks.map(|chunk| turned(*chunk)).collect()
}

/// Refuses integers that may have been rounded.
fn refuse_inexact(numbers: &[f64]) -> Result<(), (usize, String)> {
    match numbers.iter().position(|number| number.abs() >= EXACT as f64) {
        None => Ok(()),
        Some(index) => Err((index, format!("{:.0}", numbers[index]))),
    }
}
