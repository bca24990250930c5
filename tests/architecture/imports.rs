//! The import graph: which file imports from which. Paths are followed through `super`, `self`,
//! inline modules and re-exports to the file that defines the name.

use std::collections::{BTreeMap, BTreeSet};

use crate::source::{Import, Path, Source};

/// A crate's root file and the modules below it.
type Module = Vec<String>;

/// The files of both crates by their paths relative to the repository, including `src/lib.rs` and,
/// if it exists, `src/main.rs`.
pub struct Tree {
    files: BTreeMap<String, Source>,
    /// The module of each file.
    module_of: BTreeMap<String, Module>,
    /// The file of every module (also of inline ones), and the inline modules within that file.
    modules: BTreeMap<Module, (String, Vec<String>)>,
}

impl Tree {
    /// Reads the texts of files and finds their modules from the roots. A file that no root
    /// declares is left out.
    pub fn new(texts: &BTreeMap<String, String>) -> Self {
        let mut tree = Tree { files: BTreeMap::new(), module_of: BTreeMap::new(), modules: BTreeMap::new() };
        for root in ["lib", "main"] {
            tree.add(texts, vec![root.to_owned()], format!("src/{root}.rs"));
        }
        tree
    }

    fn add(&mut self, texts: &BTreeMap<String, String>, module: Module, file: String) {
        let Some(text) = texts.get(&file) else { return };
        let source = Source::read(text);
        let within = |inside: &[String]| module.iter().chain(inside).cloned().collect::<Module>();
        self.modules.insert(module.clone(), (file.clone(), Vec::new()));
        for inside in &source.inline {
            self.modules.insert(within(inside), (file.clone(), inside.clone()));
        }
        let below: Vec<Module> = source.modules.iter().map(|inside| within(inside)).collect();
        self.module_of.insert(file.clone(), module);
        self.files.insert(file, source);
        for module in below {
            let path = format!("src/{}", module[1..].join("/"));
            let file =
                [format!("{path}.rs"), format!("{path}/mod.rs")].into_iter().find(|file| texts.contains_key(file));
            if let Some(file) = file {
                self.add(texts, module, file);
            }
        }
    }

    /// The files.
    pub fn files(&self) -> impl Iterator<Item = &String> {
        self.files.keys()
    }

    /// The module of a file.
    pub fn module_of(&self, file: &str) -> &[String] {
        self.module_of.get(file).map_or(&[], Vec::as_slice)
    }

    /// For each file, the files that it imports from, each with a path as evidence.
    pub fn imports(&self) -> BTreeMap<String, BTreeMap<String, String>> {
        self.files.keys().map(|file| (file.clone(), self.imports_of(file))).collect()
    }

    fn imports_of(&self, file: &str) -> BTreeMap<String, String> {
        let source = &self.files[file];
        let named: BTreeSet<&String> = source.names.iter().collect();
        // A re-exported name alone makes no dependency.
        let is_used = |import: &&Import| !import.is_public || import.alias == "*" || named.contains(&import.alias);
        let paths = source.imports.iter().filter(is_used).map(|import| &import.path).chain(&source.paths);
        let mut found = BTreeMap::new();
        for path in paths {
            if let Some(from) = self.defines(file, path, 0).filter(|from| from != file) {
                found.entry(from).or_insert_with(|| path.segments.join("::"));
            }
        }
        found
    }

    /// The file that defines what a path of `file` names; `None` for names of another crate and
    /// local names.
    fn defines(&self, file: &str, path: &Path, depth: usize) -> Option<String> {
        let here: Module = self.module_of(file).iter().chain(&path.inside).cloned().collect();
        let (first, rest) = path.segments.split_first()?;
        let (mut at, mut rest) = match first.as_str() {
            "crate" => (here[..1].to_vec(), rest),
            "unrelu" => (vec!["lib".to_owned()], rest),
            "self" => (here, rest),
            "super" => (here[..here.len() - 1].to_vec(), rest),
            name => {
                // A child of this module or, through a glob, of the file's.
                let around = (self.module_of(file).len()..=here.len()).rev().map(|length| here[..length].to_vec());
                let is_child = |module: &Module| self.modules.contains_key(&joined(module, name));
                (around.into_iter().find(is_child)?, &path.segments[..])
            }
        };
        while let Some(("super", after)) = rest.split_first().map(|(first, after)| (first.as_str(), after)) {
            at.pop();
            rest = after;
        }
        self.follow(at, rest, depth)
    }

    fn follow(&self, mut at: Module, mut rest: &[String], depth: usize) -> Option<String> {
        while let Some((name, after)) = rest.split_first() {
            let next = joined(&at, name);
            if !self.modules.contains_key(&next) {
                break;
            }
            (at, rest) = (next, after);
        }
        let (file, inside) = self.modules.get(&at)?;
        let Some((name, after)) = rest.split_first() else { return Some(file.clone()) };
        let source = &self.files[file];
        let defined = source.items.iter().any(|item| item.split_last() == Some((name, inside)));
        // A chain of sixteen re-exports must be a circle.
        if defined || depth > 16 {
            return Some(file.clone());
        }
        let of_here = || source.imports.iter().filter(|import| import.path.inside == *inside);
        if let Some(import) = of_here().find(|import| import.alias == *name) {
            let mut path = import.path.clone();
            path.segments.extend(after.iter().cloned());
            return self.defines(file, &path, depth + 1);
        }
        for import in of_here().filter(|import| import.alias == "*") {
            let mut path = import.path.clone();
            path.segments.extend(rest.iter().cloned());
            if let Some(found) = self.defines(file, &path, depth + 1).filter(|found| self.has(found, name)) {
                return Some(found);
            }
        }
        Some(file.clone())
    }

    fn has(&self, file: &str, name: &String) -> bool {
        self.files[file].items.iter().any(|item| item.last() == Some(name))
    }
}

fn joined(module: &Module, name: &str) -> Module {
    module.iter().cloned().chain([name.to_owned()]).collect()
}
