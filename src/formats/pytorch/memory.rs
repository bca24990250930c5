//! Bounds the memory for a checkpoint by the length of its file. `pytorch-reader` has limits that
//! do not depend on the file: 100 MiB for a pickle, a million copied values, 10 GiB for a tensor.
//! A checkpoint of a few bytes that claims as much is refused here before it is read.

use std::io::{BufRead, BufReader, Read, Seek, SeekFrom};
use std::path::Path;

use super::pickle_memory::{End, follow};
use super::{START, archive};
use crate::error::{Error, Result};
use crate::formats::files::File;

/// Memory that any file may take.
const LEAST: u64 = 1 << 20;
/// Memory per byte of the file. Written files are far below: their copies are a small part of the
/// pickle, and only zip entries that other tools have compressed are larger than in the file.
const PER_BYTE: u64 = 64;
/// Number of pickles at the start of the legacy format.
const LEGACY_PICKLES: usize = 5;
/// The unit of a tar archive.
const TAR_BLOCK: u64 = 512;

/// Refuses a file whose pickles or zip entries would take more than their budget. A file that is
/// invalid otherwise is left to the reader. Returns the budget: the memory that the file may take
/// for copies, a pickle or a tensor.
///
/// `repaired`: see [`archive::repaired`].
pub(super) fn check(path: &Path, repaired: Option<&[u8]>) -> Result<u64> {
    let cannot_read = |error| Error::io(path, "read", error);
    let mut file = File::open(path).map_err(cannot_read)?;
    let length = file.metadata().map_err(cannot_read)?.len();
    let budget = LEAST.saturating_add(length.saturating_mul(PER_BYTE));
    let mut start = Vec::new();
    (&mut file).take(START as u64).read_to_end(&mut start).map_err(cannot_read)?;
    file.seek(SeekFrom::Start(0)).map_err(cannot_read)?;
    let refuse = |what: String| {
        Err(Error::input(
            path.display(),
            format!("{what} of more than {budget} bytes in a file of {length}"),
            "a checkpoint whose contents are about as large as its file",
            "save it again with torch.save(model.state_dict(), path)",
        ))
    };
    let copies = || refuse("a pickle with copies".to_owned());
    if start.starts_with(b"PK") {
        let Some(mut archive) = archive::open(path, repaired).map_err(cannot_read)? else { return Ok(budget) };
        for index in 0..archive.len() {
            let Ok(entry) = archive.by_index(index) else { continue };
            let name = entry.name().unwrap_or_default().into_owned();
            if entry.size() > budget {
                return refuse(format!("a zip entry `{name}`"));
            }
            if name.ends_with("data.pkl") && pickles(entry.take(budget), 1, budget) == End::TooLarge {
                return copies();
            }
        }
    } else if start.get(257..262) == Some(b"ustar") {
        let mut at = 0;
        while let Some(size) = tar_entry(&mut file, at) {
            if file.seek(SeekFrom::Start(at + TAR_BLOCK)).is_err() {
                break;
            }
            let entry = (&mut file).take(size);
            if pickles(entry, usize::MAX, budget) == End::TooLarge {
                return copies();
            }
            let next = size.checked_next_multiple_of(TAR_BLOCK).and_then(|size| at.checked_add(TAR_BLOCK + size));
            match next.filter(|next| *next < length) {
                Some(next) => at = next,
                None => break,
            }
        }
    } else if pickles(file, LEGACY_PICKLES, budget) == End::TooLarge {
        return copies();
    }
    Ok(budget)
}

/// Follows at most `most` pickles, one after another, as long as they are valid.
fn pickles(bytes: impl Read, most: usize, budget: u64) -> End {
    let mut bytes = BufReader::new(bytes);
    for _ in 0..most {
        if bytes.fill_buf().is_ok_and(<[u8]>::is_empty) {
            break;
        }
        match follow(&mut bytes, budget) {
            End::Stop => {}
            other => return other,
        }
    }
    End::Stop
}

/// The length of the tar entry whose header is at `at`.
fn tar_entry(file: &mut File, at: u64) -> Option<u64> {
    let mut header = [0; TAR_BLOCK as usize];
    file.seek(SeekFrom::Start(at)).ok()?;
    file.read_exact(&mut header).ok()?;
    let size = std::str::from_utf8(&header[124..136]).ok()?;
    u64::from_str_radix(size.trim_matches([' ', '\0']), 8).ok()
}
