//! The library call: invert a batch, and look at what is said of each observation.

use unrelu::batch::{Inverter, Options};
use unrelu::cpu::forward::forward;
use unrelu::network::Activation;
use unrelu::random::{Domain, normal_vector, random_network};

fn main() -> unrelu::Result<()> {
    let network = random_network(&[10, 40, 120], Activation::Relu, 1)?;
    let codes = nalgebra::DMatrix::from_vec(10, 5, normal_vector(2, Domain::Code, 0, 50));
    let mut observations = forward(&network, 0..2, &codes);
    observations[(3, 1)] = f64::NAN; // was not observed
    observations[(0, 2)] = f64::INFINITY; // is broken

    let inverter = Inverter::new(network, Options::default())?;
    let inverted = inverter.invert(&observations)?;
    for (row, (found, truth)) in inverted.rows.iter().zip(inverted.codes.column_iter().zip(codes.column_iter())) {
        let error = (found - truth).norm() / truth.norm();
        println!("observation {}: {}, relative code error {error:.1e}", row.index, row.status);
    }
    Ok(())
}
