//! Functions that a file writes in parts, such as GELU by `Erf`: they are recognised by their
//! values, up to a factor.

use serde_json::{Value, json};

use super::arithmetic::unary;
use super::signal::{Samples, places};

/// The largest difference, relative to `1 + |x|`: constants may have been rounded to f32.
const TOLERANCE: f64 = 2e-6;

/// An activation in the words of docs/OPERATIONS.md, and the factor of its output.
#[derive(Debug, Clone, PartialEq)]
pub struct Recognised {
    pub operation: Value,
    pub factor: f64,
}

/// The activation that has these values, if there is one.
pub fn recognised(samples: &Samples) -> Option<Recognised> {
    let sigmoid = unary("Sigmoid")?;
    let candidates: [(Value, &dyn Fn(f64) -> f64); 6] = [
        (json!({ "op": "gelu" }), &|x| 0.5 * x * libm::erfc(-x / std::f64::consts::SQRT_2)),
        (json!({ "op": "gelu", "approximate": "tanh" }), &|x| {
            let inner = (2.0 / std::f64::consts::PI).sqrt() * (x + 0.044715 * x * x * x);
            0.5 * x * (1.0 + inner.tanh())
        }),
        (json!({ "op": "silu" }), &|x| x * sigmoid(x)),
        (json!({ "op": "tanh" }), &f64::tanh),
        (json!({ "op": "sigmoid" }), &sigmoid),
        (json!({ "op": "relu" }), &|x| x.max(0.0)),
    ];
    let found = candidates
        .into_iter()
        .find_map(|(operation, function)| factor(samples, function).map(|factor| Recognised { operation, factor }));
    found.or_else(|| softplus(samples))
}

/// `c` if the values are `c` times those of the function.
fn factor(samples: &Samples, function: &dyn Fn(f64) -> f64) -> Option<f64> {
    let places = places();
    let at = places.iter().position(|x| *x == 3.0)?;
    let factor = samples.values.get(at)? / function(places[at]);
    // Factors such as 1 and 2 are meant exactly.
    let snapped = (4.0 * factor).round() / 4.0;
    let factor = if (snapped - factor).abs() <= TOLERANCE * factor.abs() { snapped } else { factor };
    if !factor.is_finite() || factor == 0.0 {
        return None;
    }
    let is_equal =
        |(x, value): (&f64, &f64)| (value - factor * function(*x)).abs() <= TOLERANCE * factor.abs() * (1.0 + x.abs());
    places.iter().zip(&samples.values).all(is_equal).then_some(factor)
}

/// PyTorch's softplus: `log(1 + exp(β x)) / β`, and `x` above a threshold.
fn softplus(samples: &Samples) -> Option<Recognised> {
    let zero = places().iter().position(|x| *x == 0.0)?;
    let computed = std::f64::consts::LN_2 / samples.values.get(zero)?;
    let near = |x: &&f64| (**x - computed).abs() <= TOLERANCE * computed.abs();
    let beta = samples.constants.iter().find(near).copied().unwrap_or(computed);
    let beta = if (beta - 1.0).abs() <= TOLERANCE { 1.0 } else { beta };
    if !(beta > 0.0 && beta.is_finite()) {
        return None;
    }
    // What is no factor is the threshold.
    let threshold = samples.constants.iter().copied().find(|x| *x > 0.0 && *x != beta && *x != 1.0 / beta);
    let threshold = threshold.unwrap_or(20.0);
    let function = |x: f64| if beta * x > threshold { x } else { (beta * x).exp().ln_1p() / beta };
    factor(samples, &function).filter(|factor| *factor == 1.0)?;
    let operation = json!({ "op": "softplus", "beta": beta, "threshold": threshold });
    Some(Recognised { operation, factor: 1.0 })
}
