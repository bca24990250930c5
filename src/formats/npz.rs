//! NumPy's `.npz`: a zip archive of `.npy` files. `numpy.savez` stores them as they are,
//! `numpy.savez_compressed` deflates them.

use std::io::{self, BufReader, Read};
use std::path::Path;

use zip::result::ZipError;
use zip::{CompressionMethod, ZipArchive};

use super::files::File;
use crate::error::{Error, Result};

/// An array of an archive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Member {
    /// Its name, without `.npy`.
    pub name: String,
    /// Where its bytes begin in the archive.
    pub start: u64,
    /// Number of bytes in the archive.
    pub stored: u64,
    /// Number of bytes of the `.npy` file.
    pub length: u64,
    /// Whether it is deflated.
    pub deflated: bool,
}

/// Whether a file is a zip archive with arrays.
pub fn has_arrays(path: &Path) -> bool {
    let archive = File::open(path).ok().and_then(|file| ZipArchive::new(BufReader::new(file)).ok());
    archive.is_some_and(|archive| archive.file_names().any(|name| name.is_ok_and(|name| name.ends_with(".npy"))))
}

/// The arrays of an archive, in its order. Each is read once, which checks its length and checksum.
///
/// # Errors
/// [`Error::Input`] for a damaged archive, and for arrays that are encrypted or compressed in
/// another way than NumPy does; [`Error::Io`].
pub fn members(path: &Path) -> Result<Vec<Member>> {
    let file = File::open(path).map_err(|error| Error::io(path, "read", error))?;
    let mut archive = ZipArchive::new(BufReader::new(file)).map_err(|error| damaged(path, "", error))?;
    let mut members = Vec::new();
    for index in 0..archive.len() {
        let Some(Ok(full)) = archive.name_for_index(index).map(|name| name.map(|name| name.into_owned())) else {
            continue;
        };
        let Some(name) = full.strip_suffix(".npy") else { continue };
        let mut entry = archive.by_index(index).map_err(|error| damaged(path, name, error))?;
        let length = entry.size();
        let deflated = match entry.compression() {
            CompressionMethod::Stored => false,
            CompressionMethod::Deflated => true,
            other => {
                return Err(Error::input(
                    path.display(),
                    format!("array `{name}` compressed by {other}"),
                    "an archive as numpy.savez or numpy.savez_compressed writes it",
                    "save the arrays again",
                ));
            }
        };
        let (stored, start) = (entry.compressed_size(), entry.data_start().unwrap_or(0));
        let copied = io::copy(&mut (&mut entry).take(length.saturating_add(1)), &mut io::sink());
        match copied {
            Ok(found) if found == length && (deflated || stored == length) => {}
            Ok(found) => {
                let error = io::Error::other(format!("{found} bytes instead of {length}"));
                return Err(damaged(path, name, ZipError::Io(error)));
            }
            Err(error) => return Err(damaged(path, name, ZipError::Io(error))),
        }
        members.push(Member { name: name.to_owned(), start, stored, length, deflated });
    }
    Ok(members)
}

/// The only array of an archive.
///
/// # Errors
/// As for [`members`]; [`Error::Input`] unless there is exactly one.
pub fn only_member(path: &Path) -> Result<Member> {
    let mut members = members(path)?;
    let refuse = |found: String, fix: &str| {
        Err(Error::input(path.display(), found, "an .npz archive with one array, or a .npy file", fix))
    };
    match members.pop() {
        Some(only) if members.is_empty() => Ok(only),
        Some(last) => {
            members.push(last);
            let names = members.iter().take(12).map(|member| format!("`{}`", member.name)).collect::<Vec<_>>();
            let more = members.len().saturating_sub(names.len());
            let more = if more > 0 { format!(" and {more} more") } else { String::new() };
            refuse(
                format!("{} arrays, {}{more}", members.len(), names.join(", ")),
                "save the array that is meant with numpy.save(path, array)",
            )
        }
        None => refuse("a zip archive without arrays".into(), "save the array with numpy.save(path, array)"),
    }
}

fn damaged(path: &Path, name: &str, error: ZipError) -> Error {
    match error {
        ZipError::Io(error) if error.raw_os_error().is_some() => Error::io(path, "read", error),
        error => {
            let of = if name.is_empty() { String::new() } else { format!(" in array `{name}`") };
            Error::input(
                path.display(),
                format!("a damaged zip archive{of} ({error})"),
                "a whole .npz archive",
                "copy or save it again",
            )
        }
    }
}
