//! Outputs of tanh that are ±1 in f64, or beyond the range, are one-sided rows; those next to ±1
//! keep their digits.

use std::sync::Arc;

use nalgebra::{DMatrix, DVector};
use unrelu::{Activation, DenseLayer, LayerwiseMethod, Network};

use crate::support::{SOLVERS, invert, method};

const METHODS: [LayerwiseMethod; 4] =
    [LayerwiseMethod::Exact, LayerwiseMethod::Linf, LayerwiseMethod::L1, LayerwiseMethod::Relaxed];

/// `atanh(1 − 2⁻⁵⁴) = ½ ln(2⁵⁵ − 1)`.
const BOUND: f64 = 19.061547465398498;

fn one_layer(weight: &[f64], columns: usize) -> Arc<Network> {
    let units = weight.len() / columns;
    let weight = DMatrix::from_row_slice(units, columns, weight);
    let layer = DenseLayer { weight, bias: DVector::zeros(units), activation: Activation::Tanh };
    Arc::new(Network::new(vec![layer], "one layer").unwrap())
}

#[test]
fn a_saturated_output_bounds_the_code() {
    // The second entry of the code is seen by the saturated output only.
    let network = one_layer(&[1.0, 0.0, 0.0, 1.0], 2);
    for x in [1.0, -1.0, 1.5, -7.0] {
        let observation = DMatrix::from_row_slice(2, 1, &[0.5, x]);
        for chosen in METHODS {
            for solver in SOLVERS {
                let answer = invert(&network, solver, &method(chosen), &observation).remove(0);
                let what = format!("{chosen} by {}, x = {x}: {answer:?}", solver.name());
                assert!(answer.failure.is_none() && answer.is_certified(), "{what}");
                assert_eq!(answer.saturated, 1, "{what}");
                assert!((answer.code[0] - 0.5f64.atanh()).abs() <= 1e-5, "{what}");
                assert!(answer.code[1] * x.signum() >= BOUND - 1e-5, "{what}");
            }
        }
    }
}

#[test]
fn outputs_next_to_one_keep_their_digits() {
    let network = one_layer(&[1.0], 1);
    for power in [20, 40, 50, 52, 53] {
        let q = 2f64.powi(-power);
        // ½ ln((2 − q)/q), with ln(2 − q) = ln 2 − q/2 to the digits that matter.
        let expected = 0.5 * (f64::from(power + 1) * std::f64::consts::LN_2 - 0.5 * q);
        for sign in [1.0, -1.0] {
            let observation = DMatrix::from_row_slice(1, 1, &[sign * (1.0 - q)]);
            let answer = invert(&network, SOLVERS[0], &method(LayerwiseMethod::Linf), &observation).remove(0);
            assert!(answer.failure.is_none(), "q = 2^-{power}: {answer:?}");
            assert!((answer.code[0] - sign * expected).abs() <= 1e-12 * expected, "q = 2^-{power}: {answer:?}");
        }
    }
}
