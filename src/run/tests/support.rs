//! A small run in a folder of its own.

use std::fs::{self, OpenOptions};
use std::io::{Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use nalgebra::DMatrix;
use tempfile::TempDir;

use crate::batch::{Inverter, Options};
use crate::device::DeviceChoice;
use crate::formats::npy::{ElementType, NpyReader, write_all};
use crate::network::{Activation, Network};
use crate::run::journal::Shard;
use crate::run::mask::Mask;
use crate::run::request::{FileRun, Journaling};

pub const COUNT: usize = 31;
pub const BATCH: usize = 2;
const CODE: usize = 2;

/// An inverter that all tests share.
pub fn inverter() -> &'static Inverter {
    static SHARED: OnceLock<Inverter> = OnceLock::new();
    SHARED.get_or_init(|| {
        let network = Network::random(&[CODE, 5, 9], Activation::Relu, 1).unwrap();
        Inverter::new(network, Options::default().device(DeviceChoice::Cpu).threads(Some(1))).unwrap()
    })
}

/// A folder with observations `x.npy`, their codes `truth.npy`, and masks `mask.npy`.
pub struct Small(TempDir);

impl Small {
    pub fn new() -> Self {
        let small = Small(tempfile::tempdir().unwrap());
        let codes = DMatrix::from_fn(CODE, COUNT, |row, column| 0.3 + 0.1 * (row * COUNT + column) as f64);
        let images = inverter().network().forward(&codes).unwrap();
        write_all(&small.path("x.npy"), &images, ElementType::F64, false).unwrap();
        write_all(&small.path("truth.npy"), &codes, ElementType::F64, false).unwrap();
        let masks = DMatrix::from_fn(images.nrows(), COUNT, |row, column| f64::from(u8::from(row != column % 3)));
        write_all(&small.path("mask.npy"), &masks, ElementType::F32, false).unwrap();
        small
    }

    pub fn folder(&self) -> &Path {
        self.0.path()
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder().join(name)
    }

    /// The files of the folder with their bytes, sorted by name.
    pub fn files(&self) -> Vec<(String, Vec<u8>)> {
        let entries = fs::read_dir(self.folder()).unwrap().map(|entry| entry.unwrap().path());
        let mut files: Vec<_> = entries
            .map(|path| (path.file_name().unwrap().to_string_lossy().into_owned(), fs::read(&path).unwrap()))
            .collect();
        files.sort();
        files
    }

    /// A run in batches of [`BATCH`] that writes `z.npy` and `r.csv`.
    pub fn run(&self, journaling: Journaling) -> crate::error::Result<FileRun> {
        Ok(FileRun {
            observations: NpyReader::open(&self.path("x.npy"))?,
            mask: Some(Mask::open(&self.path("mask.npy"), &[inverter().network().observation_length()])?),
            network: None,
            ignored_tensors: Vec::new(),
            other_inputs: Vec::new(),
            codes: self.path("z.npy"),
            report: Some(self.path("r.csv")),
            truth: Some(NpyReader::open(&self.path("truth.npy"))?),
            batch: BATCH,
            shard: Shard::WHOLE,
            force: false,
            journaling,
        })
    }
}

/// A new folder with the same files.
pub fn copy_of(small: &Small) -> Small {
    let copy = Small(tempfile::tempdir().unwrap());
    for (name, bytes) in small.files() {
        fs::write(copy.path(&name), bytes).unwrap();
    }
    copy
}

/// Overwrites the last byte of a file in place. For a mask of f32, 1 becomes another number.
pub fn overwrite(path: &Path) {
    let mut file = OpenOptions::new().write(true).open(path).unwrap();
    file.seek(SeekFrom::End(-1)).unwrap();
    file.write_all(&[0x3e]).unwrap();
}
