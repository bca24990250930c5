//! Outputs of runs as the fuzz targets store them: journal, codes and report, separated by the byte
//! 0x1E. A line of a journal that ends with ` ~` gets the right checksum, and an extent whose
//! digest is `~` the right digest, so that mutations reach what lies behind these checks.

use serde_json::{Value, json};

/// The byte between two files.
const SEPARATOR: u8 = 0x1E;
/// Where the digest of codes begins: after the header.
const DATA_START: usize = 128;

/// The stored files, in order.
pub fn files(bytes: &[u8]) -> impl Iterator<Item = &[u8]> {
    bytes.split(|byte| *byte == SEPARATOR)
}

/// A journal with its checksums.
pub fn sealed(journal: &[u8], codes: &[u8], report: &[u8]) -> Vec<u8> {
    let mut sealed = Vec::new();
    let mut before = String::new();
    for line in journal.split_inclusive(|byte| *byte == b'\n') {
        let open = std::str::from_utf8(line).ok().and_then(|line| line.strip_suffix(" ~\n"));
        let Some(open) = open else {
            sealed.extend_from_slice(line);
            continue;
        };
        let json = with_digests(open, codes, report).unwrap_or_else(|| open.to_owned());
        before = digest(&[before.as_bytes(), json.as_bytes()].concat());
        sealed.extend(format!("{json} {before}\n").into_bytes());
    }
    sealed
}

/// An entry with the digests of its outputs; `None` if it has no place for one.
fn with_digests(line: &str, codes: &[u8], report: &[u8]) -> Option<String> {
    let mut entry: Value = serde_json::from_str(line).ok().filter(|_| line.contains("\"~\""))?;
    for (name, bytes, start) in [("codes", codes, DATA_START), ("report", report, 0)] {
        if entry[name]["digest"] != "~" {
            continue;
        }
        let end = usize::try_from(entry[name]["bytes"].as_u64()?).ok()?;
        entry[name]["digest"] = json!(digest(bytes.get(start..end)?));
    }
    Some(entry.to_string())
}

/// The digest that journals hold: BLAKE3, 128 bits in hexadecimal.
pub fn digest(bytes: &[u8]) -> String {
    blake3::hash(bytes).to_hex()[..32].to_owned()
}
