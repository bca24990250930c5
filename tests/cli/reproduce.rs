//! `reproduce`: its files, what the figures must show, resuming, and rejected options.

use std::fs;
use std::process::{Command, Stdio};
use std::time::Duration;

use crate::folder::Folder;

/// The rows of a record, each with its columns by name.
fn rows(folder: &Folder, name: &str) -> Vec<std::collections::HashMap<String, String>> {
    let mut reader = csv::Reader::from_path(folder.path(name)).unwrap();
    reader.deserialize().map(Result::unwrap).collect()
}

#[test]
fn what_the_data_determine_is_recovered_and_the_files_are_there() {
    let folder = Folder::empty();
    let told = folder.succeeds(&["reproduce", "figure2", "--quick", "--out", "r"]);
    assert!(told.contains("figure2:") && told.contains("r.\n"), "{told}");
    let rows = rows(&folder, "r/figure2.csv");
    let certain = |row: &&std::collections::HashMap<String, String>| row["method"] != "best";
    let mut determined = 0;
    for row in rows.iter().filter(certain) {
        let k: usize = row["code_length"].parse().unwrap();
        let error: f64 = row["error"].parse().unwrap();
        if row["determined"] == "true" {
            determined += 1;
            assert!(error <= 1e-3, "{row:?}");
        }
        // The probability that one of these is not determined is 1e-5.
        assert!(k > 90 || row["determined"] == "true", "{row:?}");
    }
    assert!(determined > 40, "{determined}");
    let svg = fs::read_to_string(folder.path("r/figure2.svg")).unwrap();
    assert!(svg.starts_with("<svg") && svg.contains("binomial law") && svg.contains("descent, 1000 iterations"));
    assert_eq!(&folder.bytes("r/figure2.png")[1..4], b"PNG");
    assert_eq!(
        fs::read_to_string(folder.path("r/figure2.txt")).unwrap().trim(),
        told.split("\n\nData").next().unwrap()
    );
}

#[test]
fn the_same_command_goes_on_and_ends_with_the_same_bytes() {
    let folder = Folder::empty();
    let command = |out: &'static str, threads: &'static str| {
        ["reproduce", "expansion", "--quick", "--seed", "4", "--out", out, "--threads", threads]
    };
    folder.succeeds(&command("whole", "1"));
    folder.succeeds(&command("other", "2"));
    let files = ["expansion.csv", "expansion.svg", "expansion.png", "expansion.txt"];
    let same = |out: &str| {
        for file in files {
            assert!(folder.bytes(&format!("whole/{file}")) == folder.bytes(&format!("{out}/{file}")), "{file}");
        }
    };
    same("other");
    // Cut in the middle of a row, as after a power failure.
    let record = folder.bytes("other/expansion.csv");
    folder.write("other/expansion.csv", &record[..record.len() / 2]);
    fs::remove_file(folder.path("other/expansion.svg")).unwrap();
    folder.succeeds(&command("other", "2"));
    same("other");
}

#[cfg(unix)]
#[test]
fn an_interrupt_leaves_what_is_done() {
    let folder = Folder::empty();
    let command = ["reproduce", "figure5", "--quick", "--out", "r"];
    let mut run = Command::new(env!("CARGO_BIN_EXE_unrelu"));
    let run = run.args(command).current_dir(folder.path(".")).stdout(Stdio::null()).stderr(Stdio::piped());
    let run = run.spawn().unwrap();
    let record = folder.path("r/figure5.csv");
    while fs::read(&record).map_or(0, |bytes| bytes.len()) < 500 {
        std::thread::sleep(Duration::from_millis(5));
    }
    crate::signals::send(crate::signals::Signal::SIGINT, &run);
    let output = run.wait_with_output().unwrap();
    let message = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(130), "{message}");
    assert!(message.contains("the same command continues after them"), "{message}");
    let done = fs::read_to_string(&record).unwrap();
    assert!(done.lines().count() < 300 && !folder.path("r/figure5.svg").exists(), "{}", done.lines().count());
    folder.succeeds(&command);
    let whole = fs::read_to_string(&record).unwrap();
    assert!(whole.starts_with(&done) && whole.lines().count() == 1 + 4 * 3 * 2 * 2 * 5, "{}", whole.lines().count());
}

#[test]
fn what_makes_no_sense_is_refused() {
    let folder = Folder::with_network();
    let refused = |arguments: &[&str], words: &[&str]| folder.refuses(&[&["reproduce"], arguments].concat(), words);
    refused(&["figure7", "--out", "r"], &["figure7", "figure1", "hardness", "all"]);
    refused(&["figure1", "--network", "nothing.safetensors", "--out", "r"], &["nothing.safetensors"]);
    refused(&["figure1", "--threads", "0", "--out", "r"], &["--threads"]);
    refused(&["figure1", "--out", "net.safetensors"], &["net.safetensors"]);
    folder.succeeds(&["reproduce", "expansion", "--quick", "--out", "r"]);
    refused(&["expansion", "--out", "r"], &["settings.json", "quick", "--out"]);
    refused(&["expansion", "--quick", "--seed", "2", "--out", "r"], &["settings.json", "seed"]);
    refused(&["expansion", "--quick", "--network", "net.safetensors", "--out", "r"], &["settings.json", "network"]);
    folder.write("r/bounds.csv", "a,b\n1,2\n");
    refused(&["bounds", "--quick", "--out", "r"], &["bounds.csv", "--out"]);
}
