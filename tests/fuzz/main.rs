//! Replays the stored inputs of the fuzz targets, `fuzz/corpus/TARGET/*`. The programs in
//! `fuzz/fuzz_targets/` run the same bodies on inputs that libFuzzer makes.

mod arguments;
mod checkpoint;
mod journal;
mod layer;
mod memory;
mod merge;
mod networks;
mod npy;
mod pickle;
mod record;
mod safetensors;
mod sealed;
#[allow(dead_code, reason = "the tests of the linear programs use the rest")]
#[path = "../lp/support.rs"]
mod support;

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// A target's name, and its body, which returns whether the input is accepted.
type Target = (&'static str, fn(&[u8]) -> bool);

const TARGETS: [Target; 9] = [
    ("arguments", arguments::check),
    ("checkpoint", checkpoint::check),
    ("journal", journal::check),
    ("layer", layer::check),
    ("merge", merge::check),
    ("npy", npy::check),
    ("pickle", pickle::check),
    ("record", record::check),
    ("safetensors", safetensors::check),
];

/// No stored input is larger, in bytes.
const LARGEST: u64 = 20_000;

fn folder(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz").join(name)
}

fn entries(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let mut entries: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    entries.sort();
    entries
}

/// Replays the corpus of one target; the test's name is the target's.
fn replay(name: &str) {
    let (_, check) = TARGETS.into_iter().find(|(target, _)| *target == name).expect("a target of this name");
    let inputs = entries(&folder("corpus").join(name));
    assert!(!inputs.is_empty(), "fuzz/corpus/{name} is empty");
    let mut accepted = 0;
    let count = inputs.len();
    for input in inputs {
        let bytes = fs::read(&input).unwrap();
        assert!(bytes.len() as u64 <= LARGEST, "{}: {} bytes", input.display(), bytes.len());
        match std::panic::catch_unwind(|| check(&bytes)) {
            Ok(is_accepted) => accepted += usize::from(is_accepted),
            Err(_) => panic!("{} fails; the message is above", input.display()),
        }
    }
    // Else the corpus does not reach the body, or not its refusals.
    println!("{name}: {accepted} of {count} inputs are accepted");
    assert!(accepted > 0 && accepted < count, "{accepted} of {count} inputs of {name} are accepted");
}

macro_rules! replays {
    ($($name:ident => $target:ident),+ $(,)?) => {
        $(#[test]
        fn $name() {
            replay(stringify!($target));
        })+

        const REPLAYED: &[&str] = &[$(stringify!($target)),+];
    };
}

replays! {
    replay_arguments => arguments,
    replay_checkpoint => checkpoint,
    replay_journal => journal,
    replay_layer => layer,
    replay_merge => merge,
    replay_npy => npy,
    replay_pickle => pickle,
    replay_record => record,
    replay_safetensors => safetensors,
}

/// A target is in five places: here, as a program, in the manifest, in the workflow and as a
/// corpus.
#[test]
fn every_target_is_everywhere() {
    let targets: BTreeSet<String> = TARGETS.iter().map(|(name, _)| (*name).to_owned()).collect();
    let stems = |folder: PathBuf| {
        let stem = |path: &PathBuf| path.file_stem().unwrap().to_string_lossy().into_owned();
        entries(&folder).iter().map(stem).collect::<BTreeSet<String>>()
    };
    assert_eq!(REPLAYED.iter().map(|name| (*name).to_owned()).collect::<BTreeSet<String>>(), targets);
    assert_eq!(stems(folder("fuzz_targets")), targets);
    assert_eq!(stems(folder("corpus")), targets);
    let manifest = fs::read_to_string(folder("Cargo.toml")).unwrap();
    let programs = manifest.split("[[bin]]\nname = \"").skip(1).map(|rest| rest.split('"').next().unwrap().to_owned());
    assert_eq!(programs.collect::<BTreeSet<String>>(), targets);
    let workflow = folder("../.github/workflows/ci.yml");
    let workflow = fs::read_to_string(workflow).unwrap();
    let list = workflow.split("        target: [").nth(1).and_then(|rest| rest.split(']').next());
    let run = list.expect("the workflow has a list of targets").split(',').map(|name| name.trim().to_owned());
    assert_eq!(run.collect::<BTreeSet<String>>(), targets);
}
