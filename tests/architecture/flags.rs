//! The library names fields, never flags. Flags belong to `src/cli`, which translates the fields in
//! messages into flags (`src/cli/flags.rs`).

use std::collections::BTreeMap;

use crate::imports::Tree;
use crate::source::texts;

/// The files that may name flags.
fn is_front(file: &str) -> bool {
    file == "src/main.rs" || file == "src/cli.rs" || file.starts_with("src/cli/")
}

/// String literals and documentation of the library's files, outside tests.
fn texts_of_library(sources: &BTreeMap<String, String>) -> Vec<(String, String)> {
    // The tree leaves out files that only tests declare.
    let tree = Tree::new(sources);
    let files: Vec<&String> = tree.files().filter(|file| !is_front(file)).collect();
    files.into_iter().flat_map(|file| texts(&sources[file]).into_iter().map(|text| (file.clone(), text))).collect()
}

/// The flags that the library names, one line per flag.
pub fn flags(sources: &BTreeMap<String, String>) -> Vec<String> {
    let found = texts_of_library(sources).into_iter().filter_map(|(file, text)| {
        let flag = flag(&text)?;
        Some(format!("{file} speaks of the flag `{flag}`: name the field, as in \"option `threads`\""))
    });
    found.collect()
}

/// The first flag in a text: `--force` or `-o`, at the beginning of a word.
fn flag(text: &str) -> Option<String> {
    let text = text.replace("\\n", " ");
    let words = text.split(|c: char| c.is_whitespace() || "`\"',;=|".contains(c));
    let mut words = words.map(|word| word.trim_end_matches(|c: char| !c.is_ascii_alphanumeric()));
    let is_flag = |word: &&str| match word.trim_start_matches(['(', '[', '{', '/']).as_bytes() {
        [b'-', b'-', first, ..] => first.is_ascii_alphabetic(),
        // After a bracket it is a negative number: `(-a, a)`.
        [b'-', letter] => letter.is_ascii_alphabetic() && word.len() == 2,
        _ => false,
    };
    words.find(is_flag).map(str::to_owned)
}

/// Fields in messages for which `src/cli/flags.rs` has no flag.
pub fn unknown_fields(sources: &BTreeMap<String, String>) -> Vec<String> {
    let table = &sources["src/cli/flags.rs"];
    let known = |field: &str| {
        let name = field.split_once(": ").map_or(field, |(name, _)| name);
        table.contains(&format!("(\"{field}\", ")) || table.contains(&format!("(\"{name}\", "))
    };
    let in_texts = texts_of_library(sources).into_iter().flat_map(|(file, text)| {
        let fields = text.split("option `").skip(1).filter_map(|rest| rest.split_once('`'));
        fields.map(|(field, _)| (file.clone(), field.to_owned())).collect::<Vec<_>>()
    });
    let in_errors = sources.iter().filter(|(file, _)| !is_front(file)).flat_map(|(file, source)| {
        let fields = ["Error::option(", "refuse_overlap("].into_iter().flat_map(|call| arguments(source, call));
        fields.map(|field| (file.clone(), field)).collect::<Vec<_>>()
    });
    // A name that a format string inserts is checked at its origin; words are not fields.
    let is_field = |name: &str| !name.starts_with('{') && !name.starts_with("the ");
    in_texts
        .chain(in_errors)
        .filter(|(_, field)| is_field(field) && !known(field))
        .map(|(file, field)| format!("{file}: src/cli/flags.rs has no flag for `{field}`"))
        .collect()
}

/// The first arguments of all calls of a function, if they are strings.
fn arguments(source: &str, call: &str) -> Vec<String> {
    let literal = |rest: &str| Some(rest.trim_start().strip_prefix('"')?.split_once('"')?.0.to_owned());
    source.split(call).skip(1).filter_map(literal).collect()
}

#[test]
fn the_library_never_mentions_a_flag() {
    let sources = crate::sources();
    assert!(texts_of_library(&sources).len() > 1000, "the texts were not found");
    let found = flags(&sources);
    assert!(found.is_empty(), "{}", found.join("\n"));
}

#[test]
fn the_command_line_has_a_flag_for_every_field_in_a_message() {
    let mut sources = crate::sources();
    assert_eq!(unknown_fields(&sources), [""; 0]);
    let error = sources.get_mut("src/error.rs").unwrap();
    error.push_str("const A: &str = \"set option `force`, option `threads: 4` or option `nonsense`\";");
    let found = unknown_fields(&sources);
    assert!(found.len() == 1 && found[0].contains("`nonsense`"), "{found:?}");
    let error = sources.get_mut("src/error.rs").unwrap();
    error.push_str("fn a() { Error::option(\n  \"folly\", b, c); refuse_overlap(\"codes\", d, e) }");
    let found = unknown_fields(&sources);
    assert!(found.len() == 2 && found[1].contains("`folly`"), "{found:?}");
}

#[test]
fn planted_flags_are_found() {
    let of = |name: &str, text: &str| {
        let files = [("lib.rs", "mod a; mod cli;"), (name, text)];
        flags(&crate::planted(&files)).len()
    };
    for text in [
        "const A: &str = \"replace it with --force\";",
        "const A: &str = \"--force\";",
        "const A: &str = \"one:\\n--two\";",
        "const A: &str = r#\"give `-o`, \"please\"\"#;",
        "const A: &[u8] = b\"set --threads=4\";",
        "/// What `--method` names.\npub fn a() {}",
        "//! For `--json`.",
        "/** For (--json). */ pub fn a() {}",
        "#[doc = \"For --json.\"] pub fn a() {}",
        "pub fn a() { mod b { const A: &str = \"two,-o\"; } }",
    ] {
        assert_eq!(of("a.rs", text), 1, "{text}");
        assert_eq!(of("cli.rs", text), 0, "{text}");
    }
    for text in [
        "// Why --force is not here.",
        "const A: &str = \"a -- b, x - y, 1e-6, well-known, ---, \\u{2212}x\";",
        "const A: char = '-'; fn a(b: i32) -> i32 { -b }",
        "#[cfg(test)] mod tests { const A: &str = \"--force\"; }",
        "#[cfg(test)] mod tests;",
    ] {
        assert_eq!(of("a.rs", text), 0, "{text}");
    }
    // A file of tests is not part of the library.
    let files = [("lib.rs", "mod a;"), ("a.rs", "#[cfg(test)] mod tests;"), ("a/tests.rs", "const A: &str = \"--b\";")];
    assert_eq!(flags(&crate::planted(&files)).len(), 0);
}
