//! Runs that are stopped, and runs whose disk or input fails: finished work is kept, and the
//! message says how to resume.
#![cfg(unix)]

use std::fs::OpenOptions;
use std::process::{Command, Output};

use crate::folder::Folder;
use crate::runs::{has_ended_as, invert, start, undisturbed, wait_for_more_than, with_observations};
use crate::signals::{Signal, send};

/// The command that the message proposes, run by a shell as written.
fn go_on(folder: &Folder, message: &str) -> Output {
    let proposed = message.lines().find(|line| line.starts_with("  ")).unwrap_or_else(|| panic!("{message}"));
    assert!(proposed.ends_with("--resume"), "{proposed}");
    Command::new("sh").args(["-c", proposed]).current_dir(folder.path(".")).output().unwrap()
}

#[test]
fn a_signal_ends_a_run_between_batches_and_the_command_to_go_on_works() {
    let folder = with_observations(4800);
    let expected = undisturbed(&folder);
    for signal in [Signal::SIGTERM, Signal::SIGINT, Signal::SIGHUP] {
        for name in ["z.npy", "r.jsonl", "z.npy.journal"] {
            let _ = std::fs::remove_file(folder.path(name));
        }
        let run = start(&folder, &invert(&[]));
        wait_for_more_than(&folder, 3);
        send(signal, &run);
        let output = run.wait_with_output().unwrap();
        let message = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(130), "{signal}: {message}");
        assert!(message.contains("of 4800 observations are saved on disk; to continue:"), "{message}");
        assert!(message.ends_with("error: interrupted\n"), "{message}");
        let names = ["net.safetensors", "r.jsonl.partial", "truth.npy", "x.npy", "z.npy.journal.partial"];
        assert_eq!(folder.names(), [&names[..], &["z.npy.partial"]].concat());
        let output = go_on(&folder, &message);
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        has_ended_as(&folder, &expected);
    }
}

/// Runs the command with file sizes limited to a number of kibibytes; writing more is an error, not
/// a signal.
fn with_file_limit(folder: &Folder, kibibytes: u32, arguments: &[&str]) -> Output {
    let program = env!("CARGO_BIN_EXE_unrelu");
    let script = format!("trap '' XFSZ; ulimit -f {kibibytes}; exec {program} \"$@\"");
    let shell = ["-c", &script, "unrelu"];
    Command::new("bash").args(shell).args(arguments).current_dir(folder.path(".")).output().unwrap()
}

#[test]
fn a_full_disk_is_said_and_costs_nothing_that_is_done() {
    let folder = with_observations(1600);
    let expected = undisturbed(&folder);
    // The journal, the report or the codes hit the limit first, at batch boundaries and in the
    // middle of a line.
    let mut done = Vec::new();
    for limit in [40, 101, 203] {
        let output = with_file_limit(&folder, limit, &invert(&["--resume"]));
        let message = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(1), "{message}");
        assert!(message.contains("could not write") && message.contains("File too large"), "{message}");
        assert!(message.contains("of 1600 observations are saved on disk; to continue:"), "{message}");
        done.push(message.lines().find_map(|line| line.split_once(" of 1600 obs")?.0.parse::<u32>().ok()).unwrap());
    }
    assert!(done.is_sorted() && done[0] < done[2], "{done:?}");
    folder.succeeds(&invert(&["--resume"]));
    has_ended_as(&folder, &expected);
}

#[test]
fn a_disk_that_is_full_from_the_start_leaves_nothing() {
    let folder = with_observations(80);
    let before = folder.names();
    let output = with_file_limit(&folder, 0, &invert(&[]));
    let message = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{message}");
    assert!(message.contains("could not write") && !message.contains("to continue"), "{message}");
    assert_eq!(folder.names(), before);
}

#[cfg(target_os = "linux")]
#[test]
fn a_summary_that_cannot_be_written_fails_the_command_and_not_the_run() {
    let folder = with_observations(80);
    let expected = undisturbed(&folder);
    let full = OpenOptions::new().write(true).open("/dev/full").unwrap();
    let command = Command::new(env!("CARGO_BIN_EXE_unrelu"))
        .args(invert(&[]))
        .current_dir(folder.path("."))
        .stdout(full)
        .output()
        .unwrap();
    assert_eq!(command.status.code(), Some(1));
    assert!(String::from_utf8(command.stderr).unwrap().contains("standard output: could not write"));
    has_ended_as(&folder, &expected);
}

#[test]
fn observations_that_become_shorter_are_noticed() {
    let folder = with_observations(4800);
    let expected = undisturbed(&folder);
    let whole = folder.bytes("x.npy");
    let run = start(&folder, &invert(&[]));
    wait_for_more_than(&folder, 2);
    let file = OpenOptions::new().write(true).open(folder.path("x.npy")).unwrap();
    file.set_len(whole.len() as u64 * 9 / 10).unwrap();
    let output = run.wait_with_output().unwrap();
    let message = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(2), "{message}");
    assert!(message.contains("x.npy: found a file that became shorter while it was read"), "{message}");
    // In its current state it cannot be resumed; in its earlier state it can.
    folder.refuses(&invert(&["--resume"]), &["x.npy", "truncated"]);
    folder.write("x.npy", &whole);
    let output = go_on(&folder, &message);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    has_ended_as(&folder, &expected);
}

#[test]
fn two_runs_do_not_write_to_one_output() {
    let folder = with_observations(4800);
    let mut run = start(&folder, &invert(&[]));
    wait_for_more_than(&folder, 2);
    for more in [&["--resume"][..], &["--force"]] {
        let output = folder.run(&invert(more));
        let message = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{message}");
        assert!(message.contains("is being written by another run"), "{message}");
    }
    assert!(run.wait().unwrap().success());
}
