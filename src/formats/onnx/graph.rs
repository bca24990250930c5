//! From the nodes of a model to a chain of operations.
//!
//! Nodes are taken in the order of the file. A value is constant, or it shows the chain's current
//! vector ([`Signal`]). Only the current vector can be used: a value of an earlier one is a branch,
//! such as a skip connection, and is refused.

use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use super::array::{Array, Data};
use super::chain::{Chain, Kind, List};
use super::folding::{self, fold};
use super::model::Model;
use super::node::Node;
use super::reader::{MOST_ENTRIES, Reader, SYMBOLIC, Value, branch, not_recognised, unknown};
use super::recognition::recognised;
use super::signal::Signal;
use super::tensor;
use crate::error::{Error, Result};

/// Entries that constants which are computed may have in all, beside those of the file.
const MOST_COMPUTED: usize = 1 << 16;

/// Reads the network of a model, as a list of operations.
///
/// # Errors
/// [`Error::Input`]; the message names the node and what it does.
pub fn operations(model: &Model) -> Result<List> {
    let (input, batch, shape) = code(model)?;
    let [output] = &model.outputs[..] else {
        return Err(Error::input(
            &model.source,
            format!("outputs {}", names(model.outputs.iter())),
            "one output, the image",
            "export the generator alone",
        ));
    };
    let live = live(model, output);
    let mut reader = Reader {
        model,
        chain: Chain::new(shape[1..].to_vec()),
        values: BTreeMap::new(),
        uses: BTreeMap::new(),
        pending: 0,
        pending_of: 0,
        made_by: "the input",
        batch,
        budget: MOST_COMPUTED,
    };
    for (node, _) in model.nodes.iter().zip(&live).filter(|(node, live)| **live && !is_measure(node)) {
        for name in &node.inputs {
            *reader.uses.entry(name).or_default() += 1;
        }
    }
    *reader.uses.entry(output).or_default() += 1;
    let used: BTreeSet<&str> = model
        .nodes
        .iter()
        .zip(&live)
        .filter(|(_, live)| **live)
        .flat_map(|(node, _)| &node.inputs)
        .map(|name| &**name)
        .collect();
    for tensor in model.tensors.iter().filter(|tensor| used.contains(&*tensor.name)) {
        let what = format!("tensor `{}`", tensor.name);
        let array = tensor::read(tensor, &what, &model.source, model.file.as_deref())?;
        reader.budget = reader.budget.saturating_add(array.len().saturating_mul(8));
        reader.values.insert(&tensor.name, Value::Constant(Rc::new(array)));
    }
    reader.set(input, Value::Signal(Signal::of(0, shape)));
    for (node, _) in model.nodes.iter().zip(&live).filter(|(_, live)| **live) {
        reader.step(node)?;
    }
    reader.finish(output)
}

/// The name of the input that is the code, the size of its batch, and its extents with 1 for the
/// batch.
fn code(model: &Model) -> Result<(&str, i64, Vec<usize>)> {
    let [(name, extents)] = &model.inputs[..] else {
        return Err(Error::input(
            &model.source,
            format!("inputs {}", names(model.inputs.iter().map(|(name, _)| name))),
            "one input, the code",
            "export the generator alone",
        ));
    };
    let refused = || {
        let shown: Vec<String> =
            extents.iter().map(|extent| extent.map_or("?".to_owned(), |extent| extent.to_string())).collect();
        Error::input(
            &model.source,
            format!("input `{name}` of shape [{}]", shown.join(", ")),
            "a batch axis, then fixed extents of 1 or more",
            "export with an example input of shape (1, k) or (1, channels, rows, columns)",
        )
    };
    let (Some(batch), true) = (extents.first(), extents.len() >= 2) else { return Err(refused()) };
    let batch = batch.unwrap_or(SYMBOLIC);
    let mut shape = vec![1];
    for extent in &extents[1..] {
        shape.push(
            extent.and_then(|extent| usize::try_from(extent).ok()).filter(|extent| *extent > 0).ok_or_else(refused)?,
        );
    }
    // 0 and negative numbers are ways to leave it open.
    let batch = if batch >= 1 { batch } else { SYMBOLIC };
    match super::array::entries(&shape, MOST_ENTRIES) {
        Some(_) if batch <= SYMBOLIC => Ok((name, batch, shape)),
        _ => Err(refused()),
    }
}

fn names<'a>(names: impl Iterator<Item = &'a String>) -> String {
    let names: Vec<String> = names.take(8).map(|name| format!("`{name}`")).collect();
    if names.is_empty() { "none".to_owned() } else { names.join(", ") }
}

/// Whether it only asks for extents.
fn is_measure(node: &Node) -> bool {
    matches!(node.op.as_str(), "Shape" | "Size")
}

/// Which nodes the output needs.
fn live(model: &Model, output: &str) -> Vec<bool> {
    let mut needed: BTreeSet<&str> = BTreeSet::from([output]);
    let mut live = vec![false; model.nodes.len()];
    for (place, node) in model.nodes.iter().enumerate().rev() {
        if node.outputs.iter().any(|name| needed.contains(&**name)) {
            live[place] = true;
            needed.extend(node.inputs.iter().map(|name| &**name));
        }
    }
    live
}

impl<'a> Reader<'a> {
    fn step(&mut self, node: &'a Node) -> Result<()> {
        let mut inputs = Vec::with_capacity(node.inputs.len());
        for name in &node.inputs {
            inputs.push(match self.values.get(&**name) {
                Some(value) => Some(value.clone()),
                None if name.is_empty() => None,
                None => {
                    return Err(node.refused(
                        format!("input `{name}`, which is no tensor of the file and no output of a node before it"),
                        "nodes in the order of the computation, with all their inputs",
                        "export the network again, and check it with onnx.checker.check_model",
                    ));
                }
            });
        }
        let Some(output) = node.outputs.first().filter(|name| !name.is_empty()) else {
            return Err(node.unsupported("no output", "one output"));
        };
        if self.values.contains_key(&**output) {
            return Err(node
                .unsupported(format!("output `{output}`, which another node or tensor has"), "names that occur once"));
        }
        let constants: Vec<Option<&Array>> = inputs
            .iter()
            .map(|value| match value {
                Some(Value::Constant(array)) => Some(&**array),
                _ => None,
            })
            .collect();
        if !inputs.iter().any(|value| matches!(value, Some(Value::Signal(_)))) {
            let Some(array) = fold(node, &constants, self.budget)? else { return Err(unknown(node)) };
            // Constants of the file make room as its tensors do.
            self.budget = match node.op == "Constant" {
                true => self.budget.saturating_add(array.len().saturating_mul(8)),
                false => self.budget.saturating_sub(array.len()),
            };
            self.set(output, Value::Constant(Rc::new(array)));
            return Ok(());
        }
        if is_measure(node) {
            if let Some(Value::Signal(signal)) = inputs.first().cloned().flatten() {
                let array = self.measured(node, &signal)?;
                self.set(output, Value::Constant(Rc::new(array)));
            }
            return Ok(());
        }
        self.use_inputs(node, &inputs)?;
        let before = self.chain.point;
        let signal = super::values::value(self, node, &inputs)?;
        let signal = self.closed(node, signal)?;
        if self.chain.point != before {
            self.made_by = &node.label;
        }
        self.set(output, Value::Signal(signal));
        Ok(())
    }

    /// Counts the uses of a node's inputs, and refuses values of earlier vectors.
    fn use_inputs(&mut self, node: &'a Node, inputs: &[Option<Value>]) -> Result<()> {
        for (name, value) in node.inputs.iter().zip(inputs) {
            if let Some(uses) = self.uses.get_mut(&**name) {
                *uses = uses.saturating_sub(1);
            }
            let Some(Value::Signal(signal)) = value else { continue };
            if signal.point != self.chain.point {
                let found = format!("input `{name}`, which {} uses in another way", self.made_by);
                return Err(branch(node, &found));
            }
            self.pending = self.pending.saturating_sub(1);
        }
        Ok(())
    }

    fn measured(&self, node: &Node, signal: &Signal) -> Result<Array> {
        let extents = self.extents(signal);
        if node.op == "Shape" {
            return folding::shape(node, &extents);
        }
        Ok(Array { shape: Vec::new(), data: Data::Integers(vec![extents.iter().product()]) })
    }

    /// The activation that a function of each entry is, once nothing else is pending.
    fn closed(&mut self, node: &Node, signal: Signal) -> Result<Signal> {
        self.follow();
        let Some(samples) = &signal.samples else { return Ok(signal) };
        if self.pending > 0 {
            return Ok(signal);
        }
        let found = recognised(samples).ok_or_else(|| not_recognised(node))?;
        self.chain.entrywise(&node.label, Kind::Uniform(found.operation));
        if found.factor != 1.0 {
            let kind = Kind::Affine { factors: vec![found.factor], shifts: vec![0.0] };
            self.chain.entrywise(&node.label, kind);
        }
        Ok(Signal { point: self.chain.point, samples: None, ..signal })
    }

    fn finish(mut self, output: &'a str) -> Result<List> {
        let model = self.model;
        let Some(Value::Signal(signal)) = self.values.get(output).cloned() else {
            return Err(Error::input(
                &model.source,
                format!("output `{output}`, which does not depend on the input"),
                "the output of the last node",
                "export the network again, and check it with onnx.checker.check_model",
            ));
        };
        let last = Node {
            source: model.source.clone(),
            label: format!("output `{output}`"),
            op: String::new(),
            inputs: Vec::new(),
            outputs: Vec::new(),
            attributes: BTreeMap::new(),
        };
        if signal.point != self.chain.point || signal.batch != 0 {
            return Err(
                last.unsupported("an output that is not that of the last node", "a chain, with the batch first")
            );
        }
        self.settle(&last, &signal)?;
        Ok(self.chain.list())
    }
}
