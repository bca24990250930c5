//! The extent of a growing file: its length and a BLAKE3 digest. They are recorded repeatedly as
//! the file grows. A reader then finds the last point up to which the bytes are unchanged.

use std::io::{self, Read, Seek, SeekFrom};
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::files::File;
use crate::error::{Error, Result};

/// Number of bytes per read.
pub(crate) const CHUNK: usize = 1 << 18;
/// Number of hexadecimal digits of a digest that are kept: 128 bits.
const DIGITS: usize = 32;

/// A length, and the digest of the bytes up to that length.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Extent {
    /// Number of bytes from the beginning of the file.
    pub bytes: u64,
    /// The digest of the bytes from the tracker's first byte to `bytes`; 32 hexadecimal digits.
    pub digest: String,
}

/// Tracks length and digest of a file as it grows.
#[derive(Debug, Clone)]
pub struct Tracker {
    length: u64,
    hasher: blake3::Hasher,
}

impl Tracker {
    /// Makes a tracker for a file of `length` bytes that are not part of the digest: a header that
    /// will be rewritten.
    pub fn from_offset(length: u64) -> Self {
        Tracker { length, hasher: blake3::Hasher::new() }
    }

    /// Adds `bytes` that were appended to the file.
    pub fn add(&mut self, bytes: &[u8]) {
        self.length += bytes.len() as u64;
        self.hasher.update(bytes);
    }

    /// The current length and digest.
    pub fn extent(&self) -> Extent {
        Extent { bytes: self.length, digest: hex(&self.hasher) }
    }
}

/// Counts how many of the `extents`, in rising order, match the file at `path`. Also returns the
/// tracker after the last match. Digests begin at offset `from`. A missing file matches none.
///
/// # Errors
/// [`Error::Io`] if the file cannot be read.
pub fn matching<'a>(path: &Path, from: u64, extents: impl IntoIterator<Item = &'a Extent>) -> Result<(usize, Tracker)> {
    let cannot_read = |error| Error::io(path, "read", error);
    let mut last = Tracker::from_offset(from);
    let mut file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok((0, last)),
        Err(error) => return Err(cannot_read(error)),
    };
    let held = file.metadata().map_err(cannot_read)?.len();
    file.seek(SeekFrom::Start(from)).map_err(cannot_read)?;
    let mut tracker = last.clone();
    let mut buffer = vec![0; CHUNK];
    let mut count = 0;
    for extent in extents {
        if extent.bytes < tracker.length || extent.bytes > held {
            break;
        }
        while tracker.length < extent.bytes {
            let most = CHUNK.min((extent.bytes - tracker.length).try_into().unwrap_or(CHUNK));
            file.read_exact(&mut buffer[..most]).map_err(cannot_read)?;
            tracker.add(&buffer[..most]);
        }
        if tracker.extent() != *extent {
            break;
        }
        last = tracker.clone();
        count += 1;
    }
    Ok((count, last))
}

/// Reads the bytes that an extent describes, and checks at the end that they are the ones recorded.
#[derive(Debug)]
pub struct Verified<'a> {
    path: &'a Path,
    file: File,
    tracker: Tracker,
    extent: &'a Extent,
}

impl<'a> Verified<'a> {
    /// Opens the file at `path`; digests begin at offset `from`.
    pub fn open(path: &'a Path, from: u64, extent: &'a Extent) -> Result<Self> {
        let cannot_read = |error| Error::io(path, "read", error);
        let mut file = File::open(path).map_err(cannot_read)?;
        file.seek(SeekFrom::Start(from)).map_err(cannot_read)?;
        Ok(Verified { path, file, tracker: Tracker::from_offset(from), extent })
    }

    /// Fills `buffer`, or its beginning at the end of the extent. `None` after the last byte.
    ///
    /// # Errors
    /// [`Error::Input`] after the last byte if the bytes read are not those of the extent.
    pub fn next<'b>(&mut self, buffer: &'b mut [u8]) -> Result<Option<&'b [u8]>> {
        let left = self.extent.bytes.saturating_sub(self.tracker.length);
        let most = buffer.len().min(left.try_into().unwrap_or(buffer.len()));
        if most > 0 {
            let bytes = &mut buffer[..most];
            self.file.read_exact(bytes).map_err(|error| Error::io(self.path, "read", error))?;
            self.tracker.add(bytes);
            return Ok(Some(bytes));
        }
        if self.tracker.extent() == *self.extent {
            return Ok(None);
        }
        Err(Error::input(
            self.path.display(),
            "other contents than at the start: the file was changed in the meantime",
            "a file that does not change while it is copied",
            "copy it again, or run that shard again; then start again",
        ))
    }
}

/// The digest of a whole file, computed in constant memory.
pub fn digest_of_file(path: &Path) -> Result<String> {
    let cannot_read = |error| Error::io(path, "read", error);
    let mut file = File::open(path).map_err(cannot_read)?;
    let mut hasher = blake3::Hasher::new();
    let mut buffer = vec![0; CHUNK];
    loop {
        match file.read(&mut buffer) {
            Ok(0) => return Ok(hex(&hasher)),
            Ok(length) => {
                hasher.update(&buffer[..length]);
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(cannot_read(error)),
        }
    }
}

/// Carries out `work`, which reads the file at `path`, and refuses a file that changed meanwhile.
/// A plain file is hashed before and after.
///
/// # Errors
/// Those of `work`; [`Error::Input`] if the contents changed.
pub fn unchanged_during<T>(path: &Path, work: impl FnOnce() -> Result<T>) -> Result<T> {
    // A device may never end.
    if !std::fs::metadata(path).is_ok_and(|metadata| metadata.is_file()) {
        return work();
    }
    let before = digest_of_file(path)?;
    let outcome = work();
    // A torn file may also have made `work` fail. Then the change is the better explanation.
    if digest_of_file(path)? == before {
        return outcome;
    }
    Err(Error::input(
        path.display(),
        "a file that changed while it was read",
        "a file that does not change",
        "wait until the file is complete, then start again",
    ))
}

/// The digest of a sequence of byte slices in memory.
pub fn digest_of<'a>(pieces: impl IntoIterator<Item = &'a [u8]>) -> String {
    let mut hasher = blake3::Hasher::new();
    for piece in pieces {
        hasher.update(piece);
    }
    hex(&hasher)
}

/// The digest so far, as text.
pub(crate) fn hex(hasher: &blake3::Hasher) -> String {
    hasher.finalize().to_hex()[..DIGITS].to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_changes_while_it_is_read_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("net.safetensors");
        std::fs::write(&path, "old").unwrap();
        assert_eq!(unchanged_during(&path, || Ok(1)).unwrap(), 1);
        let changing = |outcome: Result<()>| {
            unchanged_during(&path, || {
                std::fs::write(&path, "new").map_err(|e| Error::io(&path, "write", e)).and(outcome)
            })
        };
        let message = changing(Ok(())).unwrap_err().to_string();
        assert!(message.contains("net.safetensors") && message.contains("changed while it was read"), "{message}");
        std::fs::write(&path, "old").unwrap();
        let message = changing(Err(Error::Cancelled)).unwrap_err().to_string();
        assert!(message.contains("changed while it was read"), "{message}");
        let message = changing(Err(Error::Cancelled)).unwrap_err().to_string();
        assert_eq!(message, "interrupted");
    }

    #[test]
    fn a_changed_byte_ends_what_matches() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.bin");
        let mut tracker = Tracker::from_offset(4);
        let mut bytes = vec![9; 4];
        let mut extents = Vec::new();
        for batch in 0..10u8 {
            let appended = vec![batch; 300_000];
            tracker.add(&appended);
            bytes.extend(appended);
            extents.push(tracker.extent());
        }
        let count = |bytes: &[u8]| {
            std::fs::write(&path, bytes).unwrap();
            matching(&path, 4, &extents).unwrap().0
        };
        assert_eq!(count(&bytes), 10);
        // Bytes before the first byte of the tracker do not count.
        bytes[0] ^= 1;
        assert_eq!(count(&bytes), 10);
        assert_eq!(count(&bytes[..bytes.len() - 1]), 9);
        assert_eq!(count(&bytes[..3]), 0);
        bytes[4 + 3 * 300_000] ^= 1;
        assert_eq!(count(&bytes), 3);
        let tracker = matching(&path, 4, &extents).unwrap().1;
        assert_eq!(tracker.extent(), extents[2]);
    }
}
