//! How often gradient descent finds the code where the layer-wise methods always do: random 20 →
//! 100 → 500, no noise.

use std::sync::Arc;

use unrelu::batch::{Inverter, Method, Options};
use unrelu::cpu::forward::forward;
use unrelu::descent::DescentOptions;
use unrelu::network::Activation;
use unrelu::random::{Domain, normal_vector, random_network};

const COUNT: usize = 200;

fn main() -> unrelu::Result<()> {
    for activation in [Activation::Relu, Activation::LeakyRelu(0.1)] {
        let network = Arc::new(random_network(&[20, 100, 500], activation, 11)?);
        let codes: Vec<f64> = (0..COUNT as u64).flat_map(|index| normal_vector(12, Domain::Code, index, 20)).collect();
        let codes = nalgebra::DMatrix::from_vec(20, COUNT, codes);
        let observations = forward(&network, 0..2, &codes);
        for iterations in [100, 1000] {
            let method = Method::Descent(DescentOptions { iterations, ..DescentOptions::default() });
            let inverter = Inverter::new(Arc::clone(&network), Options { method, ..Options::default() })?;
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
