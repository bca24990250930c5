//! What a file held when its digest was computed: one digest per block of rows.
//!
//! A journal records the digest of an input file. The rows are read later, batch by batch. A file
//! that is overwritten in the meantime would give codes that do not belong to that digest.

use std::io::{self, Read};
use std::ops::Range;
use std::path::Path;

use super::header::Header;
use crate::error::{Error, Result};
use crate::formats::extent::{CHUNK, hex};

/// The digests of the blocks of a file.
#[derive(Debug)]
pub(super) struct Pin {
    /// Number of rows per block; the last block may have fewer.
    rows: usize,
    blocks: Vec<blake3::Hash>,
}

impl Pin {
    /// The digests of blocks of `rows` rows.
    pub fn new(rows: usize, blocks: Vec<blake3::Hash>) -> Self {
        Pin { rows, blocks }
    }

    /// Reads a whole file of `count` rows of `row` bytes from its first byte. Returns its blocks of
    /// `rows` rows, and the digest of the file.
    ///
    /// # Errors
    /// [`Error::Input`] for a file whose header or length is no longer `header`'s.
    pub fn of(
        file: &mut impl Read,
        header: &Header,
        count: usize,
        row: usize,
        rows: usize,
        path: &Path,
    ) -> Result<(Self, String)> {
        let mut whole = blake3::Hasher::new();
        // At most the longest header that is read.
        let mut buffer = vec![0; usize::try_from(header.data_start).unwrap_or(CHUNK)];
        file.read_exact(&mut buffer).map_err(|error| unreadable(path, error))?;
        whole.update(&buffer);
        if Header::read(&mut buffer.as_slice(), &path.display().to_string()).ok().as_ref() != Some(header) {
            return Err(changed(path, "another header"));
        }
        buffer.resize(CHUNK, 0);
        let mut blocks = Vec::new();
        for first in (0..count).step_by(rows) {
            let mut block = blake3::Hasher::new();
            let mut left = rows.min(count - first) * row;
            while left > 0 {
                let part = &mut buffer[..left.min(CHUNK)];
                file.read_exact(part).map_err(|error| unreadable(path, error))?;
                whole.update(part);
                block.update(part);
                left -= part.len();
            }
            blocks.push(block.finalize());
        }
        if file.read(&mut buffer[..1]).map_err(|error| unreadable(path, error))? > 0 {
            return Err(changed(path, "more bytes"));
        }
        Ok((Pin { rows, blocks }, hex(&whole)))
    }

    /// The rows of the block that contains row `row`, in a file of `count` rows.
    pub fn block_of(&self, row: usize, count: usize) -> Range<usize> {
        let start = row - row % self.rows;
        start..start.saturating_add(self.rows).min(count)
    }

    /// Refuses a block whose bytes have changed.
    pub fn check(&self, block: Range<usize>, bytes: &[u8], path: &Path) -> Result<()> {
        if self.blocks.get(block.start / self.rows) == Some(&blake3::hash(bytes)) {
            return Ok(());
        }
        Err(changed(path, &format!("other numbers in rows {} to {}", block.start, block.end - 1)))
    }
}

/// The error for bytes that cannot be read although the header promises them.
pub(super) fn unreadable(path: &Path, error: io::Error) -> Error {
    match error.kind() {
        io::ErrorKind::UnexpectedEof => Error::input(
            path.display(),
            "a file that became shorter while it was read",
            "a file that does not change",
            "wait until the file is complete, then start again",
        ),
        _ => Error::io(path, "read", error),
    }
}

pub(super) fn changed(path: &Path, what: &str) -> Error {
    Error::input(
        path.display(),
        format!("{what} than at the start of the run: the file was changed in the meantime"),
        "a file that does not change during a run",
        "for the new contents, wait until the file is complete and start again with option `force`; or restore the \
         contents from the start and continue with option `journaling: Resume`",
    )
}

#[cfg(test)]
mod tests {
    use std::fs::OpenOptions;
    use std::io::{Seek, SeekFrom, Write};

    use nalgebra::DMatrix;

    use crate::formats::extent::digest_of_file;
    use crate::formats::npy::{DATA_START, ElementType, NpyReader, write_all};

    #[test]
    fn every_changed_block_is_refused_and_no_other() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.npy");
        let all = DMatrix::from_fn(2, 10, |row, column| (2 * column + row) as f64);
        for row in 0..10 {
            write_all(&path, &all, ElementType::F64, true).unwrap();
            let mut reader = NpyReader::open(&path).unwrap();
            assert_eq!(reader.pin(4).unwrap(), digest_of_file(&path).unwrap());
            // The same inode and the same length.
            let mut file = OpenOptions::new().write(true).open(&path).unwrap();
            file.seek(SeekFrom::Start((DATA_START + row * 16) as u64)).unwrap();
            file.write_all(&[7]).unwrap();
            for first in [0, 4, 8] {
                reader.skip_to(first).unwrap();
                let read = reader.read_batch(4);
                assert_eq!(read.is_err(), (first..first + 4).contains(&row), "row {row}, block at {first}");
                if let Err(error) = read {
                    let message = error.to_string();
                    assert!(message.contains("a.npy") && message.contains(&format!("rows {first} to")), "{message}");
                }
            }
        }
    }

    #[test]
    fn a_pinned_file_gives_the_same_rows_from_any_place() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.npy");
        let all = DMatrix::from_fn(3, 11, |row, column| (3 * column + row) as f64);
        write_all(&path, &all, ElementType::F32, true).unwrap();
        let mut reader = NpyReader::open(&path).unwrap();
        reader.pin(4).unwrap();
        for first in 0..11 {
            for most in 1..6 {
                reader.skip_to(first).unwrap();
                let mut seen = first;
                while let Some(rows) = reader.read_batch(most).unwrap() {
                    assert!(rows.ncols() <= most);
                    assert_eq!(rows, all.columns(seen, rows.ncols()));
                    seen += rows.ncols();
                }
                assert_eq!(seen, 11);
            }
        }
    }

    #[test]
    fn a_file_that_changed_before_it_was_pinned_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.npy");
        let numbers = DMatrix::from_element(2, 3, 0.5);
        write_all(&path, &numbers, ElementType::F32, true).unwrap();
        let whole = std::fs::read(&path).unwrap();
        for (bytes, found) in [
            ([whole[..26].as_ref(), b"8".as_ref(), &whole[27..]].concat(), "another header"),
            ([&whole[..], b"more".as_ref()].concat(), "more bytes"),
            (whole[..whole.len() - 1].to_vec(), "became shorter"),
        ] {
            std::fs::write(&path, &whole).unwrap();
            let mut reader = NpyReader::open(&path).unwrap();
            std::fs::write(&path, bytes).unwrap();
            let message = reader.pin(2).unwrap_err().to_string();
            assert!(message.contains(found), "{found}: {message}");
        }
    }
}
