//! The join of shards. First the choice of the report (`c`: CSV, `j`: JSON lines, else none), then
//! journal, codes and report of each part.

use std::fs;
use std::path::{Path, PathBuf};

use unrelu::CancelToken;
use unrelu::internals::formats::npy::NpyReader;
use unrelu::internals::run::journal::{find_finished, journal_path};
use unrelu::internals::run::merge::{Merge, Merged};

use crate::memory::bounded;
use crate::sealed::{files, sealed};

/// Number of parts that are read.
const MOST_PARTS: usize = 4;

/// Whether the input is accepted.
pub fn check(bytes: &[u8]) -> bool {
    let mut stored = files(bytes);
    let format = match stored.next().and_then(<[u8]>::first) {
        Some(b'c') => Some("csv"),
        Some(b'j') => Some("jsonl"),
        _ => None,
    };
    let folder = tempfile::tempdir().unwrap();
    let at = |name: String| folder.path().join(name);
    let mut parts = Vec::new();
    while let (Some(journal), true) = (stored.next(), parts.len() < MOST_PARTS) {
        let (codes, report) = (stored.next().unwrap_or_default(), stored.next().unwrap_or_default());
        let part = at(format!("part-{}.npy", parts.len()));
        fs::write(&part, codes).unwrap();
        fs::write(journal_path(&part), sealed(journal, codes, report)).unwrap();
        for format in ["csv", "jsonl"] {
            fs::write(part.with_extension(format), report).unwrap();
        }
        parts.push(part);
    }
    let report = |name: &str| format.map(|format| at(format!("{name}.{format}")));
    let (codes, joined) = (at("all.npy".to_owned()), report("all"));
    let outcome = bounded(bytes.len(), || merge(&parts, &codes, joined.clone()));
    let Ok(merged) = outcome else {
        let left = [Some(codes.clone()), joined, Some(journal_path(&codes))];
        assert!(left.iter().flatten().all(|path| !path.exists()), "a refused merge has left outputs");
        return false;
    };
    of_its_shape(&codes, &parts, &merged);
    // The result is the one part of a merge again.
    let (again, again_joined) = (at("again.npy".to_owned()), report("again"));
    merge(std::slice::from_ref(&codes), &again, again_joined.clone()).unwrap();
    assert_eq!(fs::read(&again).unwrap(), fs::read(&codes).unwrap());
    assert_eq!(again_joined.map(|path| fs::read(path).unwrap()), joined.map(|path| fs::read(path).unwrap()));
    true
}

fn merge(parts: &[PathBuf], codes: &Path, report: Option<PathBuf>) -> unrelu::Result<Merged> {
    let merge = Merge { parts: parts.to_vec(), codes: codes.to_owned(), report, force: false };
    merge.run(|_| (), &CancelToken::new())
}

/// The rows of the parts, one after another, and as many as the journal says.
fn of_its_shape(codes: &Path, parts: &[PathBuf], merged: &Merged) {
    let found = find_finished(codes).unwrap().unwrap();
    let (first, end, count) = (found.identity.first, found.identity.end, found.identity.count);
    assert_eq!((first, end, found.done()), (0, count, count));
    assert_eq!(merged.summary.observations, count);
    if count > 0 {
        assert_eq!(NpyReader::open(codes).unwrap().count() as u64, count);
    }
    let mut ordered: Vec<(u64, u64, &PathBuf)> = Vec::new();
    for part in parts {
        let identity = find_finished(part).unwrap().unwrap().identity;
        ordered.push((identity.first, identity.end, part));
    }
    ordered.sort();
    let rows = |path: &Path| fs::read(path).unwrap().split_off(128);
    let expected: Vec<u8> = ordered.iter().flat_map(|(_, _, part)| rows(part)).collect();
    assert_eq!(rows(codes), expected);
}
