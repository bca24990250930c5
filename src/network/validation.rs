//! The checks of a network when it is made.

use super::{Activation, Layer, Map};
use crate::error::{Error, Result};

/// Checks that the layers fit together and that every number is finite.
///
/// # Errors
/// [`Error::Input`]; the message names the layer, numbered from 1 at the code.
pub(super) fn check(layers: &[Layer], source: &str) -> Result<()> {
    if layers.is_empty() {
        return Err(Error::input(
            source,
            "no layer",
            "at least one weight matrix",
            "check that the file holds `layers.0.weight`, or name the layers with option `layers`",
        ));
    }
    for (number, layer) in (1..).zip(layers) {
        sizes(number, layer, source)?;
        if number > 1 && layers[number - 2].units() != layer.inputs() {
            return Err(Error::input(
                source,
                format!(
                    "layer {number} with {} inputs after a layer with {} units",
                    layer.inputs(),
                    layers[number - 2].units()
                ),
                "layers in order from the code to the output, each with as many inputs as the layer before has units",
                "check the order of the layers and that weights are stored as [units, inputs]",
            ));
        }
        finite(number, layer, source)?;
        activation(number, layer, source)?;
    }
    Ok(())
}

fn sizes(number: usize, layer: &Layer, source: &str) -> Result<()> {
    let (units, inputs) = (layer.units(), layer.inputs());
    if units == 0 || inputs == 0 {
        return Err(Error::input(
            source,
            format!("layer {number} of shape [{units}, {inputs}]"),
            "at least one unit and one input",
            "export the weights again",
        ));
    }
    if layer.bias.len() != units {
        return Err(Error::input(
            source,
            format!("layer {number} with {units} units and a bias of {} entries", layer.bias.len()),
            "one bias entry per unit",
            "check which bias belongs to this layer",
        ));
    }
    Ok(())
}

fn finite(number: usize, layer: &Layer, source: &str) -> Result<()> {
    if let Some((position, w)) = layer.map().numbers().enumerate().find(|(_, w)| !w.is_finite()) {
        let place = match layer.map() {
            // The storage is column-major.
            Map::Dense(_) => format!(" at [{}, {}]", position % layer.units(), position / layer.units()),
            _ => String::new(),
        };
        return Err(Error::input(
            source,
            format!("{w} in the weight of layer {number}{place}"),
            "finite weights",
            "train or export the network again",
        ));
    }
    if let Some(row) = layer.bias.iter().position(|b| !b.is_finite()) {
        return Err(Error::input(
            source,
            format!("{} in the bias of layer {number} at [{row}]", layer.bias[row]),
            "finite biases",
            "train or export the network again",
        ));
    }
    Ok(())
}

fn activation(number: usize, layer: &Layer, source: &str) -> Result<()> {
    let refused = match layer.activation {
        Activation::LeakyRelu(slope) if !(slope > 0.0 && slope < 1.0) => Some((
            format!("LeakyReLU slope {slope} in layer {number}"),
            "a slope between 0 and 1, both excluded",
            "use relu for slope 0",
        )),
        Activation::Elu(parameter) | Activation::Softplus { beta: parameter, .. }
            if !(parameter > 0.0 && parameter.is_finite()) =>
        {
            Some((
                format!("activation {} in layer {number}", layer.activation),
                "a positive number",
                "check the activation's argument",
            ))
        }
        _ => None,
    };
    match refused {
        Some((found, expected, fix)) => Err(Error::input(source, found, expected, fix)),
        None => Ok(()),
    }
}
