//! Usage errors, help, and a reader that closes the pipe.

use std::io::Read;
use std::process::{Command, Stdio};

use crate::folder::Folder;

#[test]
fn usage_errors_exit_with_2() {
    let folder = Folder::with_network();
    folder.refuses(&[], &["Usage"]);
    folder.refuses(&["invent"], &["invent"]);
    folder.refuses(&["generate", "net.safetensors", "-o", "out.npy"], &["CODES"]);
    folder.refuses(&["generate", "net.safetensors", "c.npy", "--count", "2", "-o", "out.npy"], &["--count"]);
    folder.refuses(&["generate", "net.safetensors", "c.npy", "--codes-out", "c.npy", "-o", "o"], &["--codes-out"]);
    folder.refuses(&["generate", "net.safetensors", "--count", "0", "-o", "out.npy"], &["--count"]);
    folder.refuses(&["generate", "net.safetensors", "--count", "1", "--batch", "0", "-o", "o"], &["--batch"]);
    folder.refuses(&["generate", "net.safetensors", "--count", "1", "--noise", "loud", "-o", "o"], &["uniform:A"]);
}

#[test]
fn help_has_examples() {
    let folder = Folder::empty();
    for command in ["generate", "random-network", "inspect", "completions"] {
        let help = folder.succeeds(&[command, "--help"]);
        assert!(help.contains("Example") && help.contains(&format!("unrelu {command}")), "{help}");
    }
    assert!(folder.succeeds(&["--help"]).contains("Exit codes"));
}

#[test]
fn completions_know_the_commands() {
    for shell in ["bash", "zsh", "fish"] {
        assert!(Folder::empty().succeeds(&["completions", shell]).contains("random-network"));
    }
}

#[test]
fn a_closed_pipe_is_no_error() {
    let mut child = Command::new(env!("CARGO_BIN_EXE_unrelu"))
        .args(["completions", "bash"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    let mut message = String::new();
    child.stderr.take().unwrap().read_to_string(&mut message).unwrap();
    assert!(child.wait().unwrap().success() && message.is_empty(), "{message}");
}

#[cfg(unix)]
#[test]
fn an_interrupted_run_tidies_up_and_says_130() {
    let folder = Folder::with_network();
    let mut child = Command::new(env!("CARGO_BIN_EXE_unrelu"))
        .args(["generate", "net.safetensors", "--count", "1000000000", "-o", "out.npy"])
        .current_dir(folder.path("."))
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    // The signal is handled by the time the output grows.
    let grows = || std::fs::metadata(folder.path("out.npy.partial")).is_ok_and(|partial| partial.len() > 1000);
    while !grows() {
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
    crate::signals::send(crate::signals::Signal::SIGINT, &child);
    assert_eq!(child.wait().unwrap().code(), Some(130));
    assert_eq!(folder.names(), ["net.safetensors"]);
}
