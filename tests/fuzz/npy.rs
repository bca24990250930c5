//! An array file: as observations, as a mask, and written again.

use std::fs;

use nalgebra::DMatrix;
use unrelu::internals::formats::npy::NpyReader;
use unrelu::internals::run::mask::Mask;
use unrelu::{ElementType, read_npy, write_npy};

use crate::memory::bounded;

/// Whether the input is accepted.
pub fn check(bytes: &[u8]) -> bool {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.npy");
    fs::write(&path, bytes).unwrap();
    if bytes.starts_with(b"PK") {
        return archive(&path);
    }
    let reader = match bounded(bytes.len(), || NpyReader::open(&path)) {
        Ok(reader) => reader,
        Err(error) => {
            assert!(error.to_string().contains("a.npy"), "{error}");
            assert!(read_npy(&path).is_err() && Mask::open(&path, &[1]).is_err());
            return false;
        }
    };
    let Ok(all) = bounded(bytes.len(), || read_npy(&path)) else {
        // An integer that f64 does not hold.
        assert!(matches!(reader.element_type(), ElementType::I64 | ElementType::U64));
        return false;
    };
    assert_eq!(all.shape(), (reader.width(), reader.count()));
    // Whatever the header claims, the numbers are in the file.
    assert!(all.len() * size(reader.element_type()) <= bytes.len());
    in_batches(reader, &all);
    as_mask(&path, &all);
    for element_type in [ElementType::F64, ElementType::F32] {
        let written = folder.path().join("written.npy");
        write_npy(&written, &all, element_type, true).unwrap();
        let expected = if element_type == ElementType::F32 { all.map(|x| f64::from(x as f32)) } else { all.clone() };
        assert!(same(&read_npy(&written).unwrap(), &expected), "{element_type:?} comes back changed");
        assert_eq!(fs::metadata(&written).unwrap().len() as usize, 128 + all.len() * size(element_type));
    }
    true
}

fn size(element_type: ElementType) -> usize {
    match element_type {
        ElementType::F64 | ElementType::I64 | ElementType::U64 => 8,
        ElementType::F32 | ElementType::I32 | ElementType::U32 => 4,
        ElementType::F16 | ElementType::I16 | ElementType::U16 => 2,
        _ => 1,
    }
}

/// An archive: an array, whose numbers may be more than its bytes, or refused by name.
fn archive(path: &std::path::Path) -> bool {
    match NpyReader::open(path) {
        Ok(mut reader) => {
            let _ = reader.read_batch(1);
            true
        }
        Err(error) => {
            assert!(error.to_string().contains("a.npy"), "{error}");
            false
        }
    }
}

/// The same numbers, with every NaN equal to every other.
fn same(a: &DMatrix<f64>, b: &DMatrix<f64>) -> bool {
    let is_same = |(a, b): (&f64, &f64)| a.to_bits() == b.to_bits() || (a.is_nan() && b.is_nan());
    a.shape() == b.shape() && a.iter().zip(b).all(is_same)
}

/// Batches of any size, pinned or not, have the rows of the whole.
fn in_batches(mut reader: NpyReader, all: &DMatrix<f64>) {
    for pinned in [false, true] {
        if pinned {
            reader.skip_to(0).unwrap();
            reader.pin(4).unwrap();
        }
        let first = reader.count() / 2;
        for (first, most) in [(0, 3), (first, 5)] {
            reader.skip_to(first).unwrap();
            let mut seen = first;
            while let Some(rows) = reader.read_batch(most).unwrap() {
                assert!((1..=most).contains(&rows.ncols()));
                assert!(same(&rows, &all.columns(seen, rows.ncols()).into_owned()));
                seen += rows.ncols();
                assert_eq!(reader.position(), seen);
            }
            assert_eq!(seen, reader.count());
        }
        assert!(reader.skip_to(reader.count() + 1).is_err());
    }
}

/// An accepted mask hides the entries that are zero, and no other.
fn as_mask(path: &std::path::Path, all: &DMatrix<f64>) {
    let observations = NpyReader::open(path).unwrap();
    let Ok(mut mask) = Mask::open(path, &[observations.width()]) else { return };
    let checked = mask.check(&observations);
    let mut hidden = DMatrix::<f64>::from_element(all.nrows(), all.ncols(), 1.0);
    let outcome = mask.hide(&mut hidden);
    if checked.is_ok() {
        outcome.unwrap();
        assert!(hidden.iter().zip(all).all(|(x, mask)| x.is_nan() == (*mask == 0.0)));
        assert!(hidden.iter().any(|x| !x.is_nan()), "the mask hides everything");
    }
}
