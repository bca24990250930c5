//! The two rules: no import circle of modules, and no import from a module above.

use std::collections::{BTreeMap, BTreeSet};

use crate::imports::Tree;

/// The imports between the children of one module: from, to, and a line of evidence per import.
type Between = BTreeMap<(String, String), Vec<String>>;

/// The circles among the children of each module. A child represents everything below it. Imports
/// between a module's own file and its children make no circle, because that file composes them.
pub fn circles(tree: &Tree) -> Vec<String> {
    let mut rooms: BTreeMap<Vec<String>, Between> = BTreeMap::new();
    for (from, imported) in tree.imports() {
        for (to, path) in imported {
            let (start, end) = (tree.module_of(&from), tree.module_of(&to));
            let shared = start.iter().zip(end).take_while(|(a, b)| a == b).count();
            if let (Some(from_child), Some(to_child)) = (start.get(shared), end.get(shared)) {
                let between = rooms.entry(start[..shared].to_vec()).or_default();
                let lines = between.entry((from_child.clone(), to_child.clone())).or_default();
                lines.push(format!("  {from} imports {path} from {to}"));
            }
        }
    }
    rooms.values().flat_map(circles_between).collect()
}

fn circles_between(between: &Between) -> Vec<String> {
    let names: BTreeSet<&String> = between.keys().map(|(from, _)| from).collect();
    let reached: BTreeMap<&String, BTreeSet<&String>> =
        names.iter().map(|name| (*name, reach(between, name))).collect();
    let reaches = |from: &String, to: &String| reached.get(from).is_some_and(|found| found.contains(to));
    let mut found = BTreeSet::new();
    for name in names.iter().filter(|name| reaches(name, name)) {
        let circle: Vec<&str> = names
            .iter()
            .filter(|other| reaches(name, other) && reaches(other, name))
            .map(|name| name.as_str())
            .collect();
        let inside = |(from, to): &(String, String)| circle.contains(&from.as_str()) && circle.contains(&to.as_str());
        let lines: Vec<&str> = between
            .iter()
            .filter(|(ends, _)| inside(ends))
            .flat_map(|(_, lines)| lines.iter().map(String::as_str))
            .collect();
        found.insert(format!("a circle of {}:\n{}", circle.join(", "), lines.join("\n")));
    }
    found.into_iter().collect()
}

/// The modules that a module imports from, directly or indirectly.
fn reach<'a>(between: &'a Between, name: &'a String) -> BTreeSet<&'a String> {
    let mut found = BTreeSet::new();
    let mut waiting = vec![name];
    while let Some(name) = waiting.pop() {
        let next = between.keys().filter(|(from, _)| from == name).map(|(_, to)| to);
        waiting.extend(next.filter(|to| found.insert(*to)));
    }
    found
}

/// The modules below the library's root, from the top, in the order that the head of `src/lib.rs`
/// states.
///
/// # Panics
/// If it states no order.
pub fn order(root: &str) -> Vec<String> {
    let head = root.lines().skip_while(|line| !line.contains("import downwards only")).map_while(|line| {
        let text = line.strip_prefix("//!")?.trim();
        (!text.is_empty()).then_some(text)
    });
    let head = head.collect::<Vec<_>>().join(" ");
    let (_, list) = head.split_once(':').expect("`Modules import downwards only, in this order:` and the modules");
    let list = list.split_once(". ").map_or(list, |(sentence, _)| sentence);
    let quoted = list.split('`').skip(1).step_by(2);
    quoted.map(|name| name.trim_start_matches("mod@").to_owned()).collect()
}

/// Imports against the order, and modules that the order leaves out.
pub fn upward(tree: &Tree, order: &[String]) -> Vec<String> {
    let place = |file: &str| match tree.module_of(file) {
        [root, module, ..] if root == "lib" => Some((module.clone(), order.iter().position(|name| name == module))),
        _ => None,
    };
    let mut found = Vec::new();
    for (from, imported) in tree.imports() {
        let Some((module, height)) = place(&from) else { continue };
        if height.is_none() {
            found.push(format!("{from}: the order does not name `{module}`"));
        }
        for (to, path) in imported {
            match place(&to) {
                Some((_, below)) if height <= below => {}
                _ => found.push(format!("{from} imports {path} from {to}, which stands above it")),
            }
        }
    }
    found
}
