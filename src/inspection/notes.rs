//! Notes on how well a network can be inverted. Some conditions of the paper's theorems are checked
//! on the weights (expansion, rank). The others are tested with random codes N(0, I) (active
//! units).

use std::collections::HashMap;

use nalgebra::DMatrix;
use serde::Serialize;

use crate::cpu::forward::forward;
use crate::network::{Activation, Layer, Network};
use crate::random::{Domain, normal_vector};

/// Number of random codes for the test.
const CODES: usize = 256;

/// Maximum `rows · columns²` of a weight whose rank is computed. Larger factorisations take
/// minutes.
const RANK_LIMIT: f64 = 2e10;

/// The importance of a note.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, strum::Display)]
#[serde(rename_all = "lowercase")]
#[strum(serialize_all = "lowercase")]
pub enum Severity {
    /// For information.
    Note,
    /// Some answers may be wrong or not determined.
    Warning,
    /// No answer can be determined.
    Obstacle,
}

/// A note for a user who wants to invert the network.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Note {
    pub severity: Severity,
    /// The number of the layer, counted from 1 at the code.
    pub layer: usize,
    pub text: String,
}

/// What would prevent or impair an inversion of `network`, per layer from the code to the output.
/// The notes are about inverting single layers. There are none for a network to which that does not
/// apply ([`Network::layerwise_obstacle`]).
pub fn notes(network: &Network) -> Vec<Note> {
    let mut notes = Vec::new();
    if network.layerwise_obstacle().is_some() {
        return notes;
    }
    let codes = (0..CODES as u64).flat_map(|index| normal_vector(0, Domain::Code, index, network.code_length()));
    let mut values = DMatrix::from_iterator(network.code_length(), CODES, codes);
    for (index, layer) in network.layers().iter().enumerate() {
        let mut add = |severity, text: String| notes.push(Note { severity, layer: index + 1, text });
        let rows_tell = layer.activation != Activation::Relu;
        expansion(layer, rows_tell, &mut add);
        zero_columns_and_rank(layer, &mut add);
        duplicate_rows(layer, &mut add);
        values = forward(network, index..index + 1, &values);
        if !rows_tell {
            dead_units(layer, network.input_is_nonnegative(index), &values, &mut add);
            active_units(layer, &values, &mut add);
        }
        saturation(layer, &mut add);
    }
    notes
}

/// `rows_tell`: whether every unit constrains the layer's input, not only the active ones.
fn expansion(layer: &Layer, rows_tell: bool, add: &mut impl FnMut(Severity, String)) {
    let (units, inputs) = (layer.units(), layer.inputs());
    if units < inputs || (units == inputs && !rows_tell) {
        add(
            Severity::Warning,
            format!("does not expand ({inputs} → {units}): too few units to determine {inputs} inputs"),
        );
    } else if units < 2 * inputs && !rows_tell {
        add(
            Severity::Warning,
            format!(
                "expands only {:.2} times: about half of the units are active, but {inputs} must be",
                units as f64 / inputs as f64
            ),
        );
    }
}

fn zero_columns_and_rank(layer: &Layer, add: &mut impl FnMut(Severity, String)) {
    let weight = layer.weight();
    let zero: Vec<usize> =
        (0..layer.inputs()).filter(|column| weight.column(*column).iter().all(|entry| *entry == 0.0)).collect();
    if !zero.is_empty() {
        let text = format!("inputs that no unit uses: {}; they cannot be recovered", list(&zero));
        return add(Severity::Obstacle, text);
    }
    let (units, inputs) = (layer.units(), layer.inputs());
    if units < inputs {
        // The note on expansion already covers this.
        return;
    }
    if units as f64 * (inputs as f64).powi(2) > RANK_LIMIT {
        return add(Severity::Note, "the weight is too large to compute its rank".into());
    }
    let factor = weight.clone().col_piv_qr().r();
    let pivots: Vec<f64> = factor.diagonal().iter().map(|pivot| pivot.abs()).collect();
    let largest = pivots[0];
    let rank = pivots.iter().filter(|pivot| **pivot > largest * f64::EPSILON * units as f64).count();
    let smallest = pivots[inputs - 1];
    if rank < inputs {
        add(Severity::Obstacle, format!("the weight has rank {rank} and {inputs} inputs: it does not determine them"));
    } else if smallest < 1e-8 * largest {
        add(
            Severity::Warning,
            format!("the weight is close to rank-deficient (pivots from {largest:.1e} down to {smallest:.1e})"),
        );
    }
}

fn duplicate_rows(layer: &Layer, add: &mut impl FnMut(Severity, String)) {
    let mut first: HashMap<Vec<u64>, usize> = HashMap::new();
    let mut duplicates = Vec::new();
    for (unit, row) in layer.weight().row_iter().enumerate() {
        // Adding 0 turns −0 into 0.
        let mut key: Vec<u64> = row.iter().map(|entry| (entry + 0.0).to_bits()).collect();
        key.push((layer.bias[unit] + 0.0).to_bits());
        // Units without weights have their own note.
        let is_zero = row.iter().all(|entry| *entry == 0.0);
        if !is_zero && first.insert(key, unit).is_some() {
            duplicates.push(unit);
        }
    }
    if !duplicates.is_empty() {
        add(Severity::Note, format!("units that repeat another unit and add no information: {}", list(&duplicates)));
    }
    let zero: Vec<usize> =
        (0..layer.units()).filter(|unit| layer.weight().row(*unit).iter().all(|entry| *entry == 0.0)).collect();
    if !zero.is_empty() {
        add(Severity::Note, format!("units without weights, which carry no information: {}", list(&zero)));
    }
}

/// `outputs`: units × codes, computed from the random codes.
fn dead_units(
    layer: &Layer,
    input_is_nonnegative: bool,
    outputs: &DMatrix<f64>,
    add: &mut impl FnMut(Severity, String),
) {
    let is_zero = |unit: usize| layer.weight().row(unit).iter().all(|entry| *entry == 0.0);
    let never_rises = |unit: usize| layer.weight().row(unit).iter().all(|entry| *entry <= 0.0);
    let is_dead =
        |unit: usize| layer.bias[unit] <= 0.0 && if input_is_nonnegative { never_rises(unit) } else { is_zero(unit) };
    let dead: Vec<usize> = (0..layer.units()).filter(|unit| is_dead(*unit) && !is_zero(*unit)).collect();
    if !dead.is_empty() {
        add(Severity::Note, format!("units that are inactive for every input: {}", list(&dead)));
    }
    let silent: Vec<usize> = (0..layer.units())
        .filter(|unit| !is_dead(*unit) && outputs.row(*unit).iter().all(|output| *output <= 0.0))
        .collect();
    if !silent.is_empty() {
        add(Severity::Note, format!("units that are inactive for all {CODES} random codes: {}", list(&silent)));
    }
}

fn active_units(layer: &Layer, outputs: &DMatrix<f64>, add: &mut impl FnMut(Severity, String)) {
    let mut active: Vec<usize> =
        outputs.column_iter().map(|column| column.iter().filter(|output| **output > 0.0).count()).collect();
    active.sort_unstable();
    let inputs = layer.inputs();
    let too_few = active.iter().filter(|active| **active < inputs).count();
    if too_few > 0 {
        add(
            Severity::Warning,
            format!(
                "{too_few} of {CODES} random codes activate fewer than {inputs} units, which are needed for {inputs} inputs \
                 (median {}, minimum {}): such inputs may not be determined",
                active[CODES / 2],
                active[0]
            ),
        );
    }
}

fn saturation(layer: &Layer, add: &mut impl FnMut(Severity, String)) {
    let ends = match layer.activation {
        Activation::Sigmoid => "0 and 1 (bytes 0 and 255)",
        Activation::Tanh => "−1 and 1",
        _ => return,
    };
    add(
        Severity::Note,
        format!("{} output: it is inverted first; values of {ends} give only a one-sided bound", layer.activation),
    );
}

/// Lists the first few indices, counted from 0.
fn list(indices: &[usize]) -> String {
    const MOST: usize = 8;
    let shown = indices.iter().take(MOST).map(usize::to_string).collect::<Vec<_>>().join(", ");
    if indices.len() > MOST { format!("{shown} and {} more", indices.len() - MOST) } else { shown }
}

#[cfg(test)]
mod tests {
    use nalgebra::DVector;

    use super::*;
    use crate::random::random_network;

    fn texts(network: &Network) -> Vec<String> {
        notes(network).into_iter().map(|note| format!("{} {}: {}", note.severity, note.layer, note.text)).collect()
    }

    fn network(weights: Vec<DMatrix<f64>>, activation: Activation) -> Network {
        let layer = |weight: DMatrix<f64>| crate::network::DenseLayer {
            bias: DVector::zeros(weight.nrows()),
            weight,
            activation,
        };
        Network::new(weights.into_iter().map(layer).collect(), "a test").unwrap()
    }

    #[test]
    fn a_generator_that_expands_has_no_notes() {
        assert!(texts(&random_network(&[10, 60, 300], Activation::Relu, 1).unwrap()).is_empty());
        assert!(texts(&random_network(&[10, 10, 12], Activation::LeakyRelu(0.1), 1).unwrap()).is_empty());
    }

    #[test]
    fn layers_that_do_not_expand_are_told() {
        let found = texts(&random_network(&[10, 60, 40, 60], Activation::Relu, 1).unwrap());
        assert!(found.iter().any(|note| note.starts_with("warning 2: does not expand (60 → 40)")), "{found:?}");
        assert!(found.iter().any(|note| note.starts_with("warning 3: expands only 1.50 times")), "{found:?}");
        assert!(
            found.iter().any(|note| note.starts_with("warning 3: 2") && note.contains("fewer than 40")),
            "{found:?}"
        );
    }

    #[test]
    fn rows_and_columns_without_use_are_told() {
        let mut weight = random_network(&[4, 30], Activation::Relu, 2).unwrap().layers()[0].weight().clone();
        weight.row_mut(3).fill(0.0);
        let fifth = weight.row(5).into_owned();
        weight.set_row(7, &fifth);
        let found = texts(&network(vec![weight.clone()], Activation::Relu));
        assert_eq!(found.len(), 2, "{found:?}");
        assert!(found[0].starts_with("note 1: units that repeat another") && found[0].ends_with(": 7"));
        assert!(found[1].starts_with("note 1: units without weights") && found[1].ends_with(": 3"));

        let second = weight.column(1) * 2.0;
        weight.set_column(2, &second);
        assert!(texts(&network(vec![weight.clone()], Activation::Relu))[0].contains("rank 3 and 4 inputs"));
        weight.column_mut(2).fill(0.0);
        assert!(texts(&network(vec![weight], Activation::Relu))[0].contains("inputs that no unit uses: 2"));
    }

    #[test]
    fn dead_units_are_told() {
        let first = random_network(&[2, 9], Activation::Relu, 3).unwrap().layers()[0].weight().clone();
        let mut second = random_network(&[9, 60], Activation::Relu, 4).unwrap().layers()[0].weight().clone();
        second.row_mut(11).apply(|entry| *entry = -entry.abs());
        let found = texts(&network(vec![first, second], Activation::Relu));
        assert!(found.iter().any(|note| note.contains("inactive for every input: 11")), "{found:?}");
    }
}
