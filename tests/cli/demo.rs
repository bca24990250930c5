//! `demo` and `devices`: the first commands of a new user.

use std::fs;
#[cfg(unix)]
use std::process::Command;

use crate::folder::Folder;

#[test]
fn the_demo_writes_all_that_it_names() {
    let folder = Folder::empty();
    let summary = folder.succeeds(&["demo", "--out", "d", "--count", "3", "--device", "cpu"]);
    assert!(summary.contains("3 observations: 3 converged"), "{summary}");
    let mut names: Vec<_> = fs::read_dir(folder.path("d"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    let expected = ["codes.npy", "network.safetensors", "observations.npy", "picture.png", "report.jsonl", "truth.npy"];
    assert_eq!(names, expected);
    folder.refuses(&["demo", "--out", "d", "--count", "3"], &["network.safetensors", "already exists", "--force"]);
    folder.succeeds(&["demo", "--out", "d", "--count", "3", "--device", "cpu", "--force"]);
}

/// The screen compares methods by its own measurements, and it reads as a success.
#[test]
fn the_demo_says_how_good_it_was() {
    let folder = Folder::empty();
    let screen = folder.succeeds(&["demo", "--out", "d", "--count", "20", "--device", "cpu"]);
    let explained = "reproduced up to noise of size 0.01: 20 (100.0 %)";
    assert!(screen.contains(explained) && screen.contains("determined locally"), "{screen}");
    assert!(!screen.contains("approximated") && !screen.contains("up to 1e-3: 0 ("), "{screen}");
    // The median error of each method: best is as small as the noise allows, plain descent is not.
    let error = |method: &str| -> f64 {
        let row = screen.lines().find_map(|line| line.strip_prefix(&format!("  {method} "))).unwrap();
        row.split_whitespace().next().unwrap().parse().unwrap()
    };
    let limit = error("least squares from the true code");
    assert!(error("best") < 1.1 * limit && error("linf --refine") < 2.0 * limit, "{screen}");
    assert!(error("descent by Adam, 2 restarts") < 0.1 && error("plain descent, 2 restarts") > 0.1, "{screen}");
    assert!(screen.contains("20 of its 20 codes are proven local minima"), "{screen}");
}

#[cfg(unix)]
#[test]
fn the_command_that_the_demo_proposes_works_as_printed() {
    let folder = Folder::empty();
    let screen = folder.succeeds(&["demo", "--out", "a first look", "--count", "3", "--device", "cpu"]);
    let command = screen.lines().find(|line| line.contains(" invert ")).unwrap();
    assert!(command.contains("'a first look/network.safetensors'"), "{command}");
    let run = Command::new("sh").args(["-c", command]).current_dir(folder.path(".")).output().unwrap();
    assert!(run.status.success(), "{command}: {}", String::from_utf8_lossy(&run.stderr));
    assert!(folder.path("a first look/refined.npy").exists());
}

#[test]
fn devices_are_listed() {
    let text = Folder::empty().succeeds(&["devices"]);
    assert!(text.starts_with("CPU: ") && text.contains("--device auto uses "), "{text}");
    let json: serde_json::Value = serde_json::from_str(&Folder::empty().succeeds(&["devices", "--json"])).unwrap();
    assert!(json.is_array());
}

#[test]
fn a_demo_that_is_refused_leaves_nothing() {
    let folder = Folder::empty();
    let output = folder.run(&["demo", "--out", "d", "--adapter", "no such card"]);
    assert_eq!(output.status.code(), Some(2));
    assert_eq!(fs::read_dir(folder.path("d")).unwrap().count(), 0);
}
