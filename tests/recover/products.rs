//! Operators that are applied to batches, without their matrix.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use nalgebra::DMatrix;
use unrelu::internals::random::random_network;
use unrelu::{
    Activation, BestMethod, Dense, DenseLayer, DescentOptions, DeviceChoice, Method, Network, Operator, Optimizer,
    Options, ProjectedOptions, RecoverOptions, Recoverer, Strategy,
};

use crate::support::{codes, errors, images};

/// A matrix that is applied, and says how often it was asked for.
#[derive(Debug, Clone)]
struct Applied {
    dense: Dense,
    asked: Arc<AtomicUsize>,
}

impl Operator for Applied {
    fn pixels(&self) -> usize {
        self.dense.pixels()
    }
    fn measurements(&self) -> usize {
        self.dense.measurements()
    }
    fn apply(&self, images: &DMatrix<f64>) -> DMatrix<f64> {
        self.dense.apply(images)
    }
    fn adjoint(&self, measurements: &DMatrix<f64>) -> DMatrix<f64> {
        self.dense.adjoint(measurements)
    }
    fn matrix(&self) -> Option<DMatrix<f64>> {
        self.asked.fetch_add(1, Ordering::Relaxed);
        self.dense.matrix()
    }
    fn is_matrix_free(&self) -> bool {
        true
    }
    fn identity(&self) -> (String, String) {
        self.dense.identity()
    }
}

fn applied() -> Applied {
    Applied { dense: Dense::gaussian(40, 60, 1).unwrap(), asked: Arc::default() }
}

/// Ends in an affine layer with a bias, or in another activation.
fn network(output: Activation) -> Network {
    let hidden = random_network(&[5, 20], Activation::Relu, 1).unwrap().layers()[0].clone();
    let last = random_network(&[20, 60], Activation::Relu, 2).unwrap().layers()[0].clone();
    let bias = last.bias.map(|_| 0.25);
    Network::dense(vec![hidden, DenseLayer { bias, activation: output, ..last }]).unwrap()
}

fn cpu(method: Method) -> Options {
    Options::default().method(method).device(DeviceChoice::Cpu)
}

#[test]
fn products_find_the_codes_that_the_matrix_finds() {
    let descent = Method::Descent(DescentOptions::default().iterations(3000).restarts(3).optimizer(Optimizer::Adam));
    let best = || Method::Best(BestMethod::default());
    let projected = || Strategy::Projected(ProjectedOptions::default().restarts(5));
    for (output, strategy, method, asked) in [
        (Activation::Identity, Strategy::default(), best(), 0),
        (Activation::Identity, Strategy::Direct, descent, 0),
        (Activation::Identity, projected(), best(), 0),
        // No product takes the place of the matrix behind a kink.
        (Activation::Relu, Strategy::default(), best(), 1),
        (Activation::Relu, projected(), best(), 0),
    ] {
        let (network, operator) = (network(output), applied());
        let truth = codes(&network, 12, 3);
        let y = operator.apply(&images(&network, &truth));
        let options = RecoverOptions::default().strategy(strategy.clone()).inversion(cpu(method));
        let found = |operator: Box<dyn Operator>| {
            let recovered = Recoverer::new(network.clone(), operator, options.clone()).unwrap().recover(&y).unwrap();
            errors(&recovered.codes, &truth).iter().filter(|error| **error < 1e-3).count()
        };
        let (by_matrix, by_products) = (found(Box::new(operator.dense.clone())), found(Box::new(operator.clone())));
        assert!(by_products >= 9 && by_products.abs_diff(by_matrix) <= 2, "{strategy:?}: {by_products}, {by_matrix}");
        assert_eq!(operator.asked.load(Ordering::Relaxed), asked, "{output}, {strategy:?}");
    }
}

/// Says other sizes than its products have, or makes numbers that are not finite.
#[derive(Debug)]
struct Broken(DMatrix<f64>);

impl Operator for Broken {
    fn pixels(&self) -> usize {
        60
    }
    fn measurements(&self) -> usize {
        7
    }
    fn apply(&self, images: &DMatrix<f64>) -> DMatrix<f64> {
        &self.0 * images
    }
    fn adjoint(&self, measurements: &DMatrix<f64>) -> DMatrix<f64> {
        self.0.transpose() * measurements
    }
    fn matrix(&self) -> Option<DMatrix<f64>> {
        Some(self.0.clone())
    }
    fn is_matrix_free(&self) -> bool {
        true
    }
    fn identity(&self) -> (String, String) {
        ("broken".to_owned(), String::new())
    }
}

#[test]
fn products_that_do_not_fit_are_refused() {
    let options = || RecoverOptions::default().inversion(cpu(Method::Best(BestMethod::default())));
    for (matrix, word) in
        [(DMatrix::from_element(6, 60, 1.0), "7 × 20"), (DMatrix::from_element(7, 60, f64::NAN), "NaN")]
    {
        let made = Recoverer::new(network(Activation::Identity), Box::new(Broken(matrix)), options());
        let error = made.unwrap_err();
        assert!(error.is_usage() && error.to_string().contains(word), "{error}");
    }
    let direct = options().strategy(Strategy::Direct);
    let made = Recoverer::new(network(Activation::Identity), Box::new(applied()), direct);
    assert!(made.unwrap_err().to_string().contains("not pixels"));
}
