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
    let numbers = "expected floating-point numbers, integers or booleans";
    let cases = [
        ("three_dimensions.npy", "shape (2, 2, 3), 6 entries per row and 12 in all", "3 entries per row", "check that"),
        ("object.npy", "Python objects (|O)", numbers, "numpy.stack"),
        ("complex.npy", "complex numbers (<c16)", numbers, "array.real"),
        ("structured.npy", "structured type", numbers, "structured_to_unstructured"),
        ("no_columns.npy", "shape (3, 0)", "one observation or code per row", "at least one column"),
    ];
    for (file, found, expected, fix) in cases {
        let folder = Folder::with_network();
        folder.fixture(file);
        refused(&folder, file, &[found, expected, fix]);
    }
}

#[test]
fn a_transposed_array_is_named() {
    let folder = Folder::with_network();
    folder.write("codes.npy", npy("{'descr': '<f8', 'fortran_order': False, 'shape': (3, 5), }", &[0; 120]));
    refused(&folder, "codes.npy", &["shape (3, 5)", "its other dimension fits", "array.T"]);
}

#[test]
fn a_git_lfs_pointer_is_named_whatever_it_stands_for() {
    let folder = Folder::with_network();
    let pointer = format!("version https://git-lfs.github.com/spec/v1\noid sha256:{}\nsize 2612627\n", "0".repeat(64));
    let words = ["found a Git LFS pointer, not the file itself", "run git lfs pull"];
    for name in ["codes.npy", "codes.npz"] {
        folder.write(name, &pointer);
        refused(&folder, name, &words);
        folder.refuses(&["picture", name, "-o", "p.png"], &words);
    }
    for name in ["net.pth", "pointer.safetensors"] {
        folder.write(name, &pointer);
        folder.refuses(&["inspect", name, "--activation", "relu"], &words);
        folder.refuses(&["generate", name, "--count", "1", "-o", "o.npy"], &words);
    }
    folder.write("mask.npy", &pointer);
    folder.succeeds(&["generate", "net.safetensors", "--count", "2", "-o", "x.npy"]);
    folder.refuses(&["recover", "net.safetensors", "x.npy", "-o", "c.npy", "--mask", "mask.npy"], &words);
    folder.refuses(&["recover", "net.safetensors", "x.npy", "-o", "c.npy", "--operator", "mask.npy"], &words);
    folder.refuses(&["invert", "net.safetensors", "x.npy", "-o", "c.npy", "--truth", "mask.npy"], &words);
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
    refused(&folder, "archive.npy", &["a damaged zip archive"]);
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
