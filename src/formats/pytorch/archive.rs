//! The zip archive of a checkpoint.
//!
//! PyTorch always ends an archive with zip64 records, 76 bytes between the central directory and
//! the end record, also where nothing needs them. The crate `zip` expects a directory that is not
//! of zip64 directly before the end record. Where the first entry of the directory has exactly 76
//! bytes, it takes the second for the first and refuses the file. That is so for every file whose
//! name without its extension has 21 characters, because PyTorch names the entries after the file.
//! Such an archive is read without these records.

use std::io::{BufReader, Cursor, Read, Seek, SeekFrom};
use std::path::Path;

use zip::ZipArchive;

use crate::formats::files::File;

/// Length of the record at the end, without a comment.
const END: usize = 22;
/// Length of the two zip64 records.
const RECORDS: usize = 76;

/// What an archive is read from.
pub(super) trait Source: Read + Seek {}

impl<T: Read + Seek> Source for T {}

/// Opens the archive at `path`, or `repaired`, if [`repaired`] found that necessary. `None` if it
/// is no valid archive.
pub(super) fn open<'a>(
    path: &Path,
    repaired: Option<&'a [u8]>,
) -> std::io::Result<Option<ZipArchive<Box<dyn Source + 'a>>>> {
    let source: Box<dyn Source + 'a> = match repaired {
        Some(bytes) => Box::new(Cursor::new(bytes)),
        None => Box::new(BufReader::new(File::open(path)?)),
    };
    Ok(ZipArchive::new(source).ok())
}

/// The archive at `path` without its zip64 records, if they would be misread; `None` for all other
/// files.
pub(super) fn repaired(path: &Path) -> std::io::Result<Option<Vec<u8>>> {
    let mut file = File::open(path)?;
    let length = file.metadata()?.len();
    let Some(records_at) = length.checked_sub((RECORDS + END) as u64) else { return Ok(None) };
    file.seek(SeekFrom::Start(records_at))?;
    let mut tail = Vec::new();
    (&mut file).take((RECORDS + END) as u64).read_to_end(&mut tail)?;
    let Some((records, end)) = tail.split_at_checked(RECORDS) else { return Ok(None) };
    let number = |at: usize| end.get(at..at + 4).and_then(|bytes| Some(u32::from_le_bytes(bytes.try_into().ok()?)));
    let (Some(size), Some(start)) = (number(12), number(16)) else { return Ok(None) };
    let has_records = records.starts_with(b"PK\x06\x06") && records[56..].starts_with(b"PK\x06\x07");
    // Otherwise the numbers of the directory are in the zip64 records only.
    let is_complete = size != u32::MAX && start != u32::MAX && u64::from(start) + u64::from(size) == records_at;
    if !end.starts_with(b"PK\x05\x06") || !has_records || !is_complete {
        return Ok(None);
    }
    file.seek(SeekFrom::Start(u64::from(start) + RECORDS as u64))?;
    let mut mistaken = Vec::new();
    (&mut file).take(4).read_to_end(&mut mistaken)?;
    if mistaken != b"PK\x01\x02" {
        return Ok(None);
    }
    file.seek(SeekFrom::Start(0))?;
    let mut bytes = Vec::new();
    file.take(records_at).read_to_end(&mut bytes)?;
    bytes.extend_from_slice(end);
    Ok(Some(bytes))
}
