//! A node of the graph: its operator, its inputs and outputs by name, and its attributes.

use std::collections::BTreeMap;
use std::fmt::Display;
use std::rc::Rc;

use super::messages::TensorProto;
use crate::error::{Error, Result};

/// The value of an attribute.
#[derive(Debug, Clone, PartialEq)]
pub enum Attribute {
    Float(f32),
    Integer(i64),
    Text(String),
    Tensor(Box<TensorProto>),
    Floats(Vec<f32>),
    Integers(Vec<i64>),
    /// A subgraph, a list of tensors, or another kind that no operator here takes.
    Other(i32),
}

/// One operation of the graph.
#[derive(Debug, Clone, PartialEq)]
pub struct Node {
    /// The file, for messages.
    pub source: Rc<str>,
    /// How messages name the node: its name and its operator.
    pub label: String,
    /// The operator.
    pub op: String,
    /// Names of the inputs; an empty name stands for an input that is not given.
    pub inputs: Vec<String>,
    /// Names of the outputs.
    pub outputs: Vec<String>,
    /// The attributes.
    pub attributes: BTreeMap<String, Attribute>,
}

impl Node {
    /// A refusal that names the node.
    pub fn refused(&self, found: impl Display, expected: impl Into<String>, fix: impl Into<String>) -> Error {
        Error::input(&self.source, format!("{}: {found}", self.label), expected, fix)
    }

    /// A refusal of what the export made; the fix is in docs/ONNX.md.
    pub fn unsupported(&self, found: impl Display, expected: impl Into<String>) -> Error {
        self.refused(found, expected, "export another form of the network; docs/ONNX.md lists what is read")
    }

    /// An attribute of the wrong kind.
    fn mistyped(&self, name: &str, expected: &str) -> Error {
        self.refused(format!("attribute `{name}` of another kind"), expected, "export the network again")
    }

    /// An integer, or its default.
    pub fn integer(&self, name: &str, default: i64) -> Result<i64> {
        match self.attributes.get(name) {
            None => Ok(default),
            Some(Attribute::Integer(number)) => Ok(*number),
            Some(_) => Err(self.mistyped(name, "an integer")),
        }
    }

    /// A number, or its default. A file holds f32; what is meant is its shortest decimal, such as
    /// 1e-5, so that a network of f64 is read as it was before the export.
    pub fn number(&self, name: &str, default: f64) -> Result<f64> {
        match self.attributes.get(name) {
            None => Ok(default),
            Some(Attribute::Float(number)) => Ok(shortest(*number)),
            Some(_) => Err(self.mistyped(name, "a number")),
        }
    }

    /// A text, or its default.
    pub fn text<'a>(&'a self, name: &str, default: &'a str) -> Result<&'a str> {
        match self.attributes.get(name) {
            None => Ok(default),
            Some(Attribute::Text(text)) => Ok(text),
            Some(_) => Err(self.mistyped(name, "a text")),
        }
    }

    /// Integers, or `None` if they are not given.
    pub fn integers(&self, name: &str) -> Result<Option<&[i64]>> {
        match self.attributes.get(name) {
            None => Ok(None),
            Some(Attribute::Integers(numbers)) => Ok(Some(numbers)),
            Some(_) => Err(self.mistyped(name, "a list of integers")),
        }
    }

    /// As many numbers of 0 or more as `default` has, or these.
    pub fn sizes<const N: usize>(&self, name: &str, default: [usize; N]) -> Result<[usize; N]> {
        let Some(given) = self.integers(name)? else { return Ok(default) };
        let sizes: Option<Vec<usize>> = given.iter().map(|number| usize::try_from(*number).ok()).collect();
        let fitting = sizes.and_then(|sizes| <[usize; N]>::try_from(sizes).ok());
        let fitting = fitting.filter(|sizes| sizes.iter().all(|size| *size <= LARGEST));
        fitting.ok_or_else(|| {
            self.unsupported(format!("{name} {given:?}"), format!("{N} numbers from 0 to {LARGEST}, for images"))
        })
    }
}

/// The largest kernel, stride, padding or dilation.
const LARGEST: usize = 1 << 20;

/// The number that the shortest decimal of an f32 stands for.
pub fn shortest(number: f32) -> f64 {
    number.to_string().parse().unwrap_or(f64::from(number))
}
