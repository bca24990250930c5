//! Killed runs are resumed and end with the bytes of an uninterrupted run. Damaged or foreign data
//! is never accepted as complete.
#![cfg(unix)]

use std::fs;
use std::thread;
use std::time::Duration;

use unrelu::{ElementType, read_npy as read_all, write_npy as write_all};

use crate::folder::Folder;
use crate::runs::{
    batches_done, has_ended_as, invert, killed_after, put_back, start, undisturbed, unfinished, wait_for_more_than,
    with_observations,
};

const KILLS: u64 = 20;

#[test]
fn killed_at_twenty_moments_it_ends_with_the_same_bytes() {
    let folder = with_observations(4800);
    let expected = undisturbed(&folder);
    for kill in 0..KILLS {
        let before = batches_done(&folder);
        let mut run = start(&folder, &invert(&["--resume"]));
        // The first moments are before anything is written; the others are a little after some
        // batch.
        if kill >= 5 {
            wait_for_more_than(&folder, before);
        }
        thread::sleep(Duration::from_micros(1_900 * (kill * 7 % 11)));
        run.kill().unwrap();
        run.wait().unwrap();
        assert!(!folder.path("z.npy").exists(), "kill {kill} came after the end: the run is too short for this test");
    }
    assert!(batches_done(&folder) >= 15);
    folder.succeeds(&invert(&["--resume"]));
    has_ended_as(&folder, &expected);
}

#[test]
fn what_is_torn_is_done_again() {
    let folder = with_observations(1600);
    let expected = undisturbed(&folder);
    killed_after(&folder, 6);
    let state = unfinished(&folder);
    let spoil = |name: &str, change: &dyn Fn(&mut Vec<u8>)| {
        put_back(&folder, &state);
        let mut bytes = folder.bytes(name);
        change(&mut bytes);
        folder.write(name, bytes);
        let output = folder.run(&invert(&["--resume"]));
        let said = String::from_utf8(output.stderr).unwrap();
        assert!(output.status.success(), "{name}: {said}");
        has_ended_as(&folder, &expected);
        said
    };
    let journal = "z.npy.journal.partial";
    let half_of_the_last_line = |bytes: &mut Vec<u8>| bytes.truncate(bytes.len() - 40);
    assert!(spoil(journal, &half_of_the_last_line).contains("continuing after"));
    spoil(journal, &|bytes| bytes.extend(b"{\"done\":1600,\"finished\":true"));
    spoil(journal, &|bytes| bytes.extend(b"\0\xff\n\n {} 0\n"));
    // After a changed line, the following lines are not trusted either.
    let third_line = |bytes: &[u8]| bytes.iter().enumerate().filter(|(_, byte)| **byte == b'\n').nth(2).unwrap().0 + 10;
    let changed = spoil(journal, &|bytes| {
        let place = third_line(bytes);
        bytes[place] ^= 1;
    });
    assert!(changed.contains("continuing after 16 of 1600"), "{changed}");
    // A complete line of the file with a valid checksum, but in the wrong place.
    spoil(journal, &|bytes| {
        let last = bytes[..bytes.len() - 1].iter().rposition(|byte| *byte == b'\n').unwrap();
        let line = bytes[last + 1..].to_vec();
        bytes.extend(line);
    });
    spoil(journal, &|bytes| bytes.truncate(30));
    spoil(journal, &|bytes| bytes.clear());
    // The outputs differ from the journal.
    let changed = spoil("z.npy.partial", &|bytes| bytes[128 + 3 * 8 * 20] ^= 1);
    assert!(changed.contains("continuing after 16 of 1600") && changed.contains("are computed again"), "{changed}");
    spoil("z.npy.partial", &|bytes| bytes.truncate(128 + 3 * 8 * 20));
    spoil("z.npy.partial", &|bytes| bytes.clear());
    spoil("z.npy.partial", &|bytes| bytes.extend([7; 100_000]));
    spoil("r.jsonl.partial", &|bytes| bytes[5000] ^= 1);
    spoil("r.jsonl.partial", &|bytes| bytes.truncate(9000));
    // The outputs are missing.
    put_back(&folder, &state);
    fs::remove_file(folder.path("r.jsonl.partial")).unwrap();
    folder.succeeds(&invert(&["--resume"]));
    has_ended_as(&folder, &expected);
}

#[test]
fn a_journal_that_is_not_ours_is_left_alone() {
    let folder = with_observations(1600);
    killed_after(&folder, 3);
    let mut bytes = folder.bytes("z.npy.journal.partial");
    bytes[60] ^= 1;
    folder.write("z.npy.journal.partial", &bytes);
    let words = ["z.npy.journal.partial", "first line", "move it away"];
    folder.refuses(&invert(&["--resume"]), &words);
    folder.refuses(&invert(&[]), &words);
    folder.write("z.npy.journal.partial", b"dear diary");
    folder.refuses(&invert(&["--resume"]), &["z.npy.journal.partial", "not a journal of unrelu"]);
    folder.refuses(&invert(&["--force"]), &["z.npy.journal.partial", "not a journal of unrelu"]);
    fs::remove_file(folder.path("z.npy.journal.partial")).unwrap();
    folder.write("z.npy.journal", b"dear diary");
    folder.refuses(&invert(&["--force"]), &["z.npy.journal", "not a journal of unrelu"]);
    assert_eq!(folder.bytes("z.npy.journal"), b"dear diary");
}

#[test]
fn other_inputs_or_options_are_refused_by_name() {
    let folder = with_observations(1600);
    let expected = undisturbed(&folder);
    killed_after(&folder, 3);
    let refused = |arguments: &[&str], words: &[&str]| {
        let words = [&["was started with", "use the same inputs and options", "--force"], words].concat();
        folder.refuses(arguments, &words);
    };
    let with = |more: &[&'static str]| invert(&[&["--resume"], more].concat());
    refused(&with(&["--growth", "1.5"]), &["--growth 1.2 instead of 1.5"]);
    refused(&with(&["--method", "l1"]), &["--method linf instead of l1"]);
    refused(&with(&["--refine"]), &["--refine not given instead of given"]);
    refused(&with(&["--dtype", "f32"]), &["--dtype f64 instead of f32"]);
    refused(&with(&["--shard", "1/2"]), &["--shard", "0 to 1600 instead of 0 to 800"]);
    let swap = |from: &str, to: &'static str| -> Vec<&str> {
        with(&[]).into_iter().map(|word| if word == from { to } else { word }).collect()
    };
    refused(&swap("0.001", "0.002"), &["--epsilon 0.001 instead of 0.002"]);
    refused(&swap("8", "16"), &["--batch 8 instead of 16"]);
    refused(&swap("r.jsonl", "r.csv"), &["--report r.jsonl instead of r.csv"]);
    folder.succeeds(&["random-network", "3,16,60", "-o", "other.safetensors", "--seed", "2"]);
    refused(&swap("net.safetensors", "other.safetensors"), &["network net.safetensors instead of other.safetensors"]);
    // One entry of one observation that has not been read yet.
    let observations = folder.bytes("x.npy");
    let mut changed = observations.clone();
    *changed.last_mut().unwrap() ^= 1;
    folder.write("x.npy", &changed);
    refused(&with(&[]), &["observations: x.npy with other contents"]);
    folder.write("x.npy", &observations);
    let mut truth = read_all(folder.path("truth.npy")).unwrap();
    truth[(0, 0)] += 1.0;
    write_all(folder.path("other.npy"), &truth, ElementType::F64, false).unwrap();
    refused(&swap("truth.npy", "other.npy"), &["--truth truth.npy instead of other.npy"]);
    // The names of the files and the number of threads do not matter.
    fs::rename(folder.path("net.safetensors"), folder.path("moved.safetensors")).unwrap();
    let moved = swap("net.safetensors", "moved.safetensors");
    folder.succeeds(&[&moved[..], &["--threads", "1"]].concat());
    fs::rename(folder.path("moved.safetensors"), folder.path("net.safetensors")).unwrap();
    fs::remove_file(folder.path("other.safetensors")).unwrap();
    fs::remove_file(folder.path("other.npy")).unwrap();
    has_ended_as(&folder, &expected);
}

#[test]
fn what_is_done_is_not_thrown_away_by_mistake() {
    let folder = with_observations(1600);
    let expected = undisturbed(&folder);
    killed_after(&folder, 3);
    folder.refuses(&invert(&[]), &["z.npy.partial", "of 1600 observations", "--resume", "--force"]);
    folder.succeeds(&invert(&["--force"]));
    has_ended_as(&folder, &expected);
}

#[test]
fn after_the_end_there_is_nothing_to_do() {
    let folder = with_observations(40);
    let output = folder.run(&invert(&["--resume"]));
    assert!(output.status.success());
    assert!(String::from_utf8(output.stderr).unwrap().contains("nothing to resume: starting at the first observation"));
    let written = (folder.bytes("z.npy"), folder.bytes("r.jsonl"));
    let summary = folder.succeeds(&invert(&["--resume"]));
    assert!(summary.contains("40 observations: 40 solved"), "{summary}");
    let output = folder.run(&invert(&["--resume"]));
    assert!(String::from_utf8(output.stderr).unwrap().contains("z.npy is already finished: nothing to do"));
    has_ended_as(&folder, &written);
    folder.refuses(&invert(&["--resume", "--refine"]), &["--refine", "was started with"]);
    // Killed when the outputs were complete but not yet renamed.
    let rename = |from: &str, to: &str| fs::rename(folder.path(from), folder.path(to)).unwrap();
    rename("z.npy", "z.npy.partial");
    folder.succeeds(&invert(&["--resume"]));
    has_ended_as(&folder, &written);
    rename("z.npy", "z.npy.partial");
    rename("r.jsonl", "r.jsonl.partial");
    rename("z.npy.journal", "z.npy.journal.partial");
    folder.succeeds(&invert(&["--resume"]));
    has_ended_as(&folder, &written);
    // Changed after the run.
    folder.write("z.npy", b"something else");
    folder.refuses(&invert(&["--resume"]), &["z.npy: differs from what z.npy.journal records", "--force"]);
    // Moved away: this is a new run.
    fs::remove_file(folder.path("z.npy")).unwrap();
    fs::remove_file(folder.path("r.jsonl")).unwrap();
    folder.succeeds(&invert(&["--resume"]));
    has_ended_as(&folder, &written);
}

#[test]
fn a_resumed_run_ends_with_the_exit_code_of_the_whole() {
    let folder = with_observations(1600);
    // The failed observation is processed before the kill.
    let mut observations = read_all(folder.path("x.npy")).unwrap();
    observations[(0, 2)] = f64::INFINITY;
    write_all(folder.path("x.npy"), &observations, ElementType::F64, true).unwrap();
    killed_after(&folder, 3);
    let summary = |folder: &Folder| {
        let output = folder.run(&invert(&["--resume"]));
        assert_eq!(output.status.code(), Some(3));
        // The last two lines are about times.
        let summary = String::from_utf8(output.stdout).unwrap();
        summary.split_once(" linear programs").unwrap().0.to_owned()
    };
    let resumed = summary(&folder);
    assert!(resumed.contains("1600 observations: 1599 solved, 0 not certified, 1 failed"), "{resumed}");
    assert_eq!(summary(&folder), resumed, "nothing was left to do, and the same is said of it");
}

#[test]
fn a_csv_report_has_one_header() {
    let folder = with_observations(1600);
    let csv = |more: &[&'static str]| -> Vec<&str> {
        invert(more).into_iter().map(|word| if word == "r.jsonl" { "r.csv" } else { word }).collect()
    };
    folder.succeeds(&csv(&[]));
    let expected = folder.bytes("r.csv");
    for name in ["z.npy", "r.csv", "z.npy.journal"] {
        fs::remove_file(folder.path(name)).unwrap();
    }
    let mut run = start(&folder, &csv(&[]));
    wait_for_more_than(&folder, 3);
    run.kill().unwrap();
    run.wait().unwrap();
    folder.succeeds(&csv(&["--resume"]));
    assert!(folder.bytes("r.csv") == expected);
}
