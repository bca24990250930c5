//! The library call: inverts a batch and prints the status of each observation.

use unrelu::{Activation, Inverter, Network, Options};

fn main() -> unrelu::Result<()> {
    let network = Network::random(&[10, 40, 120], Activation::Relu, 1)?;
    let codes = network.random_codes(5, 2);
    let mut observations = network.forward(&codes)?;
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
