//! Searches and refinement on chains, and the refusals of methods that do not take them.

use nalgebra::DMatrix;
use unrelu::internals::cpu::descend::loss_and_gradient;
use unrelu::{
    Activation, BestMethod, BestOptions, Dense, DenseLayer, DeviceChoice, Inverter, LayerwiseMethod, LayerwiseOptions,
    Method, Network, Objective, Operator as _, Options, Projector, RecoverOptions, Recoverer, Status, Strategy,
};

use crate::fixtures::{IDENTITY, RELU, TANH, all, dcgan};

fn options(method: Method) -> Options {
    Options::default().method(method).device(DeviceChoice::Cpu)
}

fn best() -> Method {
    Method::Best(BestMethod::default())
}

fn layerwise(method: LayerwiseMethod) -> Method {
    Method::Layerwise(LayerwiseOptions::default().method(method))
}

#[test]
fn best_finds_the_codes_of_outputs() {
    let (mut found, mut count) = (0, 0);
    for (name, network) in all() {
        let codes = network.random_codes(6, 5);
        let observations = network.forward(&codes).unwrap();
        let inverted = Inverter::new(network, options(best())).unwrap().invert(&observations).unwrap();
        let near = |column: &usize| (inverted.codes.column(*column) - codes.column(*column)).amax() < 1e-6;
        let right = (0..6).filter(near).count();
        assert!(right >= 4, "{name}: {right} of 6");
        (found, count) = (found + right, count + 6);
    }
    assert!(20 * found >= 19 * count, "{found} of {count}");
}

/// With noise and hidden entries, the answer is a minimum by the gradient of another
/// implementation. Where the minimum may lie on kinks, no code around it has a lower loss.
#[test]
fn answers_with_noise_are_minima() {
    for (name, network) in all() {
        let truth = network.random_codes(4, 6);
        let mut observations = network.forward(&truth).unwrap();
        let noise =
            DMatrix::from_fn(observations.nrows(), 4, |row, column| ((row * 7 + column * 3) as f64 * 1.7).sin());
        // The variation of an observation tells whether it is explained.
        for (mut observation, noise) in observations.column_iter_mut().zip(noise.column_iter()) {
            let share = 0.1 * observation.variance().sqrt();
            observation += share * noise;
        }
        observations.column_mut(2).iter_mut().step_by(3).for_each(|x| *x = f64::NAN);
        let inverted = Inverter::new(network.clone(), options(best())).unwrap().invert(&observations).unwrap();
        for column in 0..4 {
            let observation = observations.column(column);
            let code = inverted.codes.column(column);
            // Converged says that the code is proven to be a minimum, to first order if curved.
            assert_eq!(inverted.rows[column].status, Status::Converged, "{name}");
            let (loss, gradient) = loss_and_gradient(&network, observation.as_slice(), code.as_slice());
            let (at_truth, _) = loss_and_gradient(&network, observation.as_slice(), truth.column(column).as_slice());
            assert!(loss <= at_truth, "{name}: {loss} above {at_truth}");
            let size: f64 = gradient.iter().map(|g| g * g).sum::<f64>().sqrt();
            if !name.contains("relu") {
                assert!(size < 1e-5 * (1.0 + loss), "{name}: gradient {size:e}");
            }
            for direction in network.random_codes(20, 7).column_iter() {
                let moved = code + 1e-4 * direction;
                let (around, _) = loss_and_gradient(&network, observation.as_slice(), moved.as_slice());
                assert!(around >= loss * (1.0 - 1e-7), "{name}: {around} below {loss}");
            }
        }
    }
}

#[test]
fn the_batch_does_not_matter() {
    let network = dcgan(RELU, TANH, 3);
    let observations = network.forward(&network.random_codes(5, 8)).unwrap();
    let inverter = Inverter::new(network, options(best())).unwrap();
    let together = inverter.invert(&observations).unwrap();
    let alone = inverter.invert_from(&observations.columns(3, 1).into_owned(), 3).unwrap();
    assert_eq!(alone.codes.column(0), together.codes.column(3));
}

#[test]
fn refinement_and_descent_take_chains() {
    for (name, network) in all().into_iter().step_by(3) {
        let codes = network.random_codes(3, 9);
        let observations = network.forward(&codes).unwrap();
        let descent = Method::Descent(unrelu::DescentOptions::default().iterations(50));
        let options = options(descent).refine(Objective::L2);
        let inverted = Inverter::new(network.clone(), options).unwrap().invert(&observations).unwrap();
        let outputs = network.forward(&inverted.codes).unwrap();
        let reproduced = (0..3).filter(|column| (outputs.column(*column) - observations.column(*column)).amax() < 1e-6);
        assert!(reproduced.count() >= 1, "{name}");
    }
}

#[test]
fn small_convolutions_are_inverted_layer_by_layer() {
    let network = dcgan(RELU, IDENTITY, 1);
    assert_eq!(network.layerwise_obstacle(), None);
    let codes = network.random_codes(6, 10);
    let observations = network.forward(&codes).unwrap();
    for method in [LayerwiseMethod::Exact, LayerwiseMethod::Linf] {
        let inverter = Inverter::new(network.clone(), options(layerwise(method))).unwrap();
        let inverted = inverter.invert(&observations).unwrap();
        let good: Vec<usize> = (0..6).filter(|column| inverted.rows[*column].status.is_good()).collect();
        assert!(good.len() >= 4, "{method}: {} of 6", good.len());
        for column in good {
            let made = network.forward(&inverted.codes.columns(column, 1).into_owned()).unwrap();
            assert!((made.column(0) - observations.column(column)).amax() < 1e-4, "{method}");
        }
    }
}

fn refusal(network: &Network, options: Options) -> String {
    Inverter::new(network.clone(), options).unwrap_err().to_string()
}

#[test]
fn methods_that_need_more_refuse_with_the_reason() {
    let curved = dcgan(crate::fixtures::SILU, TANH, 1);
    let found = refusal(&curved, options(layerwise(LayerwiseMethod::Linf)));
    assert!(found.contains("activation silu in layer 1") && found.contains("`best` or `descent`"), "{found}");
    let mut search = BestOptions::default();
    search.objective = Objective::L1;
    let found = refusal(&curved, options(Method::Best(BestMethod::default().search(search))));
    assert!(found.contains("objective") && found.contains("silu in layer 1"), "{found}");
    let operations = r#"{"op": "conv2d", "weight": "k1", "padding": 1}, {"op": "relu"}, {"op": "reshape", "shape": [8, 2, 2]},
                        {"op": "conv2d", "weight": "k2"}"#;
    let shapes: [(&str, &[usize]); 2] = [("k1", &[2, 1, 3, 3]), ("k2", &[3, 8, 1, 1])];
    let reshaped = crate::fixtures::network("[1, 4, 4]", operations, &shapes, 1);
    let found = refusal(&reshaped, options(best()).device(DeviceChoice::Gpu));
    assert!(found.contains("layers 1 and 2") && found.contains("another shape"), "{found}");
    assert!(found.contains("conv2d 8×2×2") && found.contains("device: cpu"), "{found}");
}

/// Measurements of an image that is not the generator's own vector, and the projection for loops.
#[test]
fn recovery_and_projection_take_chains() {
    for (name, network) in all().into_iter().filter(|(name, _)| name.starts_with("dcgan")).step_by(5) {
        let codes = network.random_codes(4, 11);
        let images = network.forward(&codes).unwrap();
        let operator = Box::new(Dense::gaussian(60, network.observation_length(), 3).unwrap());
        let measurements = operator.apply(&images);
        let search = Strategy::Search(BestOptions::default());
        // The method of the inversion, linf by default, has no part in the search.
        let with = RecoverOptions::default().strategy(search).inversion(Options::default().device(DeviceChoice::Cpu));
        let recovered = Recoverer::new(network.clone(), operator, with).unwrap().recover(&measurements).unwrap();
        let made = network.forward(&recovered.codes).unwrap();
        let near = (0..4).filter(|column| (made.column(*column) - images.column(*column)).amax() < 1e-5).count();
        assert!(near >= 3, "{name}: {near} of 4 recovered");

        let projector = Projector::new(network.clone(), options(best())).unwrap();
        let first = projector.project(&images, None).unwrap();
        let moved = &images * 1.01;
        let second = projector.project(&moved, Some(&first.codes)).unwrap();
        let alone = Inverter::new(network.clone(), options(best())).unwrap().invert(&moved).unwrap();
        let searched = network.forward(&alone.codes).unwrap();
        for column in 0..4 {
            let error = |images: &DMatrix<f64>, x: &DMatrix<f64>| (images.column(column) - x.column(column)).norm();
            assert!(error(&first.images, &images) < 1e-6, "{name}: {column}");
            let by_search = error(&searched, &moved);
            assert!(error(&second.images, &moved) <= 1.01 * by_search + 1e-9, "{name}: {column}");
        }
    }
}

/// With large residuals Gauss–Newton steps become short; the codes are minima all the same, and
/// called so.
#[test]
fn smooth_networks_converge_with_large_residuals() {
    let random = Network::random(&[4, 20, 40], Activation::Relu, 3).unwrap();
    let layer = |index: usize, activation| {
        let layer = &random.layers()[index];
        DenseLayer { weight: layer.weight().clone(), bias: layer.bias.clone(), activation }
    };
    let softplus = Activation::Softplus { beta: 1.0, threshold: 20.0 };
    let network = Network::new(vec![layer(0, softplus), layer(1, Activation::Identity)], "softplus").unwrap();
    let codes = network.random_codes(60, 5);
    let mut observations = network.forward(&codes).unwrap();
    let noise = DMatrix::from_fn(40, 60, |row, column| ((row * 7 + column * 11) as f64 * 1.7).sin());
    observations += 0.5 * noise;
    let inverted = Inverter::new(network.clone(), options(best())).unwrap().invert(&observations).unwrap();
    let open = inverted.rows.iter().filter(|row| row.status == Status::NotConverged).count();
    assert_eq!(open, 0, "not converged");
    for (column, code) in inverted.codes.column_iter().enumerate() {
        let x = observations.column(column);
        let (loss, gradient) = loss_and_gradient(&network, x.as_slice(), code.as_slice());
        let size: f64 = gradient.iter().map(|g| g * g).sum::<f64>().sqrt();
        assert!(size < 1e-7 * (1.0 + loss), "{column}: gradient {size:e}");
    }
}
