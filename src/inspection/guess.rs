//! Which other activations or ranges would make the given outputs: a few usual ones are tried on a
//! few rows.

use nalgebra::DMatrix;
use serde::{Serialize, Serializer};

use super::comparison::{Comparison, Precision};
use super::rounding::sizes;
use crate::cpu::forward::forward;
use crate::error::Result;
use crate::network::{Activation, Network};

/// Activations, and a change of the given outputs, with which network and outputs agree.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Guess {
    /// The activation of the hidden layers; `None` if there are none.
    #[serde(serialize_with = "as_text")]
    pub activation: Option<Activation>,
    /// The activation of the output layer.
    #[serde(serialize_with = "as_text")]
    pub output_activation: Option<Activation>,
    /// What has to be done to the given outputs; `None`: nothing.
    pub change: Option<&'static str>,
}

/// Slopes of LeakyReLU that people use: PyTorch's default, TensorFlow's, and those of papers.
const SLOPES: [f64; 7] = [0.01, 0.02, 0.05, 0.1, 0.2, 0.25, 0.3];

/// A change of the given outputs, in words and as a function.
type Change = (&'static str, fn(f64) -> f64);

/// Ranges that outputs are often brought to.
const CHANGES: [Change; 4] = [
    ("divided by 255", |x| x / 255.0),
    ("divided by 127.5, minus 1", |x| x / 127.5 - 1.0),
    ("times 2, minus 1", |x| 2.0 * x - 1.0),
    ("plus 1, divided by 2", |x| (x + 1.0) / 2.0),
];

/// The guesses that the precision of the files allows, the nearest to the network first: with its
/// own hidden activation, and with the outputs as they are.
///
/// # Errors
/// None for a network that is valid.
pub(super) fn guesses(
    network: &Network,
    codes: &DMatrix<f64>,
    given: &DMatrix<f64>,
    precision: Precision,
) -> Result<Vec<Guess>> {
    let depth = network.depth();
    let own = (depth > 1).then(|| network.layers()[0].activation);
    let mut hidden = vec![own];
    if own.is_some() {
        let usual = [Activation::Relu].into_iter().chain(SLOPES.map(Activation::LeakyRelu));
        hidden.extend(usual.map(Some).filter(|activation| *activation != own));
    }
    let mut changed = vec![(None, given.clone())];
    changed.extend(CHANGES.map(|(words, change)| (Some(words), given.map(change))));
    let mut found = Vec::new();
    for activation in hidden {
        let mut layers = network.layers().to_vec();
        for layer in &mut layers[..depth - 1] {
            layer.activation = activation.unwrap_or(layer.activation);
        }
        // A hidden activation can also be that of the output.
        let outputs = [Activation::Identity, Activation::Relu, Activation::Sigmoid, Activation::Tanh];
        let outputs = outputs.into_iter().chain(activation.filter(|activation| *activation != Activation::Relu));
        for output_activation in outputs {
            layers[depth - 1].activation = output_activation;
            let tried = Network::new(layers.clone(), "the network")?;
            let (made, sizes) = (forward(&tried, 0..depth, codes), sizes(&tried, codes));
            let as_read = activation == own && output_activation == network.layers()[depth - 1].activation;
            for (change, given) in &changed {
                let precision = if change.is_some() { precision.uniform() } else { precision };
                let mut comparison = Comparison::new(precision, given.nrows());
                comparison.add(&made, &sizes, given, 0);
                if !(as_read && change.is_none()) && comparison.agrees() {
                    let output_activation = Some(output_activation);
                    found.push(Guess { activation, output_activation, change: *change });
                }
            }
        }
    }
    // The sort is stable.
    found.sort_by_key(|guess| (guess.change.is_some(), guess.activation != own));
    Ok(found)
}

/// Serialises a value as its text, or `null`.
fn as_text<T: ToString, S: Serializer>(value: &Option<T>, serializer: S) -> Result<S::Ok, S::Error> {
    value.as_ref().map(T::to_string).serialize(serializer)
}
