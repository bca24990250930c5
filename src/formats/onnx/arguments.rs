//! The inputs of a node, as its operator takes them.

use super::array::Array;
use super::node::Node;
use super::reader::Value;
use super::signal::Signal;
use crate::error::Result;

/// The arguments of a node.
pub struct Arguments<'a, 'b> {
    pub node: &'a Node,
    pub inputs: &'b [Option<Value>],
}

impl<'b> Arguments<'_, 'b> {
    /// The constant of an input.
    ///
    /// # Errors
    /// If it is not given, or depends on the code.
    pub fn constant(&self, place: usize) -> Result<&'b Array> {
        self.optional(place)?.ok_or_else(|| self.node.unsupported(format!("no input {}", place + 1), "all inputs"))
    }

    /// The constant of an input, if it is given.
    ///
    /// # Errors
    /// If it depends on the code.
    pub fn optional(&self, place: usize) -> Result<Option<&'b Array>> {
        match self.inputs.get(place) {
            None | Some(None) => Ok(None),
            Some(Some(Value::Constant(array))) => Ok(Some(array)),
            Some(Some(Value::Signal(_))) => {
                Err(self.node.unsupported(format!("input {} that depends on the code", place + 1), "a constant"))
            }
        }
    }

    /// The value of the first input.
    ///
    /// # Errors
    /// If it is constant.
    pub fn signal(&self) -> Result<&'b Signal> {
        match self.inputs.first() {
            Some(Some(Value::Signal(signal))) => Ok(signal),
            _ => Err(self.node.unsupported("a constant first input", "the value as the first input")),
        }
    }
}
