//! Finds the pickle of the saved object in a checkpoint. Checkpoints of whole models in the legacy
//! format are also made readable: they refer to the classes of modules by
//! `('module', class, file, source)`, which `pytorch-reader` does not know.

use std::io::{BufReader, Read};
use std::path::Path;

use super::archive;
use super::pickle::Pickle;
use crate::error::{Error, Result};
use crate::formats::files::File;

/// The number that every file in the legacy format starts with, in the first pickle.
const LEGACY: [u8; 10] = [0x6c, 0xfc, 0x9c, 0x46, 0xf9, 0x20, 0x6a, 0xa8, 0x50, 0x19];

/// The pickle of the saved object.
#[derive(Debug)]
pub(super) struct Stored {
    pub pickle: Pickle,
    /// The whole file with plain classes, if it refers to classes with their source.
    pub rewritten: Option<Vec<u8>>,
}

/// Reads the pickle; `None` if the file has none that is known here. `start`: the first bytes of
/// the file. `budget`: the length that a pickle may have. `repaired`: see
/// [`archive::repaired`].
///
/// # Errors
/// [`Error::Io`].
pub(super) fn read(path: &Path, start: &[u8], budget: u64, repaired: Option<&[u8]>) -> Result<Option<Stored>> {
    let cannot_read = |error| Error::io(path, "read", error);
    if start.starts_with(b"PK") {
        let Some(mut archive) = archive::open(path, repaired).map_err(cannot_read)? else { return Ok(None) };
        let is_object = |name: &str| name == "data.pkl" || name.ends_with("/data.pkl");
        let index = (0..archive.len())
            .find(|index| archive.name_for_index(*index).is_some_and(|name| name.is_ok_and(|name| is_object(&name))));
        let Some(Ok(entry)) = index.map(|index| archive.by_index(index)) else { return Ok(None) };
        let pickle = Pickle::read(&mut BufReader::new(entry.take(budget)));
        return Ok(pickle.map(|pickle| Stored { pickle, rewritten: None }));
    }
    let mut file = BufReader::new(File::open(path).map_err(cannot_read)?);
    let is_legacy = start.windows(LEGACY.len()).take(64).any(|bytes| bytes == LEGACY);
    let mut before = 0;
    for _ in 0..if is_legacy { 3 } else { 0 } {
        match Pickle::read(&mut file) {
            Some(pickle) => before += pickle.length,
            None => return Ok(None),
        }
    }
    let Some(pickle) = Pickle::read(&mut file) else { return Ok(None) };
    let is_class = |(_, reference): &&(u64, usize)| pickle.module_class(*reference).is_some();
    if !is_legacy || !pickle.references.iter().any(|reference| is_class(&reference)) {
        return Ok(Some(Stored { pickle, rewritten: None }));
    }
    let mut whole = Vec::new();
    File::open(path).and_then(|mut file| file.read_to_end(&mut whole)).map_err(cannot_read)?;
    let rewritten = with_plain_classes(&whole, before, &pickle);
    Ok(Some(Stored { pickle, rewritten }))
}

/// The pickle of a `.npy` file of objects; `None` for other files.
///
/// # Errors
/// [`Error::Io`].
pub(super) fn of_npy(path: &Path) -> Result<Option<Pickle>> {
    let cannot_read = |error| Error::io(path, "read", error);
    let mut file = BufReader::new(File::open(path).map_err(cannot_read)?);
    let mut start = Vec::new();
    (&mut file).take(10).read_to_end(&mut start).map_err(cannot_read)?;
    // Version 1, with 2 bytes for the length of the header. Later ones are for structured types.
    let [0x93, b'N', b'U', b'M', b'P', b'Y', 1, _, low, high] = start[..] else { return Ok(None) };
    let mut header = Vec::new();
    (&mut file).take(u64::from(u16::from_le_bytes([low, high]))).read_to_end(&mut header).map_err(cannot_read)?;
    if !header.windows(4).any(|part| part == b"'|O'") {
        return Ok(None);
    }
    Ok(Pickle::read(&mut file))
}

/// Replaces each reference to a class by the class: the opcode that makes the reference, by one
/// that removes its tuple and one that names the class.
fn with_plain_classes(whole: &[u8], before: u64, pickle: &Pickle) -> Option<Vec<u8>> {
    let mut bytes = Vec::with_capacity(whole.len());
    let mut copied = 0;
    for (place, reference) in &pickle.references {
        let Some(class) = pickle.module_class(*reference) else { continue };
        let (module, name) = class.rsplit_once('.')?;
        let place = usize::try_from(before + place).ok()?;
        bytes.extend_from_slice(whole.get(copied..place)?);
        bytes.extend_from_slice(format!("0c{module}\n{name}\n").as_bytes());
        copied = place + 1;
    }
    bytes.extend_from_slice(whole.get(copied..)?);
    Some(bytes)
}
