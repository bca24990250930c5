//! A graph that is being read: its values, and the chain that they show.

use std::collections::BTreeMap;
use std::rc::Rc;

use super::array::Array;
use super::chain::Chain;
use super::model::Model;
use super::node::Node;
use super::settling::settled;
use super::signal::{Form, Signal};
use crate::error::{Error, Result};

/// What stands for the size of a batch that is not fixed: a prime, so that no other extent is it.
pub const SYMBOLIC: i64 = i32::MAX as i64;
/// Most entries of a code, and of any vector.
pub const MOST_ENTRIES: usize = 1 << 26;

/// A value of the graph.
#[derive(Debug, Clone)]
pub enum Value {
    Constant(Rc<Array>),
    Signal(Signal),
}

/// A graph that is being read.
#[derive(Debug)]
pub struct Reader<'a> {
    /// The file.
    pub model: &'a Model,
    /// The network so far.
    pub chain: Chain,
    pub values: BTreeMap<&'a str, Value>,
    /// How often each value is still used.
    pub uses: BTreeMap<&'a str, usize>,
    /// How often values of the current vector are still used.
    pub pending: usize,
    /// The vector that `pending` counts for.
    pub pending_of: usize,
    /// The node that made the current vector.
    pub made_by: &'a str,
    /// The size of the batch, or [`SYMBOLIC`].
    pub batch: i64,
    /// Entries that computed constants may still have.
    pub budget: usize,
}

impl<'a> Reader<'a> {
    /// Sets a value. Those of the current vector are pending while they are used.
    pub fn set(&mut self, name: &'a str, value: Value) {
        self.follow();
        if let Value::Signal(signal) = &value
            && signal.point == self.chain.point
        {
            self.pending += self.uses_of(name);
        }
        self.values.insert(name, value);
    }

    /// Nothing is pending of a vector that is new.
    pub fn follow(&mut self) {
        if self.pending_of != self.chain.point {
            (self.pending, self.pending_of) = (0, self.chain.point);
        }
    }

    /// How often a value is still used.
    pub fn uses_of(&self, name: &str) -> usize {
        self.uses.get(name).copied().unwrap_or(0)
    }

    /// The extents of a value, with the size of the batch.
    pub fn extents(&self, signal: &Signal) -> Vec<i64> {
        let mut extents: Vec<i64> = signal.shape.iter().map(|extent| *extent as i64).collect();
        if let Some(extent) = extents.get_mut(signal.batch) {
            *extent = self.batch;
        }
        extents
    }

    /// Makes the value the current vector, in its order.
    ///
    /// # Errors
    /// For a movement that no map does, and for a function that is not known.
    pub fn settle(&mut self, node: &Node, signal: &Signal) -> Result<Signal> {
        if signal.samples.is_some() {
            return Err(branch(node, "an input that is a function of a value which is used again"));
        }
        if signal.form == Form::InOrder {
            return Ok(signal.clone());
        }
        let from = format!("{:?}", self.chain.shape_behind(self.chain.steps.len()));
        settled(&mut self.chain, &node.label, signal).ok_or_else(|| {
            node.unsupported(
                format!("an input whose entries were moved, from shape {from} to {:?}", signal.entry_shape()),
                "movements between channels and pixels, crops, or small ones",
            )
        })
    }

    /// Settles the value of a name for all its uses.
    pub fn settle_name(&mut self, node: &'a Node, name: &'a str, signal: &Signal) -> Result<Signal> {
        let before = self.chain.point;
        let settled = self.settle(node, signal)?;
        if self.chain.point != before {
            self.made_by = &node.label;
            self.set(name, Value::Signal(settled.clone()));
        }
        Ok(settled)
    }
}

/// The refusal of what is no chain.
pub fn branch(node: &Node, found: &str) -> Error {
    node.refused(
        format!("{found}: a branch, such as a skip connection"),
        "a chain, where each node takes the output of the one before it",
        "unrelu reads no network with branches; docs/ONNX.md says what is read",
    )
}

/// The refusal of an operator.
pub fn unknown(node: &Node) -> Error {
    node.unsupported(
        "an operator that unrelu does not read",
        "Gemm, MatMul, Conv, ConvTranspose, BatchNormalization, Resize, AveragePool, activations, and what moves entries",
    )
}

pub fn not_recognised(node: &Node) -> Error {
    node.unsupported(
        "a function of each entry, computed in parts, that is none of the known activations",
        "GELU, SiLU, softplus, or one operator per activation",
    )
}
