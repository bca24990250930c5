//! Checkpoints with names of every length, with the zip64 records that PyTorch writes.

use std::io::{Cursor, Read, Write};

use unrelu::{Activation, NetworkOptions, load_network};
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipArchive, ZipWriter};

use crate::fixture;

/// The checkpoint with entries named after `stem`, as PyTorch writes it.
fn renamed(checkpoint: &[u8], stem: &str) -> Vec<u8> {
    let mut archive = ZipArchive::new(Cursor::new(checkpoint)).unwrap();
    let mut writer = ZipWriter::new(Cursor::new(Vec::new()));
    for index in 0..archive.len() {
        let mut entry = archive.by_index(index).unwrap();
        let name = entry.name().unwrap().split_once('/').unwrap().1.to_owned();
        let mut bytes = Vec::new();
        entry.read_to_end(&mut bytes).unwrap();
        let stored = SimpleFileOptions::default().compression_method(CompressionMethod::Stored);
        writer.start_file(format!("{stem}/{name}"), stored).unwrap();
        writer.write_all(&bytes).unwrap();
    }
    let mut bytes = writer.finish().unwrap().into_inner();
    let end = bytes.split_off(bytes.len() - 22);
    let number = |at: usize| u64::from(u32::from_le_bytes(end[at..at + 4].try_into().unwrap()));
    let (count, size, start) = (archive.len() as u64, number(12), number(16));
    let records_at = bytes.len() as u64;
    bytes.extend(b"PK\x06\x06");
    bytes.extend(44u64.to_le_bytes());
    bytes.extend([45, 0, 45, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
    [count, count, size, start].iter().for_each(|number| bytes.extend(number.to_le_bytes()));
    bytes.extend(b"PK\x06\x07\0\0\0\0");
    bytes.extend(records_at.to_le_bytes());
    bytes.extend(1u32.to_le_bytes());
    bytes.extend(end);
    bytes
}

#[test]
fn checkpoints_are_read_whatever_the_length_of_their_name() {
    let checkpoint = std::fs::read(fixture("vae_zip.pth")).unwrap();
    let layers = Some(vec!["fc3".to_owned(), "fc4".to_owned()]);
    let options = NetworkOptions::default().activation(Some(Activation::Relu)).layers(layers);
    let expected = load_network(&fixture("vae_zip.pth"), &options).unwrap();
    let folder = tempfile::tempdir().unwrap();
    for length in 1..60 {
        let path = folder.path().join("net.pth");
        std::fs::write(&path, renamed(&checkpoint, &"n".repeat(length))).unwrap();
        let network = load_network(&path, &options).unwrap_or_else(|error| panic!("{length}: {error}"));
        assert_eq!(network, expected, "{length}");
    }
}
