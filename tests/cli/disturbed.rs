//! Runs whose files are changed, removed or also written by others: nothing wrong looks finished,
//! and the message says what to do.
#![cfg(unix)]

use std::fs::{self, OpenOptions};
use std::os::unix::fs::FileExt;
use std::process::Output;

use crate::folder::Folder;
use crate::runs::{has_ended_as, invert, start, undisturbed, wait_for_more_than, with_observations};
use crate::signals::{Signal, send};

#[track_caller]
fn ended(output: &Output, code: i32, words: &[&str]) -> String {
    let message = String::from_utf8(output.stderr.clone()).unwrap();
    assert_eq!(output.status.code(), Some(code), "{message}");
    for word in words {
        assert!(message.contains(word), "no `{word}` in {message}");
    }
    message
}

#[test]
fn observations_that_are_overwritten_in_place_are_refused() {
    let folder = with_observations(4800);
    let expected = undisturbed(&folder);
    let run = start(&folder, &invert(&[]));
    wait_for_more_than(&folder, 0);
    // The last row, which is not read yet. The length stays the same.
    let length = folder.bytes("x.npy").len() as u64;
    let file = OpenOptions::new().read(true).write(true).open(folder.path("x.npy")).unwrap();
    let mut last = [0];
    file.read_exact_at(&mut last, length - 1).unwrap();
    file.write_all_at(&[last[0] ^ 1], length - 1).unwrap();
    let words =
        ["x.npy: found other numbers in rows 4792 to 4799 than at the start", "--force", "4792 of 4800", "--resume"];
    ended(&run.wait_with_output().unwrap(), 2, &words);
    assert!(!folder.path("z.npy").exists() && !folder.path("r.jsonl").exists());
    // What was written belongs to the first contents.
    ended(&folder.run(&invert(&["--resume"])), 2, &["observations: x.npy with other contents"]);
    file.write_all_at(&last, length - 1).unwrap();
    folder.succeeds(&invert(&["--resume"]));
    has_ended_as(&folder, &expected);
}

#[test]
fn a_folder_that_disappears_is_a_failure_of_the_run() {
    let folder = with_observations(1600);
    fs::create_dir(folder.path("out")).unwrap();
    let to = |word| match word {
        "z.npy" => "out/z.npy",
        "r.jsonl" => "out/r.jsonl",
        other => other,
    };
    let command: Vec<&str> = invert(&[]).into_iter().map(to).collect();
    let run = start(&folder, &command);
    let journal = folder.path("out/z.npy.journal.partial");
    while fs::metadata(&journal).map_or(0, |metadata| metadata.len()) < 2000 {
        std::thread::yield_now();
    }
    fs::remove_dir_all(folder.path("out")).unwrap();
    let message = ended(&run.wait_with_output().unwrap(), 1, &["out/", "the folder was removed", "start again"]);
    assert!(!message.contains("saved on disk"), "nothing is saved: {message}");
    // A folder that never existed is an error of the command.
    folder.refuses(&command, &["create its directory first"]);
}

#[test]
fn a_second_run_on_the_same_output_learns_of_the_first() {
    let folder = with_observations(4800);
    let expected = undisturbed(&folder);
    let run = start(&folder, &invert(&[]));
    wait_for_more_than(&folder, 0);
    for more in [&[][..], &["--resume"], &["--force"], &["--resume", "--force"]] {
        let output = folder.run(&invert(more));
        let message = ended(&output, 2, &["z.npy: is being written by another run", "wait", "name another output"]);
        assert!(!message.contains("discard") && !message.contains("already exists"), "{more:?}: {message}");
    }
    send(Signal::SIGTERM, &run);
    let output = run.wait_with_output().unwrap();
    ended(&output, 130, &["--resume"]);
    folder.succeeds(&invert(&["--resume"]));
    has_ended_as(&folder, &expected);
}

#[test]
fn outputs_of_a_finished_run_that_are_missing_are_named() {
    let folder: Folder = with_observations(40);
    folder.succeeds(&invert(&[]));
    let written = (folder.bytes("z.npy"), folder.bytes("r.jsonl"));
    fs::remove_file(folder.path("z.npy")).unwrap();
    let words = ["z.npy: is missing, although z.npy.journal records a finished run", "put it back", "--force"];
    folder.refuses(&invert(&["--resume"]), &words);
    // Each way that the message names works.
    folder.write("z.npy", &written.0);
    folder.succeeds(&invert(&["--resume"]));
    has_ended_as(&folder, &written);
    fs::remove_file(folder.path("z.npy")).unwrap();
    folder.succeeds(&invert(&["--resume", "--force"]));
    has_ended_as(&folder, &written);
    fs::remove_file(folder.path("r.jsonl")).unwrap();
    let words = ["r.jsonl: is missing, although z.npy.journal records a finished run", "put it back", "--force"];
    folder.refuses(&invert(&["--resume"]), &words);
    folder.succeeds(&invert(&["--force"]));
    has_ended_as(&folder, &written);
}
