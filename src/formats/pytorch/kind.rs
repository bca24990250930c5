//! What a module of a whole model does, from its class.

use super::pickle::{Id, Pickle, Value};
use crate::network::Activation;

/// What a module does to its input.
pub(super) enum Kind {
    /// An activation; the name of one that is not supported.
    Activation(Result<Activation, String>),
    /// Nothing in evaluation, or something that its tensors show.
    Neutral,
    /// An activation whose slopes are in its tensor.
    Slopes,
    Unknown,
}

impl Kind {
    /// From the full name of the class and the state of a module.
    pub fn of(pickle: &Pickle, class: &str, state: Id) -> Kind {
        let Some((package, name)) = class.rsplit_once('.') else { return Kind::Unknown };
        let number = |attribute: &str| pickle.number(pickle.entry(state, attribute)?);
        match (package, name) {
            ("torch.nn.modules.activation", "PReLU") => Kind::Slopes,
            ("torch.nn.modules.activation", name) => Kind::Activation(match name {
                "ReLU" => Ok(Activation::Relu),
                "Sigmoid" => Ok(Activation::Sigmoid),
                "Tanh" => Ok(Activation::Tanh),
                "LeakyReLU" => match number("negative_slope") {
                    Some(slope) if slope > 0.0 && slope < 1.0 => Ok(Activation::LeakyRelu(slope)),
                    Some(0.0) => Ok(Activation::Relu),
                    slope => Err(format!("LeakyReLU with slope {}", shown(slope))),
                },
                "ELU" => match number("alpha") {
                    Some(alpha) if is_positive(alpha) => Ok(Activation::Elu(alpha)),
                    alpha => Err(format!("ELU with alpha {}", shown(alpha))),
                },
                "SELU" => Ok(Activation::Selu),
                "SiLU" => Ok(Activation::Silu),
                "Softplus" => match (number("beta"), number("threshold")) {
                    (Some(beta), Some(threshold)) if is_positive(beta) && is_positive(threshold) => {
                        Ok(Activation::Softplus { beta, threshold })
                    }
                    (beta, threshold) => {
                        Err(format!("Softplus with beta {} and threshold {}", shown(beta), shown(threshold)))
                    }
                },
                // Models of before PyTorch 1.12 have no such attribute.
                "GELU" => match pickle.entry(state, "approximate").map(|form| pickle.text(form)) {
                    None | Some(Some("none")) => Ok(Activation::Gelu),
                    Some(Some("tanh")) => Ok(Activation::GeluTanh),
                    Some(form) => Err(format!("GELU with approximate {}", form.unwrap_or("unknown"))),
                },
                other => Err(other.to_owned()),
            }),
            // A norm without tensors acts as well.
            (
                "torch.nn.modules.batchnorm" | "torch.nn.modules.normalization" | "torch.nn.modules.instancenorm",
                name,
            ) => {
                if has_tensors(pickle, state) {
                    Kind::Neutral
                } else {
                    Kind::Activation(Err(name.to_owned()))
                }
            }
            ("torch.nn.modules.dropout" | "torch.nn.modules.flatten" | "torch.nn.modules.linear", _) => Kind::Neutral,
            // Their modules count by themselves; a loss is no part of the network.
            ("torch.nn.modules.container" | "torch.nn.modules.loss" | "torch.nn.modules.sparse", _) => Kind::Neutral,
            _ if is_layer(class) => Kind::Neutral,
            // Another part of PyTorch changes its input in a way that no tensor shows.
            (package, name) if package.starts_with("torch.nn.modules.") => Kind::Activation(Err(name.to_owned())),
            _ => Kind::Unknown,
        }
    }
}

fn is_positive(number: f64) -> bool {
    number > 0.0 && number.is_finite()
}

fn shown(number: Option<f64>) -> String {
    number.map_or("unknown".to_owned(), |number| number.to_string())
}

/// Whether it is a layer with a weight that maps its inputs, such as a `ParametrizedLinear`.
pub(super) fn is_layer(class: &str) -> bool {
    let name = class.rsplit_once('.').map_or(class, |(_, name)| name);
    class.starts_with("torch.nn.") && (name.contains("Linear") || name.contains("Conv"))
}

/// Whether a module has a parameter or buffer.
pub(super) fn has_tensors(pickle: &Pickle, state: Id) -> bool {
    ["_parameters", "_buffers"].iter().any(|key| {
        let tensors = pickle.entry(state, key).and_then(|tensors| pickle.entries(tensors)).unwrap_or_default();
        tensors.iter().any(|(_, tensor)| *pickle.value(*tensor) != Value::Nothing)
    })
}
