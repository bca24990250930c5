//! The network as far as it has been read: the steps from the code to the current vector, and the
//! list of operations that they make at the end.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::formats::operations::{NamedTensors, Tensor};

/// One number for all entries, or one per entry.
pub type Spread = Vec<f64>;

/// What a step computes.
#[derive(Debug, Clone, PartialEq)]
pub enum Kind {
    /// A matrix (units, inputs), row after row.
    Linear { weight: Vec<f64>, bias: Option<Vec<f64>> },
    /// A factor and a shift.
    Affine { factors: Spread, shifts: Spread },
    /// An activation that is the same for every entry.
    Uniform(Value),
    /// A slope per entry.
    Slopes(Vec<f64>),
    /// Another operation: its fields, and its tensors by field.
    Other(Value, Vec<(&'static str, Tensor)>),
}

/// A step of the chain.
#[derive(Debug, Clone, PartialEq)]
pub struct Step {
    /// The node that it comes from.
    pub label: String,
    /// What it computes.
    pub kind: Kind,
    /// The shape that it takes; `None`: any.
    pub input: Option<Vec<usize>>,
    /// The shape that it makes; `None`: that of its input.
    pub output: Option<Vec<usize>>,
}

/// The steps so far.
#[derive(Debug, Clone, PartialEq)]
pub struct Chain {
    /// The shape of a code.
    pub input: Vec<usize>,
    /// From the code to the current vector.
    pub steps: Vec<Step>,
    /// Changes with every change of the current vector.
    pub point: usize,
}

/// A list of operations, its tensors, and the node of each operation.
#[derive(Debug, Clone, PartialEq)]
pub struct List {
    pub document: String,
    pub tensors: NamedTensors,
    pub labels: Vec<String>,
}

impl Chain {
    pub fn new(input: Vec<usize>) -> Self {
        Chain { input, steps: Vec::new(), point: 0 }
    }

    /// The shape behind the first `count` steps.
    pub fn shape_behind(&self, count: usize) -> &[usize] {
        self.steps[..count].iter().rev().find_map(|step| step.output.as_deref()).unwrap_or(&self.input)
    }

    /// The number of entries of the current vector.
    pub fn entries(&self) -> usize {
        self.shape_behind(self.steps.len()).iter().product()
    }

    /// Adds a map from one shape to another.
    pub fn map(&mut self, label: &str, kind: Kind, input: Vec<usize>, output: Vec<usize>) {
        let step = Step { label: label.to_owned(), kind, input: Some(input), output: Some(output) };
        self.steps.push(step);
        self.point += 1;
    }

    /// Adds a step that keeps the shape. Scalings in a row become one.
    pub fn entrywise(&mut self, label: &str, kind: Kind) {
        self.point += 1;
        if let Kind::Affine { factors, shifts } = &kind
            && let Some(Step { kind: Kind::Affine { factors: before, shifts: shift_before }, .. }) =
                self.steps.last_mut()
        {
            let multiplied = joined(before, factors, |a, b| a * b);
            *shift_before = joined(&joined(shift_before, factors, |a, b| a * b), shifts, |a, b| a + b);
            *before = multiplied;
            return;
        }
        self.steps.push(Step { label: label.to_owned(), kind, input: None, output: None });
    }

    /// The list of operations.
    pub fn list(self) -> List {
        let mut writing =
            Writing { shape: self.input.clone(), operations: Vec::new(), labels: Vec::new(), tensors: BTreeMap::new() };
        for (number, step) in (1..).zip(self.steps) {
            writing.add(number, step);
        }
        let document = json!({
            "format": "unrelu operations",
            "version": 1,
            "input": self.input,
            "operations": writing.operations,
        });
        List { document: document.to_string(), tensors: NamedTensors(writing.tensors), labels: writing.labels }
    }
}

/// Both, entry by entry.
fn joined(left: &[f64], right: &[f64], join: impl Fn(f64, f64) -> f64) -> Vec<f64> {
    match (left, right) {
        ([left], _) => right.iter().map(|right| join(*left, *right)).collect(),
        (_, [right]) => left.iter().map(|left| join(*left, *right)).collect(),
        _ => left.iter().zip(right).map(|(left, right)| join(*left, *right)).collect(),
    }
}

/// A list in the making.
struct Writing {
    shape: Vec<usize>,
    operations: Vec<Value>,
    labels: Vec<String>,
    tensors: BTreeMap<String, Tensor>,
}

impl Writing {
    fn add(&mut self, number: usize, step: Step) {
        let label = step.label;
        if let Some(input) = step.input {
            self.reshape(&label, input);
        }
        match step.kind {
            Kind::Linear { weight, bias } => {
                let units = step.output.as_ref().map_or(1, |output| output.iter().product());
                let inputs = self.shape.iter().product();
                let weight = self.tensor(number, "weight", vec![units, inputs], weight);
                let bias = bias.map(|bias| self.tensor(number, "bias", vec![units], bias));
                self.push(&label, json!({ "op": "linear", "weight": weight, "bias": bias }));
                self.shape = vec![units];
                if let Some(output) = &step.output {
                    self.reshape(&label, output.clone());
                }
            }
            Kind::Affine { factors, shifts } => self.scale(number, &label, factors, shifts),
            Kind::Uniform(operation) => self.push(&label, operation),
            Kind::Slopes(slopes) => {
                let back = self.shape.clone();
                let slopes = self.grouped(&label, slopes);
                let weight = self.tensor(number, "weight", vec![slopes.len()], slopes);
                self.push(&label, json!({ "op": "prelu", "weight": weight }));
                self.reshape(&label, back);
            }
            Kind::Other(mut operation, tensors) => {
                for (field, tensor) in tensors {
                    operation[field] = json!(self.tensor(number, field, tensor.shape, tensor.numbers));
                }
                self.push(&label, operation);
            }
        }
        if let Some(output) = step.output {
            self.shape = output;
        }
    }

    fn scale(&mut self, number: usize, label: &str, factors: Spread, shifts: Spread) {
        if factors.iter().all(|factor| *factor == 1.0) && shifts.iter().all(|shift| *shift == 0.0) {
            return;
        }
        let back = self.shape.clone();
        // Both in the same groups.
        let entries: usize = self.shape.iter().product();
        let is_per_entry = |numbers: &Spread| numbers.len() > 1 && !self.is_per_channel(numbers);
        if is_per_entry(&factors) || is_per_entry(&shifts) {
            self.reshape(label, vec![entries]);
        }
        let names = [("weight", factors), ("bias", shifts)].map(|(field, numbers)| {
            let numbers = self.grouped(label, numbers);
            self.tensor(number, field, vec![numbers.len()], numbers)
        });
        self.push(label, json!({ "op": "scale", "weight": names[0], "bias": names[1] }));
        self.reshape(label, back);
    }

    /// Whether the entries of each channel have the same number.
    fn is_per_channel(&self, numbers: &[f64]) -> bool {
        let places: usize = self.shape[1..].iter().product();
        numbers.chunks(places.max(1)).all(|channel| channel.iter().all(|number| *number == channel[0]))
    }

    /// One number for all, one per channel, or one per entry, which then is a channel.
    fn grouped(&mut self, label: &str, numbers: Vec<f64>) -> Vec<f64> {
        if numbers.iter().all(|number| *number == numbers[0]) {
            return numbers[..1].to_vec();
        }
        if self.is_per_channel(&numbers) {
            let places: usize = self.shape[1..].iter().product();
            return numbers.into_iter().step_by(places.max(1)).collect();
        }
        self.reshape(label, vec![numbers.len()]);
        numbers
    }

    fn reshape(&mut self, label: &str, shape: Vec<usize>) {
        if self.shape != shape {
            self.push(label, json!({ "op": "reshape", "shape": shape }));
            self.shape = shape;
        }
    }

    fn push(&mut self, label: &str, operation: Value) {
        self.operations.push(operation);
        self.labels.push(label.to_owned());
    }

    fn tensor(&mut self, number: usize, field: &str, shape: Vec<usize>, numbers: Vec<f64>) -> String {
        let name = format!("{number}.{field}");
        self.tensors.insert(name.clone(), Tensor { shape, numbers });
        name
    }
}
