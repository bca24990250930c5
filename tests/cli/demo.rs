//! `demo` and `devices`: what a newcomer runs first.

use std::fs;

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
    // The command that the summary proposes works.
    let again = [
        "invert",
        "d/network.safetensors",
        "d/observations.npy",
        "-o",
        "codes.npy",
        "--epsilon",
        "0.01",
        "--device",
        "cpu",
    ];
    folder.succeeds(&again);
}

#[test]
fn devices_are_listed() {
    let text = Folder::empty().succeeds(&["devices"]);
    assert!(text.starts_with("CPU: ") && text.contains("--device auto takes "), "{text}");
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
