//! The folder of a study. `settings.json` holds the settings of all its records, and is locked
//! while a study is open.

use std::fs::{self, File};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::Experiment;
use crate::error::{Error, Result};
use crate::formats::output::{OutputFile, lock};
use crate::network::Network;

const SETTINGS: &str = "settings.json";
/// Version of the records. Increase it when the runs or the columns of any experiment change, so
/// that old rows are not mixed with new ones.
const RECORDS: u32 = 3;

/// The settings that must be the same for all runs into a folder.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
pub struct Settings {
    unrelu: String,
    records: u32,
    quick: bool,
    seed: u64,
    network: String,
}

impl Settings {
    /// The settings of this program.
    pub fn new(quick: bool, seed: u64, trained: &Network) -> Self {
        let unrelu = env!("CARGO_PKG_VERSION").to_owned();
        Settings { unrelu, records: RECORDS, quick, seed, network: fingerprint(trained) }
    }

    fn text(&self) -> String {
        serde_json::to_string(self).unwrap_or_default()
    }
}

/// An open folder; no other study can open it.
#[derive(Debug)]
pub struct Folder {
    path: PathBuf,
    /// Keeps the lock.
    _settings: File,
}

impl Folder {
    /// Opens or creates the folder.
    ///
    /// # Errors
    /// [`Error::Input`] for a folder whose runs were made with other settings. [`Error::Output`]
    /// for a file, for a folder that holds files with an experiment's names but is not a study's,
    /// and for a folder that another study has open. [`Error::Io`] if reading or writing fails.
    pub fn open(path: &Path, settings: &Settings) -> Result<Self> {
        let refused =
            |found: &str, fix: &str| Error::Output { path: path.to_owned(), found: found.into(), fix: fix.into() };
        if path.exists() && !path.is_dir() {
            return Err(refused("is a file", "give the folder to write into with option `out`"));
        }
        fs::create_dir_all(path).map_err(|error| Error::io(path, "create the folder", error))?;
        let file = path.join(SETTINGS);
        if !file.exists() {
            if let Some(name) = stranger(path) {
                let found = format!("holds {name}, but no {SETTINGS}");
                return Err(refused(&found, "give another folder with option `out`: that file would be replaced"));
            }
            // Written completely or not at all.
            let mut output = OutputFile::create(&file, false)?;
            output.append((settings.text() + "\n").as_bytes())?;
            output.finish()?;
        }
        let opened = File::open(&file).map_err(|error| Error::io(&file, "open", error))?;
        lock(path, opened.try_lock())?;
        let text = fs::read_to_string(&file).map_err(|error| Error::io(&file, "read", error))?;
        if serde_json::from_str::<Settings>(&text).ok().as_ref() != Some(settings) {
            let fix = "give another folder with option `out`, or the same option `quick`, option `seed`, option `network` and version as before";
            let found = if text.trim().is_empty() { "nothing" } else { text.trim() };
            return Err(Error::input(file.display(), found, settings.text(), fix));
        }
        Ok(Folder { path: path.to_owned(), _settings: opened })
    }

    /// The path of a file in the folder.
    pub fn file(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }
}

/// A file that an experiment would overwrite.
fn stranger(folder: &Path) -> Option<String> {
    let names = Experiment::ALL
        .iter()
        .flat_map(|experiment| ["csv", "svg", "png", "txt"].map(|ending| format!("{experiment}.{ending}")));
    let mut names = names;
    names.find(|name| folder.join(name).exists())
}

/// A hash of the weights and of everything else that defines a network.
fn fingerprint(network: &Network) -> String {
    let mut hash = blake3::Hasher::new();
    for layer in network.layers() {
        hash.update(format!("{:?} {:?}", (layer.units(), layer.inputs()), layer.activation).as_bytes());
        layer.map().numbers().chain(layer.bias.iter()).for_each(|entry| {
            hash.update(&entry.to_le_bytes());
        });
    }
    hash.finalize().to_hex().as_str()[..16].to_owned()
}
