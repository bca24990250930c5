//! A fresh folder with a small network, and the checks that most tests share.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Output;

use assert_cmd::Command;
use tempfile::TempDir;

/// A folder of its own for a test.
pub struct Folder(TempDir);

impl Folder {
    pub fn empty() -> Self {
        Folder(tempfile::tempdir().unwrap())
    }

    /// With `net.safetensors`: 3 → 8 → 20, ReLU.
    pub fn with_network() -> Self {
        let folder = Self::empty();
        folder.succeeds(&["random-network", "3,8,20", "-o", "net.safetensors", "--seed", "1"]);
        folder
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    pub fn write(&self, name: &str, bytes: impl AsRef<[u8]>) {
        fs::write(self.path(name), bytes).unwrap();
    }

    pub fn bytes(&self, name: &str) -> Vec<u8> {
        fs::read(self.path(name)).unwrap()
    }

    /// Copies a file of `tests/fixtures` here.
    pub fn fixture(&self, name: &str) {
        fs::copy(fixtures().join(name), self.path(name)).unwrap();
    }

    /// The names of all files, sorted.
    pub fn names(&self) -> Vec<String> {
        let mut names: Vec<String> = fs::read_dir(self.0.path())
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }

    pub fn run(&self, arguments: &[&str]) -> Output {
        Command::cargo_bin("unrelu").unwrap().current_dir(self.0.path()).args(arguments).output().unwrap()
    }

    /// Runs the command, which must succeed, and returns its standard output.
    pub fn succeeds(&self, arguments: &[&str]) -> String {
        let output = self.run(arguments);
        assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    }

    /// Runs the command, which must fail with exit code 2, with all of `words` in its message, and
    /// without creating or changing a file.
    #[track_caller]
    pub fn refuses(&self, arguments: &[&str], words: &[&str]) {
        let before = self.names();
        let output = self.run(arguments);
        let message = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{arguments:?}: {message}");
        for word in words {
            assert!(message.contains(word), "{arguments:?}: no `{word}` in {message}");
        }
        assert!(!message.contains("panicked"), "{message}");
        assert_eq!(self.names(), before, "{arguments:?} left something behind");
    }
}

pub fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures")
}

/// A `.npy` of f64 with any header dictionary and any data.
pub fn npy(header: &str, data: &[u8]) -> Vec<u8> {
    let mut bytes = b"\x93NUMPY\x01\x00".to_vec();
    bytes.extend_from_slice(&(header.len() as u16).to_le_bytes());
    bytes.extend_from_slice(header.as_bytes());
    bytes.extend_from_slice(data);
    bytes
}
