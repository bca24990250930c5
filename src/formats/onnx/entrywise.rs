//! Arithmetic of each entry: with constants it scales and shifts; of one value with itself it is a
//! function, which is followed by its samples until it is known.

use std::rc::Rc;

use super::arguments::Arguments;
use super::arithmetic;
use super::array::{Array, broadcast, broadcast_places};
use super::chain::Kind;
use super::node::Node;
use super::reader::{Reader, SYMBOLIC, Value};
use super::signal::{Form, Rows, Samples, Signal, inverse, places};
use crate::error::{Error, Result};

/// Most constants that a function remembers.
const MOST_CONSTANTS: usize = 16;

/// A constant's numbers for a value: one for all entries, or one per entry of a batch element.
///
/// # Errors
/// If the constant does not broadcast to the value's shape.
pub fn spread(node: &Node, signal: &Signal, array: &Array) -> Result<Vec<f64>> {
    let numbers = array.numbers();
    refuse_open_batch(node, &numbers)?;
    if array.len() == 1 && array.shape.len() <= signal.shape.len() {
        return Ok(numbers);
    }
    if broadcast(&array.shape, &signal.shape).as_ref() != Some(&signal.shape) {
        return Err(node.unsupported(
            format!(
                "a constant of shape {:?} and a value of shape {:?} for each element of the batch",
                array.shape, signal.shape
            ),
            "a constant that broadcasts to the value",
        ));
    }
    Ok(broadcast_places(&array.shape, &signal.shape).iter().map(|place| numbers[*place]).collect())
}

/// Refuses numbers that were computed from the size of a batch that is not fixed.
fn refuse_open_batch(node: &Node, numbers: &[f64]) -> Result<()> {
    let size = SYMBOLIC as f64;
    let is_size = |x: &f64| *x != 0.0 && x.is_finite() && (x % size == 0.0) && x.abs() < size * size;
    if numbers.iter().any(is_size) {
        return Err(node.unsupported(
            "a number that is computed from the size of the batch, which is open",
            "a model whose values do not depend on the batch; or export it with a batch of 1",
        ));
    }
    Ok(())
}

/// One of several vectors of numbers per entry, in the order of the chain's vector. The value is
/// settled where it has no such order.
pub fn in_chain_order<const N: usize>(
    reader: &mut Reader<'_>,
    node: &Node,
    signal: &Signal,
    spreads: [Vec<f64>; N],
) -> Result<(Signal, [Vec<f64>; N])> {
    let is_uniform = spreads.iter().all(|numbers| numbers.len() == 1);
    match &signal.form {
        Form::InOrder => Ok((signal.clone(), spreads)),
        Form::Moved(_) if is_uniform => Ok((signal.clone(), spreads)),
        Form::Moved(order) => match inverse(order, reader.chain.entries()) {
            Some(back) => {
                let placed = |numbers: Vec<f64>| match numbers.len() {
                    1 => numbers,
                    _ => back.iter().map(|place| numbers[*place as usize]).collect(),
                };
                Ok((signal.clone(), spreads.map(placed)))
            }
            None => Ok((reader.settle(node, signal)?, spreads)),
        },
        Form::Sums(_) => Ok((reader.settle(node, signal)?, spreads)),
    }
}

/// The value after a scaling of its entries.
///
/// # Errors
/// For numbers that are not finite.
pub fn affine(
    reader: &mut Reader<'_>,
    node: &Node,
    signal: &Signal,
    factors: Vec<f64>,
    shifts: Vec<f64>,
) -> Result<Signal> {
    if let Some(number) = factors.iter().chain(&shifts).find(|number| !number.is_finite()) {
        return Err(node.unsupported(format!("a factor or a shift of {number}"), "finite numbers"));
    }
    if let Form::Sums(rows) = &signal.form
        && shifts.iter().all(|shift| *shift == 0.0)
    {
        let factor = |entry: usize| if factors.len() == 1 { factors[0] } else { factors[entry] };
        let scaled = |(entry, row): (usize, &Vec<(u32, f64)>)| {
            row.iter().map(|(place, weight)| (*place, weight * factor(entry))).collect()
        };
        let rows: Rows = rows.iter().enumerate().map(scaled).collect();
        return Ok(Signal { form: Form::Sums(Rc::new(rows)), ..signal.clone() });
    }
    let (signal, [factors, shifts]) = in_chain_order(reader, node, signal, [factors, shifts])?;
    reader.chain.entrywise(&node.label, Kind::Affine { factors, shifts });
    Ok(Signal { point: reader.chain.point, ..signal })
}

/// A function of the values of a node.
type Function<'a> = &'a dyn Fn(&[f64]) -> f64;

/// The value's own function: its samples, or the identity.
fn samples_of(signal: &Signal) -> Samples {
    match &signal.samples {
        Some(samples) => (**samples).clone(),
        None => Samples { values: places(), constants: Vec::new() },
    }
}

/// Applies a function to the samples of values and single constants.
fn sampled(node: &Node, signal: &Signal, inputs: &[Option<Value>], function: Function<'_>) -> Result<Signal> {
    let mut columns = Vec::new();
    let mut constants: Vec<f64> = Vec::new();
    for value in inputs.iter().flatten() {
        match value {
            Value::Constant(array) => {
                let number = array.single().ok_or_else(|| {
                    node.unsupported(
                        format!("a constant of shape {:?} within a function of each entry", array.shape),
                        "single numbers there",
                    )
                })?;
                refuse_open_batch(node, &[number])?;
                constants.push(number);
                columns.push(vec![number; places().len()]);
            }
            Value::Signal(other)
                if (&other.form, &other.shape, other.batch) == (&signal.form, &signal.shape, signal.batch) =>
            {
                let samples = samples_of(other);
                constants.extend(samples.constants);
                columns.push(samples.values);
            }
            Value::Signal(_) => return Err(joins(node)),
        }
    }
    constants.truncate(MOST_CONSTANTS);
    let values = (0..places().len()).map(|at| function(&columns.iter().map(|column| column[at]).collect::<Vec<_>>()));
    let samples = Samples { values: values.collect(), constants };
    Ok(Signal { samples: Some(Rc::new(samples)), ..signal.clone() })
}

fn joins(node: &Node) -> Error {
    super::reader::branch(node, "two values that depend on the code in different ways")
}

/// Whether a value is, or becomes, a function that is followed by samples.
fn is_function(reader: &Reader<'_>, name: &str, signal: &Signal) -> bool {
    signal.samples.is_some() || reader.uses_of(name) > 0
}

/// The value, settled for all its uses where it is a sum.
fn without_sums<'a>(reader: &mut Reader<'a>, node: &'a Node, place: usize, signal: &Signal) -> Result<Signal> {
    match signal.form {
        Form::Sums(_) => reader.settle_name(node, &node.inputs[place], signal),
        _ => Ok(signal.clone()),
    }
}

/// A function of one value.
///
/// # Errors
/// For functions that are not known.
pub fn unary<'a>(reader: &mut Reader<'a>, arguments: &Arguments<'a, '_>) -> Result<Signal> {
    let (node, signal) = (arguments.node, arguments.signal()?);
    if node.op == "Neg" && !is_function(reader, &node.inputs[0], signal) {
        return affine(reader, node, signal, vec![-1.0], vec![0.0]);
    }
    let Some(function) = arithmetic::unary(&node.op) else { return Err(super::reader::unknown(node)) };
    let signal = without_sums(reader, node, 0, signal)?;
    sampled(node, &signal, &[Some(Value::Signal(signal.clone()))], &|x| function(x[0]))
}

/// Arithmetic of two inputs.
///
/// # Errors
/// For what is neither a scaling nor a part of a known function.
pub fn binary<'a>(reader: &mut Reader<'a>, arguments: &Arguments<'a, '_>) -> Result<Signal> {
    let node = arguments.node;
    let Some(function) = arithmetic::binary(&node.op) else { return Err(super::reader::unknown(node)) };
    let sampled = |signal: &Signal, inputs: &[Option<Value>]| sampled(node, signal, inputs, &|x| function(x[0], x[1]));
    match arguments.inputs {
        [Some(Value::Signal(left)), Some(Value::Signal(right))] => {
            let is_sum = matches!(node.op.as_str(), "Add" | "Sub");
            if is_sum && left.samples.is_none() && right.samples.is_none() && left.form != right.form {
                return added(node, left, right);
            }
            let value = |signal: &Signal| Some(Value::Signal(signal.clone()));
            if left == right {
                let settled = without_sums(reader, node, 0, left)?;
                return sampled(&settled, &[value(&settled), value(&settled)]);
            }
            sampled(left, &[value(left), value(right)])
        }
        [Some(Value::Signal(signal)), Some(Value::Constant(array))] => {
            let function = is_function(reader, &node.inputs[0], signal);
            match (scaling(&node.op, spread_of(node, signal, array, function)?), function) {
                (Some((factors, shifts)), false) => affine(reader, node, signal, factors, shifts),
                _ => {
                    let signal = without_sums(reader, node, 0, signal)?;
                    sampled(&signal, &[Some(Value::Signal(signal.clone())), arguments.inputs[1].clone()])
                }
            }
        }
        [Some(Value::Constant(array)), Some(Value::Signal(signal))] => {
            let function = is_function(reader, &node.inputs[1], signal);
            match (scaling_from(&node.op, spread_of(node, signal, array, function)?), function) {
                (Some((factors, shifts)), false) => affine(reader, node, signal, factors, shifts),
                _ => {
                    let signal = without_sums(reader, node, 1, signal)?;
                    sampled(&signal, &[arguments.inputs[0].clone(), Some(Value::Signal(signal.clone()))])
                }
            }
        }
        _ => Err(super::reader::unknown(node)),
    }
}

/// The numbers of a constant; none where they only serve a function.
fn spread_of(node: &Node, signal: &Signal, array: &Array, is_function: bool) -> Result<Vec<f64>> {
    if is_function { Ok(Vec::new()) } else { spread(node, signal, array) }
}

/// Factors and shifts of `value op numbers`.
fn scaling(op: &str, numbers: Vec<f64>) -> Option<(Vec<f64>, Vec<f64>)> {
    Some(match op {
        "Add" => (vec![1.0], numbers),
        "Sub" => (vec![1.0], numbers.iter().map(|x| -x).collect()),
        "Mul" => (numbers, vec![0.0]),
        "Div" => (numbers.iter().map(|x| 1.0 / x).collect(), vec![0.0]),
        _ => return None,
    })
}

/// Factors and shifts of `numbers op value`.
fn scaling_from(op: &str, numbers: Vec<f64>) -> Option<(Vec<f64>, Vec<f64>)> {
    Some(match op {
        "Add" => (vec![1.0], numbers),
        "Sub" => (vec![-1.0], numbers),
        "Mul" => (numbers, vec![0.0]),
        _ => return None,
    })
}

/// Entries of a value that is a sum of two.
const MOST_SUMMED: usize = 1 << 20;
/// Terms of all entries of such a value.
const MOST_TERMS: usize = 1 << 24;

/// The sum or difference of two linear values of the same vector.
fn added(node: &Node, left: &Signal, right: &Signal) -> Result<Signal> {
    if (&left.shape, left.batch) != (&right.shape, right.batch) {
        return Err(joins(node));
    }
    let sign = if node.op == "Sub" { -1.0 } else { 1.0 };
    if left.entries() > MOST_SUMMED {
        return Err(node.unsupported(
            format!("a sum of two values of {} entries of the same vector", left.entries()),
            format!("at most {MOST_SUMMED} entries"),
        ));
    }
    let mut rows = left.rows();
    for (row, other) in rows.iter_mut().zip(right.rows()) {
        row.extend(other.iter().map(|(place, weight)| (*place, sign * weight)));
        // Each entry of the vector once: sums of sums would grow without an end.
        row.sort_by_key(|(place, _)| *place);
        row.dedup_by(|(place, weight), (kept, sum)| {
            let is_same = place == kept;
            if is_same {
                *sum += *weight;
            }
            is_same
        });
    }
    if rows.iter().map(Vec::len).sum::<usize>() > MOST_TERMS {
        return Err(node.unsupported("sums of sums of the same vector", format!("at most {MOST_TERMS} terms in all")));
    }
    Ok(Signal { form: Form::Sums(Rc::new(rows)), ..left.clone() })
}

/// `Where`: a mask of a linear value, or a part of a function.
///
/// # Errors
/// For other choices.
pub fn choice(_: &mut Reader<'_>, arguments: &Arguments<'_, '_>) -> Result<Signal> {
    let node = arguments.node;
    match arguments.inputs {
        [Some(Value::Constant(mask)), yes, no] => {
            let (signal, zero, kept) = match (yes, no) {
                (Some(Value::Signal(signal)), Some(Value::Constant(zero))) => (signal, zero, 1.0),
                (Some(Value::Constant(zero)), Some(Value::Signal(signal))) => (signal, zero, 0.0),
                _ => return Err(joins(node)),
            };
            if zero.numbers().iter().any(|x| *x != 0.0) || signal.samples.is_some() {
                return Err(node.unsupported("a choice of other constants", "zeros"));
            }
            // It may not make the value larger.
            spread(node, signal, zero)?;
            let is_kept = spread(node, signal, mask)?
                .into_iter()
                .map(|x| f64::from(u8::from(x != 0.0)) == kept)
                .collect::<Vec<_>>();
            let mut rows = signal.rows();
            for (entry, row) in rows.iter_mut().enumerate() {
                if !is_kept[if is_kept.len() == 1 { 0 } else { entry }] {
                    row.clear();
                }
            }
            Ok(Signal { form: Form::Sums(Rc::new(rows)), ..signal.clone() })
        }
        [Some(Value::Signal(condition)), Some(_), Some(_)] if condition.samples.is_some() => {
            sampled(node, condition, arguments.inputs, &|x| if x[0] != 0.0 { x[1] } else { x[2] })
        }
        _ => Err(super::reader::unknown(node)),
    }
}
