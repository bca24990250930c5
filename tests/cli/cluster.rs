//! The job scripts of docs/CLUSTER.md, with the variables that a scheduler sets.
#![cfg(unix)]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread;
use std::time::Duration;

use crate::folder::Folder;
use crate::runs::with_observations;

const OPTIONS: &str = "--epsilon 0.001 --device cpu --batch 8";

fn cluster(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("scripts/cluster").join(name)
}

fn one_run(folder: &Folder) -> (Vec<u8>, Vec<u8>) {
    let command = ["invert", "net.safetensors", "x.npy", "-o", "whole.npy", "--report", "whole.jsonl"];
    let options: Vec<&str> = OPTIONS.split(' ').collect();
    folder.succeeds(&[&command[..], &options].concat());
    (folder.bytes("whole.npy"), folder.bytes("whole.jsonl"))
}

/// Runs a task, and sends it SIGTERM once it has written something.
fn warned(mut task: Command, partial: &Path) -> Option<i32> {
    let mut task = task.stderr(Stdio::null()).spawn().unwrap();
    while !fs::metadata(partial).is_ok_and(|metadata| metadata.len() > 4000) {
        assert!(task.try_wait().unwrap().is_none(), "the task ended before it could be warned");
        thread::sleep(Duration::from_millis(1));
    }
    crate::signals::send(crate::signals::Signal::SIGTERM, &task);
    task.wait().unwrap().code()
}

#[test]
fn the_slurm_scripts_cover_a_run() {
    let folder = with_observations(4800);
    let expected = one_run(&folder);
    let script = |name: &str, task: &str| {
        let mut command = Command::new(cluster(name));
        command.current_dir(folder.path(".")).env("UNRELU", env!("CARGO_BIN_EXE_unrelu")).stdout(Stdio::null());
        command.envs([("NETWORK", "net.safetensors"), ("OBSERVATIONS", "x.npy"), ("OUT", "run1"), ("SHARDS", "3")]);
        command.envs([("OPTIONS", OPTIONS), ("SLURM_ARRAY_TASK_ID", task), ("SLURM_CPUS_PER_TASK", "2")]);
        command
    };
    assert!(script("slurm-array.sh", "1").status().unwrap().success());
    let partial = folder.path("run1/part-2.npy.journal.partial");
    assert_eq!(warned(script("slurm-array.sh", "2"), &partial), Some(130));
    assert!(script("slurm-array.sh", "3").status().unwrap().success());
    // A merge that comes too early fails with a message; submitting the array again fixes it.
    assert_eq!(script("slurm-merge.sh", "").status().unwrap().code(), Some(2));
    for task in ["1", "2", "3"] {
        assert!(script("slurm-array.sh", task).status().unwrap().success());
    }
    assert!(script("slurm-merge.sh", "").status().unwrap().success());
    assert!(folder.bytes("run1/codes.npy") == expected.0 && folder.bytes("run1/report.jsonl") == expected.1);
}

#[test]
fn the_kubernetes_jobs_cover_a_run() {
    let folder = with_observations(4800);
    let expected = one_run(&folder);
    fs::rename(folder.path("x.npy"), folder.path("observations.npy")).unwrap();
    std::os::unix::fs::symlink(env!("CARGO_BIN_EXE_unrelu"), folder.path("unrelu")).unwrap();
    let manifest = fs::read_to_string(cluster("kubernetes-job.yaml")).unwrap();
    // The lines of each block `- |`, which are indented deeper than its first line.
    let blocks: Vec<String> = manifest
        .split("            - |\n")
        .skip(1)
        .map(|block| block.lines().map_while(|line| line.strip_prefix("              ")).collect::<Vec<_>>().join("\n"))
        .collect();
    let [shard, merge] = &blocks[..] else { panic!("{} blocks", blocks.len()) };
    let pod = |lines: &str, index: &str| {
        let mut command = Command::new("sh");
        command.args(["-c", lines]).stdout(Stdio::null()).env("DATA", folder.path("."));
        command.envs([("SHARDS", "3"), ("OPTIONS", OPTIONS), ("JOB_COMPLETION_INDEX", index)]);
        command
    };
    let partial = folder.path("parts/part-1.npy.journal.partial");
    assert_eq!(warned(pod(shard, "0"), &partial), Some(130));
    for index in ["0", "1", "2"] {
        assert!(pod(shard, index).status().unwrap().success());
    }
    assert!(pod(merge, "").status().unwrap().success());
    assert!(folder.bytes("codes.npy") == expected.0 && folder.bytes("report.jsonl") == expected.1);
}
