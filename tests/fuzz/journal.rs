//! The journal of an unfinished run, with its partial outputs.

use std::fs;
use std::path::Path;

use unrelu::internals::run::journal::{Found, Journal, Progress, find, find_finished, find_unfinished, journal_path};

use crate::memory::bounded;
use crate::sealed::{digest, files, sealed};

/// Whether the journal has entries.
pub fn check(bytes: &[u8]) -> bool {
    let mut stored = files(bytes);
    let [journal, codes, report] = std::array::from_fn(|_| stored.next().unwrap_or_default());
    let text = sealed(journal, codes, report);
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    let (codes_path, report_path) = (at("z.npy"), at("r.csv"));
    fs::write(at("z.npy.partial"), codes).unwrap();
    fs::write(at("r.csv.partial"), report).unwrap();
    let partial = at("z.npy.journal.partial");
    fs::write(&partial, &text).unwrap();

    let found = match bounded(text.len(), || find(&codes_path)) {
        Ok(Some(found)) => found,
        Ok(None) => return false,
        Err(error) => {
            assert!(error.to_string().contains("z.npy.journal"), "{error}");
            return false;
        }
    };
    let entries: Vec<Progress> = (1..=found.entries()).map_while(|number| found.entry(number).ok()?).collect();
    for report_path in [None, Some(report_path.as_path())] {
        let verified = found.verified(&codes_path, report_path, None).unwrap();
        assert!(verified.entries <= found.entries());
        for entry in entries.iter().take(verified.entries) {
            holds(codes, 128, entry.codes.bytes, &entry.codes.digest);
            if report_path.is_some() {
                let extent = entry.report.as_ref().expect("a report that no entry describes is verified");
                holds(report, 0, extent.bytes, &extent.digest);
            }
        }
    }
    assert!(found.identity.differences(&found.identity).is_empty());
    assert!(!found.damaged || text.len() > ends(&text, found.entries()));
    cut_short(&codes_path, &partial, &text, &found);
    if entries.len() == found.entries() {
        written_again(&at("again.npy"), &found, &entries);
        resumed(&codes_path, &found, &entries);
    }
    !entries.is_empty()
}

/// The bytes that an entry counts on are on disk.
fn holds(bytes: &[u8], start: usize, end: u64, expected: &str) {
    let held = bytes.get(start..usize::try_from(end).unwrap()).expect("an entry counts on bytes that are not there");
    assert_eq!(digest(held), expected);
}

/// The length of the head and the first lines.
fn ends(text: &[u8], lines: usize) -> usize {
    text.split_inclusive(|byte| *byte == b'\n').take(1 + lines).map(<[u8]>::len).sum()
}

/// A journal of which only a beginning is left has the beginning of the entries.
fn cut_short(codes: &Path, partial: &Path, text: &[u8], found: &Found) {
    for kept in [0, found.entries() / 2, found.entries()] {
        for lost in [0, 1] {
            fs::write(partial, &text[..ends(text, kept) - lost]).unwrap();
            let again = find(codes).unwrap();
            let expected = if lost == 0 { Some(kept) } else { kept.checked_sub(1) };
            assert_eq!(again.as_ref().map(Found::entries), expected);
            assert!(again.is_none_or(|again| again.identity == found.identity && again.damaged == (lost > 0)));
        }
    }
    fs::write(partial, text).unwrap();
}

/// A journal that is written anew reads the same.
fn written_again(codes: &Path, found: &Found, entries: &[Progress]) {
    let mut journal = Journal::create(codes, &found.identity).unwrap();
    entries.iter().for_each(|entry| journal.record(entry).unwrap());
    journal.keep();
    drop(journal);
    same(&find_unfinished(codes).unwrap().unwrap(), found, entries);
}

/// A run that goes on after the first half of the entries, to the end.
fn resumed(codes: &Path, found: &Found, entries: &[Progress]) {
    let (kept, later) = entries.split_at(entries.len() / 2);
    let mut journal = Journal::resume(codes, found, kept.len()).unwrap();
    later.iter().for_each(|entry| journal.record(entry).unwrap());
    same(&find(codes).unwrap().unwrap(), found, entries);
    let Some(last) = later.last() else { return };
    journal.condense(last).unwrap();
    assert!(!journal_path(codes).with_extension("journal.partial").exists());
    let finished = find_finished(codes).unwrap().unwrap();
    assert_eq!(finished.entries(), 1);
    assert_eq!((finished.last().unwrap().as_ref(), finished.identity), (Some(last), found.identity.clone()));
}

fn same(again: &Found, found: &Found, entries: &[Progress]) {
    assert_eq!(again.identity, found.identity);
    assert!(!again.damaged);
    assert_eq!(again.entries(), entries.len());
    for (number, entry) in entries.iter().enumerate() {
        assert_eq!(again.entry(number + 1).unwrap().as_ref(), Some(entry));
    }
}
