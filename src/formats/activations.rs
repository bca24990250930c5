//! The activation of each layer: from PReLUs of the file, from the options, or from the file's
//! metadata.

use super::layer_names::LayerNames;
use super::safetensors::{ACTIVATION, OUTPUT_ACTIVATION};
use super::slopes::Slope;
use super::stated::Named;
use super::tensor_file::TensorFile;
use crate::error::{Error, Result};
use crate::network::Activation;

/// The activations of the layers, and whether that of the output is only assumed to be that of the
/// others.
///
/// # Errors
/// [`Error::Input`] if an activation is missing, or if the options contradict the file's PReLU.
pub fn activations(file: &dyn TensorFile, given: Named, layers: &[LayerNames]) -> Result<(Vec<Activation>, bool)> {
    let hidden_count = layers.len().saturating_sub(1);
    let (hidden, output) = layers.split_at(hidden_count);
    let activation = given.activation.map_or_else(|| stored(file, ACTIVATION), |given| Ok(Some(given)))?;
    let output_activation =
        given.output_activation.map_or_else(|| stored(file, OUTPUT_ACTIVATION), |given| Ok(Some(given)))?;
    let output_slope = output.first().and_then(|layer| layer.slope.as_ref());

    // The option is for layers whose activation the file does not say. If there are none, it has to
    // agree with the file.
    let alone = hidden.is_empty() && given.output_activation.is_none();
    let says_all = if alone { output_slope.is_some() } else { !hidden.is_empty() && hidden.iter().all(has_slope) };
    let told = hidden.iter().chain(output.iter().filter(|_| alone)).filter_map(|layer| layer.slope.as_ref());
    refuse_contradiction(file, "activation", given.activation.filter(|_| says_all), told)?;
    refuse_contradiction(file, "output_activation", given.output_activation, output_slope.into_iter())?;

    let mut all = Vec::with_capacity(layers.len());
    for layer in hidden {
        let from_file = layer.slope.as_ref().map(Slope::activation);
        all.push(from_file.or(activation).ok_or_else(|| missing(file, "no activation in the file", "activation"))?);
    }
    let stated = output_slope.map(Slope::activation).or(output_activation);
    let assumed = stated.is_none() && !hidden.is_empty();
    // PReLUs of the hidden layers say nothing about the output.
    let default = activation.ok_or_else(|| match all.is_empty() {
        true => missing(file, "no activation in the file", "activation"),
        false => missing(file, "no activation of the output layer in the file", "output_activation"),
    });
    all.push(stated.map_or(default, Ok)?);
    Ok((all, assumed))
}

fn has_slope(layer: &LayerNames) -> bool {
    layer.slope.is_some()
}

fn refuse_contradiction<'s>(
    file: &dyn TensorFile,
    option: &str,
    given: Option<Activation>,
    mut slopes: impl Iterator<Item = &'s Slope>,
) -> Result<()> {
    let Some(given) = given else { return Ok(()) };
    match slopes.find(|slope| !slope.agrees_with(given)) {
        None => Ok(()),
        Some(slope) => Err(Error::input(
            file.source(),
            format!("the PReLU `{}` with slope {}, but option `{option}: {given}`", slope.module, slope.value),
            format!("{}, the activation in the file", slope.activation()),
            format!("leave out option `{option}`, or give {}", slope.activation()),
        )),
    }
}

fn missing(file: &dyn TensorFile, found: &str, option: &str) -> Error {
    Error::input(
        file.source(),
        found,
        "an activation (a state_dict contains weights only)",
        format!(
            "name the network's activation, for example option `{option}: relu` or option `{option}: leaky_relu:0.1`"
        ),
    )
}

fn stored(file: &dyn TensorFile, key: &str) -> Result<Option<Activation>> {
    let Some(word) = file.metadata(key) else { return Ok(None) };
    word.parse().map(Some).map_err(|reason: String| {
        Error::input(
            file.source(),
            format!("metadata {key} = `{word}`"),
            "an activation that unrelu supports",
            format!("set option `{key}` ({reason})"),
        )
    })
}
