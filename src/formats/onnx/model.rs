//! The model as it stands in the file: nodes, tensors, input and outputs, with their numbers
//! checked.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::rc::Rc;

use prost::Message;
use prost::bytes::Bytes;

use super::messages::{
    AttributeProto, GraphProto, ModelProto, NodeProto, OperatorSetIdProto, TensorProto, ValueInfoProto,
};
use super::node::{Attribute, Node};
use super::tensor;
use crate::error::{Error, Result};
use crate::formats::tensor_file::TensorInfo;

/// Most nodes and most tensors of a model.
const MOST: usize = 1 << 16;
/// The versions of ONNX's operators that are read.
const OPSETS: std::ops::RangeInclusive<i64> = 11..=21;

/// A model.
#[derive(Debug, Clone)]
pub struct Model {
    /// The file, for messages.
    pub source: Rc<str>,
    /// The path, if it is a file.
    pub file: Option<PathBuf>,
    /// The program that wrote it.
    pub producer: String,
    /// In the order of the file, which is that of the computation.
    pub nodes: Vec<Node>,
    /// The tensors that the file holds.
    pub tensors: Vec<TensorProto>,
    /// The inputs that are no tensors of the file, with their extents; `None`: not fixed.
    pub inputs: Vec<(String, Vec<Option<i64>>)>,
    /// The outputs.
    pub outputs: Vec<String>,
}

impl Model {
    /// Reads the messages of a file.
    ///
    /// # Errors
    /// [`Error::Input`] if the bytes are no model, for another version, and for too many nodes.
    pub fn decode(bytes: Vec<u8>, source: &str, file: Option<PathBuf>) -> Result<Self> {
        let source: Rc<str> = source.into();
        let model: ModelProto = message(Bytes::from(bytes), "the model", &source)?;
        let graph: GraphProto = message(model.graph, "the graph", &source)?;
        for (count, what) in [
            (graph.node.len(), "nodes"),
            (graph.initializer.len(), "tensors"),
            (graph.input.len(), "inputs"),
            (graph.output.len(), "outputs"),
            (model.opset_import.len(), "sets of operators"),
        ] {
            if count > MOST {
                let fix = "export the generator alone";
                return Err(Error::input(&source, format!("{count} {what}"), format!("at most {MOST}"), fix));
            }
        }
        check_opset(model.opset_import, &source)?;
        if !graph.sparse_initializer.is_empty() {
            return Err(Error::input(
                &source,
                "a sparse tensor",
                "dense tensors",
                "export the weights as dense tensors",
            ));
        }
        let mut nodes = Vec::with_capacity(graph.node.len());
        for (number, bytes) in (1..).zip(graph.node) {
            nodes.push(node(message(bytes, &format!("node {number}"), &source)?, number, &source)?);
        }
        let mut tensors: Vec<TensorProto> = Vec::with_capacity(graph.initializer.len());
        for (number, bytes) in (1..).zip(graph.initializer) {
            tensors.push(message(bytes, &format!("tensor {number}"), &source)?);
        }
        let mut inputs = Vec::new();
        for bytes in graph.input {
            let input: ValueInfoProto = message(bytes, "an input", &source)?;
            inputs.push((input.name.clone(), extents(input)));
        }
        let held: std::collections::BTreeSet<&str> = tensors.iter().map(|tensor| &*tensor.name).collect();
        inputs.retain(|(name, _)| !held.contains(&**name));
        let mut outputs = Vec::new();
        for bytes in graph.output {
            let output: ValueInfoProto = message(bytes, "an output", &source)?;
            outputs.push(output.name);
        }
        Ok(Model { source, file, producer: model.producer_name, nodes, tensors, inputs, outputs })
    }

    /// What `inspect` says about the tensors.
    pub fn infos(&self) -> Vec<TensorInfo> {
        let info = |tensor: &TensorProto| TensorInfo {
            name: tensor.name.clone(),
            shape: tensor::shape_of(tensor).unwrap_or_default(),
            element_type: tensor::type_name(tensor.data_type),
        };
        self.tensors.iter().map(info).collect()
    }
}

fn message<T: Message + Default>(bytes: Bytes, what: &str, source: &str) -> Result<T> {
    T::decode(bytes).map_err(|error| {
        Error::input(
            source,
            format!("{what}: {error}"),
            "an ONNX model, as torch.onnx.export or tf2onnx write it",
            "export or copy the file again",
        )
    })
}

/// Checks the version of ONNX's own operators.
fn check_opset(imports: Vec<Bytes>, source: &str) -> Result<()> {
    let mut found = None;
    for bytes in imports {
        let set: OperatorSetIdProto = message(bytes, "the version of the operators", source)?;
        if set.domain.is_empty() || set.domain == "ai.onnx" {
            found = Some(set.version);
        }
    }
    match found {
        Some(version) if OPSETS.contains(&version) => Ok(()),
        _ => {
            let words = found.map_or("no version of ONNX's operators".to_owned(), |version| format!("opset {version}"));
            let expected = format!("opset {} to {}", OPSETS.start(), OPSETS.end());
            Err(Error::input(
                source,
                words,
                expected,
                "export with opset_version=18, or convert with onnx.version_converter",
            ))
        }
    }
}

fn node(node: NodeProto, number: usize, source: &Rc<str>) -> Result<Node> {
    let name = if node.name.is_empty() { format!("node {number}") } else { format!("node `{}`", node.name) };
    let is_own = node.domain.is_empty() || node.domain == "ai.onnx";
    let op = if is_own { node.op_type } else { format!("{}.{}", node.domain, node.op_type) };
    let label = format!("{name} ({op})");
    let mut attributes = BTreeMap::new();
    for bytes in node.attribute {
        let attribute: AttributeProto = message(bytes, &label, source)?;
        let name = attribute.name.clone();
        let value = match attribute.r#type {
            1 => Attribute::Float(attribute.f),
            2 => Attribute::Integer(attribute.i),
            3 => Attribute::Text(String::from_utf8_lossy(&attribute.s).into_owned()),
            4 => Attribute::Tensor(Box::new(message(attribute.t, &label, source)?)),
            6 => Attribute::Floats(attribute.floats),
            7 => Attribute::Integers(attribute.ints),
            other => Attribute::Other(other),
        };
        attributes.insert(name, value);
    }
    Ok(Node { source: source.clone(), label, op, inputs: node.input, outputs: node.output, attributes })
}

/// The extents that an input states.
fn extents(input: ValueInfoProto) -> Vec<Option<i64>> {
    let shape = input.r#type.and_then(|kind| kind.tensor_type).and_then(|tensor| tensor.shape);
    shape.map_or(Vec::new(), |shape| shape.dim.into_iter().map(|extent| extent.dim_value).collect())
}
