//! Operators whose inputs are all constant: shapes that exporters compute, and weights that they
//! transpose or scale.

use super::arithmetic::{binary, integer_binary, unary};
use super::array::{Array, Data, broadcast, broadcast_places, entries};
use super::movement::{self, Movement, axis, list};
use super::node::{Attribute, Node};
use super::{shapes, tensor};
use crate::error::Result;

/// Computes a node of constants; `most`: entries that its output may have. `None` for an operator
/// that is not known.
pub fn fold(node: &Node, inputs: &[Option<&Array>], most: usize) -> Result<Option<Array>> {
    if node.op == "Constant" {
        return constant(node).map(Some);
    }
    let needed = |place: usize| {
        inputs
            .get(place)
            .copied()
            .flatten()
            .ok_or_else(|| node.unsupported(format!("no input {}", place + 1), "all inputs"))
    };
    let first = needed(0)?;
    // A broadcast is checked before it is made.
    let sized = |shape: &[usize]| match entries(shape, most) {
        Some(_) => Ok(()),
        None => Err(node.unsupported(format!("a constant of shape {shape:?}"), format!("at most {most} entries"))),
    };
    sized(&first.shape)?;
    let picked = |moved: Movement| Some(first.picked(moved.shape, &moved.places));
    Ok(match node.op.as_str() {
        "Identity" | "Dropout" => Some(first.clone()),
        "Cast" => Some(cast(node, first)?),
        "Shape" => Some(shape(node, &first.shape.iter().map(|extent| *extent as i64).collect::<Vec<_>>())?),
        "Size" => Some(Array { shape: Vec::new(), data: Data::Integers(vec![first.len() as i64]) }),
        "Reshape" => {
            let target = list(node, needed(1)?, "a shape")?;
            Some(Array { shape: shapes::reshaped(node, &first.shape, &target)?, data: first.data.clone() })
        }
        "Squeeze" | "Unsqueeze" => {
            let axes = shapes::axes(node, inputs.get(1).copied().flatten())?;
            Some(Array { shape: shapes::squeezed(node, &first.shape, axes)?, data: first.data.clone() })
        }
        "Flatten" => Some(Array { shape: shapes::flattened(node, &first.shape)?, data: first.data.clone() }),
        "Transpose" => picked(movement::transpose(node, &first.shape)?.0),
        "Slice" => {
            let parts = shapes::parts(node, &inputs[1..], first.shape.len())?;
            picked(movement::slice(node, &first.shape, &parts)?)
        }
        "Gather" => {
            let (along, indices) = (axis(node, node.integer("axis", 0)?, first.shape.len())?, needed(1)?);
            let rest = [&first.shape[..along], &first.shape[along + 1..], &indices.shape].concat();
            sized(&rest)?;
            picked(movement::gather(node, &first.shape, along, indices)?)
        }
        "Expand" => {
            let target = extents(node, needed(1)?)?;
            sized(&broadcast(&first.shape, &target).unwrap_or_default())?;
            picked(movement::expand(node, &first.shape, &target)?)
        }
        "ConstantOfShape" => {
            let shape = extents(node, first)?;
            sized(&shape)?;
            let value = match node.attributes.get("value") {
                Some(Attribute::Tensor(value)) => tensor::read(value, &node.label, &node.source, None)?,
                _ => Array { shape: vec![1], data: Data::Floats(vec![0.0]) },
            };
            if value.len() != 1 {
                return Err(node.unsupported(format!("a value of {} entries", value.len()), "one entry"));
            }
            let count = shape.iter().product();
            Some(value.picked(shape, &vec![0; count]))
        }
        "Range" => Some(range(node, first, needed(1)?, needed(2)?, most)?),
        "Concat" => Some(concatenated(node, inputs, most)?),
        "Where" => {
            let (yes, no) = (needed(1)?, needed(2)?);
            let both = broadcast(&yes.shape, &no.shape).and_then(|shape| broadcast(&first.shape, &shape));
            let shape =
                both.ok_or_else(|| node.unsupported("shapes that do not broadcast", "shapes that broadcast"))?;
            sized(&shape)?;
            let [condition, yes, no] = [first, yes, no].map(|array| {
                let places = broadcast_places(&array.shape, &shape);
                array.picked(shape.clone(), &places)
            });
            let choose = condition.numbers().into_iter().map(|x| x != 0.0);
            let data = match (&yes.data, &no.data) {
                (Data::Integers(yes), Data::Integers(no)) => {
                    Data::Integers(choose.zip(yes.iter().zip(no)).map(|(c, (a, b))| if c { *a } else { *b }).collect())
                }
                _ => Data::Floats(
                    choose
                        .zip(yes.numbers().iter().zip(&no.numbers()))
                        .map(|(c, (a, b))| if c { *a } else { *b })
                        .collect(),
                ),
            };
            Some(Array { shape, data })
        }
        "ReduceSum" | "ReduceMean" | "ReduceProd" | "ReduceL2" | "ReduceMax" => Some(reduced(node, first, inputs)?),
        op => match (inputs.len(), unary(op)) {
            (1, Some(function)) => Some(one_by_one(node, first, function)?),
            (2, _) => pairwise(node, first, needed(1)?, &sized)?,
            _ => None,
        },
    })
}

fn constant(node: &Node) -> Result<Array> {
    let floats = |numbers: Vec<f64>, shape| Array { shape, data: Data::Floats(numbers) };
    let found = node.attributes.iter().find_map(|(name, value)| match (name.as_str(), value) {
        ("value", Attribute::Tensor(value)) => Some(tensor::read(value, &node.label, &node.source, None)),
        ("value_float", Attribute::Float(x)) => Some(Ok(floats(vec![f64::from(*x)], Vec::new()))),
        ("value_floats", Attribute::Floats(x)) => {
            Some(Ok(floats(x.iter().map(|x| f64::from(*x)).collect(), vec![x.len()])))
        }
        ("value_int", Attribute::Integer(x)) => Some(Ok(Array { shape: Vec::new(), data: Data::Integers(vec![*x]) })),
        ("value_ints", Attribute::Integers(x)) => Some(Ok(Array::list(x.clone()))),
        _ => None,
    });
    found.unwrap_or_else(|| Err(node.unsupported("no value that is read", "a tensor, or numbers")))
}

/// The part of a shape that a `Shape` asks for.
pub fn shape(node: &Node, shape: &[i64]) -> Result<Array> {
    let count = shape.len() as i64;
    let clamp = |place: i64| (if place < 0 { place.saturating_add(count) } else { place }).clamp(0, count) as usize;
    let (start, end) = (clamp(node.integer("start", 0)?), clamp(node.integer("end", count)?));
    Ok(Array::list(shape.get(start..end).unwrap_or_default().to_vec()))
}

fn extents(node: &Node, array: &Array) -> Result<Vec<usize>> {
    let given = list(node, array, "a shape")?;
    let extents: Option<Vec<usize>> = given.iter().map(|extent| usize::try_from(*extent).ok()).collect();
    extents.ok_or_else(|| node.unsupported(format!("shape {given:?}"), "extents of 0 or more"))
}

fn cast(node: &Node, array: &Array) -> Result<Array> {
    let to = node.integer("to", 0)?;
    let data = match &array.data {
        data if tensor::is_float(to) => match data {
            Data::Floats(numbers) => Data::Floats(numbers.clone()),
            Data::Integers(numbers) => Data::Floats(numbers.iter().map(|x| *x as f64).collect()),
        },
        Data::Integers(numbers) if to == 9 => Data::Integers(numbers.iter().map(|x| i64::from(*x != 0)).collect()),
        Data::Floats(numbers) if to == 9 => Data::Integers(numbers.iter().map(|x| i64::from(*x != 0.0)).collect()),
        // Numbers beyond the range of integers are saturated.
        Data::Floats(numbers) => Data::Integers(numbers.iter().map(|x| *x as i64).collect()),
        data => data.clone(),
    };
    Ok(Array { shape: array.shape.clone(), data })
}

fn range(node: &Node, start: &Array, limit: &Array, step: &Array, most: usize) -> Result<Array> {
    let (Some([start]), Some([limit]), Some([step])) = (start.integers(), limit.integers(), step.integers()) else {
        return Err(node.unsupported("a range of other numbers", "three single integers"));
    };
    let count = match *step {
        0 => None,
        step if step > 0 => u64::try_from(limit.saturating_sub(*start)).ok().or(Some(0)),
        _ => u64::try_from(start.saturating_sub(*limit)).ok().or(Some(0)),
    };
    let count = count.map(|distance| distance.div_ceil(step.unsigned_abs())).filter(|count| *count <= most as u64);
    let Some(count) = count else {
        return Err(node.unsupported(format!("{start} to {limit} by {step}"), format!("at most {most} entries")));
    };
    Ok(Array::list((0..count as i64).map(|index| start.wrapping_add(index.wrapping_mul(*step))).collect()))
}

fn concatenated(node: &Node, inputs: &[Option<&Array>], most: usize) -> Result<Array> {
    let parts: Vec<&Array> = inputs.iter().copied().flatten().collect();
    let along = axis(node, node.integer("axis", 0)?, parts[0].shape.len())?;
    let total: usize = parts.iter().map(|part| part.len()).fold(0, usize::saturating_add);
    let rest = |part: &Array| {
        let mut rest = part.shape.clone();
        if along < rest.len() {
            rest[along] = 0;
        }
        rest
    };
    if total > most || parts.iter().any(|part| rest(part) != rest(parts[0])) {
        return Err(node.unsupported("constants that do not fit together", "the same extents along the other axes"));
    }
    let outer: usize = parts[0].shape[..along].iter().product();
    let mut shape = parts[0].shape.clone();
    shape[along] = parts.iter().map(|part| part.shape[along]).sum();
    let is_integer = parts.iter().all(|part| part.integers().is_some());
    let (mut floats, mut integers) = (Vec::new(), Vec::new());
    let blocks: Vec<(usize, Vec<f64>)> = parts
        .iter()
        .map(|part| (part.len() / outer.max(1), if is_integer { Vec::new() } else { part.numbers() }))
        .collect();
    for block in 0..outer {
        for (part, (length, numbers)) in parts.iter().zip(&blocks) {
            let range = block * length..(block + 1) * length;
            match part.integers() {
                Some(own) if is_integer => integers.extend_from_slice(&own[range]),
                _ => floats.extend_from_slice(&numbers[range]),
            }
        }
    }
    Ok(Array { shape, data: if is_integer { Data::Integers(integers) } else { Data::Floats(floats) } })
}

fn one_by_one(node: &Node, array: &Array, function: fn(f64) -> f64) -> Result<Array> {
    let data = match &array.data {
        Data::Floats(numbers) => Data::Floats(numbers.iter().map(|x| function(*x)).collect()),
        Data::Integers(numbers) if node.op == "Neg" => {
            Data::Integers(numbers.iter().map(|x| x.wrapping_neg()).collect())
        }
        Data::Integers(_) => return Err(node.unsupported("an input of integers", "floating-point numbers")),
    };
    Ok(Array { shape: array.shape.clone(), data })
}

fn pairwise(node: &Node, left: &Array, right: &Array, sized: &dyn Fn(&[usize]) -> Result<()>) -> Result<Option<Array>> {
    let Some(shape) = broadcast(&left.shape, &right.shape) else {
        let found = format!("shapes {:?} and {:?}", left.shape, right.shape);
        return Err(node.unsupported(found, "shapes that broadcast"));
    };
    sized(&shape)?;
    let places = [left, right].map(|array| broadcast_places(&array.shape, &shape));
    let pairs = places[0].iter().zip(&places[1]);
    if node.op == "Mod" && node.integer("fmod", 0)? != 0 {
        return Err(node.unsupported("fmod 1", "a remainder with the divisor's sign"));
    }
    let data = match (left.integers(), right.integers()) {
        (Some(left), Some(right)) => {
            let computed: Option<Vec<i64>> =
                pairs.map(|(a, b)| integer_binary(&node.op, left[*a], right[*b])).collect();
            match computed {
                Some(computed) => Data::Integers(computed),
                None => return Err(node.unsupported("integers without a result", "an operator that is read")),
            }
        }
        _ => {
            let Some(function) = binary(&node.op) else { return Ok(None) };
            let (left, right) = (left.numbers(), right.numbers());
            Data::Floats(pairs.map(|(a, b)| function(left[*a], right[*b])).collect())
        }
    };
    Ok(Some(Array { shape, data }))
}

fn reduced(node: &Node, array: &Array, inputs: &[Option<&Array>]) -> Result<Array> {
    let given = shapes::axes(node, inputs.get(1).copied().flatten())?;
    if given.as_ref().is_none_or(Vec::is_empty) && node.integer("noop_with_empty_axes", 0)? != 0 {
        return Ok(array.clone());
    }
    let mut is_dropped = vec![given.as_ref().is_none_or(Vec::is_empty); array.shape.len()];
    for along in given.unwrap_or_default() {
        is_dropped[axis(node, along, array.shape.len())?] = true;
    }
    let kept: Vec<usize> =
        array.shape.iter().zip(&is_dropped).map(|(extent, dropped)| if *dropped { 1 } else { *extent }).collect();
    let count: usize = kept.iter().product();
    let places = if array.len() == 0 { Vec::new() } else { broadcast_places(&kept, &array.shape) };
    let (start, join): (f64, fn(f64, f64) -> f64) = match node.op.as_str() {
        "ReduceProd" => (1.0, |a, b| a * b),
        "ReduceMax" => (f64::NEG_INFINITY, f64::max),
        "ReduceL2" => (0.0, |a, b| a + b * b),
        _ => (0.0, |a, b| a + b),
    };
    let mut sums = vec![start; count];
    for (place, number) in places.iter().zip(array.numbers()) {
        sums[*place] = join(sums[*place], number);
    }
    match node.op.as_str() {
        "ReduceL2" => sums.iter_mut().for_each(|sum| *sum = sum.sqrt()),
        "ReduceMean" => sums.iter_mut().for_each(|sum| *sum *= count as f64 / array.len() as f64),
        _ => {}
    }
    let shape = if node.integer("keepdims", 1)? == 0 {
        kept.iter().zip(&is_dropped).filter(|(_, dropped)| !**dropped).map(|(extent, _)| *extent).collect()
    } else {
        kept
    };
    let data = match array.data {
        Data::Integers(_) => Data::Integers(sums.iter().map(|sum| *sum as i64).collect()),
        Data::Floats(_) => Data::Floats(sums),
    };
    Ok(Array { shape, data })
}
