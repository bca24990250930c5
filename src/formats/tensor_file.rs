//! The common interface of files with trained weights: named tensors and optional metadata.
//! `safetensors.rs` and `pytorch.rs` implement it. `layers_by_name.rs` interprets the names.

use std::cmp::Ordering;

use serde::Serialize;

use super::described::Described;
use super::stated::Stated;
use crate::error::Result;

/// The description of a tensor in its file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct TensorInfo {
    /// The full name, with nested dictionaries joined by dots: `state_dict.decoder.0.weight`.
    pub name: String,
    /// The extents, outermost first.
    pub shape: Vec<usize>,
    /// The stored type, by the format's own name: `F32`, `BF16`, `I64`.
    pub element_type: String,
}

/// An open file of named tensors. Only their descriptions have been read.
pub trait TensorFile {
    /// The file's path, for messages.
    fn source(&self) -> &str;

    /// The name of the file's format, for people.
    fn format(&self) -> &str;

    /// The tensors, sorted by [`natural_order`] of their names, because neither format stores the
    /// order of the layers.
    fn tensors(&self) -> &[TensorInfo];

    /// The metadata of a key, such as `activation` or `output_activation`.
    fn metadata(&self, key: &str) -> Option<&str>;

    /// A number that a module of the model has as an attribute, such as `eps` of a BatchNorm. Only
    /// whole models have them, not state_dicts.
    fn module_number(&self, _module: &str, _attribute: &str) -> Option<f64> {
        None
    }

    /// What the modules of the file say about the activations behind `layers`, from the code to the
    /// output. Only whole models have modules.
    fn stated_activations(&self, _layers: &[&str]) -> Stated {
        Stated::default()
    }

    /// Whether the file itself describes the operations of a network.
    fn describes_itself(&self) -> bool {
        false
    }

    /// The network that the file itself describes. `None` where it does not.
    fn own_network(&self) -> Option<Result<Described>> {
        None
    }

    /// The numbers of one tensor, converted to f64, in row-major order.
    ///
    /// # Errors
    /// [`crate::error::Error::Input`] if there is no tensor of that name, if its type is not
    /// floating point, or if its bytes cannot be read.
    fn read(&self, name: &str) -> Result<Vec<f64>>;
}

/// Orders names with their numbers by value, so that `net.10` comes after `net.2`.
pub fn natural_order(left: &str, right: &str) -> Ordering {
    let (mut left, mut right) = (left, right);
    loop {
        let (left_run, left_rest) = first_run(left);
        let (right_run, right_rest) = first_run(right);
        if left_run.is_empty() || right_run.is_empty() {
            return left_run.len().cmp(&right_run.len());
        }
        let both_numbers = starts_with_digit(left_run) && starts_with_digit(right_run);
        let order = if both_numbers {
            // Without leading zeros, the number with more digits is larger. This works for any
            // number of digits.
            let (left_digits, right_digits) = (left_run.trim_start_matches('0'), right_run.trim_start_matches('0'));
            left_digits.len().cmp(&right_digits.len()).then_with(|| left_digits.cmp(right_digits))
        } else {
            Ordering::Equal
        };
        let order = order.then_with(|| left_run.cmp(right_run));
        if order != Ordering::Equal {
            return order;
        }
        (left, right) = (left_rest, right_rest);
    }
}

fn starts_with_digit(text: &str) -> bool {
    text.starts_with(|character: char| character.is_ascii_digit())
}

/// Splits off the leading run of digits or of other characters.
fn first_run(text: &str) -> (&str, &str) {
    let digits = starts_with_digit(text);
    let end = text.find(|character: char| character.is_ascii_digit() != digits).unwrap_or(text.len());
    text.split_at(end)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_like_a_person() {
        let mut names = ["net.10.weight", "net.2.bias", "net.2.weight", "net", "fc21", "fc3", "net.02.weight"];
        names.sort_by(|left, right| natural_order(left, right));
        assert_eq!(names, ["fc3", "fc21", "net", "net.02.weight", "net.2.bias", "net.2.weight", "net.10.weight"]);
    }
}
