//! The CPU twins against formulas that share no code with them.

use nalgebra::DMatrix;
use unrelu::Activation;
use unrelu::internals::cpu::convolution::{convolution, convolution_gradient};
use unrelu::internals::cpu::descend::loss_and_gradient;
use unrelu::internals::cpu::forward::forward;
use unrelu::internals::cpu::gather::gather;
use unrelu::internals::cpu::gram::gram;
use unrelu::internals::cpu::levenberg_marquardt::levenberg_marquardt;
use unrelu::internals::cpu::residual::{SUMMED_ENTRIES, residual};
use unrelu::internals::layers::Map;
use unrelu::internals::marquardt::MarquardtRules;

use crate::chains;
use crate::compare::{expect, matrices};
use crate::fixtures::{OUTPUTS, matrix, network, random_widths};

#[test]
fn forward_is_the_matrix_product() {
    for (seed, output) in OUTPUTS.into_iter().enumerate() {
        let seed = seed as u64;
        let network = network(seed, &random_widths(seed, 3), Activation::LeakyRelu(0.2), output);
        let codes = matrix(50, network.code_length(), 6);
        let mut expected = codes.clone();
        for layer in network.layers() {
            expected = layer.weight() * &expected;
            for mut column in expected.column_iter_mut() {
                column += &layer.bias;
                column.apply(|a| *a = layer.activation.apply(*a));
            }
        }
        let allowed = DMatrix::from_element(expected.nrows(), 6, 1e-13);
        expect(matrices("twin of the product", &forward(&network, 0..3, &codes), &expected, &allowed));
    }
}

/// By the lists of a map's numbers, which decide what a network is.
#[test]
fn maps_are_the_sums_of_their_entries() {
    for (name, network) in chains::all() {
        for layer in network.layers() {
            let (map, weight) = (layer.map(), layer.map().written_out());
            let (input, delta) = (matrix(70, map.inputs(), 1), matrix(71, map.outputs(), 1));
            let outputs = match map {
                Map::Convolution(map) => {
                    let gradient =
                        DMatrix::from_vec(map.input().length(), 1, convolution_gradient(map, delta.as_slice()));
                    let expected = weight.tr_mul(&delta);
                    let allowed = DMatrix::from_element(expected.nrows(), 1, 1e-12);
                    expect(matrices(&format!("gradient of {name}"), &gradient, &expected, &allowed));
                    convolution(map, input.as_slice())
                }
                Map::Dense(_) => continue,
                map => gather(map, input.as_slice()).unwrap(),
            };
            let (found, expected) = (DMatrix::from_vec(map.outputs(), 1, outputs), weight * input);
            let allowed = DMatrix::from_element(expected.nrows(), 1, 1e-12);
            expect(matrices(&format!("map of {name}"), &found, &expected, &allowed));
        }
    }
}

#[test]
fn the_gradient_is_that_of_the_loss() {
    for (seed, output) in OUTPUTS.into_iter().enumerate() {
        for hidden in [Activation::Relu, Activation::LeakyRelu(0.2)] {
            let network = network(seed as u64, &[3, 8, 11, 14], hidden, output);
            let code = matrix(60, 3, 1);
            let mut observation = matrix(61, 14, 1);
            observation[4] = f64::NAN;
            let (_, gradient) = loss_and_gradient(&network, observation.as_slice(), code.as_slice());
            for entry in 0..3 {
                let loss_at = |offset: f64| {
                    let mut moved = code.clone();
                    moved[entry] += offset;
                    loss_and_gradient(&network, observation.as_slice(), moved.as_slice()).0
                };
                let difference = (loss_at(1e-6) - loss_at(-1e-6)) / 2e-6;
                assert!((difference - gradient[entry]).abs() < 1e-7, "{output}: {difference} and {}", gradient[entry]);
            }
        }
    }
}

/// Against the normal equations where the network is affine, and against the gradient where it is
/// not.
#[test]
fn levenberg_marquardt_ends_at_minima() {
    let affine = network(20, &[4, 30], Activation::Identity, Activation::Identity);
    let mut x = matrix(21, 30, 1);
    x[7] = f64::NAN;
    let found = levenberg_marquardt(&affine, x.as_slice(), &[0.5; 4], &MarquardtRules::IN_F32);
    let known: Vec<usize> = (0..30).filter(|row| *row != 7).collect();
    let layer = &affine.layers()[0];
    let (w, right) = (layer.weight().select_rows(&known), (x.column(0) - &layer.bias).select_rows(&known));
    let solved = w.clone().svd(true, true).solve(&right, 1e-12).unwrap();
    let least = 0.5 * (&w * &solved - right).norm_squared();
    assert!((found.loss - least).abs() <= 1e-5 * least, "{} and {least}", found.loss);
    assert!(found.steps > 0 && found.steps < 10);

    let curved = network(22, &[4, 20, 30], Activation::LeakyRelu(0.3), Activation::Tanh);
    let x = forward(&curved, 0..2, &matrix(23, 4, 1)) + matrix(24, 30, 1) * 0.1;
    let start = matrix(23, 4, 1) * 1.1;
    let found = levenberg_marquardt(&curved, x.as_slice(), start.as_slice(), &MarquardtRules::IN_F32);
    let (loss, gradient) = loss_and_gradient(&curved, x.as_slice(), &found.code);
    let (loss_before, gradient_before) = loss_and_gradient(&curved, x.as_slice(), start.as_slice());
    assert!((loss - found.loss).abs() <= 1e-12 * loss && loss < loss_before);
    let norm = |g: &[f64]| g.iter().map(|g| g * g).sum::<f64>().sqrt();
    assert!(norm(&gradient) < 1e-2 * norm(&gradient_before), "{gradient:?}");

    // A zero step makes no move; with nothing observed there is no step; with a NaN there is no
    // loss.
    let none = MarquardtRules { steps: 0, ..MarquardtRules::IN_F32 };
    assert_eq!(levenberg_marquardt(&curved, x.as_slice(), start.as_slice(), &none).code, start.as_slice());
    let blank = vec![f64::NAN; 30];
    let found = levenberg_marquardt(&curved, &blank, start.as_slice(), &MarquardtRules::IN_F32);
    assert_eq!((found.code.as_slice(), found.loss), (start.as_slice(), 0.0));
    assert!(!levenberg_marquardt(&curved, x.as_slice(), &[f64::NAN; 4], &MarquardtRules::IN_F32).loss.is_finite());
}

/// With one layer, the gradient is `Wᵀ δ`.
#[test]
fn the_residual_is_that_of_the_loss() {
    for (seed, output) in OUTPUTS.into_iter().enumerate() {
        for length in [1, SUMMED_ENTRIES, 3 * SUMMED_ENTRIES - 1] {
            let network = network(90 + seed as u64, &[4, length], Activation::Relu, output);
            let code = matrix(91, 4, 1);
            let mut observation = matrix(92, length, 1);
            if length > 1 {
                observation[length - 1] = f64::NAN;
            }
            let layer = &network.layers()[0];
            let (delta, squares) = residual(layer, code.as_slice(), observation.as_slice());
            let (loss, gradient) = loss_and_gradient(&network, observation.as_slice(), code.as_slice());
            assert_eq!(squares.len(), length.div_ceil(SUMMED_ENTRIES));
            assert!((0.5 * squares.iter().sum::<f64>() - loss).abs() <= 1e-12 * loss);
            let found = layer.weight().tr_mul(&DMatrix::from_vec(length, 1, delta));
            let expected = DMatrix::from_vec(4, 1, gradient);
            expect(matrices("twin of the residual", &found, &expected, &expected.map(|g| 1e-12 * (1.0 + g.abs()))));
        }
    }
}

#[test]
fn the_gram_matrix_is_the_product() {
    let jacobian = matrix(95, 11, 4);
    let mut observation = matrix(96, 11, 1);
    (observation[2], observation[10]) = (f64::NAN, f64::NAN);
    let observed = jacobian.clone().remove_rows_at(&[2, 10]);
    let product = observed.tr_mul(&observed);
    let found = gram(&jacobian, observation.as_slice());
    let expected: Vec<f64> = (0..4).flat_map(|i| (0..=i).map(move |j| (i, j))).map(|at| product[at]).collect();
    assert_eq!(found.len(), 10);
    assert!(found.iter().zip(&expected).all(|(found, expected)| (found - expected).abs() < 1e-13));
}
