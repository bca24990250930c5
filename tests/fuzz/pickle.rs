//! A pickle within a valid checkpoint. The first byte chooses the form, so that mutations need no
//! valid checksums of a zip archive: even for zip, odd for the legacy form.

use std::io::{Cursor, Write};

use zip::ZipWriter;
use zip::write::SimpleFileOptions;

/// The first three pickles of the legacy form: its magic number, its version, the system.
const LEGACY: &[u8] = b"\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19.\x80\x02M\xe9\x03.\
\x80\x02}q\x00(X\x10\x00\x00\x00protocol_versionq\x01M\xe9\x03X\x0d\x00\x00\x00little_endianq\x02\x88\
X\x0a\x00\x00\x00type_sizesq\x03}q\x04(X\x05\x00\x00\x00shortq\x05K\x02X\x03\x00\x00\x00intq\x06K\x04\
X\x04\x00\x00\x00longq\x07K\x04uu.";

/// Number of storages beside the pickle in a zip archive, and the bytes of each.
const STORAGES: (usize, usize) = (8, 512);

/// Whether the input is accepted.
pub fn check(bytes: &[u8]) -> bool {
    let Some((form, pickle)) = bytes.split_first() else { return false };
    let file = if form % 2 == 0 { archive(pickle) } else { [LEGACY, pickle].concat() };
    let folder = tempfile::tempdir().unwrap();
    crate::networks::check(folder.path(), "net.pth", &file)
}

fn archive(pickle: &[u8]) -> Vec<u8> {
    let mut archive = ZipWriter::new(Cursor::new(Vec::new()));
    let options = SimpleFileOptions::default().compression_method(zip::CompressionMethod::Stored);
    let mut add = |name: String, contents: &[u8]| {
        archive.start_file(name, options).unwrap();
        archive.write_all(contents).unwrap();
    };
    add("net/data.pkl".to_owned(), pickle);
    add("net/byteorder".to_owned(), b"little");
    add("net/version".to_owned(), b"3\n");
    let (count, length) = STORAGES;
    for storage in 0..count {
        // 1.5 and 0.5 in f32, and small numbers in every other type.
        let numbers: Vec<u8> = [0, 0, 0xc0, 0x3f, 0, 0, 0, 0x3f].into_iter().cycle().take(length).collect();
        add(format!("net/data/{storage}"), &numbers);
    }
    archive.finish().unwrap().into_inner()
}
