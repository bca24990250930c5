//! A projected-gradient loop written by hand: images from 100 random measurements of 200 pixels
//! each, all at once.

use unrelu::batch::Options;
use unrelu::cpu::forward::forward;
use unrelu::network::Activation;
use unrelu::projector::Projector;
use unrelu::random::{Domain, normal_vector, random_network};

fn main() -> unrelu::Result<()> {
    let (m, n, k, count) = (100, 200, 8, 20);
    let network = random_network(&[k, 40, n], Activation::Relu, 1)?;
    let numbers =
        |domain, rows, columns| nalgebra::DMatrix::from_vec(rows, columns, normal_vector(2, domain, 0, rows * columns));
    let truth = forward(&network, 0..2, &numbers(Domain::Code, k, count));
    let a = numbers(Domain::Noise, m, n) / (m as f64).sqrt(); // columns of about unit norm
    let y = &a * &truth;

    let projector = Projector::new(network, Options { refine: true, ..Options::default() })?;
    let mut images = nalgebra::DMatrix::zeros(n, count);
    let mut codes = None;
    for iteration in 0..=60 {
        let residual = &a * &images - &y;
        let step = &images - a.tr_mul(&residual) * 0.5;
        let projected = projector.project(&step, codes.as_ref())?;
        if iteration % 20 == 0 {
            println!("iteration {iteration}: residual {:.1e}", residual.norm() / y.norm());
        }
        (images, codes) = (projected.images, Some(projected.codes));
    }
    println!("relative error of the images: {:.1e}", (images - &truth).norm() / truth.norm());
    Ok(())
}
