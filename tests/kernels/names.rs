//! A kernel has the same name in its shader, its host side and its twin.

use std::collections::BTreeSet;

use crate::fixtures::source;

/// The names of the files in `folder` of the sources with this extension, without it.
fn names(folder: &str, extension: &str) -> BTreeSet<String> {
    std::fs::read_dir(source(&format!("src/{folder}")))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|found| found == extension))
        .map(|path| path.file_stem().unwrap().to_string_lossy().into_owned())
        .collect()
}

fn without(mut names: BTreeSet<String>, others: &[&str]) -> BTreeSet<String> {
    for other in others {
        assert!(names.remove(*other), "{other} is gone: mend this list");
    }
    names
}

#[test]
fn shaders_host_sides_and_twins_agree() {
    let shaders = names("shaders", "wgsl");
    assert!(!shaders.is_empty());
    assert_eq!(shaders, without(names("cpu", "rs"), &["blocked"]));
    let machinery = [
        "adapters",
        "buffers",
        "context",
        "faults",
        "fitting",
        "kernel",
        "lane_loop",
        "layer_steps",
        "layout",
        "limits",
        "maps",
        "pace",
        "phases",
        "pipeline",
        "staging",
        "targets",
        "terms",
        "tiles",
        "transfer",
        "workspace",
    ];
    assert_eq!(shaders, without(names("gpu", "rs"), &machinery));
}

/// `shaders/parts/` holds code that several kernels share, and code in two forms of which a device
/// uses one (an entry point of descend.wgsl, with and without subgroup operations). It never holds
/// a kernel without a twin.
#[test]
fn parts_hold_no_kernel_of_their_own() {
    let parts = names("shaders/parts", "wgsl");
    let entry_points = std::fs::read_to_string(source("src/kernel_params/entry_points.rs")).unwrap();
    for part in parts {
        assert!(entry_points.contains(&format!("\"{part}\"")), "no shader takes {part}.wgsl");
        let text = std::fs::read_to_string(source(&format!("src/shaders/parts/{part}.wgsl"))).unwrap();
        let entries: Vec<_> = text.split("@compute").skip(1).map(|entry| entry.split_once("fn ").unwrap().1).collect();
        for entry in &entries {
            assert!(entry.starts_with("update("), "{part}.wgsl has {entry}");
        }
        assert_eq!(entries.len(), usize::from(part.starts_with("sum_")), "{part}.wgsl");
    }
}
