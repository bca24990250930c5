//! Found by these properties: layers without any weight, whose inputs have no scale.

use nalgebra::{DMatrix, DVector};
use unrelu::{Activation, DenseLayer, LayerwiseMethod, Network};

use crate::generators::Case;
use crate::independence::LAYERWISE;
use crate::observation_units::{in_units, invert};

/// One layer of zeros, whose outputs are its biases, times `units`.
fn case(units: f64) -> Case {
    let bias = DVector::from_vec(vec![4389.6484375, 3374.0234375, -739.74609375, -312.5]) * units;
    let activation = Activation::LeakyRelu(0.25);
    let outputs = bias.map(|a| activation.apply(a));
    let layer = DenseLayer { weight: DMatrix::zeros(4, 1), bias, activation };
    Case {
        network: Network::dense(vec![layer]).unwrap(),
        observations: DMatrix::from_column_slice(4, 1, outputs.as_slice()),
        epsilon: 100.0 * units,
    }
}

#[test]
fn the_work_of_relaxed_does_not_depend_on_the_units() {
    let (method, units) = (LayerwiseMethod::Relaxed, 1.0 / 32.0);
    let (before, after) = (invert(&case(1.0), method), invert(&case(units), method));
    assert_eq!(in_units(&before.rows[0], units, method), in_units(&after.rows[0], 1.0, method));
}

#[test]
fn an_entry_without_weight_is_zero_and_open() {
    for method in LAYERWISE {
        let inverted = invert(&case(1.0), method);
        assert_eq!(inverted.codes.as_slice(), [0.0], "{method}");
        assert!(!inverted.rows[0].layers[0].determined, "{method}");
    }
    // Beside entries with weights, behind a ReLU layer: the hidden unit has no weight.
    let hidden = DenseLayer {
        weight: DMatrix::from_row_slice(2, 1, &[1.0, 1.0]),
        bias: DVector::zeros(2),
        activation: Activation::Relu,
    };
    let output = DenseLayer {
        weight: DMatrix::from_row_slice(3, 2, &[1.0, 0.0, 3.0, 0.0, -1.0, 0.0]),
        bias: DVector::zeros(3),
        activation: Activation::Identity,
    };
    let network = Network::dense(vec![hidden, output]).unwrap();
    let case = Case { network, observations: DMatrix::from_column_slice(3, 1, &[1.0, 3.5, -1.0]), epsilon: 0.01 };
    for method in [LayerwiseMethod::Linf, LayerwiseMethod::L1] {
        let inverted = invert(&case, method);
        let last = &inverted.rows[0].layers[0];
        assert_eq!((last.determined, last.undetermined_entries), (false, 1), "{method}");
        // The other hidden unit alone determines the code.
        assert!(inverted.rows[0].layers[1].determined && inverted.rows[0].status.is_good(), "{method}");
    }
}
