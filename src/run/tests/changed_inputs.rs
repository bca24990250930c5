//! Inputs that are overwritten in place during a run, with the same length: the run is refused, and
//! nothing that was read from the new contents is written.

use std::fs;

use super::support::{BATCH, COUNT, Small, inverter, overwrite};
use crate::cancel::CancelToken;
use crate::formats::npy::{ElementType, NpyReader, read_all, write_all};
use crate::run::journal::{self, Shard};
use crate::run::mask::Mask;
use crate::run::merge::Merge;
use crate::run::request::{Begun, FileRun, Journaling};

/// Carries out a run whose input `name` is overwritten after the run has started. Returns the
/// message.
#[track_caller]
fn refused(small: &Small, run: FileRun, name: &str) -> String {
    let path = small.path(name);
    let before = fs::read(&path).unwrap();
    let started = run.start(inverter()).unwrap();
    overwrite(&path);
    let outcome = started.run(|_| (), &CancelToken::new());
    let stopped = outcome.expect_err("the run took the new contents");
    let message = stopped.error.to_string();
    for words in [name, "than at the start of the run", "does not change", "`force`", "journaling: Resume"] {
        assert!(message.contains(words), "{name}: no `{words}` in {message}");
    }
    assert!(stopped.error.is_usage());
    for finished in ["z.npy", "r.csv", "z.npy.journal"] {
        assert!(!small.path(finished).exists(), "{name}: {finished} looks finished");
    }
    fs::write(&path, before).unwrap();
    message
}

/// The bytes of codes and report of an undisturbed run.
fn undisturbed(shard: Shard) -> (Vec<u8>, Vec<u8>) {
    let small = Small::new();
    FileRun { shard, ..small.run(Journaling::Begin).unwrap() }.run(inverter(), |_| (), &CancelToken::new()).unwrap();
    (fs::read(small.path("z.npy")).unwrap(), fs::read(small.path("r.csv")).unwrap())
}

#[test]
fn each_input_is_checked_again_when_it_is_read() {
    let expected = undisturbed(Shard::WHOLE);
    for name in ["x.npy", "truth.npy", "mask.npy"] {
        let small = Small::new();
        let message = refused(&small, small.run(Journaling::Begin).unwrap(), name);
        assert!(message.contains("rows 30 to 30"), "{message}");
        // With the contents restored, the run continues to the same bytes.
        let resumed = small.run(Journaling::Resume).unwrap().start(inverter()).unwrap();
        assert_eq!(resumed.begun(), Begun::Resumed { done: COUNT as u64 - 1, lost: 0 }, "{name}");
        resumed.run(|_| (), &CancelToken::new()).unwrap();
        assert!((fs::read(small.path("z.npy")).unwrap(), fs::read(small.path("r.csv")).unwrap()) == expected);
    }
}

#[test]
fn shards_and_resumed_runs_check_the_part_that_they_read() {
    let small = Small::new();
    // Cancelled after the first batch, then resumed with another file.
    let cancel = CancelToken::new();
    let stopped = small.run(Journaling::Begin).unwrap().start(inverter()).unwrap().run(|_| cancel.cancel(), &cancel);
    assert!(stopped.unwrap_err().safe < COUNT as u64);
    refused(&small, small.run(Journaling::Resume).unwrap(), "x.npy");
    // The last shard reads the changed row, the first one does not.
    let shard = |text: &str| text.parse::<Shard>().unwrap();
    let small = Small::new();
    refused(&small, FileRun { shard: shard("2/2"), ..small.run(Journaling::Begin).unwrap() }, "x.npy");
    let small = Small::new();
    let first = FileRun { shard: shard("1/2"), ..small.run(Journaling::Begin).unwrap() };
    let started = first.start(inverter()).unwrap();
    overwrite(&small.path("x.npy"));
    started.run(|_| (), &CancelToken::new()).unwrap();
    assert!(fs::read(small.path("z.npy")).unwrap() == undisturbed(shard("1/2")).0);
    let digest = journal::find_finished(&small.path("z.npy")).unwrap().unwrap().identity.observations.digest;
    let mut original = NpyReader::open(&Small::new().path("x.npy")).unwrap();
    assert_eq!(digest, original.pin(1).unwrap(), "the journal names the contents that the codes belong to");
}

#[test]
fn a_file_that_changes_before_its_digest_is_computed_is_read_anew() {
    let small = Small::new();
    let run = small.run(Journaling::Begin).unwrap();
    let numbers = read_all(&small.path("x.npy")).unwrap();
    let other = numbers.map(|x| x + 0.25);
    // In place: `write_all` would rename.
    write_all(&small.path("y.npy"), &other, ElementType::F64, false).unwrap();
    fs::write(small.path("x.npy"), fs::read(small.path("y.npy")).unwrap()).unwrap();
    run.run(inverter(), |_| (), &CancelToken::new()).unwrap();
    let whole = Small::new();
    fs::write(whole.path("x.npy"), fs::read(small.path("y.npy")).unwrap()).unwrap();
    whole.run(Journaling::Begin).unwrap().run(inverter(), |_| (), &CancelToken::new()).unwrap();
    assert!(fs::read(small.path("z.npy")).unwrap() == fs::read(whole.path("z.npy")).unwrap());
}

#[test]
fn a_mask_for_all_observations_is_compared_with_what_was_read() {
    let small = Small::new();
    let width = NpyReader::open(&small.path("x.npy")).unwrap().width();
    let write = |hidden: usize| {
        let mask = nalgebra::DMatrix::from_fn(width, 1, |row, _| f64::from(u8::from(row != hidden)));
        write_all(&small.path("one.npy"), &mask, ElementType::F32, true).unwrap();
        fs::read(small.path("one.npy")).unwrap()
    };
    let other = write(3);
    write(0);
    let mut mask = Mask::open(&small.path("one.npy"), &[width]).unwrap();
    assert!(mask.pin(BATCH).is_ok());
    fs::write(small.path("one.npy"), other).unwrap();
    let message = mask.pin(BATCH).unwrap_err().to_string();
    assert!(message.contains("one.npy") && message.contains("changed in the meantime"), "{message}");
}

#[test]
fn a_part_that_changes_during_a_merge_is_refused() {
    for name in ["part-2.npy", "part-2.csv"] {
        let small = Small::new();
        let parts = ["1/2", "2/2"].map(|shard| {
            let part = small.path(&format!("part-{}.npy", &shard[..1]));
            let run = small.run(Journaling::Begin).unwrap();
            let report = Some(part.with_extension("csv"));
            let run = FileRun { shard: shard.parse().unwrap(), codes: part.clone(), report, ..run };
            run.run(inverter(), |_| (), &CancelToken::new()).unwrap();
            part
        });
        let merge = || Merge {
            parts: parts.to_vec(),
            codes: small.path("z.npy"),
            report: Some(small.path("r.csv")),
            force: false,
        };
        let before = fs::read(small.path(name)).unwrap();
        let files = small.files();
        let outcome = merge().run(|_| overwrite(&small.path(name)), &CancelToken::new());
        let message = outcome.expect_err("the merge took the new contents").to_string();
        assert!(message.contains(name), "{message}");
        fs::write(small.path(name), before).unwrap();
        assert!(small.files() == files, "{name}: something was left behind");
        merge().run(|_| (), &CancelToken::new()).unwrap();
        assert!(fs::read(small.path("z.npy")).unwrap() == undisturbed(Shard::WHOLE).0);
    }
}
