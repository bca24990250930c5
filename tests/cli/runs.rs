//! Interrupted runs of `invert`, and the uninterrupted run whose bytes they must end with.

use std::fs;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use crate::folder::Folder;

/// Observations per batch.
pub const BATCH: &str = "8";

/// A folder with a network, `count` noisy observations `x.npy` and their codes `truth.npy`.
pub fn with_observations(count: usize) -> Folder {
    let folder = Folder::empty();
    folder.succeeds(&["random-network", "3,16,60", "-o", "net.safetensors", "--seed", "1"]);
    let count = count.to_string();
    let to = ["--codes-out", "truth.npy", "-o", "x.npy", "--noise", "uniform:0.001"];
    folder.succeeds(&[&["generate", "net.safetensors", "--count", &count, "--seed", "4"], &to[..]].concat());
    folder
}

/// The command for codes `z.npy` and a report `r.jsonl`.
pub fn invert<'a>(more: &[&'a str]) -> Vec<&'a str> {
    let usual = ["invert", "net.safetensors", "x.npy", "-o", "z.npy", "--report", "r.jsonl", "--truth", "truth.npy"];
    [&usual[..], &["--epsilon", "0.001", "--device", "cpu", "--batch", BATCH], more].concat()
}

/// Codes and report of the uninterrupted run, under names of their own.
pub fn undisturbed(folder: &Folder) -> (Vec<u8>, Vec<u8>) {
    let elsewhere: Vec<&str> = invert(&["--force"])
        .into_iter()
        .map(|word| match word {
            "z.npy" => "whole.npy",
            "r.jsonl" => "whole.jsonl",
            other => other,
        })
        .collect();
    folder.succeeds(&elsewhere);
    let bytes = (folder.bytes("whole.npy"), folder.bytes("whole.jsonl"));
    for name in ["whole.npy", "whole.jsonl", "whole.npy.journal"] {
        fs::remove_file(folder.path(name)).unwrap();
    }
    bytes
}

/// Starts a command in the folder and captures its standard error.
pub fn start(folder: &Folder, arguments: &[&str]) -> Child {
    Command::new(env!("CARGO_BIN_EXE_unrelu"))
        .args(arguments)
        .current_dir(folder.path("."))
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap()
}

/// Number of batches in the unfinished journal.
pub fn batches_done(folder: &Folder) -> usize {
    let text = fs::read(folder.path("z.npy.journal.partial")).unwrap_or_default();
    text.iter().filter(|byte| **byte == b'\n').count().saturating_sub(1)
}

/// Waits until the run has finished more than `batches` batches.
#[track_caller]
pub fn wait_for_more_than(folder: &Folder, batches: usize) {
    let start = Instant::now();
    while batches_done(folder) <= batches {
        assert!(start.elapsed() < Duration::from_secs(60), "the run does not come further");
        thread::sleep(Duration::from_millis(1));
    }
}

/// Runs `invert` until it has finished more than `batches` batches, and kills it there.
pub fn killed_after(folder: &Folder, batches: usize) {
    let mut run = start(folder, &invert(&[]));
    wait_for_more_than(folder, batches);
    run.kill().unwrap();
    run.wait().unwrap();
    assert!(!folder.path("z.npy").exists(), "the run ended before it was killed");
}

#[track_caller]
pub fn has_ended_as(folder: &Folder, expected: &(Vec<u8>, Vec<u8>)) {
    assert!(folder.bytes("z.npy") == expected.0, "the codes differ from those of an undisturbed run");
    assert!(folder.bytes("r.jsonl") == expected.1, "the report differs from that of an undisturbed run");
    assert_eq!(folder.names(), ["net.safetensors", "r.jsonl", "truth.npy", "x.npy", "z.npy", "z.npy.journal"]);
}

/// The unfinished files, so that they can be restored.
pub fn unfinished(folder: &Folder) -> Vec<(&'static str, Vec<u8>)> {
    ["z.npy.partial", "r.jsonl.partial", "z.npy.journal.partial"].map(|name| (name, folder.bytes(name))).into()
}

/// Restores the unfinished files and removes the finished ones.
pub fn put_back(folder: &Folder, files: &[(&str, Vec<u8>)]) {
    for name in ["z.npy", "r.jsonl", "z.npy.journal"] {
        let _ = fs::remove_file(folder.path(name));
    }
    for (name, bytes) in files {
        folder.write(name, bytes);
    }
}
