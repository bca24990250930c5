//! Tensors that a list of operations does not name. Those that clearly act are refused, because the
//! list without them would be another network. The others may be another part of the model, and
//! every command says that they are left out.
//!
//! The place of a tensor is its *branch*: the first part of its name in which nothing is named.
//! `blocks.1.bn.weight` has the branch `blocks.1` if the list names `blocks.0.fc.weight`, and
//! `blocks.1.bn` if it names `blocks.1.fc.weight`. A branch acts if it is one of these:
//!
//! - another number of a `Sequential` or list of which modules are named;
//! - a number between those of named modules, as `fc2` is between `fc1` and `fc3`;
//! - one without a matrix: norms, slopes, or a bare parameter.
//!
//! This holds in the smallest part of the model that contains all named modules. What lies outside
//! of it, beside a whole decoder, is told.

use std::collections::{BTreeMap, BTreeSet};

use super::ignored::ignored;
use super::left_over::is_float;
use super::names::{is_counter, is_of_an_optimizer, is_recorded, last_number, own, parent, pattern, position};
use super::tensor_file::{TensorFile, TensorInfo};
use crate::error::{Error, Result};

/// What a list of operations does not use.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct LeftOut {
    /// Names of the tensors that option `ignore_tensors` names.
    pub ignored: Vec<String>,
    /// Names of the modules and tensors that may be another part of the model.
    pub told: Vec<String>,
}

/// Judges the tensors that a list does not name. `listed`: the names of the tensors of the list, in
/// its order. `ignore`: the option `ignore_tensors`. `list`: the name of the list in messages.
///
/// # Errors
/// [`Error::Input`] for a tensor of a module that the list names, or one that clearly acts.
pub fn left_out(file: &dyn TensorFile, listed: &[String], ignore: &[String], list: &str) -> Result<LeftOut> {
    let ignored = ignored(file.tensors(), ignore, file.source())?;
    let tree = Tree::new(file.tensors(), listed);
    let mut told = Vec::new();
    for tensor in file.tensors() {
        let name = tensor.name.as_str();
        if tree.named.contains(name) || ignored.iter().any(|other| other == name) || is_counter(name) {
            continue;
        }
        match tree.place(tensor) {
            Place::Acts(expected) => {
                return Err(Error::input(
                    file.source(),
                    format!("tensor `{name}`, which the list of operations in {list} does not name"),
                    expected,
                    "name it where it acts, or say with option `ignore_tensors` that it does not",
                ));
            }
            Place::Elsewhere(branch) if told.last() != Some(&branch) => told.push(branch),
            Place::Elsewhere(_) => {}
        }
    }
    Ok(LeftOut { ignored, told })
}

/// Where a tensor stands that is not named.
enum Place {
    /// Where it acts; what was expected instead.
    Acts(String),
    /// In this branch.
    Elsewhere(String),
}

/// The parts of a model, by their names.
struct Tree<'a> {
    /// The tensors of the list.
    named: BTreeSet<&'a str>,
    /// The parts that contain named tensors, and the parts in them that do, in the order of the
    /// list.
    used: BTreeMap<&'a str, Vec<&'a str>>,
    /// The modules of named tensors.
    modules: BTreeSet<&'a str>,
    /// The parts that contain a tensor with two axes or more.
    with_matrix: BTreeSet<&'a str>,
    /// The smallest part that contains the named modules.
    common: &'a str,
}

impl<'a> Tree<'a> {
    fn new(tensors: &'a [TensorInfo], listed: &'a [String]) -> Self {
        let mut used: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
        for name in listed {
            for part in parts(name) {
                let children = used.entry(parent(part)).or_default();
                if !children.contains(&part) {
                    children.push(part);
                }
            }
        }
        let modules: BTreeSet<&str> = listed.iter().map(|name| parent(name)).filter(|name| !name.is_empty()).collect();
        let matrices = tensors.iter().filter(|tensor| tensor.shape.len() > 1);
        let with_matrix = matrices.flat_map(|tensor| parts(&tensor.name)).collect();
        // A part with modules of its own contains its bare parameters.
        let parents: BTreeSet<&str> =
            tensors.iter().map(|tensor| parent(parent(&tensor.name))).filter(|part| !part.is_empty()).collect();
        let container = |name: &'a str| Some(parent(name)).filter(|part| parents.contains(part));
        let containers = listed.iter().map(|name| container(name).unwrap_or_else(|| parent(parent(name))));
        let common = containers.reduce(common_part).unwrap_or("");
        Tree { named: listed.iter().map(String::as_str).collect(), used, modules, with_matrix, common }
    }

    fn place(&self, tensor: &TensorInfo) -> Place {
        let name = tensor.name.as_str();
        if self.modules.contains(parent(name)) {
            return Place::Acts("every tensor of the modules that it names".to_owned());
        }
        let branch = parts(name).find(|part| !self.used.contains_key(part)).unwrap_or(name);
        let around = parent(branch);
        let is_bare = branch == name;
        let is_state = is_bare && (!is_float(tensor) || is_recorded(name)) || is_of_an_optimizer(name);
        let is_around = self.common.is_empty() || around == self.common || is_below(around, self.common);
        let siblings = self.used.get(around).filter(|_| is_around && !is_state);
        let Some(siblings) = siblings else { return Place::Elsewhere(branch.to_owned()) };
        if let Some((before, after)) = neighbours(branch, siblings) {
            return Place::Acts(format!("every module between `{before}` and `{after}`, which it names"));
        }
        if position(branch).is_some() || is_bare || !self.with_matrix.contains(branch) {
            return Place::Acts("every module beside those that it names, if it acts on them".to_owned());
        }
        Place::Elsewhere(branch.to_owned())
    }
}

/// The parts of a name from the outermost to the whole: `a.b.weight` has `a`, `a.b`, `a.b.weight`.
fn parts(name: &str) -> impl Iterator<Item = &str> {
    name.match_indices('.').map(|(at, _)| &name[..at]).chain(std::iter::once(name))
}

/// Whether a part lies in another one.
fn is_below(part: &str, whole: &str) -> bool {
    part.strip_prefix(whole).is_some_and(|rest| rest.starts_with('.'))
}

/// The smallest part that contains both, or is one of them.
fn common_part<'a>(one: &'a str, other: &'a str) -> &'a str {
    let mut part = one;
    while !(part.is_empty() || part == other || is_below(other, part)) {
        part = parent(part);
    }
    part
}

/// The named siblings on both sides of a branch whose names differ from its own in numbers only.
/// Numbers that neither rise nor fall along the list are no places.
fn neighbours<'a>(branch: &str, siblings: &[&'a str]) -> Option<(&'a str, &'a str)> {
    let number = last_number(branch)?;
    let family = |sibling: &&&str| pattern(own(sibling)) == pattern(own(branch));
    let mut numbered: Vec<(u64, &str)> =
        siblings.iter().filter(family).filter_map(|sibling| Some((last_number(sibling)?, *sibling))).collect();
    if numbered.is_sorted_by(|(one, _), (other, _)| one > other) {
        numbered.reverse();
    }
    if !numbered.is_sorted_by(|(one, _), (other, _)| one < other) {
        return None;
    }
    let before = numbered.iter().rfind(|(other, _)| *other < number)?;
    let after = numbered.iter().find(|(other, _)| *other > number)?;
    (!numbered.iter().any(|(other, _)| *other == number)).then_some((before.1, after.1))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tensors(names: &[&str]) -> Vec<TensorInfo> {
        let shape = |name: &str| if name.ends_with("weight") && !name.contains("bn") { vec![3, 3] } else { vec![3] };
        let info = |name: &&str| TensorInfo {
            name: (*name).to_owned(),
            shape: shape(name),
            element_type: if name.ends_with("ids") { "I64" } else { "F32" }.to_owned(),
        };
        names.iter().map(info).collect()
    }

    /// Whether a tensor acts beside named ones.
    fn acts(named: &[&str], name: &str) -> bool {
        let all = tensors(&[named, &[name]].concat());
        let listed: Vec<String> = named.iter().map(|name| (*name).to_owned()).collect();
        let tree = Tree::new(&all, &listed);
        matches!(tree.place(&all[named.len()]), Place::Acts(_))
    }

    #[test]
    fn what_stands_between_acts() {
        let dense = ["fc1.weight", "fc3.weight"];
        assert!(acts(&dense, "fc2.weight") && !acts(&dense, "fc4.weight") && !acts(&dense, "head2.weight"));
        assert!(acts(&["up3.conv.weight", "up1.conv.weight"], "up2.conv.weight"));
        assert!(!acts(&["fc2.weight", "fc3.weight", "fc1.weight"], "fc21.weight"));
        let blocks = ["blocks.0.0.weight", "blocks.2.0.weight"];
        assert!(
            ["blocks.1.0.weight", "blocks.1.bn.weight", "blocks.3.0.weight", "blocks.0.1.weight"]
                .iter()
                .all(|name| acts(&blocks, name))
        );
        assert!(acts(&["block1.a.weight", "block3.a.weight"], "block2.b.weight"));
    }

    #[test]
    fn bare_parameters_and_norms_act_in_the_part_of_the_named_modules() {
        let decoder = ["decoder.fc1.weight", "decoder.fc2.weight"];
        assert!(
            ["decoder.scale", "decoder.norms.0.bn", "decoder.bn1.bn_weight"].iter().all(|name| acts(&decoder, name))
        );
        assert!(
            !["scale", "encoder.0.weight", "decoder.ids", "decoder.epoch", "bn.mean"]
                .iter()
                .any(|name| acts(&decoder, name))
        );
        assert!(acts(&["fc1.weight", "fc2.weight"], "scale") && acts(&["w1", "b1"], "w2"));
        assert!(acts(&["0.weight"], "1.weight") && acts(&["fc.weight"], "fc.bias"));
        // A named bare parameter does not make its part a module beside the others.
        assert!(!acts(&["decoder.fc1.weight", "decoder.scale"], "shift"));
    }
}
