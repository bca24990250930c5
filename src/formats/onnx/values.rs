//! What a node does with a value that depends on the code.

use std::rc::Rc;

use super::arguments::Arguments;
use super::array::{Array, entries};
use super::movement::{self, Movement, axis, list};
use super::node::Node;
use super::reader::{MOST_ENTRIES, Reader, Value, unknown};
use super::signal::{Form, Rows, Signal};
use super::{activations, arithmetic, entrywise, images, maps, shapes, tensor};
use crate::error::Result;

/// The value that the node makes.
///
/// # Errors
/// For what unrelu does not read.
pub fn value<'a>(reader: &mut Reader<'a>, node: &'a Node, inputs: &[Option<Value>]) -> Result<Signal> {
    let arguments = Arguments { node, inputs };
    match node.op.as_str() {
        "Identity" => Ok(arguments.signal()?.clone()),
        "Dropout" => match arguments.optional(2)?.and_then(Array::single) {
            Some(training) if training != 0.0 => {
                Err(node.unsupported("training_mode 1", "a network in evaluation mode"))
            }
            _ => Ok(arguments.signal()?.clone()),
        },
        "Cast" if tensor::is_float(node.integer("to", 0)?) => Ok(arguments.signal()?.clone()),
        "Reshape" | "Flatten" | "Squeeze" | "Unsqueeze" => reshaped(reader, &arguments),
        "Transpose" | "Slice" | "Gather" | "GatherND" | "Expand" | "DepthToSpace" => moved(&arguments, reader.batch),
        "ReduceMean" | "ReduceSum" => reduced(reader, &arguments),
        "Gemm" => maps::gemm(reader, &arguments),
        "MatMul" => maps::matmul(reader, &arguments),
        "BatchNormalization" => maps::batch_normalization(reader, &arguments),
        "Conv" | "ConvTranspose" => images::convolution(reader, &arguments),
        "Pad" => images::pad(reader, &arguments),
        "AveragePool" | "GlobalAveragePool" => images::pool(reader, &arguments),
        "Resize" | "Upsample" => super::resize::resize(reader, &arguments),
        "Where" => entrywise::choice(reader, &arguments),
        op if activations::is_activation(op) => activations::activation(reader, &arguments),
        op if arithmetic::binary(op).is_some() && inputs.len() == 2 => entrywise::binary(reader, &arguments),
        op if arithmetic::unary(op).is_some() => entrywise::unary(reader, &arguments),
        _ => Err(unknown(node)),
    }
}

/// A value that is no function of samples.
fn plain<'b>(arguments: &Arguments<'_, 'b>) -> Result<&'b Signal> {
    let signal = arguments.signal()?;
    match signal.samples {
        None => Ok(signal),
        Some(_) => Err(arguments.node.unsupported("an unfinished function of each entry", "one that is known")),
    }
}

/// `Reshape` and its relatives: the entries stay in their order.
fn reshaped(reader: &Reader<'_>, arguments: &Arguments<'_, '_>) -> Result<Signal> {
    let (node, signal) = (arguments.node, plain(arguments)?);
    let given: Vec<usize> = reader.extents(signal).iter().map(|extent| *extent as usize).collect();
    let shape = match node.op.as_str() {
        "Reshape" => {
            let mut target = list(node, arguments.constant(1)?, "a shape")?;
            let is_one_element = target.iter().skip(1).try_fold(1_i64, |product, extent| product.checked_mul(*extent))
                == Some(signal.entries() as i64);
            // The example's batch, written as a number where the batch is open.
            if let Some(first) = target.first_mut().filter(|first| **first > 0)
                && is_one_element
                && signal.batch == 0
            {
                *first = reader.batch;
            }
            shapes::reshaped(node, &given, &target)?
        }
        "Flatten" => shapes::flattened(node, &given)?,
        _ => shapes::squeezed(node, &given, shapes::axes(node, arguments.optional(1)?)?)?,
    };
    // The batch stays an axis of its own, with as many entries before it.
    let before: usize = given[..signal.batch].iter().product();
    let mut product = 1_usize;
    for (place, extent) in shape.iter().enumerate() {
        if product == before && *extent == given[signal.batch] {
            let mut shape = shape.clone();
            shape[place] = 1;
            if entries(&shape, MOST_ENTRIES) == Some(signal.entries()) {
                return Ok(Signal { shape, batch: place, ..signal.clone() });
            }
        }
        product = product.saturating_mul(*extent);
    }
    Err(node.unsupported(
        format!("shape {given:?} to {shape:?}, with {} for the batch", reader.batch),
        "the batch as an axis of its own, of the same size",
    ))
}

/// Operators that move entries, without the batch.
fn moved(arguments: &Arguments<'_, '_>, size_of_batch: i64) -> Result<Signal> {
    let (node, signal) = (arguments.node, plain(arguments)?);
    let shape = &signal.shape;
    let on_batch = || node.unsupported("a movement along the batch", "one of each element of the batch alone");
    let (movement, batch) = match node.op.as_str() {
        "Transpose" => {
            let (movement, order) = movement::transpose(node, shape)?;
            let batch = order.iter().position(|axis| *axis == signal.batch);
            (movement, batch.ok_or_else(on_batch)?)
        }
        "Slice" => {
            let inputs: Vec<Option<&Array>> =
                (1..arguments.inputs.len()).map(|place| arguments.optional(place)).collect::<Result<_>>()?;
            let mut parts = shapes::parts(node, &inputs, shape.len())?;
            // All of the batch.
            parts.retain(|(axis, start, end, step)| {
                !(*axis == signal.batch && *start == 0 && *end > i64::from(i32::MAX) && *step == 1)
            });
            if parts.iter().any(|(axis, ..)| *axis == signal.batch) {
                return Err(on_batch());
            }
            (movement::slice(node, shape, &parts)?, signal.batch)
        }
        "Gather" => {
            let (along, indices) = (axis(node, node.integer("axis", 0)?, shape.len())?, arguments.constant(1)?);
            let batch = match along.cmp(&signal.batch) {
                std::cmp::Ordering::Less => signal.batch + indices.shape.len() - 1,
                std::cmp::Ordering::Equal => return Err(on_batch()),
                std::cmp::Ordering::Greater => signal.batch,
            };
            (movement::gather(node, shape, along, indices)?, batch)
        }
        "GatherND" => {
            let indices = arguments.constant(1)?;
            let depth = indices.shape.last().copied().unwrap_or(0);
            let batch = signal.batch.checked_sub(depth).ok_or_else(on_batch)?;
            (movement::gather_nd(node, shape, indices)?, batch + indices.shape.len().saturating_sub(1))
        }
        "Expand" => {
            let target = list(node, arguments.constant(1)?, "a shape")?;
            let mut target: Vec<usize> = target.iter().map(|extent| usize::try_from(*extent).unwrap_or(1)).collect();
            let Some(place) =
                (signal.batch + target.len()).checked_sub(shape.len()).filter(|_| target.len() <= shape.len())
            else {
                return Err(node.unsupported(format!("{} axes from {}", target.len(), shape.len()), "as many axes"));
            };
            if let Some(extent) = target.get_mut(place) {
                if *extent != 1 && *extent as i64 != size_of_batch {
                    return Err(node.unsupported(format!("{extent} elements of the batch"), "the batch as it is"));
                }
                *extent = 1;
            }
            (movement::expand(node, shape, &target)?, signal.batch)
        }
        _ => depth_to_space(node, signal)?,
    };
    if movement.places.is_empty() {
        return Err(node.unsupported(format!("an output of shape {:?}", movement.shape), "1 or more entries"));
    }
    Ok(signal.moved(movement.shape, batch, &movement.places))
}

/// `DepthToSpace`: blocks of channels become blocks of pixels.
fn depth_to_space(node: &Node, signal: &Signal) -> Result<(Movement, usize)> {
    let block = usize::try_from(node.integer("blocksize", 0)?).unwrap_or(0);
    let (&[1, channels, rows, columns], 0, true) = (&signal.shape[..], signal.batch, (1..=1 << 10).contains(&block))
    else {
        return Err(
            node.unsupported(format!("an input of shape {:?}", signal.shape), "(batch, channels, rows, columns)")
        );
    };
    let own = channels / (block * block);
    if own * block * block != channels {
        return Err(node.unsupported(format!("{channels} channels and blocksize {block}"), "whole blocks"));
    }
    let is_column_first = node.text("mode", "DCR")? == "CRD";
    let mut places = Vec::with_capacity(signal.entries());
    for channel in 0..own {
        for row in 0..rows * block {
            for column in 0..columns * block {
                let inside = (row % block) * block + column % block;
                let from = if is_column_first { channel * block * block + inside } else { inside * own + channel };
                places.push((from * rows + row / block) * columns + column / block);
            }
        }
    }
    Ok((Movement { shape: vec![1, own, rows * block, columns * block], places }, 0))
}

/// Means and sums along axes.
fn reduced(reader: &mut Reader<'_>, arguments: &Arguments<'_, '_>) -> Result<Signal> {
    let (node, signal) = (arguments.node, plain(arguments)?);
    let given = shapes::axes(node, arguments.optional(1)?)?.unwrap_or_default();
    let mut is_dropped = vec![false; signal.shape.len()];
    for along in given {
        is_dropped[axis(node, along, signal.shape.len())?] = true;
    }
    if is_dropped[signal.batch] || !is_dropped.contains(&true) {
        return Err(
            node.unsupported("a reduction along all axes or the batch", "one of each element of the batch alone")
        );
    }
    let kept: Vec<usize> =
        signal.shape.iter().zip(&is_dropped).map(|(extent, dropped)| if *dropped { 1 } else { *extent }).collect();
    if signal.form == Form::InOrder && is_dropped == [false, false, true, true] && node.op == "ReduceMean" {
        let pooled = images::means(reader, node, signal)?;
        return Ok(without(pooled, &is_dropped, node.integer("keepdims", 1)? != 0));
    }
    let places = super::array::broadcast_places(&kept, &signal.shape);
    let count: usize = kept.iter().product();
    let weight = if node.op == "ReduceMean" { count as f64 / signal.entries() as f64 } else { 1.0 };
    let mut rows: Rows = vec![Vec::new(); count];
    for (place, row) in places.iter().zip(signal.rows()) {
        rows[*place].extend(row.iter().map(|(from, number)| (*from, number * weight)));
    }
    let summed = Signal { shape: kept, form: Form::Sums(Rc::new(rows)), ..signal.clone() };
    Ok(without(summed, &is_dropped, node.integer("keepdims", 1)? != 0))
}

/// Drops axes of one entry, unless they are kept.
fn without(signal: Signal, is_dropped: &[bool], are_kept: bool) -> Signal {
    if are_kept {
        return signal;
    }
    let batch = signal.batch - is_dropped[..signal.batch].iter().filter(|dropped| **dropped).count();
    let shape =
        signal.shape.iter().zip(is_dropped).filter(|(_, dropped)| !**dropped).map(|(extent, _)| *extent).collect();
    Signal { shape, batch, ..signal }
}
