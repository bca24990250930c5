//! The success rate of gradient descent on codes that the layer-wise methods always recover: random
//! 20 → 100 → 500, no noise.

use std::sync::Arc;

use unrelu::{Activation, DescentOptions, Inverter, Method, Network, Options};

const COUNT: usize = 200;

fn main() -> unrelu::Result<()> {
    for activation in [Activation::Relu, Activation::LeakyRelu(0.1)] {
        let network = Arc::new(Network::random(&[20, 100, 500], activation, 11)?);
        let codes = network.random_codes(COUNT, 12);
        let observations = network.forward(&codes)?;
        for iterations in [100, 1000] {
            let method = Method::Descent(DescentOptions::default().iterations(iterations));
            let inverter = Inverter::new(Arc::clone(&network), Options::default().method(method))?;
            let found = inverter.invert(&observations)?.codes;
            let succeeded = found
                .column_iter()
                .zip(codes.column_iter())
                .filter(|(z, truth)| (z - truth).norm() <= 1e-3 * truth.norm());
            let share = 100.0 * succeeded.count() as f64 / COUNT as f64;
            println!(
                "{activation}: descent with {iterations} iterations recovers {share:.1} % of {COUNT} codes to 1e-3"
            );
        }
    }
    Ok(())
}
