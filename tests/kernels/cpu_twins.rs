//! The CPU twins against formulas that share no code with them.

use nalgebra::DMatrix;
use unrelu::cpu::descend::loss_and_gradient;
use unrelu::cpu::forward::forward;
use unrelu::network::Activation;

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
            expected = &layer.weight * &expected;
            for mut column in expected.column_iter_mut() {
                column += &layer.bias;
                column.apply(|a| *a = layer.activation.apply(*a));
            }
        }
        let allowed = DMatrix::from_element(expected.nrows(), 6, 1e-13);
        expect(matrices("twin of the product", &forward(&network, 0..3, &codes), &expected, &allowed));
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
