//! A kernel bears one name in its shader, its host side and its twin.

use std::collections::BTreeSet;
use std::path::Path;

/// What stands in `folder` of the sources with this extension, without it.
fn names(folder: &str, extension: &str) -> BTreeSet<String> {
    std::fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("src").join(folder))
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
    assert_eq!(shaders, without(names("cpu", "rs"), &["mod"]));
    assert_eq!(shaders, without(names("gpu", "rs"), &["mod", "context", "buffers", "pipeline"]));
}
