//! Operators that move, drop or repeat entries: for each entry of the output, the place of the
//! entry of the input. Constants and the values of the network are moved by the same rules.

use super::array::{Array, broadcast, broadcast_places, entries, steps, walk};
use super::node::Node;
use crate::error::Result;

/// The shape of an output, and the place of each of its entries in the input.
#[derive(Debug, Clone, PartialEq)]
pub struct Movement {
    pub shape: Vec<usize>,
    pub places: Vec<usize>,
}

/// Most entries of an output.
const MOST: usize = 1 << 26;

fn checked(node: &Node, shape: &[usize]) -> Result<()> {
    match entries(shape, MOST) {
        Some(_) => Ok(()),
        None => Err(node.unsupported(format!("an output of shape {shape:?}"), format!("at most {MOST} entries"))),
    }
}

/// The place of an axis; negative ones count from the end.
pub fn axis(node: &Node, given: i64, axes: usize) -> Result<usize> {
    let count = axes as i64;
    let place = if given < 0 { given.saturating_add(count) } else { given };
    if (0..count).contains(&place) {
        return Ok(place as usize);
    }
    Err(node.unsupported(format!("axis {given} of {axes} axes"), "an axis of the input"))
}

/// The integers of a constant input.
pub fn list(node: &Node, array: &Array, what: &str) -> Result<Vec<i64>> {
    array.integers().map(<[i64]>::to_vec).ok_or_else(|| node.unsupported(format!("{what} of numbers"), "integers"))
}

/// `Transpose`.
pub fn transpose(node: &Node, shape: &[usize]) -> Result<(Movement, Vec<usize>)> {
    let order: Vec<usize> = match node.integers("perm")? {
        None => (0..shape.len()).rev().collect(),
        Some(given) => given.iter().map(|place| axis(node, *place, shape.len())).collect::<Result<_>>()?,
    };
    let mut sorted = order.clone();
    sorted.sort_unstable();
    if sorted != (0..shape.len()).collect::<Vec<_>>() {
        return Err(node.unsupported(format!("perm {order:?} of {} axes", shape.len()), "each axis once"));
    }
    checked(node, shape)?;
    let own = steps(shape);
    let moved: Vec<usize> = order.iter().map(|axis| shape[*axis]).collect();
    let strides: Vec<usize> = order.iter().map(|axis| own[*axis]).collect();
    let places = walk(&moved, &strides, 0);
    Ok((Movement { shape: moved, places }, order))
}

/// `Slice` along these axes: start, end and step of each.
pub fn slice(node: &Node, shape: &[usize], parts: &[(usize, i64, i64, i64)]) -> Result<Movement> {
    checked(node, shape)?;
    let mut strides = steps(shape);
    let (mut sliced, mut first) = (shape.to_vec(), 0_usize);
    for (axis, start, end, step) in parts {
        let extent = shape[*axis] as i64;
        let clamp = |place: i64, low: i64, high: i64| {
            (if place < 0 { place.saturating_add(extent) } else { place }).clamp(low, high)
        };
        let (start, count) = match *step {
            0 => return Err(node.unsupported("step 0", "another step")),
            step if step > 0 => {
                let (start, end) = (clamp(*start, 0, extent), clamp(*end, 0, extent));
                (start, (end - start).max(0) as u64).map_count(step.unsigned_abs())
            }
            step => {
                let (start, end) = (clamp(*start, -1, extent - 1), clamp(*end, -1, extent - 1));
                (start, (start - end).max(0) as u64).map_count(step.unsigned_abs())
            }
        };
        sliced[*axis] = count;
        first = first.wrapping_add((start.max(0) as usize).wrapping_mul(strides[*axis]));
        strides[*axis] = strides[*axis].wrapping_mul(*step as usize);
    }
    let places = walk(&sliced, &strides, first);
    Ok(Movement { shape: sliced, places })
}

/// A start and a number of entries, of which every `step`th is kept.
trait Counted {
    fn map_count(self, step: u64) -> (i64, usize);
}

impl Counted for (i64, u64) {
    fn map_count(self, step: u64) -> (i64, usize) {
        (self.0, self.1.div_ceil(step) as usize)
    }
}

/// `Gather` of constant indices along an axis.
pub fn gather(node: &Node, shape: &[usize], along: usize, indices: &Array) -> Result<Movement> {
    let extent = shape[along] as i64;
    let given = list(node, indices, "indices")?;
    let mut chosen = Vec::with_capacity(given.len());
    for index in given {
        let place = if index < 0 { index.saturating_add(extent) } else { index };
        if !(0..extent).contains(&place) {
            return Err(node.unsupported(format!("index {index} of {extent} entries"), "indices within the input"));
        }
        chosen.push(place as usize);
    }
    let gathered = [&shape[..along], &indices.shape, &shape[along + 1..]].concat();
    checked(node, &gathered)?;
    let (outer, inner) = (shape[..along].iter().product::<usize>(), shape[along + 1..].iter().product::<usize>());
    let mut places = Vec::with_capacity(outer * chosen.len() * inner);
    for block in 0..outer {
        for index in &chosen {
            let start = (block * shape[along] + index) * inner;
            places.extend(start..start + inner);
        }
    }
    Ok(Movement { shape: gathered, places })
}

/// `GatherND` of constant indices, without batch axes.
pub fn gather_nd(node: &Node, shape: &[usize], indices: &Array) -> Result<Movement> {
    let given = list(node, indices, "indices")?;
    let depth = indices.shape.last().copied().unwrap_or(0);
    if node.integer("batch_dims", 0)? != 0 || depth == 0 || depth > shape.len() {
        return Err(node.unsupported(format!("indices of shape {:?}", indices.shape), "indices without batch_dims"));
    }
    let gathered = [&indices.shape[..indices.shape.len() - 1], &shape[depth..]].concat();
    checked(node, &gathered)?;
    let (own, inner) = (steps(shape), shape[depth..].iter().product::<usize>());
    let mut places = Vec::new();
    for index in given.chunks(depth) {
        let mut start = 0;
        for (axis, index) in index.iter().enumerate() {
            let extent = shape[axis] as i64;
            let place = if *index < 0 { index.saturating_add(extent) } else { *index };
            if !(0..extent).contains(&place) {
                return Err(node.unsupported(format!("index {index} of {extent} entries"), "indices within the input"));
            }
            start += place as usize * own[axis];
        }
        places.extend(start..start + inner);
    }
    Ok(Movement { shape: gathered, places })
}

/// `Expand` to what both shapes broadcast to.
pub fn expand(node: &Node, shape: &[usize], target: &[usize]) -> Result<Movement> {
    let Some(shape_of_both) = broadcast(shape, target) else {
        return Err(node.unsupported(format!("shape {shape:?} to {target:?}"), "shapes that broadcast"));
    };
    checked(node, &shape_of_both)?;
    let places = broadcast_places(shape, &shape_of_both);
    Ok(Movement { shape: shape_of_both, places })
}
