//! What observations determine about a code, near the truth and to first order. The Jacobian
//! `A G'(z*)` of the observed entries may determine (pin down) the code, or at least the image. For
//! inversion one layer at a time, the rows of each layer may determine its input.
//!
//! A code may be undetermined although its image is determined: a generator need not be injective.

use nalgebra::{DMatrix, DVector};

use crate::experiments::determined;
use crate::network::{Map, Network};

/// Singular values below this share of the largest count as zero.
const RANK_SHARE: f64 = 1e-10;

/// The result: what is determined.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pinned {
    /// `rank A G'(z*) = rank G'(z*)`: every change of the image changes the observed entries. False
    /// if nothing was observed.
    pub image: bool,
    /// `rank A G'(z*) = k`.
    pub code: bool,
    /// The result of [`determined`]: layer by layer, with the observed rows of the last layer.
    /// False if the observations are not pixels.
    pub layers: bool,
}

impl Pinned {
    /// `code`: `z*`. `observation`: `NaN` where nothing was observed. `matrix`: `A`; `None` if it
    /// is the identity.
    pub fn at(network: &Network, code: &DVector<f64>, observation: &[f64], matrix: Option<&DMatrix<f64>>) -> Self {
        let jacobian = jacobian(network, code);
        let mut observed = match matrix {
            Some(matrix) => matrix * &jacobian,
            None => jacobian.clone(),
        };
        for (mut row, _) in observed.row_iter_mut().zip(observation).filter(|(_, y)| y.is_nan()) {
            row.fill(0.0);
        }
        let (all, seen) = (rank(jacobian), rank(observed));
        let layers = matrix.is_none() && layers_are_determined(network, code, observation);
        let anything = observation.iter().any(|y| !y.is_nan());
        Pinned { image: anything && seen == all, code: seen == code.len(), layers }
    }
}

/// `G'(z)`, `n` × `k`.
fn jacobian(network: &Network, code: &DVector<f64>) -> DMatrix<f64> {
    let mut value = code.clone();
    let mut jacobian = DMatrix::identity(code.len(), code.len());
    for layer in network.layers() {
        let sum = layer.weight() * value + &layer.bias;
        jacobian = layer.weight() * jacobian;
        for (mut row, a) in jacobian.row_iter_mut().zip(sum.iter()) {
            row *= layer.activation.derivative(*a);
        }
        value = sum.map(|a| layer.activation.apply(a));
    }
    jacobian
}

fn rank(jacobian: DMatrix<f64>) -> usize {
    // From the Jacobian itself: its square would lose half of the digits.
    let values = jacobian.singular_values();
    let least = RANK_SHARE * values.max();
    values.iter().filter(|value| **value > least).count()
}

fn layers_are_determined(network: &Network, code: &DVector<f64>, observation: &[f64]) -> bool {
    let seen: Vec<usize> = (0..observation.len()).filter(|row| !observation[*row].is_nan()).collect();
    let mut layers = network.layers().to_vec();
    if let Some(last) = layers.last_mut() {
        *last = last.with(Map::Dense(last.weight().select_rows(&seen)), last.bias.select_rows(&seen));
    }
    // A network cannot have a layer without rows; in that case nothing was observed.
    let network = Network::new(layers, "the pixels that were seen");
    network.is_ok_and(|network| {
        determined::is_determined(&network, &DMatrix::from_column_slice(code.len(), 1, code.as_slice()))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::network::{Activation, DenseLayer};

    fn relu(shape: (usize, usize), weight: &[f64]) -> DenseLayer {
        let weight = DMatrix::from_row_slice(shape.0, shape.1, weight);
        DenseLayer { weight, bias: DVector::zeros(shape.0), activation: Activation::Relu }
    }

    fn of(network: &Network, code: &[f64], observation: &[f64], matrix: Option<&DMatrix<f64>>) -> [bool; 3] {
        let Pinned { image, code, layers } =
            Pinned::at(network, &DVector::from_column_slice(code), observation, matrix);
        [image, code, layers]
    }

    #[test]
    fn what_is_off_or_unseen_tells_nothing() {
        // Two units are on at (1, 1), and one is off.
        let network = Network::new(vec![relu((3, 2), &[1.0, 0.0, 0.0, 1.0, -1.0, -1.0])], "three units").unwrap();
        let (code, nan) = ([1.0, 1.0], f64::NAN);
        assert_eq!(of(&network, &code, &[1.0, 1.0, 0.0], None), [true; 3]);
        assert_eq!(of(&network, &code, &[1.0, 1.0, nan], None), [true; 3]);
        assert_eq!(of(&network, &code, &[1.0, nan, 0.0], None), [false; 3]);
        assert_eq!(of(&network, &code, &[nan, nan, nan], None), [false; 3]);
        // The second entry changes nothing: the image is known, but the code is not.
        assert_eq!(of(&network, &[1.0, -0.5], &[1.0, 0.0, 0.0], None), [true, false, false]);
        let sum = DMatrix::from_row_slice(1, 3, &[1.0, 1.0, 1.0]);
        assert_eq!(of(&network, &code, &[2.0], Some(&sum)), [false; 3]);
        let two = DMatrix::from_row_slice(2, 3, &[1.0, 1.0, 1.0, 1.0, -1.0, 5.0]);
        assert_eq!(of(&network, &code, &[2.0, 0.0], Some(&two)), [true, true, false]);
        assert_eq!(of(&network, &code, &[2.0, nan], Some(&two)), [false; 3]);
    }

    #[test]
    fn an_image_may_be_known_whose_code_is_open() {
        // One hidden unit of two entries: an image depends only on their sum, and any pixel
        // determines it.
        let network = Network::new(vec![relu((1, 2), &[1.0, 1.0]), relu((3, 1), &[1.0, 2.0, 3.0])], "a sum").unwrap();
        let nan = f64::NAN;
        assert_eq!(of(&network, &[1.0, 2.0], &[3.0, nan, nan], None), [true, false, false]);
        assert_eq!(of(&network, &[1.0, 2.0], &[nan, nan, nan], None), [false; 3]);
        // The unit is off: the image is black, here and nearby, whichever pixel is observed.
        assert_eq!(of(&network, &[-1.0, -2.0], &[nan, nan, 0.0], None), [true, false, false]);
        assert_eq!(of(&network, &[-1.0, -2.0], &[nan, nan, nan], None), [false; 3]);
    }

    #[test]
    fn a_code_may_be_pinned_down_where_a_layer_is_not() {
        // Two entries, three hidden units, two pixels: too few for the units, but enough for the
        // code.
        let hidden = relu((3, 2), &[1.0, 0.0, 0.0, 1.0, 1.0, 1.0]);
        let network =
            Network::new(vec![hidden, relu((2, 3), &[1.0, 0.0, 1.0, 0.0, 1.0, 2.0])], "a bottleneck").unwrap();
        assert_eq!(of(&network, &[1.0, 2.0], &[4.0, 8.0], None), [true, true, false]);
    }
}
