//! A network as a list of operations, so that a file can hold what `layers.N.weight` cannot.

use serde_json::{Value, json};

use super::tensors::Tensor;
use crate::network::map::{Convolution, ImageShape, Resample};
use crate::network::{Activation, Map, Network};

/// The list of operations of a network as JSON, and its tensors by name.
pub fn operations_of(network: &Network) -> (String, Vec<(String, Tensor)>) {
    // A code that the first layer reads as an image has its shape.
    let input = match network.layers()[0].map() {
        Map::Convolution(convolution) => extents(convolution.input()),
        Map::Resample(resample) => extents(resample.input()),
        Map::Dense(_) | Map::Diagonal(_) => vec![network.code_length()],
    };
    let mut list = List { shape: input.clone(), operations: Vec::new(), tensors: Vec::new() };
    for (index, layer) in network.layers().iter().enumerate() {
        list.map(index, layer.map(), layer.bias.as_slice());
        list.operations.push(activation(layer.activation));
    }
    // The shape of the output, also where a scaling is the last map.
    if let Some(Some(image)) = network.image_shapes().ok().and_then(|shapes| shapes.last().copied()) {
        list.reshape(extents(image));
    }
    let document = json!({
        "format": super::document::FORMAT,
        "version": super::document::VERSION,
        "input": input,
        "operations": list.operations,
    });
    (document.to_string(), list.tensors)
}

/// A list in the making.
struct List {
    shape: Vec<usize>,
    operations: Vec<Value>,
    tensors: Vec<(String, Tensor)>,
}

impl List {
    fn map(&mut self, index: usize, map: &Map, bias: &[f64]) {
        let weight = format!("layers.{index}.weight");
        match map {
            Map::Dense(matrix) => {
                self.reshape(vec![matrix.ncols()]);
                // Row after row; these are the columns of the transpose.
                let numbers = matrix.transpose().as_slice().to_vec();
                self.tensor(&weight, vec![matrix.nrows(), matrix.ncols()], numbers);
                let bias = self.bias(index, bias);
                self.operations.push(json!({ "op": "linear", "weight": weight, "bias": bias }));
                self.shape = vec![matrix.nrows()];
            }
            Map::Diagonal(factors) => {
                self.reshape(vec![factors.len()]);
                self.tensor(&weight, vec![factors.len()], factors.clone());
                let bias = self.bias(index, bias);
                self.operations.push(json!({ "op": "scale", "weight": weight, "bias": bias }));
            }
            Map::Convolution(convolution) => self.convolution(index, convolution, weight, bias),
            Map::Resample(resample) => self.resample(index, resample, bias),
        }
    }

    fn convolution(&mut self, index: usize, convolution: &Convolution, weight: String, bias: &[f64]) {
        let (input, output) = (convolution.input(), convolution.output());
        self.reshape(extents(input));
        let ([rows, columns], wide) = (convolution.axes(), convolution.wide().channels / convolution.groups());
        let shape = vec![convolution.narrow().channels, wide, rows.kernel, columns.kernel];
        self.tensor(&weight, shape, convolution.kernel().to_vec());
        // PyTorch's bias has one entry per channel.
        let places = output.rows * output.columns;
        let of_channel: Vec<f64> = bias.iter().step_by(places).copied().collect();
        let is_per_channel = bias.chunks(places).zip(&of_channel).all(|(all, one)| all.iter().all(|b| b == one));
        let name = if is_per_channel { self.bias(index, &of_channel) } else { None };
        let mut operation = json!({
            "op": if convolution.is_transposed() { "conv_transpose2d" } else { "conv2d" },
            "weight": weight,
            "bias": name,
            "stride": [rows.stride, columns.stride],
            "padding": [rows.padding, columns.padding],
            "dilation": [rows.dilation, columns.dilation],
            "groups": convolution.groups(),
        });
        if convolution.is_transposed() {
            operation["output_padding"] = json!(convolution.output_padding());
        }
        self.operations.push(operation);
        self.shape = extents(output);
        if !is_per_channel {
            self.shift(index, bias);
        }
    }

    fn resample(&mut self, index: usize, resample: &Resample, bias: &[f64]) {
        self.reshape(extents(resample.input()));
        let names = ["rows", "columns"].map(|axis| format!("layers.{index}.{axis}"));
        for (name, axis) in names.iter().zip(resample.axes()) {
            let matrix = axis.written_out();
            let numbers = matrix.transpose().as_slice().to_vec();
            self.tensor(name, vec![matrix.nrows(), matrix.ncols()], numbers);
        }
        self.operations.push(json!({ "op": "resample", "rows": names[0], "columns": names[1] }));
        self.shape = extents(resample.output());
        self.shift(index, bias);
    }

    /// Adds a number to each entry.
    fn shift(&mut self, index: usize, bias: &[f64]) {
        let Some(name) = self.bias(index, bias) else { return };
        self.reshape(vec![bias.len()]);
        self.operations.push(json!({ "op": "scale", "bias": name }));
    }

    fn reshape(&mut self, shape: Vec<usize>) {
        if self.shape != shape {
            self.operations.push(json!({ "op": "reshape", "shape": shape }));
            self.shape = shape;
        }
    }

    /// The name of a bias; `None` if it is 0.
    fn bias(&mut self, index: usize, bias: &[f64]) -> Option<String> {
        if bias.iter().all(|b| *b == 0.0) {
            return None;
        }
        let name = format!("layers.{index}.bias");
        self.tensor(&name, vec![bias.len()], bias.to_vec());
        Some(name)
    }

    fn tensor(&mut self, name: &str, shape: Vec<usize>, numbers: Vec<f64>) {
        self.tensors.push((name.to_owned(), Tensor { shape, numbers }));
    }
}

fn extents(shape: ImageShape) -> Vec<usize> {
    vec![shape.channels, shape.rows, shape.columns]
}

fn activation(activation: Activation) -> Value {
    match activation {
        Activation::Relu => json!({ "op": "relu" }),
        Activation::LeakyRelu(slope) => json!({ "op": "leaky_relu", "negative_slope": slope }),
        Activation::Identity => json!({ "op": "identity" }),
        Activation::Sigmoid => json!({ "op": "sigmoid" }),
        Activation::Tanh => json!({ "op": "tanh" }),
        Activation::Elu(alpha) => json!({ "op": "elu", "alpha": alpha }),
        Activation::Selu => json!({ "op": "selu" }),
        Activation::Softplus { beta, threshold } => json!({ "op": "softplus", "beta": beta, "threshold": threshold }),
        Activation::Silu => json!({ "op": "silu" }),
        Activation::Gelu => json!({ "op": "gelu" }),
        Activation::PositivePart => json!({ "op": "positive_part" }),
        Activation::GeluTanh => json!({ "op": "gelu", "approximate": "tanh" }),
    }
}
