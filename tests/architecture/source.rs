//! Parses one file: the modules it declares, the items it defines, its imports and the paths it
//! names.

use crate::tokens::{tokens, tokens_and_texts};

/// A path as it is written, from the inline module that it stands in.
#[derive(Debug, Clone)]
pub struct Path {
    /// The inline modules around it.
    pub inside: Vec<String>,
    pub segments: Vec<String>,
}

/// One name of a `use` declaration.
#[derive(Debug, Clone)]
pub struct Import {
    pub path: Path,
    /// The local name; `*` for everything.
    pub alias: String,
    pub is_public: bool,
}

/// One file without its tests.
#[derive(Debug, Default)]
pub struct Source {
    /// Modules declared with a file of their own, with the inline modules around each.
    pub modules: Vec<Vec<String>>,
    /// Inline modules.
    pub inline: Vec<Vec<String>>,
    /// Items, with the inline modules around each.
    pub items: Vec<Vec<String>>,
    pub imports: Vec<Import>,
    /// Paths of at least two segments outside `use` declarations.
    pub paths: Vec<Path>,
    /// Every name outside `use` declarations.
    pub names: Vec<String>,
}

const ITEMS: [&str; 8] = ["fn", "struct", "enum", "trait", "type", "const", "static", "union"];

impl Source {
    /// Reads a file.
    pub fn read(text: &str) -> Self {
        let tokens = tokens(text);
        let tokens: Vec<&str> = tokens.iter().map(String::as_str).collect();
        let mut source = Source::default();
        source.take(&tokens);
        source
    }

    fn take(&mut self, tokens: &[&str]) {
        // The inline modules around, with the depth of braces at which each ends.
        let mut inside: Vec<(String, usize)> = Vec::new();
        let (mut depth, mut at, mut is_public) = (0, 0, false);
        while at < tokens.len() {
            let around = || inside.iter().map(|(name, _)| name.clone()).collect::<Vec<_>>();
            let within = |name: &str| around().into_iter().chain([name.to_owned()]).collect::<Vec<_>>();
            let rest = &tokens[at..];
            match rest {
                ["#", "[", "cfg", "(", condition @ ..] if is_test(condition) => {
                    at += item_length(rest);
                    continue;
                }
                ["pub", ..] => {
                    is_public = true;
                    at += if rest.get(1) == Some(&"(") { 1 + group_length(&rest[1..]) } else { 1 };
                    continue;
                }
                ["mod", name, ";", ..] => self.modules.push(within(name)),
                ["mod", name, "{", ..] => {
                    self.inline.push(within(name));
                    inside.push(((*name).to_owned(), depth));
                    depth += 1;
                    at += 3;
                    continue;
                }
                ["use", tree @ ..] => {
                    let mut found = Vec::new();
                    let length = use_tree(tree, &[], &mut found);
                    let import =
                        |(segments, alias)| Import { path: Path { inside: around(), segments }, alias, is_public };
                    self.imports.extend(found.into_iter().map(import));
                    at += 1 + length;
                    is_public = false;
                    continue;
                }
                ["macro_rules", "!", name, ..] => self.items.push(within(name)),
                ["{", ..] => depth += 1,
                ["}", ..] => {
                    depth = depth.saturating_sub(1);
                    if inside.last().is_some_and(|(_, end)| *end == depth) {
                        inside.pop();
                    }
                }
                [first, ..] if is_name(first) => {
                    // Not a method, and not an item within a function.
                    let is_of_module = depth == inside.last().map_or(0, |(_, end)| end + 1);
                    if let (true, Some(name)) = (is_of_module && ITEMS.contains(first), rest.get(1)) {
                        self.items.push(within(name));
                    }
                    let length = path_length(rest);
                    let segments: Vec<String> =
                        rest[..length].iter().step_by(2).map(|name| (*name).to_owned()).collect();
                    self.names.push(segments[0].clone());
                    if segments.len() > 1 {
                        self.paths.push(Path { inside: around(), segments });
                    }
                    at += length;
                    is_public = false;
                    continue;
                }
                _ => {}
            }
            is_public = false;
            at += 1;
        }
    }
}

/// The string literals and documentation comments of a file outside tests, with their quotes.
pub fn texts(text: &str) -> Vec<String> {
    let tokens = tokens_and_texts(text);
    let tokens: Vec<&str> = tokens.iter().map(String::as_str).collect();
    let mut texts = Vec::new();
    let mut at = 0;
    while at < tokens.len() {
        match &tokens[at..] {
            ["#", "[", "cfg", "(", condition @ ..] if is_test(condition) => at += item_length(&tokens[at..]),
            [token, ..] => {
                texts.extend(token.strip_prefix('"').map(str::to_owned));
                at += 1;
            }
            [] => {}
        }
    }
    texts
}

fn is_name(token: &str) -> bool {
    token.starts_with(|first: char| first.is_alphabetic() || first == '_')
}

/// Whether a condition after `cfg(` holds only in tests.
fn is_test(condition: &[&str]) -> bool {
    matches!(condition, ["test", ")", ..] | ["all", "(", "test", ..])
}

/// The tokens of an item, including the attributes before it.
fn item_length(tokens: &[&str]) -> usize {
    let mut at = 0;
    while tokens[at..].starts_with(&["#"]) {
        at += 1 + group_length(&tokens[at + 1..]);
    }
    while at < tokens.len() {
        match tokens[at] {
            ";" => return at + 1,
            "{" => return at + group_length(&tokens[at..]),
            "(" | "[" => at += group_length(&tokens[at..]),
            _ => at += 1,
        }
    }
    at
}

/// The tokens from a bracket to the matching closing bracket.
fn group_length(tokens: &[&str]) -> usize {
    let mut depth = 0;
    for (at, token) in tokens.iter().enumerate() {
        match *token {
            "(" | "[" | "{" => depth += 1,
            ")" | "]" | "}" => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            return at + 1;
        }
    }
    tokens.len()
}

/// The tokens of a path that starts here.
fn path_length(tokens: &[&str]) -> usize {
    let mut length = 1;
    while tokens.get(length) == Some(&"::") && tokens.get(length + 1).is_some_and(|token| is_name(token)) {
        length += 2;
    }
    length
}

/// Reads a tree after `use`; `before` holds the preceding segments. Returns its tokens.
fn use_tree(tokens: &[&str], before: &[String], found: &mut Vec<(Vec<String>, String)>) -> usize {
    let mut path = before.to_vec();
    let mut at = 0;
    loop {
        match tokens.get(at..).unwrap_or_default() {
            ["::", ..] => at += 1,
            ["*", ..] => {
                found.push((path, "*".to_owned()));
                return at + 1;
            }
            ["{", ..] => {
                at += 1;
                while tokens.get(at).is_some_and(|token| *token != "}") {
                    at += if tokens[at] == "," { 1 } else { use_tree(&tokens[at..], &path, found) };
                }
                return at + 1;
            }
            ["as", alias, ..] => {
                found.push((path, (*alias).to_owned()));
                return at + 2;
            }
            [name, ..] if is_name(name) => {
                // `a::{self}` is `a`.
                if *name != "self" || path.is_empty() {
                    path.push((*name).to_owned());
                }
                at += 1;
            }
            _ => {
                let alias = path.last().cloned().unwrap_or_default();
                found.push((path, alias));
                return at.max(1);
            }
        }
    }
}

#[test]
fn imports_are_read_through_braces_names_and_tests() {
    let source = Source::read(
        "use crate::a::{self, b::{C, D as E}, f::*};
         pub(crate) use super::G;
         mod inner { use super::H; fn i() { crate::j::k::<u8>(); fn l() {} } }
         #[cfg(test)]
         #[allow(unused)]
         mod tests { use crate::never; }
         #[cfg(test)]
         mod other;
         mod file;",
    );
    let imports: Vec<String> = source.imports.iter().map(|i| i.path.segments.join("::") + " " + &i.alias).collect();
    let expected = ["crate::a a", "crate::a::b::C C", "crate::a::b::D E", "crate::a::f *", "super::G G", "super::H H"];
    assert_eq!(imports, expected);
    assert_eq!(source.imports.iter().filter(|import| import.is_public).count(), 1);
    assert_eq!(source.imports[5].path.inside, ["inner"]);
    assert_eq!(source.items, [["inner", "i"].map(str::to_owned).to_vec()]);
    assert_eq!((source.paths.len(), source.paths[0].segments.join("::")), (1, "crate::j::k".to_owned()));
    assert_eq!((source.modules, source.inline), (vec![vec!["file".to_owned()]], vec![vec!["inner".to_owned()]]));
}
