//! The arguments of operators that change a shape: the same for constants and for values.

use super::array::{Array, entries};
use super::movement::{axis, list};
use super::node::Node;
use crate::error::Result;

/// The axes of `Squeeze`, `Unsqueeze` or a reduction: an attribute, or since opset 13 an input.
pub fn axes(node: &Node, input: Option<&Array>) -> Result<Option<Vec<i64>>> {
    match input {
        Some(input) => Ok(Some(list(node, input, "axes")?)),
        None => Ok(node.integers("axes")?.map(<[i64]>::to_vec)),
    }
}

/// The shape after `Reshape` to `target`, with its 0 and -1 replaced.
pub fn reshaped(node: &Node, shape: &[usize], target: &[i64]) -> Result<Vec<usize>> {
    let keeps_zeros = node.integer("allowzero", 0)? != 0;
    let refused = || node.unsupported(format!("shape {shape:?} to {target:?}"), "a shape of as many entries");
    let mut extents = Vec::with_capacity(target.len());
    let mut open = None;
    for (place, extent) in target.iter().enumerate() {
        extents.push(match extent {
            0 if !keeps_zeros => *shape.get(place).ok_or_else(refused)?,
            -1 if open.is_none() => {
                open = Some(place);
                1
            }
            extent => usize::try_from(*extent).map_err(|_| refused())?,
        });
    }
    let (Some(wanted), Some(given)) = (entries(shape, usize::MAX), entries(&extents, usize::MAX)) else {
        return Err(refused());
    };
    if let Some(open) = open {
        if given == 0 || wanted % given != 0 {
            return Err(refused());
        }
        extents[open] = wanted / given;
    } else if wanted != given {
        return Err(refused());
    }
    Ok(extents)
}

/// The shape after `Squeeze` or `Unsqueeze`.
pub fn squeezed(node: &Node, shape: &[usize], axes: Option<Vec<i64>>) -> Result<Vec<usize>> {
    if node.op == "Unsqueeze" {
        let axes = axes.unwrap_or_default();
        let count = shape.len() + axes.len();
        let mut is_new = vec![false; count];
        for given in axes {
            is_new[axis(node, given, count)?] = true;
        }
        let mut old = shape.iter().copied();
        return Ok(is_new.into_iter().map(|is_new| if is_new { 1 } else { old.next().unwrap_or(1) }).collect());
    }
    let mut dropped: Vec<bool> = shape.iter().map(|extent| axes.is_none() && *extent == 1).collect();
    for given in axes.unwrap_or_default() {
        let place = axis(node, given, shape.len())?;
        if shape[place] != 1 {
            return Err(node.unsupported(format!("axis {given} of shape {shape:?}"), "an axis of 1 entry"));
        }
        dropped[place] = true;
    }
    Ok(shape.iter().zip(dropped).filter(|(_, dropped)| !dropped).map(|(extent, _)| *extent).collect())
}

/// The shape after `Flatten`.
pub fn flattened(node: &Node, shape: &[usize]) -> Result<Vec<usize>> {
    let given = node.integer("axis", 1)?;
    let place = if given == shape.len() as i64 { shape.len() } else { axis(node, given, shape.len())? };
    let product = |extents: &[usize]| {
        entries(extents, usize::MAX)
            .ok_or_else(|| node.unsupported(format!("an input of shape {shape:?}"), "fewer entries"))
    };
    Ok(vec![product(&shape[..place])?, product(&shape[place..])?])
}

/// The axes, starts, ends and steps of `Slice`, from its inputs behind the data.
pub fn parts(node: &Node, inputs: &[Option<&Array>], axes: usize) -> Result<Vec<(usize, i64, i64, i64)>> {
    let given = |place: usize, what: &str| {
        inputs.get(place).copied().flatten().map(|array| list(node, array, what)).transpose()
    };
    let (Some(starts), Some(ends)) = (given(0, "starts")?, given(1, "ends")?) else {
        return Err(node.unsupported("starts or ends that are not given", "constant starts and ends"));
    };
    let along = given(2, "axes")?.unwrap_or_else(|| (0..starts.len() as i64).collect());
    let steps = given(3, "steps")?.unwrap_or_else(|| vec![1; starts.len()]);
    if ends.len() != starts.len() || along.len() != starts.len() || steps.len() != starts.len() {
        return Err(node.unsupported("starts, ends, axes and steps of different lengths", "one of each per axis"));
    }
    let mut parts: Vec<(usize, i64, i64, i64)> = Vec::new();
    for (place, given) in along.iter().enumerate() {
        let axis = axis(node, *given, axes)?;
        if parts.iter().any(|(other, ..)| *other == axis) {
            return Err(node.unsupported(format!("axis {given} twice"), "each axis once"));
        }
        parts.push((axis, starts[place], ends[place], steps[place]));
    }
    Ok(parts)
}
