//! Makes models.

use prost::Message;

use super::super::OnnxFile;
use super::super::messages::*;
use crate::error::Result;
use crate::formats::tensor_file::TensorFile;
use crate::network::Network;
use crate::random::{Domain, normal_vector};

/// A model in the making.
#[derive(Debug, Clone, Default)]
pub struct Builder {
    pub graph: GraphProto,
    pub opset: i64,
    pub producer: String,
}

/// A tensor of f64.
pub fn tensor(name: &str, dims: &[i64], numbers: &[f64]) -> TensorProto {
    let raw: Vec<u8> = numbers.iter().flat_map(|x| x.to_le_bytes()).collect();
    TensorProto {
        dims: dims.to_vec(),
        data_type: 11,
        name: name.to_owned(),
        raw_data: raw.into(),
        ..Default::default()
    }
}

/// A list of integers.
pub fn integers(name: &str, numbers: &[i64]) -> TensorProto {
    TensorProto {
        dims: vec![numbers.len() as i64],
        data_type: 7,
        name: name.to_owned(),
        int64_data: numbers.to_vec(),
        ..Default::default()
    }
}

/// Normal numbers that depend on the name.
pub fn normal(name: &str, count: usize) -> Vec<f64> {
    let seed = name.bytes().fold(7_u64, |seed, byte| seed.wrapping_mul(31).wrapping_add(byte.into()));
    normal_vector(seed, Domain::Code, 0, count)
}

pub fn int(name: &str, i: i64) -> AttributeProto {
    AttributeProto { name: name.to_owned(), r#type: 2, i, ..Default::default() }
}

pub fn ints(name: &str, ints: &[i64]) -> AttributeProto {
    AttributeProto { name: name.to_owned(), r#type: 7, ints: ints.to_vec(), ..Default::default() }
}

pub fn float(name: &str, f: f32) -> AttributeProto {
    AttributeProto { name: name.to_owned(), r#type: 1, f, ..Default::default() }
}

pub fn text(name: &str, text: &str) -> AttributeProto {
    AttributeProto { name: name.to_owned(), r#type: 3, s: text.as_bytes().to_vec().into(), ..Default::default() }
}

fn info(name: &str, dims: &[i64]) -> ValueInfoProto {
    let dim = dims
        .iter()
        .map(|extent| match extent {
            -1 => DimensionProto { dim_value: None, dim_param: Some("batch".to_owned()) },
            extent => DimensionProto { dim_value: Some(*extent), dim_param: None },
        })
        .collect();
    let tensor_type = TensorTypeProto { elem_type: 11, shape: Some(TensorShapeProto { dim }) };
    ValueInfoProto { name: name.to_owned(), r#type: Some(TypeProto { tensor_type: Some(tensor_type) }) }
}

impl Builder {
    /// A model whose code `x` has these extents, −1 for an open batch, and whose output is `y`.
    pub fn new(input: &[i64]) -> Self {
        let graph = GraphProto {
            input: vec![info("x", input).encode_to_vec().into()],
            output: vec![info("y", &[]).encode_to_vec().into()],
            ..Default::default()
        };
        Builder { graph, opset: 18, producer: "a test".to_owned() }
    }

    pub fn with(mut self, tensor: TensorProto) -> Self {
        self.graph.initializer.push(tensor.encode_to_vec().into());
        self
    }

    /// A tensor of normal numbers.
    pub fn normal(self, name: &str, dims: &[i64]) -> Self {
        let count = dims.iter().product::<i64>() as usize;
        self.with(tensor(name, dims, &normal(name, count)))
    }

    /// A node with its inputs and its outputs, separated by spaces; `-` is no input.
    pub fn node(mut self, op: &str, inputs: &str, output: &str, attributes: &[AttributeProto]) -> Self {
        let name = |name: &str| if name == "-" { String::new() } else { name.to_owned() };
        let node = NodeProto {
            input: inputs.split_whitespace().map(name).collect(),
            output: output.split_whitespace().map(str::to_owned).collect(),
            name: format!("to {output}"),
            op_type: op.to_owned(),
            attribute: attributes.iter().map(|attribute| attribute.encode_to_vec().into()).collect(),
            ..Default::default()
        };
        self.graph.node.push(node.encode_to_vec().into());
        self
    }

    pub fn bytes(&self) -> Vec<u8> {
        let opset = OperatorSetIdProto { domain: String::new(), version: self.opset };
        ModelProto {
            ir_version: 8,
            opset_import: vec![opset.encode_to_vec().into()],
            producer_name: self.producer.clone(),
            graph: self.graph.encode_to_vec().into(),
        }
        .encode_to_vec()
    }

    pub fn read(&self) -> Result<Network> {
        read(self.bytes())
    }

    /// The message of the refusal.
    pub fn refusal(&self) -> String {
        self.read().expect_err("a refusal").to_string()
    }

    /// The output for one code.
    pub fn forward(&self, code: &[f64]) -> Vec<f64> {
        let network = self.read().unwrap();
        let codes = nalgebra::DMatrix::from_column_slice(code.len(), 1, code);
        network.forward(&codes).unwrap().as_slice().to_vec()
    }
}

/// Reads the bytes of a model.
pub fn read(bytes: Vec<u8>) -> Result<Network> {
    OnnxFile::decode(bytes, "test.onnx", None)?.own_network().unwrap().map(|described| described.network)
}

/// Whether numbers are equal to rounding.
pub fn close(found: &[f64], wanted: &[f64]) -> bool {
    found.len() == wanted.len() && found.iter().zip(wanted).all(|(a, b)| (a - b).abs() <= 1e-12 * (1.0 + b.abs()))
}
