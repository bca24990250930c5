//! Activations that are one operator.

use serde_json::{Value as Json, json};

use super::arguments::Arguments;
use super::arithmetic;
use super::array::Array;
use super::chain::Kind;
use super::entrywise::{affine, in_chain_order, spread, unary};
use super::node::Node;
use super::reader::Reader;
use super::signal::{Form, Signal};
use crate::error::Result;

/// Operators that are read as activations.
const ACTIVATIONS: [&str; 12] = [
    "Relu",
    "LeakyRelu",
    "PRelu",
    "Elu",
    "Selu",
    "Softplus",
    "Sigmoid",
    "Tanh",
    "HardSigmoid",
    "Clip",
    "Gelu",
    "Swish",
];

/// Whether the operator is an activation.
pub fn is_activation(op: &str) -> bool {
    ACTIVATIONS.contains(&op)
}

/// Adds an activation.
///
/// # Errors
/// For parameters that the list of operations does not have.
pub fn activation<'a>(reader: &mut Reader<'a>, arguments: &Arguments<'a, '_>) -> Result<Signal> {
    let (node, signal) = (arguments.node, arguments.signal()?);
    // A value that is used again may be a part of SiLU or GELU.
    let is_shared = signal.samples.is_some() || reader.uses_of(&node.inputs[0]) > 0;
    if is_shared && arithmetic::unary(&node.op).is_some() {
        return unary(reader, arguments);
    }
    let signal = match signal.form {
        Form::Sums(_) => reader.settle(node, signal)?,
        _ if signal.samples.is_some() => reader.settle(node, signal)?,
        _ => signal.clone(),
    };
    let operation = match node.op.as_str() {
        "PRelu" => return prelu(reader, node, &signal, arguments.constant(1)?),
        "Clip" => return clip(reader, arguments, &signal),
        "HardSigmoid" => {
            let (alpha, beta) = (node.number("alpha", 0.2)?, node.number("beta", 0.5)?);
            let scaled = affine(reader, node, &signal, vec![alpha], vec![beta])?;
            return Ok(uniform(reader, node, &scaled, json!({ "op": "hardtanh", "min_val": 0.0, "max_val": 1.0 })));
        }
        "LeakyRelu" => json!({ "op": "leaky_relu", "negative_slope": node.number("alpha", 0.01)? }),
        "Elu" => json!({ "op": "elu", "alpha": positive(node, "alpha", 1.0)? }),
        "Selu" => {
            let (alpha, gamma) = (node.number("alpha", 1.673_263_2)?, node.number("gamma", 1.050_701)?);
            if (alpha - 1.673_263_242).abs() > 1e-6 || (gamma - 1.050_700_987).abs() > 1e-6 {
                return Err(node.unsupported(format!("alpha {alpha} and gamma {gamma}"), "those of SELU"));
            }
            json!({ "op": "selu" })
        }
        "Gelu" => match node.text("approximate", "none")? {
            "none" => json!({ "op": "gelu" }),
            "tanh" => json!({ "op": "gelu", "approximate": "tanh" }),
            other => return Err(node.unsupported(format!("approximate `{other}`"), "`none` or `tanh`")),
        },
        "Swish" if node.number("alpha", 1.0)? == 1.0 => json!({ "op": "silu" }),
        "Swish" => return Err(node.unsupported("another alpha than 1", "alpha 1")),
        "Softplus" => json!({ "op": "softplus" }),
        "Sigmoid" => json!({ "op": "sigmoid" }),
        "Tanh" => json!({ "op": "tanh" }),
        _ => json!({ "op": "relu" }),
    };
    Ok(uniform(reader, node, &signal, operation))
}

fn uniform(reader: &mut Reader<'_>, node: &Node, signal: &Signal, operation: Json) -> Signal {
    reader.chain.entrywise(&node.label, Kind::Uniform(operation));
    Signal { point: reader.chain.point, ..signal.clone() }
}

fn positive(node: &Node, name: &str, default: f64) -> Result<f64> {
    let number = node.number(name, default)?;
    if number > 0.0 && number.is_finite() {
        return Ok(number);
    }
    Err(node.unsupported(format!("{name} {number}"), "a positive number"))
}

fn prelu(reader: &mut Reader<'_>, node: &Node, signal: &Signal, slopes: &Array) -> Result<Signal> {
    let slopes = spread(node, signal, slopes)?;
    if let Some(slope) = slopes.iter().find(|slope| !slope.is_finite()) {
        return Err(node.unsupported(format!("slope {slope}"), "finite slopes"));
    }
    if slopes.iter().all(|slope| *slope == slopes[0]) {
        return Ok(uniform(reader, node, signal, json!({ "op": "leaky_relu", "negative_slope": slopes[0] })));
    }
    let (signal, [slopes]) = in_chain_order(reader, node, signal, [slopes])?;
    reader.chain.entrywise(&node.label, Kind::Slopes(slopes));
    Ok(Signal { point: reader.chain.point, ..signal })
}

/// ReLU, ReLU6, hard tanh, or a limit on one side.
fn clip(reader: &mut Reader<'_>, arguments: &Arguments<'_, '_>, signal: &Signal) -> Result<Signal> {
    let node = arguments.node;
    let limit = |place: usize| match arguments.optional(place)? {
        None => Ok(None),
        Some(array) => match array.single() {
            Some(limit) if limit.is_nan() => Err(node.unsupported("a limit that is no number", "a number")),
            Some(limit) if limit.abs() < f64::from(f32::MAX) => Ok(Some(limit)),
            Some(_) => Ok(None),
            None => {
                Err(node.unsupported(format!("limits of shape {:?}", array.shape), "one lower and one upper limit"))
            }
        },
    };
    let relu = || json!({ "op": "relu" });
    match (limit(1)?, limit(2)?) {
        (Some(low), Some(high)) if low < high => {
            Ok(uniform(reader, node, signal, json!({ "op": "hardtanh", "min_val": low, "max_val": high })))
        }
        (Some(low), None) => {
            let above = affine(reader, node, signal, vec![1.0], vec![-low])?;
            let above = uniform(reader, node, &above, relu());
            affine(reader, node, &above, vec![1.0], vec![low])
        }
        (None, Some(high)) => {
            let below = affine(reader, node, signal, vec![-1.0], vec![high])?;
            let below = uniform(reader, node, &below, relu());
            affine(reader, node, &below, vec![-1.0], vec![high])
        }
        (None, None) => Ok(signal.clone()),
        (low, high) => Err(node.unsupported(format!("limits {low:?} and {high:?}"), "a lower and a higher number")),
    }
}
