//! Files as people have them: each is read as the numbers that it holds, or refused with its name,
//! the cause and a fix.

use std::cell::Cell;

use nalgebra::DMatrix;
use proptest::prelude::*;
use unrelu::{ElementType, read_npy, write_npy};

use crate::folder::{Folder, npy};
use crate::trial::check;

/// Number of outputs of the network, as an image of 4 × 5.
const N: usize = 20;
/// Number of observations.
const COUNT: usize = 3;
/// Number of rows of the operator.
const M: usize = 9;

/// The files of arrays.
const ARRAYS: [&str; 3] = ["x.npy", "A.npy", "m.npy"];

/// A file of the command, and what is done to it.
#[derive(Debug, Clone)]
struct Change {
    file: &'static str,
    kind: Kind,
    at: prop::sample::Index,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Kind {
    // The same numbers in another form.
    Fortran,
    BigEndian,
    Single,
    Images,
    // No numbers of this command.
    LfsPointer,
    Empty,
    Truncated,
    Transposed,
    OtherWidth,
    Strings,
    NotFinite(f64),
    NoMask(f64),
}

use Kind::*;

impl Kind {
    /// Whether the file is still read; otherwise, what the refusal says of the cause.
    fn cause(self, file: &str) -> Option<&'static str> {
        Some(match self {
            Fortran | BigEndian | Single | Images => return None,
            LfsPointer => "a Git LFS pointer",
            Empty => "",
            Truncated => "",
            Transposed if file == "m.npy" => return None,
            Transposed => "its other dimension fits",
            OtherWidth => "19",
            Strings => "<U4",
            NotFinite(bad) if bad.is_nan() => "NaN in the operator at [",
            NotFinite(_) => "inf in the operator at [",
            NoMask(_) => "in mask 0 at entry",
        })
    }
}

fn changes() -> impl Strategy<Value = Change> {
    let arrays = proptest::sample::select(&ARRAYS[..]);
    let kinds = proptest::sample::select(vec![
        Fortran, BigEndian, Single, Images, LfsPointer, Empty, Truncated, Transposed, OtherWidth, Strings,
    ]);
    let files = prop_oneof![
        6 => (arrays, kinds),
        1 => Just(("A.npy", NotFinite(f64::NAN))),
        1 => Just(("A.npy", NotFinite(f64::NEG_INFINITY))),
        1 => prop_oneof![Just(0.5), Just(2.0), Just(-1.0)].prop_map(|x| ("m.npy", NoMask(x))),
        1 => proptest::sample::select(vec![LfsPointer, Empty, Truncated]).prop_map(|kind| ("net.safetensors", kind)),
    ];
    // An operator has no images.
    let files = files.prop_filter("an operator is a matrix", |(file, kind)| *file != "A.npy" || *kind != Images);
    (files, any::<prop::sample::Index>()).prop_map(|((file, kind), at)| Change { file, kind, at })
}

/// An array in this form.
fn array(rows: usize, columns: usize, numbers: &[f64], kind: Kind) -> Vec<u8> {
    let fortran = kind == Fortran;
    let sorted: Vec<f64> = match kind {
        Fortran => (0..columns).flat_map(|j| (0..rows).map(move |i| numbers[i * columns + j])).collect(),
        Transposed => (0..columns).flat_map(|j| (0..rows).map(move |i| numbers[i * columns + j])).collect(),
        OtherWidth => numbers.chunks(columns).flat_map(|row| row[1..].to_vec()).collect(),
        _ => numbers.to_vec(),
    };
    let shape = match kind {
        Images => format!("({rows}, 1, 4, {})", columns / 4),
        Transposed => format!("({columns}, {rows})"),
        OtherWidth => format!("({rows}, {})", columns - 1),
        _ => format!("({rows}, {columns})"),
    };
    let (descr, bytes): (&str, Vec<u8>) = match kind {
        BigEndian => (">f8", sorted.iter().flat_map(|x| x.to_be_bytes()).collect()),
        Single => ("<f4", sorted.iter().flat_map(|x| (*x as f32).to_le_bytes()).collect()),
        Strings => ("<U4", vec![0; 16 * sorted.len()]),
        _ => ("<f8", sorted.iter().flat_map(|x| x.to_le_bytes()).collect()),
    };
    let order = if fortran { "True" } else { "False" };
    npy(&format!("{{'descr': '{descr}', 'fortran_order': {order}, 'shape': {shape}, }}"), &bytes)
}

/// The command that reads the file.
fn command(file: &str) -> Vec<&'static str> {
    let usual = ["--device", "cpu", "-o", "c.npy", "--force"];
    let start: &[&str] = match file {
        "A.npy" => &["recover", "net.safetensors", "y.npy", "--operator", "A.npy"],
        "m.npy" => &["recover", "net.safetensors", "x.npy", "--mask", "m.npy"],
        _ => &["invert", "net.safetensors", "x.npy"],
    };
    [start, &usual].concat()
}

struct Inputs {
    folder: Folder,
    codes: [DMatrix<f64>; 3],
    x: Vec<f64>,
    a: Vec<f64>,
}

/// Files that are all right, and their codes by each command.
fn inputs() -> Inputs {
    let folder = Folder::empty();
    folder.succeeds(&["random-network", "2,8,20", "-o", "net.safetensors", "--seed", "1"]);
    folder.succeeds(&["generate", "net.safetensors", "--count", "3", "--seed", "2", "-o", "x.npy"]);
    // Numbers that f32 holds exactly.
    let x = read_npy(folder.path("x.npy")).unwrap().map(|x| f64::from(x as f32));
    let operator = DMatrix::from_fn(M, N, |i, j| f64::from((i * 7 + j * 5) as i32 % 11 - 5) / 4.0);
    write_npy(folder.path("y.npy"), &(&operator * &x), ElementType::F64, true).unwrap();
    let (x, a) = (x.as_slice().to_vec(), operator.transpose().as_slice().to_vec());
    folder.write("x.npy", array(COUNT, N, &x, BigEndian));
    folder.write("A.npy", array(M, N, &a, BigEndian));
    folder.write("m.npy", array(1, N, &[1.0; N], BigEndian));
    let codes = ARRAYS.map(|file| {
        let output = folder.run(&command(file));
        assert!(matches!(output.status.code(), Some(0 | 3)), "{}", String::from_utf8_lossy(&output.stderr));
        read_npy(folder.path("c.npy")).unwrap()
    });
    Inputs { folder, codes, x, a }
}

#[test]
fn changed_files_are_read_right_or_refused_with_cause_and_fix() {
    let Inputs { folder, codes, x, a } = inputs();
    let (read, refused) = (Cell::new(0), Cell::new(0));
    check(150, changes(), |Change { file, kind, at }| {
        let before = folder.bytes(file);
        let (rows, columns, mut numbers) = match file {
            "x.npy" => (COUNT, N, x.clone()),
            "A.npy" => (M, N, a.clone()),
            _ => (1, N, vec![1.0; N]),
        };
        if let NotFinite(bad) | NoMask(bad) = kind {
            let at = at.index(numbers.len());
            numbers[at] = bad;
        }
        let pointer = "version https://git-lfs.github.com/spec/v1\noid sha256:0123\nsize 12\n";
        folder.write(
            file,
            match kind {
                LfsPointer => pointer.as_bytes().to_vec(),
                Empty => Vec::new(),
                Truncated => before[..at.index(before.len() - 1) + 1].to_vec(),
                _ => array(rows, columns, &numbers, kind),
            },
        );
        let _ = std::fs::remove_file(folder.path("c.npy"));
        let output = folder.run(&command(file));
        let said = String::from_utf8(output.stderr).unwrap();
        let found = read_npy(folder.path("c.npy"));
        folder.write(file, before);
        match kind.cause(file) {
            None => {
                prop_assert!(matches!(output.status.code(), Some(0 | 3)), "{said}");
                let error = (found.unwrap() - &codes[ARRAYS.iter().position(|array| *array == file).unwrap()]).amax();
                prop_assert!(error < 1e-5, "codes differ by {error}: {said}");
                read.set(read.get() + 1);
            }
            Some(cause) => {
                prop_assert_eq!(output.status.code(), Some(2), "{}", said);
                let refusal = said.lines().find(|line| line.starts_with("error: ")).unwrap_or_default();
                let rest = refusal.strip_prefix(&format!("error: {file}: found ")).unwrap_or_default();
                let (what, rest) = rest.split_once("; expected ").unwrap_or_default();
                let (expected, fix) = rest.split_once("; ").unwrap_or_default();
                prop_assert!(
                    refusal.contains(cause) && !what.is_empty() && !expected.is_empty() && fix.len() > 8,
                    "{cause}: {said}"
                );
                prop_assert!(found.is_err(), "an output was written");
                refused.set(refused.get() + 1);
            }
        }
        Ok(())
    });
    assert!(read.get() >= 25 && refused.get() >= 60, "{} read, {} refused", read.get(), refused.get());
}
