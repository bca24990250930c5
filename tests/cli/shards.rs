//! `--shard` and `merge`: the bytes of a single run, or an error that names the problem.

use std::fs;

use unrelu::{ElementType, read_npy as read_all, write_npy as write_all};

use crate::folder::Folder;
use crate::runs::with_observations;

fn shard(folder: &Folder, index: usize, of: usize, format: &str, more: &[&str]) -> Option<i32> {
    let (codes, report) = (format!("p{index}.npy"), format!("p{index}.{format}"));
    let (shard, batch) = (format!("{index}/{of}"), "8");
    let usual = ["invert", "net.safetensors", "x.npy", "-o", &codes, "--report", &report, "--truth", "truth.npy"];
    let further = ["--epsilon", "0.001", "--device", "cpu", "--batch", batch, "--shard", &shard];
    folder.run(&[&usual[..], &further, more].concat()).status.code()
}

fn whole(folder: &Folder, format: &str, more: &[&str]) -> (Vec<u8>, Vec<u8>) {
    let report = format!("whole.{format}");
    let usual = ["invert", "net.safetensors", "x.npy", "-o", "whole.npy", "--report", &report, "--truth", "truth.npy"];
    let further = ["--epsilon", "0.001", "--device", "cpu", "--batch", "8", "--force"];
    folder.run(&[&usual[..], &further, more].concat());
    (folder.bytes("whole.npy"), folder.bytes(&report))
}

/// 203 observations in 4 finished parts: 26 batches, the last of 3 observations.
fn in_parts(format: &str) -> Folder {
    let folder = with_observations(203);
    for index in 1..=4 {
        assert_eq!(shard(&folder, index, 4, format, &[]), Some(0));
    }
    folder
}

#[test]
fn shards_merged_are_the_bytes_of_one_run() {
    for format in ["jsonl", "csv"] {
        for more in [&[][..], &["--refine", "--dtype", "f32"], &["--method", "descent", "--iterations", "30"]] {
            let folder = with_observations(203);
            let expected = whole(&folder, format, more);
            let of = if more.is_empty() { 40 } else { 4 };
            // Of 40 shards of 26 batches, 14 are empty.
            for index in 1..=of {
                assert!([Some(0), Some(3)].contains(&shard(&folder, index, of, format, more)));
            }
            let report = format!("merged.{format}");
            let parts: Vec<String> = (1..=of).rev().map(|index| format!("p{index}.npy")).collect();
            let parts: Vec<&str> = parts.iter().map(String::as_str).collect();
            let merge = [&["merge", "-o", "merged.npy", "--report", &report][..], &parts].concat();
            let output = folder.run(&merge);
            let descent = more.contains(&"descent");
            assert_eq!(output.status.code(), Some(if descent { 3 } else { 0 }), "{more:?}");
            let summary = String::from_utf8(output.stdout).unwrap();
            assert!(summary.starts_with(&format!("203 observations from {of} parts in merged.npy: ")), "{summary}");
            assert!(folder.bytes("merged.npy") == expected.0, "{format} {more:?}: the codes differ");
            assert!(folder.bytes(&report) == expected.1, "{format} {more:?}: the reports differ");
            folder.refuses(&merge, &["already exists", "--force"]);
        }
    }
}

#[test]
fn merged_codes_are_a_finished_run() {
    let folder = in_parts("jsonl");
    let merge = ["merge", "-o", "m.npy", "--report", "m.jsonl", "p1.npy", "p2.npy", "p3.npy", "p4.npy", "--json"];
    let summary: serde_json::Value = serde_json::from_str(&folder.succeeds(&merge)).unwrap();
    assert_eq!((&summary["observations"], &summary["solved"]), (&203.into(), &203.into()));
    let usual = ["invert", "net.safetensors", "x.npy", "-o", "m.npy", "--report", "m.jsonl", "--truth", "truth.npy"];
    let further = ["--epsilon", "0.001", "--device", "cpu", "--batch", "8", "--resume"];
    let output = folder.run(&[&usual[..], &further].concat());
    assert!(String::from_utf8(output.stderr).unwrap().contains("m.npy is already finished"));
}

#[test]
fn parts_may_move_together() {
    let folder = in_parts("csv");
    let expected = whole(&folder, "csv", &[]);
    fs::create_dir(folder.path("elsewhere")).unwrap();
    for name in folder.names().iter().filter(|name| name.starts_with('p')) {
        fs::rename(folder.path(name), folder.path("elsewhere").join(name)).unwrap();
    }
    let parts = ["elsewhere/p2.npy", "elsewhere/p1.npy", "elsewhere/p3.npy", "elsewhere/p4.npy"];
    folder.succeeds(&[&["merge", "-o", "m.npy", "--report", "m.csv"][..], &parts].concat());
    assert!(folder.bytes("m.npy") == expected.0 && folder.bytes("m.csv") == expected.1);
}

#[test]
fn gaps_and_overlaps_are_refused() {
    let folder = in_parts("jsonl");
    let refused = |parts: &[&str], words: &[&str]| {
        folder.refuses(&[&["merge", "-o", "m.npy"][..], parts].concat(), words);
    };
    refused(&["p1.npy", "p3.npy", "p4.npy"], &["observations 48 to 103 in no part", "run its shard"]);
    refused(&["p2.npy", "p3.npy", "p4.npy"], &["observations 0 to 47 in no part"]);
    refused(&["p1.npy", "p2.npy", "p3.npy"], &["observations 152 to 202 in no part"]);
    let twice = ["p1.npy", "p2.npy", "p2.npy", "p3.npy", "p4.npy"];
    refused(&twice, &["p2.npy: found observations 48 to 103", "leave out one of the two"]);
    refused(&["p1.npy", "p2.npy", "p3.npy", "p9.npy"], &["p9.npy", "no such file"]);
    refused(&[], &["PART"]);
    folder.refuses(&["merge", "-o", "p1.npy", "p1.npy", "p2.npy", "p3.npy", "p4.npy", "--force"], &["also a part"]);
}

#[test]
fn mixtures_are_refused() {
    let folder = in_parts("jsonl");
    let refused = |words: &[&str]| {
        let words = [&["p2.npy: found a part made with", "parts of one run, as p1.npy is"], words].concat();
        folder.refuses(&["merge", "-o", "m.npy", "p1.npy", "p2.npy", "p3.npy", "p4.npy"], &words);
    };
    assert_eq!(shard(&folder, 2, 4, "jsonl", &["--force", "--growth", "1.5"]), Some(0));
    refused(&["--growth 1.5 instead of 1.2"]);
    let observations = folder.bytes("x.npy");
    let mut changed = read_all(folder.path("x.npy")).unwrap();
    changed[(0, 202)] += 1e-6;
    write_all(folder.path("x.npy"), &changed, ElementType::F64, true).unwrap();
    assert_eq!(shard(&folder, 2, 4, "jsonl", &["--force"]), Some(0));
    refused(&["observations: x.npy with other contents"]);
    folder.write("x.npy", observations);
    let network = folder.bytes("net.safetensors");
    folder.succeeds(&["random-network", "3,16,60", "-o", "net.safetensors", "--seed", "9", "--force"]);
    assert!(shard(&folder, 2, 4, "jsonl", &["--force"]).is_some());
    refused(&["network: net.safetensors with other contents"]);
    folder.write("net.safetensors", network);
    assert_eq!(shard(&folder, 2, 4, "jsonl", &["--force"]), Some(0));
    folder.succeeds(&["merge", "-o", "m.npy", "p1.npy", "p2.npy", "p3.npy", "p4.npy"]);
}

#[test]
fn parts_that_are_not_what_was_written_are_refused() {
    let folder = in_parts("jsonl");
    let merge = ["merge", "-o", "m.npy", "--report", "m.jsonl", "p1.npy", "p2.npy", "p3.npy", "p4.npy"];
    let spoilt = |name: &str, change: &dyn Fn(&mut Vec<u8>), words: &[&str]| {
        let whole = folder.bytes(name);
        let mut bytes = whole.clone();
        change(&mut bytes);
        folder.write(name, &bytes);
        folder.refuses(&merge, words);
        folder.write(name, &whole);
    };
    let flip = |bytes: &mut Vec<u8>| bytes[300] ^= 1;
    spoilt("p3.npy", &flip, &["p3.npy", "differ from its journal", "run that shard again"]);
    spoilt("p3.npy", &|bytes| bytes.truncate(bytes.len() - 24), &["p3.npy", "a length that differ from its journal"]);
    // The digest leaves out the header: as many numbers, in rows of another length.
    let other_rows = |bytes: &mut Vec<u8>| {
        let header = String::from_utf8_lossy(&bytes[10..128]).into_owned();
        let (before, after) = header.split_once("'shape': (").unwrap();
        let (shape, after) = after.split_once(')').unwrap();
        let (rows, width) = shape.split_once(", ").unwrap();
        let swapped = format!("{before}'shape': ({width}, {rows}){after}");
        bytes[10..128].copy_from_slice(swapped.as_bytes());
    };
    spoilt("p3.npy", &other_rows, &["p3.npy: found shape (3, ", "one row for each of the ", "copy it again"]);
    spoilt("p3.jsonl", &flip, &["p3.jsonl", "differ from the journal"]);
    spoilt("p3.npy.journal", &flip, &["p3.npy.journal", "first line"]);
    spoilt("p3.npy.journal", &|bytes| bytes.truncate(bytes.len() - 9), &["p3.npy", "unfinished journal"]);
    fs::rename(folder.path("p3.npy.journal"), folder.path("kept")).unwrap();
    folder.refuses(&merge, &["p3.npy: found no p3.npy.journal beside it", "copy it along"]);
    fs::rename(folder.path("kept"), folder.path("p3.npy.journal")).unwrap();
    let other_format = ["merge", "-o", "m.npy", "--report", "m.csv", "p1.npy", "p2.npy", "p3.npy", "p4.npy"];
    folder.refuses(&other_format, &["--report", "m.csv", "p1.jsonl"]);
    let output = folder.run(&["merge", "-o", "m.npy", "p1.npy", "p2.npy", "p3.npy", "p4.npy"]);
    assert!(String::from_utf8(output.stderr).unwrap().contains("give --report REPORT to join them too"));
    folder.succeeds(&[&merge[..], &["--force"]].concat());
}

#[cfg(unix)]
#[test]
fn a_part_that_has_not_ended_is_refused() {
    use crate::runs::{invert, killed_after};
    let folder = with_observations(1600);
    killed_after(&folder, 2);
    folder.refuses(&["merge", "-o", "m.npy", "z.npy"], &["z.npy", "of its 1600 observations done", "--resume"]);
    folder.succeeds(&invert(&["--resume"]));
    folder.succeeds(&["merge", "-o", "m.npy", "z.npy"]);
    assert!(folder.bytes("m.npy") == folder.bytes("z.npy"));
}

#[test]
fn shards_that_do_not_exist() {
    let folder = with_observations(8);
    let refused = |text: &str, words: &[&str]| {
        folder.refuses(&["invert", "net.safetensors", "x.npy", "-o", "z.npy", "--shard", text], words);
    };
    refused("0/4", &["--shard", "counted from 1", "1/4 to 4/4"]);
    refused("5/4", &["1/4 to 4/4"]);
    refused("2", &["such as 2/4"]);
}
