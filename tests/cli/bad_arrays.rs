//! Arrays that are not codes: each is rejected by name, with what was found, what was expected and
//! the fix.

use crate::folder::{Folder, fixtures, npy};

/// Requests observations of `file`, which must be rejected.
#[track_caller]
fn refused(folder: &Folder, file: &str, words: &[&str]) {
    let mut all = vec![file];
    all.extend(words);
    folder.refuses(&["generate", "net.safetensors", file, "-o", "out.npy"], &all);
}

#[test]
fn wrong_width() {
    let folder = Folder::with_network();
    folder.write("codes.npy", npy("{'descr': '<f8', 'fortran_order': False, 'shape': (1, 5), }", &[0; 40]));
    refused(&folder, "codes.npy", &["5 entries per row", "expected 3 entries per row", "check that file and network"]);
}

#[test]
fn types_and_dimensions() {
    let cases = [
        ("three_dimensions.npy", "shape (2, 2, 3)", "expected two dimensions", "array.reshape(len(array), -1)"),
        ("one_dimension.npy", "shape (3,)", "expected two dimensions", "array.reshape(1, -1)"),
        ("object.npy", "Python objects (|O)", "expected 64-bit or 32-bit", "numpy.stack"),
        ("complex.npy", "complex numbers (<c16)", "expected 64-bit or 32-bit", "array.real"),
        ("integers.npy", "elements of type <i8", "expected 64-bit or 32-bit", "array.astype(numpy.float64)"),
        ("structured.npy", "structured type", "expected 64-bit or 32-bit", "structured_to_unstructured"),
        ("fortran.npy", "Fortran", "expected C (row-major) order", "numpy.ascontiguousarray"),
        ("no_rows.npy", "shape (0, 3)", "expected two dimensions", "at least one row"),
    ];
    for (file, found, expected, fix) in cases {
        let folder = Folder::with_network();
        folder.fixture(file);
        refused(&folder, file, &[found, expected, fix]);
    }
}

#[test]
fn truncated_anywhere() {
    let whole = std::fs::read(fixtures().join("f64.npy")).unwrap();
    for length in [1, 7, 9, 60, whole.len() - 1] {
        let folder = Folder::with_network();
        folder.write("codes.npy", &whole[..length]);
        refused(&folder, "codes.npy", &["found", "expected"]);
    }
    let folder = Folder::with_network();
    folder.write("codes.npy", &whole[..200]);
    refused(&folder, "codes.npy", &["200 bytes", "expected 224 bytes", "truncated"]);
    folder.write("codes.npy", [&whole[..], b"more"].concat());
    refused(&folder, "codes.npy", &["228 bytes", "expected 224 bytes", "appended"]);
}

#[test]
fn no_array_at_all() {
    let folder = Folder::with_network();
    folder.write("empty.npy", b"");
    refused(&folder, "empty.npy", &["an empty file", "numpy.save"]);
    folder.write("text.npy", b"0.1, 0.2, 0.3\n");
    refused(&folder, "text.npy", &["a text file", "numpy.save"]);
    folder.write("archive.npy", b"PK\x03\x04 and so on");
    refused(&folder, "archive.npy", &["a zip archive"]);
    folder.write("future.npy", b"\x93NUMPY\x09\x00");
    refused(&folder, "future.npy", &["version 9.0"]);
    refused(&folder, "missing.npy", &["could not read"]);
    std::fs::create_dir(folder.path("directory.npy")).unwrap();
    refused(&folder, "directory.npy", &["could not read"]);
}

#[test]
fn headers_that_claim_the_impossible() {
    let folder = Folder::with_network();
    let huge = "{'descr': '<f8', 'fortran_order': False, 'shape': (18446744073709551615, 18446744073709551615), }";
    folder.write("huge.npy", npy(huge, &[0; 24]));
    refused(&folder, "huge.npy", &["found", "truncated"]);
    folder.write("deep.npy", npy(&"(".repeat(60_000), b""));
    refused(&folder, "deep.npy", &["invalid header"]);
    folder.write("long.npy", b"\x93NUMPY\x02\x00\xff\xff\xff\xff{");
    refused(&folder, "long.npy", &["claims 4294967295 bytes"]);
}
