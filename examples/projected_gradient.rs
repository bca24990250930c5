//! A projected-gradient loop in user code: recovers images of 200 pixels from 100 random
//! measurements each, all at once.

use unrelu::{Activation, Dense, Network, Objective, Operator, Options, Projection, Projector, WarmStart};

fn main() -> unrelu::Result<()> {
    let (m, n, k, count) = (100, 200, 8, 20);
    let network = Network::random(&[k, 40, n], Activation::Relu, 1)?;
    let truth = network.forward(&network.random_codes(count, 2))?;
    let a = Dense::gaussian(m, n, 3)?; // columns of about unit norm
    let y = a.apply(&truth);

    let projector = Projector::new(network, Options::default().refine(Objective::L2))?;
    let mut images = nalgebra::DMatrix::zeros(n, count);
    let mut last: Option<Projection> = None;
    for iteration in 0..=60 {
        let residual = a.apply(&images) - &y;
        let step = &images - a.adjoint(&residual) * 0.5;
        let start = last.as_ref().map_or_else(WarmStart::default, WarmStart::from);
        let projected = projector.project(&step, start)?;
        if iteration % 20 == 0 {
            println!("iteration {iteration}: residual {:.1e}", residual.norm() / y.norm());
        }
        images.copy_from(&projected.images);
        last = Some(projected);
    }
    println!("relative error of the images: {:.1e}", (images - &truth).norm() / truth.norm());
    Ok(())
}
