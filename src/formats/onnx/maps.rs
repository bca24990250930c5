//! Matrices, and the statistics of BatchNorm.

use super::arguments::Arguments;
use super::array::Array;
use super::chain::Kind;
use super::entrywise::affine;
use super::node::Node;
use super::reader::Reader;
use super::signal::{Form, Signal};
use crate::error::Result;

/// A matrix of a file: (inputs, units), or transposed.
struct Matrix {
    /// (units, inputs), row after row.
    weight: Vec<f64>,
    inputs: usize,
    units: usize,
}

fn matrix(node: &Node, array: &Array, is_transposed: bool) -> Result<Matrix> {
    let [first, second] = array.shape[..] else {
        return Err(node.unsupported(format!("a weight of shape {:?}", array.shape), "two axes"));
    };
    let numbers = array.numbers();
    if numbers.is_empty() {
        return Err(node.unsupported(format!("a weight of shape {:?}", array.shape), "1 or more entries"));
    }
    if is_transposed {
        return Ok(Matrix { weight: numbers, inputs: second, units: first });
    }
    let mut weight = Vec::with_capacity(numbers.len());
    for unit in 0..second {
        weight.extend(numbers[unit..].iter().step_by(second));
    }
    Ok(Matrix { weight, inputs: first, units: second })
}

/// `Gemm` of the value with a constant matrix.
///
/// # Errors
/// For sizes that do not fit, and for a transposed value.
pub fn gemm(reader: &mut Reader<'_>, arguments: &Arguments<'_, '_>) -> Result<Signal> {
    let node = arguments.node;
    if node.integer("transA", 0)? != 0 {
        return Err(node.unsupported("transA 1", "the batch as rows"));
    }
    let mut matrix = matrix(node, arguments.constant(1)?, node.integer("transB", 0)? != 0)?;
    let alpha = node.number("alpha", 1.0)?;
    if alpha != 1.0 {
        matrix.weight.iter_mut().for_each(|w| *w *= alpha);
    }
    let beta = node.number("beta", 1.0)?;
    let bias = match arguments.optional(2)? {
        None => None,
        Some(array) => {
            let numbers = array.numbers();
            let is_row = array.shape.iter().rev().skip(1).all(|extent| *extent == 1);
            let spread = match numbers.len() {
                1 => vec![numbers[0]; matrix.units],
                length if length == matrix.units && is_row => numbers,
                _ => {
                    let found = format!("a bias of shape {:?}", array.shape);
                    return Err(node.unsupported(found, format!("{} numbers, one per unit", matrix.units)));
                }
            };
            Some(spread.into_iter().map(|number| number * beta).collect())
        }
    };
    linear(reader, node, arguments.signal()?, matrix, bias)
}

/// `MatMul` of the value with a constant matrix.
///
/// # Errors
/// For sizes that do not fit.
pub fn matmul(reader: &mut Reader<'_>, arguments: &Arguments<'_, '_>) -> Result<Signal> {
    let matrix = matrix(arguments.node, arguments.constant(1)?, false)?;
    linear(reader, arguments.node, arguments.signal()?, matrix, None)
}

fn linear(
    reader: &mut Reader<'_>,
    node: &Node,
    signal: &Signal,
    matrix: Matrix,
    bias: Option<Vec<f64>>,
) -> Result<Signal> {
    let Matrix { weight, inputs, units } = matrix;
    if signal.shape.last() != Some(&inputs) || signal.entries() != inputs || signal.batch + 1 == signal.shape.len() {
        let found = format!("a value of shape {:?} and a weight of ({inputs}, {units})", reader.extents(signal));
        return Err(node.unsupported(found, format!("a vector of {inputs} entries per element of the batch")));
    }
    let mut shape = signal.shape.clone();
    if let Some(last) = shape.last_mut() {
        *last = units;
    }
    // A movement before a matrix becomes another order of its columns.
    let entries = reader.chain.entries();
    let (weight, inputs) = match &signal.form {
        Form::Moved(_) | Form::Sums(_) if signal.samples.is_none() && entries <= 4 * inputs => {
            let mut moved = vec![0.0; units * entries];
            let rows = signal.rows();
            for (unit, given) in weight.chunks(inputs).enumerate() {
                for (w, row) in given.iter().zip(&rows) {
                    row.iter().for_each(|(place, number)| moved[unit * entries + *place as usize] += w * number);
                }
            }
            (moved, entries)
        }
        _ => {
            reader.settle(node, signal)?;
            (weight, inputs)
        }
    };
    reader.chain.map(&node.label, Kind::Linear { weight, bias }, vec![inputs], vec![units]);
    Ok(Signal { batch: signal.batch, ..Signal::of(reader.chain.point, shape) })
}

/// `BatchNormalization` with the statistics of training.
///
/// # Errors
/// For the statistics of a batch, and for a variance that is not positive.
pub fn batch_normalization(reader: &mut Reader<'_>, arguments: &Arguments<'_, '_>) -> Result<Signal> {
    let (node, signal) = (arguments.node, arguments.signal()?);
    if node.integer("training_mode", 0)? != 0 {
        return Err(node.unsupported("training_mode 1", "a network in evaluation mode: module.eval()"));
    }
    // Before opset 14, training is stated by outputs for the statistics of the batch.
    if node.outputs.iter().skip(1).any(|name| !name.is_empty()) {
        return Err(
            node.unsupported("outputs for the statistics of the batch", "a network in evaluation mode: module.eval()")
        );
    }
    let (channels, is_first) = (signal.shape.get(1).copied().unwrap_or(0), signal.batch == 0);
    let vector = |place: usize| -> Result<Vec<f64>> {
        let array = arguments.constant(place)?;
        if is_first && channels > 0 && array.len() == channels {
            return Ok(array.numbers());
        }
        let found =
            format!("input {} of shape {:?} for a value of shape {:?}", place + 1, array.shape, reader.extents(signal));
        Err(node.unsupported(found, "one number per channel, on axis 1"))
    };
    let [weight, bias, mean, variance] = [vector(1)?, vector(2)?, vector(3)?, vector(4)?];
    let epsilon = node.number("epsilon", 1e-5)?;
    let factors: Vec<f64> = weight.iter().zip(&variance).map(|(w, v)| w / (v + epsilon).sqrt()).collect();
    let shifts = bias.iter().zip(&mean).zip(&factors).map(|((b, mean), factor)| b - mean * factor);
    let places: usize = signal.shape[2..].iter().product();
    let spread = |numbers: &[f64]| numbers.iter().flat_map(|number| std::iter::repeat_n(*number, places)).collect();
    let shifts: Vec<f64> = shifts.collect();
    affine(reader, node, signal, spread(&factors), spread(&shifts))
}
