//! `.npy` files of NumPy. `array` is the array that the script saved:
//! `arange(12).reshape(4, 3) / 8 − 0.5`.

use nalgebra::DMatrix;
use unrelu::internals::formats::npy::NpyReader;
use unrelu::{ElementType, Observations, PixelRange, read_npy as read_all};

use crate::fixture;

fn array() -> DMatrix<f64> {
    DMatrix::from_fn(3, 4, |entry, row| (row * 3 + entry) as f64 / 8.0 - 0.5)
}

#[test]
fn one_row_of_the_file_is_a_column() {
    for file in ["f64.npy", "f32.npy", "big_endian.npy", "big_endian_f32.npy", "version2.npy"] {
        assert_eq!(read_all(fixture(file)).unwrap(), array(), "{file}");
    }
    assert_eq!(read_all(fixture("fortran.npy")).unwrap(), array());
    assert_eq!(read_all(fixture("fortran_row.npy")).unwrap(), array().columns(0, 1));
    assert_eq!(read_all(fixture("one_dimension.npy")).unwrap(), array().columns(0, 1));
    // The same numbers in rows of two.
    assert_eq!(read_all(fixture("three_dimensions.npy")).unwrap().as_slice(), array().as_slice());
    assert_eq!(read_all(fixture("integers.npy")).unwrap(), array().map(f64::trunc));
}

/// f32 is not widened, and gives the same numbers.
#[test]
fn observations_have_the_precision_of_the_file() {
    for file in ["f64.npy", "f32.npy", "big_endian.npy", "big_endian_f32.npy", "fortran.npy", "integers.npy", "u8.npy"]
    {
        let mut reader = NpyReader::open(&fixture(file)).unwrap();
        let is_single = reader.element_type() == ElementType::F32;
        let first = reader.read_observations(1).unwrap().unwrap();
        let rest = reader.read_observations(9).unwrap().unwrap();
        let expected = read_all(fixture(file)).unwrap();
        for (found, expected) in [(first, expected.columns(0, 1)), (rest, expected.columns_range(1..))] {
            match found {
                Observations::Single(found) => assert!(is_single && found.map(f64::from) == expected, "{file}"),
                Observations::Double(found) => assert!(!is_single && found == expected, "{file}"),
            }
        }
    }
    // Pixels in f32 are scaled in f64.
    let mut reader = NpyReader::open(&fixture("f32.npy")).unwrap();
    reader.set_pixels(PixelRange::Unit);
    assert!(matches!(reader.read_observations(9).unwrap(), Some(Observations::Double(_))));
}

#[test]
fn element_types_are_told() {
    let element_type = |file| NpyReader::open(&fixture(file)).unwrap().element_type();
    assert_eq!(element_type("f64.npy"), ElementType::F64);
    assert_eq!(element_type("big_endian_f32.npy"), ElementType::F32);
    assert_eq!(element_type("u8.npy"), ElementType::U8);
}

#[test]
fn bytes_are_scaled() {
    let expected = DMatrix::from_column_slice(3, 2, &[0.0, 0.2, 1.0, 1.0 / 255.0, 0.4, 254.0 / 255.0]);
    assert_eq!(read_all(fixture("u8.npy")).unwrap(), expected);
}

#[test]
fn batches_end_where_the_file_ends() {
    let mut reader = NpyReader::open(&fixture("big_endian.npy")).unwrap();
    assert_eq!(reader.read_batch(3).unwrap().unwrap(), array().columns(0, 3));
    assert_eq!(reader.read_batch(3).unwrap().unwrap(), array().columns(3, 1));
    assert_eq!(reader.read_batch(3).unwrap(), None);
    reader.skip_to(2).unwrap();
    assert_eq!(reader.position(), 2);
    assert_eq!(reader.read_batch(usize::MAX).unwrap().unwrap(), array().columns(2, 2));
}
