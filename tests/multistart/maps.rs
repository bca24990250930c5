//! The search through a linear map that has only products, against the same map as a matrix.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use nalgebra::DMatrix;
use unrelu::internals::linalg::linear_map::LinearMap;
use unrelu::internals::multistart::point::Point;
use unrelu::internals::multistart::{BestAnswer, PackedNetwork, best_batch};
use unrelu::internals::random::{Domain, normal_vector};
use unrelu::{Activation, BestOptions, Network, Objective};

use crate::support::{code, generate, loss, network, perturbed, relative_error};

/// A matrix, by its products. Counts them, and the unit vectors among their arguments.
#[derive(Debug)]
struct Map {
    matrix: DMatrix<f64>,
    /// Whether arguments and results are rounded to single precision.
    single: bool,
    applied: AtomicUsize,
    adjoints: AtomicUsize,
    columns: AtomicUsize,
    unit_vectors: AtomicUsize,
}

impl Map {
    fn gaussian(rows: usize, columns: usize, single: bool) -> Arc<Map> {
        let entries = normal_vector(9, Domain::Operator, 0, rows * columns);
        let matrix = DMatrix::from_vec(rows, columns, entries) / (rows as f64).sqrt();
        let [applied, adjoints, columns, unit_vectors] = Default::default();
        Arc::new(Map { matrix, single, applied, adjoints, columns, unit_vectors })
    }

    fn rounded(&self, entries: &DMatrix<f64>) -> DMatrix<f64> {
        if self.single { entries.map(|entry| f64::from(entry as f32)) } else { entries.clone() }
    }
}

impl LinearMap for Map {
    fn inputs(&self) -> usize {
        self.matrix.ncols()
    }
    fn outputs(&self) -> usize {
        self.matrix.nrows()
    }
    fn apply(&self, inputs: &DMatrix<f64>) -> DMatrix<f64> {
        let is_unit = |column: &&[f64]| column.iter().filter(|x| **x != 0.0).eq([&1.0]);
        let units = inputs.as_slice().chunks(inputs.nrows()).filter(is_unit).count();
        self.applied.fetch_add(1, Ordering::Relaxed);
        self.columns.fetch_add(inputs.ncols(), Ordering::Relaxed);
        self.unit_vectors.fetch_add(units, Ordering::Relaxed);
        self.rounded(&(&self.matrix * self.rounded(inputs)))
    }
    fn adjoint(&self, outputs: &DMatrix<f64>) -> DMatrix<f64> {
        self.adjoints.fetch_add(1, Ordering::Relaxed);
        self.rounded(&self.matrix.tr_mul(&self.rounded(outputs)))
    }
}

const LEAKY: Activation = Activation::LeakyRelu(0.2);

/// `A G(z)` with `noise`, for some codes; every third entry hidden if `hidden`.
fn measurements(network: &Network, matrix: &DMatrix<f64>, count: u64, noise: f64, hidden: bool) -> DMatrix<f64> {
    let columns = (0..count).flat_map(|index| {
        let image = DMatrix::from_vec(matrix.ncols(), 1, generate(network, &code(network, 70 + index)));
        perturbed((matrix * image).as_slice(), noise, index)
    });
    let mut y = DMatrix::from_iterator(matrix.nrows(), count as usize, columns);
    for (index, entry) in y.iter_mut().enumerate() {
        if hidden && index % 3 == 0 {
            *entry = f64::NAN;
        }
    }
    y
}

fn search(packed: &PackedNetwork, y: &DMatrix<f64>, objective: Objective) -> Vec<BestAnswer> {
    best_batch(packed, y, 0, &[], &BestOptions::default().objective(objective))
}

/// What two searches that may differ by rounding agree on.
fn assert_same(found: &BestAnswer, expected: &BestAnswer, within: f64, case: &str) {
    let [a, b] = [found, expected].map(|a| (a.converged, a.determined, a.stationary, a.reproduced));
    assert_eq!(a, b, "{case}: {found:?}, {expected:?}");
    let difference = (found.loss - expected.loss).abs();
    // What is left of a reproduced observation is rounding.
    assert!(expected.reproduced || difference <= within * expected.loss, "{case}: {found:?}, {expected:?}");
    if expected.determined {
        let error = relative_error(&found.code, &expected.code);
        assert!(error <= 1e4 * within, "{case}: {error}, {found:?}, {expected:?}");
    }
}

#[test]
fn products_find_what_the_matrix_finds() {
    for (seed, output) in (1..).zip([Activation::Relu, LEAKY, Activation::Sigmoid, Activation::Tanh]) {
        let network = network(&[4, 12, 40], Activation::Relu, output, seed);
        let map = Map::gaussian(24, 40, false);
        let by_matrix = PackedNetwork::measured_by(network.clone(), &map.matrix);
        let by_products = PackedNetwork::measured_by_map(network.clone(), Arc::clone(&map) as _);
        assert_eq!(by_products.product_error(), 0.0);
        let is_curved = matches!(output, Activation::Sigmoid | Activation::Tanh);
        for objective in [Objective::L2, Objective::L1, Objective::Linf] {
            if is_curved && objective != Objective::L2 {
                continue;
            }
            for (noise, hidden) in [(0.0, false), (0.0, true), (0.1, false), (0.1, true)] {
                let y = measurements(&network, &map.matrix, 4, noise, hidden);
                let expected = search(&by_matrix, &y, objective);
                for (found, expected) in search(&by_products, &y, objective).iter().zip(&expected) {
                    let case = format!("{output}, {objective}, noise {noise}, hidden {hidden}");
                    assert_same(found, expected, 1e-9, &case);
                }
            }
        }
        // Only the sums of absolute columns, for `l1` and `linf`, need unit vectors.
        let expected = if is_curved { 0 } else { 40 };
        assert_eq!(map.unit_vectors.load(Ordering::Relaxed), expected, "{output}");
    }
}

/// Outputs that are pinned on their kinks: more of them than the code has entries, with noise that
/// pushes each below 0.
#[test]
fn minima_on_kinks_are_found_by_products() {
    let network = network(&[3, 8, 30], Activation::Relu, Activation::Relu, 5);
    let map = Map::gaussian(30, 30, false);
    let by_matrix = PackedNetwork::measured_by(network.clone(), &map.matrix);
    let by_products = PackedNetwork::measured_by_map(network.clone(), Arc::clone(&map) as _);
    let y = measurements(&network, &map.matrix, 12, 0.5, false);
    let mut on_kinks = 0;
    for (place, (found, expected)) in
        search(&by_products, &y, Objective::L2).iter().zip(search(&by_matrix, &y, Objective::L2)).enumerate()
    {
        assert_same(found, &expected, 1e-9, &format!("observation {place}"));
        let mut point = Point::new(&by_products);
        point.code.clone_from(&found.code);
        point.run(&by_products, y.column(place).as_slice());
        on_kinks += point.received(1)[..30].iter().filter(|a| a.abs() < 1e-11).count();
    }
    assert!(on_kinks >= 3, "{on_kinks}");
}

/// Products in single precision: the search ends by its stop rule, near the answers of the matrix.
#[test]
fn products_in_single_precision_end_the_search() {
    for (seed, output) in (1..).zip([Activation::Relu, LEAKY, Activation::Sigmoid, Activation::Tanh]) {
        let network = network(&[4, 12, 40], Activation::Relu, output, seed);
        let map = Map::gaussian(24, 40, true);
        let by_matrix = PackedNetwork::measured_by(network.clone(), &map.matrix);
        let by_products = PackedNetwork::measured_by_map(network.clone(), Arc::clone(&map) as _);
        assert!((1e-8..1e-6).contains(&by_products.product_error()), "{}", by_products.product_error());
        let objectives = match output {
            Activation::Sigmoid | Activation::Tanh => &[Objective::L2][..],
            _ => &[Objective::L2, Objective::L1, Objective::Linf],
        };
        for (objective, noise) in objectives.iter().flat_map(|objective| [(*objective, 0.0), (*objective, 0.1)]) {
            let y = measurements(&network, &map.matrix, 4, noise, false);
            let expected = search(&by_matrix, &y, objective);
            for (found, expected) in search(&by_products, &y, objective).iter().zip(&expected) {
                let case = format!("{output}, {objective}, noise {noise}: {found:?}, {expected:?}");
                // Rounding makes minima of squares differ from each other, so that more of them are
                // descended from: `linf` then takes more runs, and may find a lower minimum.
                let is_lower = found.loss < expected.loss * (1.0 - 1e-5) && objective == Objective::Linf;
                assert!(found.converged && found.runs <= 10 * expected.runs, "{case}");
                if is_lower {
                    continue;
                }
                assert_eq!((found.determined, found.reproduced), (expected.determined, noise == 0.0), "{case}");
                let error = relative_error(&found.code, &expected.code);
                // Steps for `l1` and `linf` are judged by the objective alone, those for squares
                // also by the gradient, which is more accurate.
                let within = if objective == Objective::L2 { 1e-5 } else { 1e-4 };
                assert!(!expected.determined || error < within, "{case}: {error}");
            }
        }
    }
}

#[test]
fn the_number_of_products_is_bounded() {
    let network = network(&[4, 12, 40], Activation::Relu, Activation::Relu, 1);
    let map = Map::gaussian(24, 40, false);
    let packed = PackedNetwork::measured_by_map(network.clone(), Arc::clone(&map) as _);
    let counts = || [&map.applied, &map.columns, &map.adjoints].map(|count| count.load(Ordering::Relaxed));
    assert_eq!(counts(), [1, 3, 1]);
    // The answer reproduces the measurements, so that the search ends at it.
    let y = measurements(&network, &map.matrix, 1, 0.0, false);
    let answer = &search(&packed, &y, Objective::L2)[0];
    let [applied, columns, adjoints] = counts();
    assert!(answer.reproduced, "{answer:?}");
    // Each step applies the map to one column and to one for each entry of the code.
    assert!(applied <= 80 * answer.runs && columns <= 200 * answer.runs && adjoints <= 40 * answer.runs);
    assert_eq!(map.unit_vectors.load(Ordering::Relaxed), 0);
}

#[test]
fn several_points_take_one_product() {
    let network = network(&[4, 12, 40], Activation::Relu, Activation::Tanh, 3);
    let map = Map::gaussian(24, 40, false);
    let packed = PackedNetwork::measured_by_map(network.clone(), Arc::clone(&map) as _);
    let y = measurements(&network, &map.matrix, 1, 0.1, true);
    let mut points = vec![Point::new(&packed); 5];
    for (seed, point) in (0..).zip(&mut points) {
        point.code = code(&network, seed);
    }
    let before = map.applied.load(Ordering::Relaxed);
    Point::run_together(&mut points, &packed, y.as_slice());
    assert_eq!(map.applied.load(Ordering::Relaxed), before + 1);
    for point in points {
        let image = DMatrix::from_vec(40, 1, generate(&network, &point.code));
        let residual = (&map.matrix * image - &y).map(|e| if e.is_nan() { 0.0 } else { e });
        assert!((point.loss - 0.5 * residual.norm_squared()).abs() <= 1e-13 * point.loss);
    }
}

/// The matrix as a layer of the network, against nalgebra's products.
#[test]
fn the_loss_is_that_of_the_measurements() {
    let network = network(&[4, 12, 40], Activation::Relu, LEAKY, 2);
    let map = Map::gaussian(24, 40, false);
    let packed = PackedNetwork::measured_by_map(network.clone(), Arc::clone(&map) as _);
    let y = measurements(&network, &map.matrix, 3, 0.1, true);
    for (answer, y) in search(&packed, &y, Objective::L2).iter().zip(y.column_iter()) {
        let bias = nalgebra::DVector::zeros(24);
        let last = unrelu::DenseLayer { weight: map.matrix.clone(), bias, activation: Activation::Identity };
        let whole = Network::dense(network.dense_layers().into_iter().chain([last]).collect()).unwrap();
        let expected = loss(&whole, y.as_slice(), &answer.code);
        assert!((answer.loss - expected).abs() <= 1e-12 * expected);
    }
}
