//! The names of activations: unrelu's own, and those that PyTorch prints.

use std::str::FromStr;

use super::Activation;

const EXPECTED: &str = "relu, leaky_relu:SLOPE with a slope between 0 and 1 (for example leaky_relu:0.1), identity, \
                        sigmoid, tanh, elu:ALPHA, selu, softplus:BETA, silu, gelu or gelu_tanh";

impl FromStr for Activation {
    type Err = String;

    /// Parses the text that [`Display`](std::fmt::Display) writes: `relu`, `leaky_relu:0.1`, `identity`,
    /// `sigmoid`, `tanh`, `elu:1`, `selu`, `softplus:1` (or `softplus:1,4` with a threshold),
    /// `silu`, `gelu`, `gelu_tanh`. The names of PyTorch are also accepted: `ReLU`,
    /// `LeakyReLU(0.1)`, `nn.Tanh()`.
    fn from_str(text: &str) -> Result<Self, String> {
        parse(text)
    }
}

/// Reads a name. Letter case, underscores, a leading `nn.` or `torch.nn.` and empty brackets do not
/// count. A slope follows a colon or stands in brackets.
fn parse(text: &str) -> Result<Activation, String> {
    let unknown = || format!("found `{}`, expected {EXPECTED}", text.trim());
    let name: String = text.trim().to_lowercase().chars().filter(|c| !matches!(c, '_' | ' ')).collect();
    let name = name.strip_prefix("torch.").unwrap_or(&name);
    let name = name.strip_prefix("nn.").unwrap_or(name);
    let (name, argument) = match (name.split_once(':'), name.strip_suffix(')').and_then(|open| open.split_once('('))) {
        (Some((name, argument)), _) | (None, Some((name, argument))) => (name, Some(argument)),
        (None, None) => (name, None),
    };
    let argument = argument.filter(|argument| !argument.is_empty());
    match (name, argument) {
        ("relu", None) => Ok(Activation::Relu),
        ("identity", None) => Ok(Activation::Identity),
        ("sigmoid", None) => Ok(Activation::Sigmoid),
        ("tanh", None) => Ok(Activation::Tanh),
        ("elu", argument) => positive("alpha=", argument).map(Activation::Elu).ok_or_else(unknown),
        ("positivepart", None) => Ok(Activation::PositivePart),
        ("selu", None | Some("inplace=true")) => Ok(Activation::Selu),
        ("softplus", argument) => softplus(argument).ok_or_else(unknown),
        ("silu" | "swish", None | Some("inplace=true")) => Ok(Activation::Silu),
        ("gelu", None | Some("approximate='none'")) => Ok(Activation::Gelu),
        ("gelutanh", None) | ("gelu", Some("approximate='tanh'" | "tanh")) => Ok(Activation::GeluTanh),
        ("leakyrelu" | "lrelu", Some(slope)) => {
            // PyTorch also prints `inplace=True`, which changes no result.
            let slope = slope.split(',').find(|part| !part.starts_with("inplace=")).unwrap_or_default();
            let slope = slope.strip_prefix("negativeslope=").unwrap_or(slope).parse::<f64>().ok();
            slope.filter(|slope| *slope > 0.0 && *slope < 1.0).map(Activation::LeakyRelu).ok_or_else(unknown)
        }
        ("leakyrelu" | "lrelu", None) => Err(format!(
            "found `{}` without a slope, and libraries have different defaults; expected {EXPECTED}",
            text.trim()
        )),
        _ => Err(unknown()),
    }
}

/// A positive number, 1 if there is none: `0.5`, `alpha=0.5`.
fn positive(field: &str, argument: Option<&str>) -> Option<f64> {
    let Some(argument) = argument else { return Some(1.0) };
    let mut numbers = argument.split(',').filter(|part| !part.starts_with("inplace="));
    let number = numbers.next().unwrap_or("1");
    if numbers.next().is_some() {
        return None;
    }
    let number = number.strip_prefix(field).unwrap_or(number).parse::<f64>().ok();
    number.filter(|number| *number > 0.0 && number.is_finite())
}

/// `β` and the threshold of softplus: `2`, `2,4`, `beta=2, threshold=4`, or nothing.
fn softplus(argument: Option<&str>) -> Option<Activation> {
    let mut parts = argument.into_iter().flat_map(|argument| argument.split(','));
    let (beta, threshold) = (parts.next(), parts.next());
    if parts.next().is_some() {
        return None;
    }
    let threshold = match threshold {
        Some(threshold) => positive("threshold=", Some(threshold))?,
        None => Activation::SOFTPLUS_THRESHOLD,
    };
    Some(Activation::Softplus { beta: positive("beta=", beta)?, threshold })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_pytorch_are_read() {
        for (text, activation) in [
            ("ReLU", Activation::Relu),
            ("nn.ReLU()", Activation::Relu),
            ("torch.nn.Sigmoid()", Activation::Sigmoid),
            (" Tanh ", Activation::Tanh),
            ("Identity", Activation::Identity),
            ("LeakyReLU(0.2)", Activation::LeakyRelu(0.2)),
            ("LeakyReLU(negative_slope=0.01)", Activation::LeakyRelu(0.01)),
            ("LeakyReLU(negative_slope=0.01, inplace=True)", Activation::LeakyRelu(0.01)),
            ("leaky_relu:0.1", Activation::LeakyRelu(0.1)),
            ("lrelu(1e-2)", Activation::LeakyRelu(0.01)),
            ("ELU(alpha=1.0)", Activation::Elu(1.0)),
            ("nn.ELU(alpha=0.5, inplace=True)", Activation::Elu(0.5)),
            ("SELU()", Activation::Selu),
            ("Softplus(beta=1.0, threshold=20.0)", Activation::Softplus { beta: 1.0, threshold: 20.0 }),
            ("softplus:2", Activation::Softplus { beta: 2.0, threshold: 20.0 }),
            ("softplus(beta=1, threshold=5)", Activation::Softplus { beta: 1.0, threshold: 5.0 }),
            ("SiLU()", Activation::Silu),
            ("GELU(approximate='none')", Activation::Gelu),
            ("GELU(approximate='tanh')", Activation::GeluTanh),
        ] {
            assert_eq!(parse(text), Ok(activation), "{text}");
            assert_eq!(parse(&activation.to_string()), Ok(activation), "{activation}");
        }
    }

    #[test]
    fn others_are_refused() {
        for text in [
            "",
            "relu(",
            "relu:0.1",
            "ReLU6",
            "leaky_relu:0",
            "leaky_relu:1",
            "leaky_relu:",
            "leakyrelu(a)",
            "elu:0",
            "elu:-1",
            "elu:0.5,junk",
            "softplus:1,2,3",
            "softplus:inf",
            "gelu(approximate='erf')",
            "selu:2",
        ] {
            assert!(parse(text).unwrap_err().contains("expected relu, leaky_relu:SLOPE"), "{text}");
        }
        assert!(parse("LeakyReLU").unwrap_err().contains("without a slope"));
    }
}
