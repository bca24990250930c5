//! The requirements for every device, written once and run for each.

use std::sync::Arc;

use nalgebra::{DMatrix, DVector};
use unrelu::internals::cpu::CpuDevice;
use unrelu::internals::device::Device;
use unrelu::{Activation, DenseLayer, DescentOptions, Error, Network};

use crate::fixtures::{OUTPUTS, matrix, network};

/// Creates one test per device from a check.
macro_rules! on_each_device {
    ($($check:ident),* $(,)?) => {
        mod cpu {
            $(#[test] fn $check() { super::$check(super::cpu_device) })*
        }
        #[cfg(feature = "gpu")]
        mod gpu {
            with_both_modules!($($check),*);
            $(fn $check() { super::$check(super::gpu_device) })*
        }
    };
}

on_each_device!(
    forward_follows_the_formula,
    forward_of_some_layers_is_that_part,
    forward_passes_what_is_not_finite,
    configurations_are_strict_and_counted,
    descent_finds_the_least_squares_solution,
    descent_does_not_depend_on_the_batch,
    descent_leaves_out_what_is_unobserved,
    descent_survives_unusable_observations,
    descent_that_diverges_says_so,
    restarts_never_make_it_worse,
    the_iteration_cap_holds,
    wrong_shapes_are_refused,
    no_observations_are_no_problem,
    dispatches_are_counted,
);

type Boxed = Box<dyn Device>;

fn cpu_device(network: &Arc<Network>) -> Boxed {
    Box::new(CpuDevice::new(Arc::clone(network)))
}

#[cfg(feature = "gpu")]
fn gpu_device(network: &Arc<Network>) -> Boxed {
    Box::new(crate::fixtures::gpu::device(network))
}

fn layer(weight: DMatrix<f64>, activation: Activation) -> DenseLayer {
    let bias = DVector::zeros(weight.nrows());
    DenseLayer { weight, bias, activation }
}

/// The paper's Example 1, and a bias.
fn example(output: Activation) -> Arc<Network> {
    let mut first = layer(DMatrix::from_row_slice(2, 2, &[1.0, 2.0, 3.0, 1.0]), Activation::Relu);
    first.bias = DVector::from_column_slice(&[0.5, -1.0]);
    Arc::new(
        Network::new(vec![first, layer(DMatrix::from_row_slice(1, 2, &[1.0, -1.0]), output)], "the example").unwrap(),
    )
}

fn forward_follows_the_formula(open: impl Fn(&Arc<Network>) -> Boxed) {
    for output in OUTPUTS {
        let device = open(&example(output));
        // Hidden: (1·1 + 2·2 + 0.5, 3·1 + 1·2 − 1) = (5.5, 4), then (−2.5, −5), which ReLU sets to
        // 0, and (0.5, 3.5).
        let codes = DMatrix::from_row_slice(2, 3, &[1.0, -1.0, 2.0, 2.0, -1.0, -1.0]);
        let found = device.forward(0..2, &codes).unwrap();
        for (found, pre_activation) in found.iter().zip([1.5, 0.0, -3.5]) {
            let expected = output.apply(pre_activation);
            assert!((found - expected).abs() < 1e-5, "{output}: {found} instead of {expected}");
        }
    }
}

fn forward_of_some_layers_is_that_part(open: impl Fn(&Arc<Network>) -> Boxed) {
    let network = network(1, &[3, 18, 33, 7], Activation::Relu, Activation::Tanh);
    let device = open(&network);
    let codes = matrix(2, 3, 5);
    let hidden = device.forward(0..1, &codes).unwrap();
    assert_eq!(hidden.shape(), (18, 5));
    let rest = device.forward(1..3, &hidden).unwrap();
    let whole = device.forward(0..3, &codes).unwrap();
    assert!((rest - whole).amax() < 1e-6);
}

fn forward_passes_what_is_not_finite(open: impl Fn(&Arc<Network>) -> Boxed) {
    let network = network(3, &[2, 5, 4], Activation::LeakyRelu(0.2), Activation::Identity);
    let device = open(&network);
    let codes = DMatrix::from_row_slice(2, 4, &[1.0, f64::NAN, 1e300, -2.0, 0.5, 1.0, 1.0, 0.25]);
    let found = device.forward(0..2, &codes).unwrap();
    assert!(found.column(1).iter().all(|x| x.is_nan()));
    // Beyond the range of f32, within that of f64.
    assert!(found.column(2).iter().all(|x| x.is_finite()) && found.column(2).amax() > 1e297);
    let alone = device.forward(0..2, &codes.select_columns(&[0, 3])).unwrap();
    assert_eq!(alone, found.select_columns(&[0, 3]));

    // Sums with an intermediate overflow in f32: 1e40 − 1e40, and 2e38 + 2e38 − 4e38.
    let first = layer(DMatrix::from_element(3, 1, 1e20), Activation::Relu);
    let second = DMatrix::from_row_slice(4, 3, &[1.0, -1.0, 0.0, 1.0, 1.0, -2.0, 0.5, 0.25, 0.0, -1.0, 0.0, 0.0]);
    let codes = DMatrix::from_row_slice(1, 2, &[1e20, 2e18]);
    for output in OUTPUTS {
        let layers = vec![first.clone(), layer(second.clone(), output)];
        let network = Arc::new(Network::new(layers, "sums beyond f32").unwrap());
        let device = open(&network);
        let found = device.forward(0..2, &codes).unwrap();
        for (column, hidden) in [1e40, 2e38].into_iter().enumerate() {
            for (row, a) in [0.0, 0.0, 0.75 * hidden, -hidden].into_iter().enumerate() {
                let (found, expected) = (found[(row, column)], output.apply(a));
                assert!((found - expected).abs() <= 1e-6 * expected.abs(), "{output} of {a:e}: {found:e}");
            }
        }
    }
}

fn configurations_are_strict_and_counted(open: impl Fn(&Arc<Network>) -> Boxed) {
    let device = open(&example(Activation::Relu));
    let nothing = f64::NEG_INFINITY;
    let mut targets = DMatrix::from_element(35, 2, nothing);
    for (row, t) in [(0, 0.5), (1, 0.5000001), (2, f64::NAN), (31, f64::INFINITY), (32, 0.4), (34, 1e300)] {
        targets[(row, 0)] = t;
    }
    targets[(33, 1)] = -0.5;
    let found = device.classify(&targets, &[0.5, -1.0]).unwrap();
    let active = |observation: usize| (0..35).filter(|row| found.is_active(observation, *row)).collect::<Vec<_>>();
    assert_eq!(active(0), [1, 31, 34]);
    assert_eq!(active(1), [33]);
    assert_eq!((found.active_count(0), found.active_count(1)), (3, 1));
}

fn descent_finds_the_least_squares_solution(open: impl Fn(&Arc<Network>) -> Boxed) {
    let network = network(4, &[4, 30], Activation::Relu, Activation::Identity);
    let device = open(&network);
    let observations = matrix(5, 30, 3);
    let options = DescentOptions::default().iterations(20_000);
    let found = device.descend((&observations).into(), 0, &options, 0.0).unwrap();
    let layer = &network.layers()[0];
    let pseudo_inverse = layer.weight().clone().pseudo_inverse(1e-12).unwrap();
    for column in 0..3 {
        let expected = &pseudo_inverse * (observations.column(column) - &layer.bias);
        let error = (found.codes.column(column) - &expected).norm() / expected.norm();
        assert!(error < 1e-8, "relative error {error:e}");
        assert!(found.converged[column]);
        let residual = layer.weight() * &expected + &layer.bias - observations.column(column);
        assert!((found.losses[column] - 0.5 * residual.norm_squared()).abs() < 1e-10);
    }
}

fn descent_does_not_depend_on_the_batch(open: impl Fn(&Arc<Network>) -> Boxed) {
    let network = network(6, &[3, 17, 29], Activation::Relu, Activation::Relu);
    let device = open(&network);
    let observations = matrix(7, 29, 23).abs();
    let options = DescentOptions::default().iterations(120).restarts(1).seed(9);
    let whole = device.descend((&observations).into(), 100, &options, 0.0).unwrap();
    for part in [0..1, 1..8, 8..23] {
        let columns: Vec<usize> = part.clone().collect();
        let found = device
            .descend((&observations.select_columns(&columns)).into(), 100 + part.start as u64, &options, 0.0)
            .unwrap();
        assert_eq!(found.codes, whole.codes.select_columns(&columns));
        assert_eq!(found.losses, whole.losses[part.clone()]);
        assert_eq!(found.iterations, whole.iterations[part.clone()]);
        assert_eq!(found.converged, whole.converged[part]);
    }
}

fn descent_leaves_out_what_is_unobserved(open: impl Fn(&Arc<Network>) -> Boxed) {
    let full = network(8, &[3, 25], Activation::Relu, Activation::Identity);
    let device = open(&full);
    let mut observations = matrix(9, 25, 1);
    let observed: Vec<usize> = (0..25).filter(|row| row % 3 != 0).collect();
    for row in (0..25).step_by(3) {
        observations[(row, 0)] = f64::NAN;
    }
    let options = DescentOptions::default().iterations(20_000);
    let found = device.descend((&observations).into(), 0, &options, 0.0).unwrap();
    let layer = &full.layers()[0];
    let weight = layer.weight().select_rows(&observed);
    let target = observations.select_rows(&observed) - layer.bias.select_rows(&observed);
    let expected = weight.pseudo_inverse(1e-12).unwrap() * target;
    assert!((found.codes - &expected).norm() < 1e-8 * expected.norm());
}

fn descent_survives_unusable_observations(open: impl Fn(&Arc<Network>) -> Boxed) {
    let network = network(10, &[2, 9, 20], Activation::LeakyRelu(0.3), Activation::Sigmoid);
    let device = open(&network);
    let good = matrix(11, 20, 5).map(|x| 1.0 / (1.0 + (-x).exp()));
    let options = DescentOptions::default().iterations(200).seed(3);
    let expected = device.descend((&good).into(), 0, &options, 0.0).unwrap();
    let mut bad = good.clone();
    bad[(7, 1)] = f64::INFINITY;
    bad.column_mut(3).fill(f64::NAN);
    let found = device.descend((&bad).into(), 0, &options, 0.0).unwrap();
    for column in [1, 3] {
        assert!(found.codes.column(column).iter().all(|z| z.is_nan()));
        assert!(!found.converged[column] && found.losses[column].is_nan());
    }
    for column in [0, 2, 4] {
        assert_eq!(found.codes.column(column), expected.codes.column(column));
    }
}

fn descent_that_diverges_says_so(open: impl Fn(&Arc<Network>) -> Boxed) {
    let network = network(12, &[3, 40], Activation::Relu, Activation::Identity);
    let device = open(&network);
    let observations = matrix(13, 40, 2);
    let options = DescentOptions::default().step(Some(10.0)).iterations(2000).restarts(1);
    let found = device.descend((&observations).into(), 0, &options, 0.0).unwrap();
    assert!(found.codes.iter().all(|z| z.is_nan()));
    assert_eq!(found.converged, [false, false]);

    // Finite, but out of f32's range: an observation of 1e30 has a loss of 1e60.
    let options = DescentOptions::default().iterations(20_000);
    let large = device.descend((&(observations * 1e30)).into(), 0, &options, 0.0).unwrap();
    assert!(large.codes.iter().all(|z| z.is_finite()) && large.converged == [true, true]);
}

fn restarts_never_make_it_worse(open: impl Fn(&Arc<Network>) -> Boxed) {
    let network = network(14, &[4, 12, 24], Activation::Relu, Activation::Relu);
    let device = open(&network);
    let observations = device.forward(0..2, &matrix(15, 4, 12)).unwrap();
    let with = |restarts| {
        let options = DescentOptions::default().restarts(restarts).iterations(300);
        device.descend((&observations).into(), 0, &options, 0.0).unwrap()
    };
    let (one, five) = (with(0), with(4));
    assert!(one.losses.iter().zip(&five.losses).all(|(one, five)| five <= one));
    assert!(one.losses.iter().zip(&five.losses).any(|(one, five)| five < one), "no restart was ever better");
}

fn the_iteration_cap_holds(open: impl Fn(&Arc<Network>) -> Boxed) {
    let network = network(16, &[4, 12, 24], Activation::Relu, Activation::Relu);
    let device = open(&network);
    let observations = device.forward(0..2, &matrix(17, 4, 3)).unwrap();
    for iterations in [1, 31, 32, 33, 70] {
        let options = DescentOptions::default().iterations(iterations);
        let found = device.descend((&observations).into(), 0, &options, 0.0).unwrap();
        assert_eq!(found.iterations, [iterations as u32; 3]);
        assert_eq!(found.converged, [false; 3]);
    }
}

fn wrong_shapes_are_refused(open: impl Fn(&Arc<Network>) -> Boxed) {
    let device = open(&example(Activation::Relu));
    let three = DMatrix::zeros(3, 4);
    let descent = DescentOptions::default();
    let unending = descent.clone().iterations(0);
    let refused = |error: Option<Error>| matches!(error, Some(Error::Input(_) | Error::BadOption { .. }));
    assert!(refused(device.forward(0..2, &three).err()));
    assert!(refused(device.forward(0..3, &DMatrix::zeros(2, 4)).err()));
    assert!(refused(device.forward(1..1, &DMatrix::zeros(2, 4)).err()));
    assert!(refused(device.classify(&three, &[0.0]).err()));
    assert!(refused(device.classify(&three, &[0.0, 0.0, f64::NAN, 0.0]).err()));
    assert!(refused(device.descend((&three).into(), 0, &descent, 0.0).err()));
    assert!(refused(device.descend((&DMatrix::<f64>::zeros(1, 2)).into(), 0, &unending, 0.0).err()));
}

fn no_observations_are_no_problem(open: impl Fn(&Arc<Network>) -> Boxed) {
    let device = open(&example(Activation::Relu));
    assert_eq!(device.forward(0..2, &DMatrix::zeros(2, 0)).unwrap().shape(), (1, 0));
    assert_eq!(device.classify(&DMatrix::zeros(5, 0), &[]).unwrap().count(), 0);
    assert_eq!(
        device
            .descend((&DMatrix::<f64>::zeros(1, 0)).into(), 0, &DescentOptions::default(), 0.0)
            .unwrap()
            .codes
            .shape(),
        (2, 0)
    );
}

fn dispatches_are_counted(open: impl Fn(&Arc<Network>) -> Boxed) {
    let device = open(&example(Activation::Relu));
    assert_eq!(device.dispatches(), 0);
    let mut last = 0;
    for call in 0..3 {
        match call {
            0 => drop(device.forward(0..2, &DMatrix::zeros(2, 1)).unwrap()),
            1 => drop(device.classify(&DMatrix::zeros(5, 1), &[0.0]).unwrap()),
            _ => {
                drop(device.descend((&DMatrix::<f64>::zeros(1, 1)).into(), 0, &DescentOptions::default(), 0.0).unwrap())
            }
        }
        assert!(device.dispatches() > last, "call {call}");
        last = device.dispatches();
    }
}
