//! The Jacobian of a linear region against central differences of the network, written out with other products.

use unrelu::best::linear_region::ForwardPass;
use unrelu::network::{Activation, Network};

use crate::support::{code, generate, loss, network};

fn networks() -> Vec<Network> {
    let mut networks = Vec::new();
    for (seed, output) in
        [Activation::Relu, Activation::LeakyRelu(0.2), Activation::Identity, Activation::Sigmoid, Activation::Tanh]
            .into_iter()
            .enumerate()
    {
        let seed = seed as u64;
        networks.push(network(&[4, 9], Activation::Relu, output, seed));
        networks.push(network(&[3, 8, 20], Activation::Relu, output, seed));
        networks.push(network(&[5, 11, 17, 30], Activation::LeakyRelu(0.1), output, seed));
    }
    networks
}

#[test]
fn it_is_the_derivative_of_the_network() {
    for (index, network) in networks().iter().enumerate() {
        let z = code(network, 40 + index as u64);
        let mut x = vec![0.25; network.observation_length()];
        x[1] = f64::NAN;
        let mut pass = ForwardPass::new(network);
        pass.code.copy_from_slice(&z);
        pass.run(network, &x);
        assert!((pass.loss - loss(network, &x, &z)).abs() <= 1e-14 * pass.loss);
        let (jacobian, residual) = pass.linearise(network, &x).expect("some row is active");

        // J's rows are a selection of the output's, in order; the gradient Jᵀr sees them all.
        let gradient = jacobian.tr_mul(&residual);
        let squares: Vec<f64> = jacobian.column_iter().map(|column| column.norm_squared()).collect();
        for (entry, (slope, square)) in gradient.iter().zip(&squares).enumerate() {
            let h = 1e-6;
            let shifted = |by: f64| {
                let mut shifted = z.clone();
                shifted[entry] += by;
                shifted
            };
            let difference = (loss(network, &x, &shifted(h)) - loss(network, &x, &shifted(-h))) / (2.0 * h);
            assert!((difference - slope).abs() <= 1e-7, "network {index}, entry {entry}: {slope} and {difference}");
            let (above, below) = (generate(network, &shifted(h)), generate(network, &shifted(-h)));
            let observed = above.iter().zip(&below).zip(&x).filter(|(_, x)| !x.is_nan());
            let column: f64 = observed.map(|((a, b), _)| ((a - b) / (2.0 * h)).powi(2)).sum();
            assert!((column - square).abs() <= 1e-7, "network {index}, column {entry}: {square} and {column}");
        }
    }
}

#[test]
fn rows_that_are_off_or_unobserved_are_left_out() {
    let network = network(&[4, 10, 25], Activation::Relu, Activation::Relu, 3);
    let z = code(&network, 4);
    let made = generate(&network, &z);
    let active = made.iter().filter(|g| **g > 0.0).count();
    let mut x = vec![0.0; 25];
    let mut pass = ForwardPass::new(&network);
    pass.code.copy_from_slice(&z);
    pass.run(&network, &x);
    assert_eq!(pass.linearise(&network, &x).unwrap().0.nrows(), active);
    let hidden = made.iter().position(|g| *g > 0.0).unwrap();
    x[hidden] = f64::NAN;
    pass.run(&network, &x);
    assert_eq!(pass.linearise(&network, &x).unwrap().0.nrows(), active - 1);
    x.fill(f64::NAN);
    pass.run(&network, &x);
    assert_eq!(pass.loss, 0.0);
    assert!(pass.linearise(&network, &x).is_none());
}
