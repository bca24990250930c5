//! The structure of the sources. There are no import circles between files. No module imports from
//! one above it in the order that the head of `src/lib.rs` states. The library does not name flags.
//! Tests within the sources are ignored.

mod flags;
mod imports;
mod rules;
mod source;
mod tokens;

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use imports::Tree;
use rules::{circles, order, upward};

/// The texts of all files below `src/`, by their paths relative to the repository.
fn sources() -> BTreeMap<String, String> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut folders = vec![root.join("src")];
    let mut texts = BTreeMap::new();
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|ending| ending == "rs") {
                let name = path.strip_prefix(root).unwrap().to_string_lossy().replace('\\', "/");
                texts.insert(name, fs::read_to_string(&path).unwrap());
            }
        }
    }
    texts
}

fn planted(files: &[(&str, &str)]) -> BTreeMap<String, String> {
    files.iter().map(|(name, text)| (format!("src/{name}"), (*text).to_owned())).collect()
}

#[test]
fn no_import_circles() {
    let tree = Tree::new(&sources());
    assert!(tree.files().count() > 100, "the files were not found");
    let found = circles(&tree);
    assert!(found.is_empty(), "{}", found.join("\n"));
}

#[test]
fn no_module_imports_upwards() {
    let sources = sources();
    let order = order(&sources["src/lib.rs"]);
    assert!(order.len() > 10, "the order was not found: {order:?}");
    let found = upward(&Tree::new(&sources), &order);
    assert!(found.is_empty(), "{}", found.join("\n"));
}

/// The file operations of a text that do not go through `formats/files.rs`, its tests left out.
fn own_file_operations(text: &str) -> Vec<&'static str> {
    let code = text.split("#[cfg(test)]\nmod tests").next().unwrap_or_default();
    let calls =
        ["OpenOptions", "fs::File", "fs::{self, File", "fs::rename", "fs::write", "fs::read(", "fs::remove_file"];
    calls.into_iter().filter(|call| code.contains(call)).collect()
}

#[test]
fn files_of_a_run_go_through_one_module() {
    let sources = sources();
    let of_runs = sources.iter().filter(|(name, _)| {
        let below = name.starts_with("src/formats/") || name.starts_with("src/run/");
        below && !name.starts_with("src/formats/files") && !name.contains("/tests")
    });
    let mut count = 0;
    for (name, text) in of_runs {
        count += 1;
        assert_eq!(own_file_operations(text), [""; 0], "{name} does not use formats/files.rs");
    }
    assert!(count > 20, "the files were not found");
    assert_eq!(own_file_operations("use std::fs;\nfn f() { fs::rename(a, b) }"), ["fs::rename"]);
}

/// Two modules that import from each other, one through nested braces and `super`, one through a
/// re-export.
const CIRCLE: [(&str, &str); 5] = [
    ("lib.rs", "pub mod a; pub mod b; mod error; pub use error::Error;"),
    ("a.rs", "mod deep; pub use deep::Thing;"),
    ("a/deep.rs", "use super::super::{Error, b::{self as other, Other}}; pub struct Thing;"),
    ("b.rs", "use crate::a::Thing; pub struct Other;"),
    ("error.rs", "pub enum Error {}"),
];

#[test]
fn a_planted_circle_is_found() {
    let found = circles(&Tree::new(&planted(&CIRCLE)));
    assert_eq!(found.len(), 1, "{found:?}");
    for part in ["a circle of a, b", "src/a/deep.rs imports super::super::b", "src/b.rs imports crate::a::Thing"] {
        assert!(found[0].contains(part), "{part}: {found:?}");
    }
    for harmless in ["pub struct Other;", "#[cfg(test)] mod tests { use crate::a::Thing; }", "// use crate::a::Thing;"]
    {
        let mut files = CIRCLE;
        files[3].1 = harmless;
        assert_eq!(circles(&Tree::new(&planted(&files))), [""; 0], "{harmless}");
    }
    // A path in the middle of the code is an import too.
    let mut files = CIRCLE;
    files[3].1 = "mod inner { fn f() { let _ = super::super::a::Thing; } } pub struct Other;";
    assert_eq!(circles(&Tree::new(&planted(&files))).len(), 1);
}

#[test]
fn a_circle_between_siblings_is_found_through_what_their_parent_passes_on() {
    let of = |x: &'static str| {
        let files = [
            ("lib.rs", "mod m;"),
            ("m.rs", "mod x; mod y; pub use x::X; pub use y::*; use y::Z; fn f(z: Z) {}"),
            ("m/x.rs", x),
            ("m/y.rs", "use super::X; pub struct Y; pub struct Z;"),
        ];
        circles(&Tree::new(&planted(&files)))
    };
    assert_eq!(of("use super::Y; pub struct X;").len(), 1, "through a glob");
    assert_eq!(of("use super::Z; pub struct X;").len(), 1, "through a private import");
    assert_eq!(of("use super::f; pub struct X;"), [""; 0], "what the parent itself defines");
}

#[test]
fn a_planted_upward_import_is_found() {
    let mut sources = sources();
    let order = order(&sources["src/lib.rs"]);
    let before = upward(&Tree::new(&sources), &order);
    for import in ["use super::multistart::{search::best_batch};", "fn f() { crate::device::open(); }", "use crate::*;"]
    {
        sources.get_mut("src/error.rs").unwrap().push_str(import);
        let mut found = upward(&Tree::new(&sources), &order);
        found.retain(|line| !before.contains(line));
        assert!(found.iter().any(|line| line.starts_with("src/error.rs imports")), "{import}: {found:?}");
        let text = sources.get_mut("src/error.rs").unwrap();
        text.truncate(text.len() - import.len());
    }
    let shorter: Vec<String> = order.iter().filter(|name| *name != "network").cloned().collect();
    assert!(upward(&Tree::new(&sources), &shorter).iter().any(|line| line.contains("does not name `network`")));
}
