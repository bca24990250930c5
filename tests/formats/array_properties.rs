//! One and the same numbers in files of every type, order, shape and container give the same
//! observations, or are refused by name.

use std::io::{Cursor, Write};
use std::path::Path;

use unrelu::internals::formats::npy::NpyReader;
use unrelu::{Activation, Network, PixelRange, read_observations};
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipWriter};

const CASES: u64 = 2_000;

/// Random numbers by xorshift.
struct Draws(u64);

impl Draws {
    fn below(&mut self, most: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 20) as usize % most
    }

    fn one_of<T: Clone>(&mut self, all: &[T]) -> T {
        all[self.below(all.len())].clone()
    }
}

/// A type of NumPy, and its bytes for a small number, little-endian.
type Kind = (&'static str, fn(u8) -> Vec<u8>);

const KINDS: [Kind; 11] = [
    ("f8", |x| f64::from(x).to_le_bytes().to_vec()),
    ("f4", |x| f32::from(x).to_le_bytes().to_vec()),
    ("f2", |x| half::f16::from(x).to_le_bytes().to_vec()),
    ("u1", |x| vec![x]),
    ("i1", |x| vec![x]),
    ("i2", |x| i16::from(x).to_le_bytes().to_vec()),
    ("u2", |x| u16::from(x).to_le_bytes().to_vec()),
    ("i4", |x| i32::from(x).to_le_bytes().to_vec()),
    ("u4", |x| u32::from(x).to_le_bytes().to_vec()),
    ("i8", |x| i64::from(x).to_le_bytes().to_vec()),
    ("u8", |x| u64::from(x).to_le_bytes().to_vec()),
];

/// The numbers of an array in column-major order.
fn column_major(numbers: &[u8], shape: &[usize]) -> Vec<u8> {
    let mut sorted = Vec::new();
    let mut index = vec![0; shape.len()];
    for _ in numbers {
        sorted.push(numbers[index.iter().zip(shape).fold(0, |place, (index, extent)| place * extent + index)]);
        for (index, extent) in index.iter_mut().zip(shape) {
            *index = (*index + 1) % extent;
            if *index > 0 {
                break;
            }
        }
    }
    sorted
}

fn npy(numbers: &[u8], shape: &[usize], (kind, bytes): Kind, big_endian: bool, fortran: bool) -> Vec<u8> {
    let order = if kind.ends_with('1') {
        '|'
    } else if big_endian {
        '>'
    } else {
        '<'
    };
    let extents: String = shape.iter().map(|extent| format!("{extent},")).collect();
    let fortran_order = if fortran { "True" } else { "False" };
    let header = format!("{{'descr': '{order}{kind}', 'fortran_order': {fortran_order}, 'shape': ({extents}), }}");
    let mut file = b"\x93NUMPY\x01\x00".to_vec();
    file.extend((header.len() as u16).to_le_bytes());
    file.extend(header.as_bytes());
    for x in if fortran { column_major(numbers, shape) } else { numbers.to_vec() } {
        let mut number = bytes(x);
        if order == '>' {
            number.reverse();
        }
        file.extend(number);
    }
    file
}

fn archive(arrays: &[Vec<u8>], method: CompressionMethod) -> Vec<u8> {
    let mut archive = ZipWriter::new(Cursor::new(Vec::new()));
    for (index, array) in arrays.iter().enumerate() {
        let options = SimpleFileOptions::default().compression_method(method);
        archive.start_file(format!("arr_{index}.npy"), options).unwrap();
        archive.write_all(array).unwrap();
    }
    archive.finish().unwrap().into_inner()
}

fn read(path: &Path, network: &Network) -> unrelu::Result<nalgebra::DMatrix<f64>> {
    read_observations(path, network, Some(PixelRange::Unscaled))
}

/// Batches of a pinned file have the same rows, from any place on.
fn in_pinned_batches(path: &Path, all: &nalgebra::DMatrix<f64>, what: &str) {
    let mut reader = NpyReader::open(path).unwrap();
    reader.fit(all.nrows(), "one per output").unwrap();
    reader.set_pixels(PixelRange::Unscaled);
    reader.pin(2).unwrap();
    for first in [all.ncols() / 2, 0] {
        reader.skip_to(first).unwrap();
        let mut seen = first;
        while let Some(rows) = reader.read_batch(3).unwrap() {
            assert_eq!(rows, all.columns(seen, rows.ncols()), "{what}, from row {first}");
            seen += rows.ncols();
        }
        assert_eq!(seen, all.ncols(), "{what}");
    }
}

#[test]
fn the_same_numbers_in_every_file() {
    let folder = tempfile::tempdir().unwrap();
    let mut draws = Draws(0x9e37_79b9_7f4a_7c15);
    let mut accepted = 0;
    for case in 0..CASES {
        let (count, channels, height, width) =
            (1 + draws.below(4), 1 + draws.below(2), 1 + draws.below(4), 1 + draws.below(4));
        let n = channels * height * width;
        let network = Network::random(&[1, n], Activation::Relu, 1).unwrap();
        let numbers: Vec<u8> = (0..count * n).map(|_| draws.below(120) as u8).collect();
        let mut shapes =
            vec![vec![count, n], vec![count, height, channels * width], vec![count, channels, height, width]];
        if count == 1 {
            shapes.extend([vec![n], vec![channels * height, width]]);
        }
        // Rows of another length, which no reading fits.
        let wrong = count > 1 && n > 1 && count != n && draws.below(6) == 0;
        let shape = if wrong { vec![n, count] } else { draws.one_of(&shapes) };
        let (kind, big_endian, fortran) = (draws.one_of(&KINDS), draws.below(2) == 0, draws.below(2) == 0);
        let array = npy(&numbers, &shape, kind, big_endian, fortran);
        let container = draws.below(4);
        let two = container == 3 && draws.below(4) == 0;
        let bytes = match container {
            0 | 1 => array,
            2 => archive(&[array], CompressionMethod::Stored),
            _ if two => archive(&[array.clone(), array], CompressionMethod::Deflated),
            _ => archive(&[array], CompressionMethod::Deflated),
        };
        let path = folder.path().join("x.npy");
        std::fs::write(&path, bytes).unwrap();
        let what = format!("case {case}: {}, shape {shape:?}, Fortran {fortran}, container {container}", kind.0);
        match read(&path, &network) {
            Ok(read) => {
                assert!(!wrong && !two, "{what}");
                assert_eq!(read.shape(), (n, count), "{what}");
                assert!(read.iter().zip(&numbers).all(|(read, number)| *read == f64::from(*number)), "{what}");
                in_pinned_batches(&path, &read, &what);
                accepted += 1;
            }
            Err(error) => {
                let message = error.to_string();
                assert!(wrong || two, "{what}: {message}");
                let reason = if two { "2 arrays, `arr_0`, `arr_1`" } else { "its other dimension fits" };
                assert!(message.contains("x.npy") && message.contains(reason), "{what}: {message}");
            }
        }
    }
    assert!(accepted > CASES * 6 / 10, "only {accepted} of {CASES} were readable");
}

#[test]
fn damaged_archives_and_inexact_integers_are_refused_by_name() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x.npz");
    let network = Network::random(&[1, 4], Activation::Relu, 1).unwrap();
    let numbers: Vec<u8> = (0..40).collect();
    for method in [CompressionMethod::Stored, CompressionMethod::Deflated] {
        let mut bytes = archive(&[npy(&numbers, &[10, 4], KINDS[0], false, false)], method);
        bytes[150] ^= 0x55;
        std::fs::write(&path, &bytes).unwrap();
        let message = read(&path, &network).unwrap_err().to_string();
        assert!(message.contains("x.npz") && message.contains("damaged zip archive"), "{method:?}: {message}");
    }
    std::fs::write(&path, archive(&[], CompressionMethod::Stored)).unwrap();
    assert!(read(&path, &network).unwrap_err().to_string().contains("without arrays"));
    let large: Kind = ("i8", |x| (i64::from(x) + (1 << 53)).to_le_bytes().to_vec());
    std::fs::write(&path, npy(&numbers, &[10, 4], large, false, false)).unwrap();
    let message = read(&path, &network).unwrap_err().to_string();
    assert!(message.contains("9007199254740992 in row 0 at entry 0"), "{message}");
}
