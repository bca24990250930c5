//! Every operation on files of a small run fails once, and from some operation on all fail.
//! Afterwards there is the whole result, or a clean error after which the run continues to the same
//! bytes.

use std::fs;

use super::support::{COUNT, Small, copy_of, inverter, overwrite};
use crate::batch::Inverter;
use crate::cancel::CancelToken;
use crate::error::Result;
use crate::formats::files::faults::{Fault, injected};
use crate::formats::network_file::{NetworkOptions, load_network};
use crate::formats::safetensors::write_network;
use crate::run::journal;
use crate::run::merge::Merge;
use crate::run::request::{Begun, FileRun, Journaling};

/// Four batches, so that there are a hundred operations or two.
const BATCH: usize = 8;

/// What a test does in a folder, again and again.
struct Scenario<'a> {
    /// The files before.
    start: &'a Small,
    /// Runs with faults.
    work: &'a dyn Fn(&Small) -> Result<()>,
    /// Runs without faults after an error.
    again: &'a dyn Fn(&Small) -> Result<()>,
    /// The codes and the report of an undisturbed run.
    expected: &'a (Vec<u8>, Vec<u8>),
}

impl Scenario<'_> {
    /// Lets operation 1, 2, … have the fault, until there are no more. At least `least` of them.
    fn survives(&self, fault: Fault, lasting: bool, least: usize) {
        let mut at = 1;
        loop {
            let small = copy_of(self.start);
            let place = format!("{fault:?} at operation {at}, lasting: {lasting}");
            let (outcome, seen) = injected(small.folder(), fault, at, lasting, || (self.work)(&small));
            if seen.injected == 0 {
                assert!(at > least, "only {at} operations had faults");
                assert_eq!(seen.operations, at - 1, "{place}");
                outcome.unwrap_or_else(|error| panic!("{place}: {error}"));
                self.is_whole(&small, &place);
                return;
            }
            assert!(lasting || seen.injected == 1, "{place}: {seen:?}");
            match outcome {
                Ok(()) => {}
                Err(error) => {
                    assert!(fault != Fault::Short, "{place}: {error}");
                    let message = error.to_string();
                    let folder = small.folder().display().to_string();
                    assert!(message.contains("injected") && message.contains(&folder), "{place}: {message}");
                    assert!(!small.path("z.npy").exists(), "{place}: codes although there was an error");
                    (self.again)(&small).unwrap_or_else(|error| panic!("{place}: {error}"));
                }
            }
            self.is_whole(&small, &place);
            at += 1;
        }
    }

    /// The outputs are complete, the journal describes them, and nothing else is left behind.
    fn is_whole(&self, small: &Small, place: &str) {
        let read = |name: &str| fs::read(small.path(name)).unwrap_or_else(|error| panic!("{place}: {name}: {error}"));
        assert!(read("z.npy") == self.expected.0, "{place}: the codes differ");
        assert!(read("r.csv") == self.expected.1, "{place}: the report differs");
        let found = journal::find(&small.path("z.npy")).unwrap().unwrap_or_else(|| panic!("{place}: no journal"));
        assert!(found.is_finished() && !found.damaged && found.entries() == 1, "{place}: {found:?}");
        assert_eq!(found.done(), COUNT as u64, "{place}");
        let last = found.last().unwrap().unwrap();
        assert_eq!(last.codes.bytes, self.expected.0.len() as u64, "{place}");
        assert_eq!(last.report.unwrap().bytes, self.expected.1.len() as u64, "{place}");
        let mut names: Vec<_> = self.start.files().into_iter().map(|(name, _)| name).collect();
        names.retain(|name| !name.ends_with(".partial"));
        names.extend(["z.npy", "r.csv", "z.npy.journal"].map(str::to_owned));
        names.sort();
        let found: Vec<_> = small.files().into_iter().map(|(name, _)| name).collect();
        assert_eq!(found, names, "{place}");
    }
}

/// Every kind of fault, once and for good.
fn survives_everything(scenario: &Scenario, least: usize) {
    for (fault, lasting) in [
        (Fault::Broken, false),
        (Fault::Broken, true),
        (Fault::Full, false),
        (Fault::Full, true),
        (Fault::Short, false),
        (Fault::Short, true),
    ] {
        scenario.survives(fault, lasting, if fault == Fault::Broken { least } else { least / 4 });
    }
}

/// A run of four batches.
fn run_of(small: &Small, journaling: Journaling) -> Result<FileRun> {
    Ok(FileRun { batch: BATCH, ..small.run(journaling)? })
}

/// Reads the network and inverts, as the command line does.
fn invert(small: &Small, journaling: Journaling) -> Result<()> {
    load_network(&small.path("net.safetensors"), &NetworkOptions::default())?;
    run_of(small, journaling)?.run(inverter(), |_| (), &CancelToken::new()).map(|_| ())
}

fn with_network() -> Small {
    let small = Small::new();
    write_network(&small.path("net.safetensors"), Inverter::network(inverter()), false).unwrap();
    small
}

fn whole() -> (Vec<u8>, Vec<u8>) {
    let small = with_network();
    invert(&small, Journaling::Begin).unwrap();
    (fs::read(small.path("z.npy")).unwrap(), fs::read(small.path("r.csv")).unwrap())
}

#[test]
fn a_run_survives_every_fault() {
    let scenario = Scenario {
        start: &with_network(),
        work: &|small| invert(small, Journaling::Begin),
        again: &|small| invert(small, Journaling::Resume),
        expected: &whole(),
    };
    survives_everything(&scenario, 80);
}

#[test]
fn a_resumed_run_survives_every_fault() {
    // Stopped before the last batch by an input that changes, which is then restored.
    let small = with_network();
    let observations = fs::read(small.path("x.npy")).unwrap();
    let started = run_of(&small, Journaling::Begin).unwrap().start(inverter()).unwrap();
    overwrite(&small.path("x.npy"));
    let done = started.run(|_| (), &CancelToken::new()).unwrap_err().safe;
    assert_eq!(done, 3 * BATCH as u64);
    fs::write(small.path("x.npy"), observations).unwrap();
    let resume = |small: &Small| {
        load_network(&small.path("net.safetensors"), &NetworkOptions::default())?;
        let run = run_of(small, Journaling::Resume)?.start(inverter())?;
        // What was done is never computed again because something could not be read.
        assert!(
            matches!(run.begun(), Begun::Resumed { done: kept, lost: 0 } if kept >= done)
                || run.begun() == Begun::AlreadyFinished,
            "{:?}",
            run.begun()
        );
        Ok(run.run(|_| (), &CancelToken::new()).map(|_| ())?)
    };
    let scenario = Scenario { start: &small, work: &resume, again: &resume, expected: &whole() };
    survives_everything(&scenario, 80);
}

#[test]
fn a_merge_survives_every_fault() {
    let small = Small::new();
    let parts = ["part-1", "part-2", "part-3"];
    for (index, part) in parts.iter().enumerate() {
        let run = run_of(&small, Journaling::Begin).unwrap();
        let shard = format!("{}/{}", index + 1, parts.len()).parse().unwrap();
        let (codes, report) = (small.path(&format!("{part}.npy")), Some(small.path(&format!("{part}.csv"))));
        FileRun { shard, codes, report, ..run }.run(inverter(), |_| (), &CancelToken::new()).unwrap();
    }
    let merge = |small: &Small| {
        let parts = parts.iter().map(|part| small.path(&format!("{part}.npy"))).collect();
        let merge = Merge { parts, codes: small.path("z.npy"), report: Some(small.path("r.csv")), force: false };
        merge.run(|_| (), &CancelToken::new()).map(|_| ())
    };
    let scenario = Scenario { start: &small, work: &merge, again: &merge, expected: &whole() };
    survives_everything(&scenario, 50);
}

#[test]
fn the_checks_of_this_file_can_fail() {
    let small = Small::new();
    run_of(&small, Journaling::Begin).unwrap().run(inverter(), |_| (), &CancelToken::new()).unwrap();
    let expected = whole();
    let start = Small::new();
    let is_whole = |small: &Small| {
        let nothing = |_: &Small| Ok(());
        let scenario = Scenario { start: &start, work: &nothing, again: &nothing, expected: &expected };
        std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| scenario.is_whole(small, "planted"))).is_ok()
    };
    assert!(is_whole(&small));
    for name in ["z.npy", "r.csv", "z.npy.journal"] {
        let changed = copy_of(&small);
        let mut bytes = fs::read(changed.path(name)).unwrap();
        *bytes.last_mut().unwrap() ^= 1;
        fs::write(changed.path(name), bytes).unwrap();
        assert!(!is_whole(&changed), "{name}");
    }
    fs::write(small.path("z.npy.partial"), "").unwrap();
    assert!(!is_whole(&small));
}
