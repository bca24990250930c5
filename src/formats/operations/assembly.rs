//! From operations to layers.
//!
//! The last layer is *open* while no activation and no further map has followed it. What acts entry
//! by entry is folded into an open layer: BatchNorm and scaling into a matrix or a convolution, and
//! a scaling into a matrix behind it.

use nalgebra::{DMatrix, DVector};

use super::document::Operation;
use super::tensors::{Tensor, Tensors};
use crate::error::{Error, Result};
use crate::network::{Activation, Layer, Map};

/// Most entries of a vector between two layers. Larger ones are taken for a mistake.
pub(super) const MOST_ENTRIES: usize = 1 << 26;
/// Most entries of all vectors together.
const MOST_ENTRIES_IN_ALL: usize = 1 << 28;

/// A network in the making.
pub(super) struct Assembly<'a> {
    source: &'a str,
    tensors: &'a dyn Tensors,
    /// Names of the operations, where they come from another description.
    labels: &'a [String],
    layers: Vec<Layer>,
    /// Whether the last layer may still change.
    is_open: bool,
    /// The current shape.
    pub(super) shape: Vec<usize>,
    /// Entries of the vectors before each operation.
    all_entries: usize,
    /// The operation that is being added: its number and its name.
    current: (usize, &'static str),
}

impl<'a> Assembly<'a> {
    pub fn new(input: &[usize], source: &'a str, tensors: &'a dyn Tensors, labels: &'a [String]) -> Result<Self> {
        let assembly = Assembly {
            source,
            tensors,
            labels,
            layers: Vec::new(),
            is_open: false,
            shape: input.to_vec(),
            all_entries: 0,
            current: (0, "input"),
        };
        if !is_usable(input) {
            return Err(Error::input(
                source,
                format!("input {input:?}"),
                format!("the shape of one code: numbers of 1 or more, with a product of at most {MOST_ENTRIES}"),
                "give the shape without the batch axis, such as [20]",
            ));
        }
        Ok(assembly)
    }

    /// Adds an operation, counted from 1.
    pub fn add(&mut self, number: usize, operation: &Operation) -> Result<()> {
        self.current = (number, operation.name());
        self.all_entries = self.all_entries.saturating_add(self.entries());
        if self.all_entries > MOST_ENTRIES_IN_ALL {
            let found = format!("{} entries in the vectors up to here", self.all_entries);
            return Err(self.refused(found, format!("at most {MOST_ENTRIES_IN_ALL} in all")));
        }
        match operation {
            Operation::Linear { weight, bias } => self.linear(weight, bias.as_deref()),
            Operation::Conv2d(fields) => self.convolution(fields, false),
            Operation::ConvTranspose2d(fields) => self.convolution(fields, true),
            Operation::BatchNorm(fields) => self.batch_norm(fields),
            Operation::Scale { weight, bias } => self.scale_by(weight.as_ref(), bias.as_ref()),
            Operation::Upsample(fields) => self.upsample(fields),
            Operation::AvgPool2d(fields) => self.pool(fields),
            Operation::AdaptiveAvgPool2d { output_size } => self.adaptive_pool(output_size.numbers()),
            Operation::Resample { rows, columns } => self.resample_by(rows, columns),
            Operation::Reshape { shape } => self.reshape(shape),
            activation => self.activation(activation),
        }
    }

    /// The layers, and the shape of the output.
    pub fn finish(self) -> (Vec<Layer>, Vec<usize>) {
        (self.layers, self.shape)
    }

    /// Number of entries at this point.
    pub(super) fn entries(&self) -> usize {
        self.shape.iter().product()
    }

    /// A refusal of the current operation.
    pub(super) fn refused(&self, found: impl std::fmt::Display, expected: impl std::fmt::Display) -> Error {
        let (number, name) = self.current;
        if let Some(label) = number.checked_sub(1).and_then(|place| self.labels.get(place)) {
            let fix = "export another form of the network; docs/ONNX.md lists what is read";
            return Error::input(self.source, format!("{label}, as {name}: {found}"), expected.to_string(), fix);
        }
        Error::input(
            self.source,
            format!("operation {number}, {name}: {found}"),
            expected.to_string(),
            "correct the list of operations; docs/OPERATIONS.md says what each field means",
        )
    }

    /// A tensor of the current operation.
    pub(super) fn tensor(&self, name: &str) -> Result<Tensor> {
        let (number, operation) = self.current;
        self.tensors.tensor(name).map_err(|error| match error {
            Error::Input(mut bad) => {
                bad.found = format!("operation {number}, {operation}: {}", bad.found);
                Error::Input(bad)
            }
            other => other,
        })
    }

    /// A tensor that must have this many numbers.
    pub(super) fn vector(&self, name: &str, length: usize, what: &str) -> Result<Vec<f64>> {
        let tensor = self.tensor(name)?;
        if tensor.numbers.len() == length {
            return Ok(tensor.numbers);
        }
        let found = format!("tensor `{name}` of shape {:?}", tensor.shape);
        Err(self.refused(found, format!("{length} numbers, {what}")))
    }

    fn reshape(&mut self, shape: &[usize]) -> Result<()> {
        if !is_usable(shape) || shape.iter().product::<usize>() != self.entries() {
            return Err(self.refused(format!("shape {shape:?}"), format!("a shape of {} entries", self.entries())));
        }
        self.shape = shape.to_vec();
        Ok(())
    }

    /// Adds a map with its bias; the current shape becomes `shape`.
    pub(super) fn push(&mut self, map: Map, bias: Vec<f64>, shape: Vec<usize>) {
        self.shape = shape;
        self.layers.push(Layer::new(map, DVector::from_vec(bias), Activation::Identity));
        self.is_open = true;
    }

    /// Adds a matrix, and folds an open matrix or scaling before it into it where this is exact and
    /// makes nothing larger.
    pub(super) fn push_dense(&mut self, weight: DMatrix<f64>, bias: Vec<f64>) {
        let bias = DVector::from_vec(bias);
        let folded = self.layers.last().filter(|_| self.is_open).and_then(|last| match last.map() {
            Map::Dense(before) if weight.nrows() * before.ncols() <= weight.len() + before.len() => {
                Some((&weight * before, &weight * &last.bias + &bias))
            }
            Map::Diagonal(factors) => {
                let mut scaled = weight.clone();
                scaled.column_iter_mut().zip(factors).for_each(|(mut column, factor)| column *= *factor);
                Some((scaled, &weight * &last.bias + &bias))
            }
            _ => None,
        });
        let shape = vec![weight.nrows()];
        let (weight, bias) = match folded {
            Some(folded) => {
                self.layers.pop();
                folded
            }
            None => (weight, bias),
        };
        self.push(Map::Dense(weight), bias.as_slice().to_vec(), shape);
    }

    /// Multiplies each entry by a factor and adds a number.
    pub(super) fn scale(&mut self, factors: &[f64], shifts: &[f64]) {
        if factors.iter().all(|factor| *factor == 1.0) && shifts.iter().all(|shift| *shift == 0.0) {
            return;
        }
        if let Some(layer) = self.layers.last().filter(|_| self.is_open)
            && let Some(map) = scaled(layer.map(), factors)
        {
            let bias = layer.bias.iter().zip(factors).zip(shifts).map(|((b, factor), shift)| b * factor + shift);
            let layer = Layer::new(map, DVector::from_iterator(factors.len(), bias), Activation::Identity);
            self.layers.pop();
            self.layers.push(layer);
            return;
        }
        self.push(Map::Diagonal(factors.to_vec()), shifts.to_vec(), self.shape.clone());
    }

    /// Ends the open layer with an activation. Without one, a layer that only has the activation is
    /// added.
    pub(super) fn activate(&mut self, activation: Activation) {
        if !self.is_open {
            let entries = self.entries();
            self.push(Map::Diagonal(vec![1.0; entries]), vec![0.0; entries], self.shape.clone());
        }
        if let Some(layer) = self.layers.last_mut() {
            layer.activation = activation;
        }
        self.is_open = false;
    }

    /// Ends the open layer: nothing more is folded into it.
    pub(super) fn close(&mut self) {
        self.is_open = false;
    }

    /// The number of channels, the first axis, and the entries of each.
    pub(super) fn channels(&self) -> (usize, usize) {
        let channels = self.shape.first().copied().unwrap_or(1);
        (channels, self.entries() / channels)
    }
}

/// The map with each output multiplied by its factor; `None` where that is another kind of map.
fn scaled(map: &Map, factors: &[f64]) -> Option<Map> {
    match map {
        Map::Dense(matrix) => {
            let mut matrix = matrix.clone();
            matrix.row_iter_mut().zip(factors).for_each(|(mut row, factor)| row *= *factor);
            Some(Map::Dense(matrix))
        }
        Map::Diagonal(before) => Some(Map::Diagonal(before.iter().zip(factors).map(|(a, b)| a * b).collect())),
        Map::Convolution(convolution) => {
            // One factor per channel, as long as all places of a channel have the same.
            let output = convolution.output();
            let places = output.rows * output.columns;
            let of_channel: Vec<f64> = factors.iter().step_by(places).copied().collect();
            let is_per_channel = factors.chunks(places).zip(&of_channel).all(|(all, one)| all.iter().all(|x| x == one));
            is_per_channel.then(|| {
                let mut convolution = convolution.clone();
                convolution.scale_outputs(&of_channel);
                Map::Convolution(convolution)
            })
        }
        Map::Resample(_) => None,
    }
}

/// Whether a shape has entries, and not too many.
pub(super) fn is_usable(shape: &[usize]) -> bool {
    let entries = shape.iter().try_fold(1_usize, |product, extent| product.checked_mul(*extent));
    !shape.is_empty() && entries.is_some_and(|entries| (1..=MOST_ENTRIES).contains(&entries))
}
