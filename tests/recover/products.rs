//! Operators that are applied to batches, without their matrix.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use nalgebra::DMatrix;
use unrelu::internals::random::random_network;
use unrelu::{
    Activation, BestMethod, BestOptions, Dense, DenseLayer, DescentOptions, DeviceChoice, Method, Network, Objective,
    Operator, Optimizer, Options, ProjectedOptions, RecoverOptions, Recoverer, Strategy,
};

use crate::support::{codes, errors, images};

/// A matrix that is applied, and says how often it was asked for.
#[derive(Debug, Clone)]
pub struct Applied {
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

pub fn applied() -> Applied {
    Applied { dense: Dense::gaussian(40, 60, 1).unwrap(), asked: Arc::default() }
}

/// Ends in an affine layer with a bias, or in another activation.
fn network(output: Activation) -> Network {
    let hidden = random_network(&[5, 20], Activation::Relu, 1).unwrap().layers()[0].to_dense();
    let last = random_network(&[20, 60], Activation::Relu, 2).unwrap().layers()[0].to_dense();
    let bias = last.bias.map(|_| 0.25);
    Network::dense(vec![hidden, DenseLayer { bias, activation: output, ..last }]).unwrap()
}

fn cpu(method: Method) -> Options {
    Options::default().method(method).device(DeviceChoice::Cpu)
}

#[test]
fn products_find_the_codes_that_the_matrix_finds() {
    let descent = || Method::Descent(DescentOptions::default().iterations(3000).restarts(3).optimizer(Optimizer::Adam));
    let best = || Method::Best(BestMethod::default());
    let projected = || Strategy::Projected(ProjectedOptions::default().restarts(5));
    for (output, strategy, method, asked) in [
        (Activation::Identity, Strategy::default(), best(), 0),
        (Activation::Identity, Strategy::Direct, descent(), 0),
        (Activation::Identity, projected(), best(), 0),
        (Activation::Relu, Strategy::default(), best(), 0),
        (Activation::LeakyRelu(0.2), Strategy::default(), best(), 0),
        (Activation::Sigmoid, Strategy::default(), best(), 0),
        (Activation::Tanh, Strategy::default(), best(), 0),
        (Activation::Relu, projected(), best(), 0),
        // Gradient descent is for networks with dense layers.
        (Activation::Relu, Strategy::Direct, descent(), 1),
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

/// Says other sizes than its products have, or makes numbers that are not finite, or is not linear.
#[derive(Debug)]
struct Broken {
    matrix: DMatrix<f64>,
    power: i32,
}

impl Operator for Broken {
    fn pixels(&self) -> usize {
        60
    }
    fn measurements(&self) -> usize {
        7
    }
    fn apply(&self, images: &DMatrix<f64>) -> DMatrix<f64> {
        (&self.matrix * images).map(|y| y.powi(self.power))
    }
    fn adjoint(&self, measurements: &DMatrix<f64>) -> DMatrix<f64> {
        self.matrix.transpose() * measurements
    }
    fn matrix(&self) -> Option<DMatrix<f64>> {
        Some(self.matrix.clone())
    }
    fn is_matrix_free(&self) -> bool {
        true
    }
    fn identity(&self) -> (String, String) {
        ("broken".to_owned(), String::new())
    }
}

/// An operator whose products are changed.
#[derive(Debug)]
struct Spoilt {
    right: Applied,
    apply: fn(DMatrix<f64>) -> DMatrix<f64>,
    adjoint: fn(DMatrix<f64>) -> DMatrix<f64>,
}

impl Spoilt {
    fn not(right: Applied) -> Self {
        Spoilt { right, apply: |y| y, adjoint: |images| images }
    }
}

impl Operator for Spoilt {
    fn pixels(&self) -> usize {
        self.right.pixels()
    }
    fn measurements(&self) -> usize {
        self.right.measurements()
    }
    fn apply(&self, images: &DMatrix<f64>) -> DMatrix<f64> {
        (self.apply)(self.right.apply(images))
    }
    fn adjoint(&self, measurements: &DMatrix<f64>) -> DMatrix<f64> {
        (self.adjoint)(self.right.adjoint(measurements))
    }
    fn matrix(&self) -> Option<DMatrix<f64>> {
        None
    }
    fn is_matrix_free(&self) -> bool {
        true
    }
    fn identity(&self) -> (String, String) {
        ("spoilt".to_owned(), String::new())
    }
}

#[test]
fn products_that_do_not_fit_are_refused() {
    let options = || RecoverOptions::default().inversion(cpu(Method::Best(BestMethod::default())));
    for (output, matrix, word) in [
        (Activation::Identity, DMatrix::from_element(6, 60, 1.0), "7 × 20"),
        (Activation::Identity, DMatrix::from_element(7, 60, f64::NAN), "NaN"),
        (Activation::Relu, DMatrix::from_element(6, 60, 1.0), "7 × 3, one column per column given"),
        (Activation::Relu, DMatrix::from_element(7, 60, f64::NAN), "not finite"),
    ] {
        let made = Recoverer::new(network(output), Box::new(Broken { matrix, power: 1 }), options());
        let error = made.unwrap_err();
        assert!(error.is_usage() && error.to_string().contains(word), "{error}");
    }
    // An adjoint that is not that of the map.
    let scaled = Spoilt { adjoint: |images| images * 1.5, ..Spoilt::not(applied()) };
    let error = Recoverer::new(network(Activation::Relu), Box::new(scaled), options()).unwrap_err();
    assert!(error.is_usage() && error.to_string().contains("and its adjoint"), "{error}");
    // A shape that is wrong for one column only, as where a language drops axes of length 1.
    let squeeze = |y: DMatrix<f64>| if y.ncols() == 1 { y.transpose() } else { y };
    let squeezed = Spoilt { apply: squeeze, ..Spoilt::not(applied()) };
    let squeezed = Recoverer::new(network(Activation::Relu), Box::new(squeezed), options()).unwrap();
    let error = squeezed.recover(&DMatrix::from_element(40, 2, 1.0)).unwrap_err();
    assert!(error.is_usage() && error.to_string().contains("`apply`"), "{error}");
    let squares = Broken { matrix: DMatrix::from_element(7, 60, 1.0), power: 2 };
    let error = Recoverer::new(network(Activation::Relu), Box::new(squares), options()).unwrap_err();
    assert!(error.is_usage() && error.to_string().contains("a linear map"), "{error}");
    let direct = options().strategy(Strategy::Direct);
    let made = Recoverer::new(network(Activation::Identity), Box::new(applied()), direct);
    assert!(made.unwrap_err().to_string().contains("not pixels"));
}

/// Fails after some products, as an operator of another language does after an exception.
#[derive(Debug)]
struct Failing(Dense, Arc<AtomicUsize>);

impl Operator for Failing {
    fn pixels(&self) -> usize {
        self.0.pixels()
    }
    fn measurements(&self) -> usize {
        self.0.measurements()
    }
    fn apply(&self, images: &DMatrix<f64>) -> DMatrix<f64> {
        let is_left = |left: usize| left.checked_sub(1);
        let fails = self.1.fetch_update(Ordering::Relaxed, Ordering::Relaxed, is_left).is_err();
        self.0.apply(images).map(|y| if fails { f64::NAN } else { y })
    }
    fn adjoint(&self, measurements: &DMatrix<f64>) -> DMatrix<f64> {
        self.0.adjoint(measurements)
    }
    fn matrix(&self) -> Option<DMatrix<f64>> {
        None
    }
    fn is_matrix_free(&self) -> bool {
        true
    }
    fn identity(&self) -> (String, String) {
        self.0.identity()
    }
}

#[test]
fn products_that_fail_later_fail_their_observations_only() {
    for objective in [Objective::L2, Objective::L1, Objective::Linf] {
        let network = network(Activation::Relu);
        let dense = Dense::gaussian(40, 60, 1).unwrap();
        let y = dense.apply(&images(&network, &codes(&network, 2, 3))).map(|y| y + 0.05 * (1e3 * y).sin());
        for count in [0, 1, 2, 3, 7, 20, 50] {
            let left = Arc::new(AtomicUsize::new(usize::MAX));
            let options = RecoverOptions::default()
                .strategy(Strategy::Search(BestOptions::default().starts(60).objective(objective)))
                .inversion(cpu(Method::Best(BestMethod::default())).threads(Some(1)));
            let operator = Box::new(Failing(dense.clone(), Arc::clone(&left)));
            let recoverer = Recoverer::new(network.clone(), operator, options).unwrap();
            left.store(count, Ordering::Relaxed);
            let failed = recoverer.recover(&y).unwrap();
            assert!(failed.rows.iter().all(|row| !row.status.is_good()), "{:?}", failed.rows);
            // Nothing of it is remembered.
            left.store(usize::MAX, Ordering::Relaxed);
            assert!(recoverer.recover(&y).unwrap().rows.iter().all(|row| row.status.failure().is_none()));
        }
    }
}
