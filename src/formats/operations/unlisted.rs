//! Tensors that a list of operations does not name, and that may act on those that it names.

use std::collections::{BTreeMap, BTreeSet};

use crate::error::{Error, Result};
use crate::formats::left_over::is_float;
use crate::formats::names::{
    is_of_an_optimizer, is_of_another_network, is_recorded, last_number, own, parent, pattern, position, stands_between,
};
use crate::formats::tensor_file::{TensorFile, TensorInfo};

/// Refuses a tensor that may act on those that the list names, and is neither listed nor ignored:
/// one of a module that is listed, one of a module beside or between those that are, or a parameter
/// of a part of the model that contains them.
///
/// `listed`: the names of the tensors in the list; `ignored`: those of tensors and modules that the
/// user leaves out; `source`: the list, in messages.
///
/// # Errors
/// [`Error::Input`] that names the first such tensor.
pub fn refuse_unlisted(
    file: &dyn TensorFile,
    listed: &BTreeSet<String>,
    ignored: &[String],
    source: &str,
) -> Result<()> {
    let modules = Modules::of(file.tensors(), listed);
    for tensor in file.tensors() {
        let module = parent(&tensor.name);
        let is_ignored = ignored.iter().any(|name| *name == tensor.name || !module.is_empty() && name == module);
        let is_no_parameter = !is_float(tensor) || is_of_an_optimizer(&tensor.name);
        if listed.contains(&tensor.name) || is_ignored || is_no_parameter {
            continue;
        }
        if let Some(expected) = modules.reason(tensor) {
            return Err(Error::input(
                file.source(),
                format!("tensor `{}`, which the list of operations in {source} does not name", tensor.name),
                expected,
                "name it where it acts, or say with option `ignore_tensors` that it does not",
            ));
        }
    }
    Ok(())
}

/// The modules of a file and of the list. A module is a name up to the last dot.
struct Modules<'a> {
    /// Those that the list names.
    listed: BTreeSet<&'a str>,
    /// The same, in the order of the file, for their numbers.
    in_order: Vec<&'a str>,
    /// The parts of the model that contain them; the whole is "".
    around: BTreeSet<&'a str>,
    /// Whether a module has a tensor of more than one axis.
    has_matrix: BTreeMap<&'a str, bool>,
}

impl<'a> Modules<'a> {
    fn of(tensors: &'a [TensorInfo], names: &'a BTreeSet<String>) -> Self {
        let listed: BTreeSet<&str> =
            names.iter().map(|name| parent(name)).filter(|module| !module.is_empty()).collect();
        let mut in_order: Vec<&str> = listed.iter().copied().collect();
        // Numbers as numbers: `net.10` after `net.9`.
        in_order.sort_by_key(|module| numbers(module));
        let mut has_matrix = BTreeMap::new();
        for tensor in tensors {
            *has_matrix.entry(parent(&tensor.name)).or_default() |= tensor.shape.len() > 1;
        }
        let around = listed.iter().map(|module| parent(module)).collect();
        Modules { listed, in_order, around, has_matrix }
    }

    /// Why a tensor outside the list may act; `None` if it does not seem to.
    fn reason(&self, tensor: &TensorInfo) -> Option<&'static str> {
        let module = parent(&tensor.name);
        if self.listed.contains(module) {
            return Some("every tensor of the modules that it names");
        }
        let has_matrix = self.has_matrix.get(module).is_some_and(|has_matrix| *has_matrix);
        // A place of the same `Sequential`, or a norm or slope.
        let is_beside =
            !module.is_empty() && self.around.contains(parent(module)) && (position(module).is_some() || !has_matrix);
        if is_beside && !is_of_another_network(own(module)) {
            return Some("every module beside those that it names, if it acts on them");
        }
        if self.is_numbered_between(module) || stands_between(module, &self.in_order) {
            return Some("every module between those that it names, if it acts there");
        }
        let is_parameter = self.around.contains(module) && !is_recorded(&tensor.name);
        (is_parameter && !is_of_another_network(own(&tensor.name)))
            .then_some("every parameter beside the modules that it names, if it acts on them")
    }

    /// Whether a module is `fc2` where `fc1` and `fc3` are listed.
    fn is_numbered_between(&self, module: &str) -> bool {
        let Some(number) = last_number(module) else { return false };
        let family: Vec<u64> = (self.listed.iter())
            .filter(|listed| parent(listed) == parent(module) && pattern(listed) == pattern(module))
            .filter_map(|listed| last_number(listed))
            .collect();
        family.iter().any(|other| *other < number) && family.iter().any(|other| *other > number)
    }
}

/// The numbers in a name, in their order.
fn numbers(name: &str) -> Vec<u64> {
    name.split(|c: char| !c.is_ascii_digit()).filter_map(|digits| digits.parse().ok()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The reason for each tensor of `tensors` that the list does not name.
    fn left_out<'a>(tensors: &[&'a str], listed: &[&str]) -> Vec<&'a str> {
        let info = |name: &&str| TensorInfo {
            name: (*name).to_owned(),
            shape: if name.ends_with("weight") { vec![3, 3] } else { vec![3] },
            element_type: "F32".to_owned(),
        };
        let infos: Vec<TensorInfo> = tensors.iter().map(info).collect();
        let listed = listed.iter().map(|name| (*name).to_owned()).collect();
        let modules = Modules::of(&infos, &listed);
        let refused = infos.iter().zip(tensors).filter(|(info, _)| !listed.contains(&info.name));
        refused.filter(|(info, _)| modules.reason(info).is_some()).map(|(_, name)| *name).collect()
    }

    #[test]
    fn what_may_act_is_found() {
        let listed = ["fc1.weight", "fc3.weight"];
        assert_eq!(left_out(&["fc1.weight", "fc2.weight", "fc3.weight", "fc4.weight"], &listed), ["fc2.weight"]);
        assert_eq!(left_out(&["fc1.weight", "fc1.bias", "fc3.weight"], &listed), ["fc1.bias"]);
        assert_eq!(
            left_out(&["scale", "best_loss", "enc_scale", "bn.bias", "head.weight"], &listed),
            ["scale", "bn.bias"]
        );
        let nested = ["blocks.0.0.weight", "blocks.2.0.weight"];
        assert_eq!(
            left_out(&["blocks.1.0.weight", "blocks.3.0.weight", "blocks.1.bn.bias"], &nested),
            ["blocks.1.0.weight", "blocks.1.bn.bias"]
        );
        let generator = ["g.net.2.weight", "g.net.10.weight"];
        assert_eq!(
            left_out(&["g.net.9.weight", "d.net.3.weight", "g.gain", "g.net.gain"], &generator),
            ["g.net.9.weight", "g.net.gain"]
        );
    }
}
