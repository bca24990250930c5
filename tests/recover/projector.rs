//! The projector, as called in loops.

use nalgebra::{DMatrix, DVector};
use unrelu::internals::multistart::{PackedNetwork, RefineOptions, refine_one};
use unrelu::{
    Activation, DenseLayer, DescentOptions, DeviceChoice, Failure, Inverter, Method, Network, Objective, Options,
    Projector, Status,
};

use crate::support::{codes, errors, images, linf, moved, network};

fn distances(a: &DMatrix<f64>, b: &DMatrix<f64>) -> Vec<f64> {
    a.column_iter().zip(b.column_iter()).map(|(a, b)| (a - b).norm()).collect()
}

#[test]
fn without_a_warm_start_it_is_an_inversion_run_forward() {
    let network = network();
    let observations = moved(&images(&network, &codes(&network, 12, 3)), 0.01, 4);
    for options in [linf(false), linf(true)] {
        let inverted = Inverter::new(network.clone(), options.clone()).unwrap().invert(&observations).unwrap();
        let projected = Projector::new(network.clone(), options).unwrap().project(&observations, None).unwrap();
        assert_eq!(projected.codes, inverted.codes);
        assert!((&projected.images - images(&network, &inverted.codes)).amax() < 1e-12);
        assert!(projected.from_warm_start.iter().all(|warm| !warm));
        let status: Vec<Status> = inverted.rows.into_iter().map(|row| row.status).collect();
        assert_eq!(projected.status, status);
    }
}

#[test]
fn a_warm_start_is_no_worse_and_stays_what_it_claims_to_be() {
    let network = network();
    let projector = Projector::new(network.clone(), linf(true)).unwrap();
    let observations = moved(&images(&network, &codes(&network, 60, 3)), 0.02, 4);
    let first = projector.project(&observations, None).unwrap();
    let slightly = moved(&observations, 1e-4, 5);
    let second = projector.project(&slightly, Some(&first.codes)).unwrap();
    let warm = second.from_warm_start.iter().filter(|warm| **warm).count();
    assert!(warm > 40, "{warm}");
    // Not farther than the old image, and a minimum: refining it again does not reduce the loss.
    let packed = PackedNetwork::new(network.clone());
    let before = distances(&first.images, &slightly);
    for (column, after) in distances(&second.images, &slightly).into_iter().enumerate() {
        if second.from_warm_start[column] {
            assert!(after <= before[column] * (1.0 + 1e-12), "{column}");
            assert_eq!(second.status[column], Status::Converged);
            let mut code: Vec<f64> = second.codes.column(column).iter().copied().collect();
            let again = refine_one(&packed, slightly.column(column).as_slice(), &mut code, &RefineOptions::default());
            assert!(again.loss_after >= again.loss_before * (1.0 - 1e-9), "{again:?}");
        }
    }
    // With a useless warm start, the answer is at least as good as without one.
    let cold = projector.project(&slightly, None).unwrap();
    let nonsense = projector.project(&slightly, Some(&codes(&network, 60, 77))).unwrap();
    for (with, without) in distances(&nonsense.images, &slightly).iter().zip(distances(&cold.images, &slightly)) {
        assert!(*with <= without * (1.0 + 1e-9) || with - without < 1e-9, "{with} {without}");
    }
}

#[test]
fn images_of_the_generator_are_their_own_projections() {
    let network = network();
    let truth = codes(&network, 20, 9);
    let observations = images(&network, &truth);
    for options in [linf(false), linf(true)] {
        let projector = Projector::new(network.clone(), options).unwrap();
        let projected = projector.project(&observations, Some(&moved(&truth, 1e-3, 2))).unwrap();
        assert!(errors(&projected.images, &observations).iter().all(|error| *error < 1e-9));
        assert!(errors(&projected.codes, &truth).iter().all(|error| *error < 1e-6));
    }
}

#[test]
fn bad_columns_have_their_status_and_the_others_do_not_notice() {
    let network = network();
    let truth = codes(&network, 3, 9);
    let mut observations = images(&network, &truth);
    observations[(3, 0)] = f64::INFINITY;
    observations.column_mut(1).fill(f64::NAN);
    let mut warm = truth.clone();
    for warm_start in [None, Some(&truth)] {
        let projected =
            Projector::new(network.clone(), linf(true)).unwrap().project(&observations, warm_start).unwrap();
        let infinite = Failure::InfiniteEntry { entry: 3, value: f64::INFINITY };
        assert_eq!(projected.status[0], Status::Failed(infinite));
        assert_eq!(projected.status[1], Status::Failed(Failure::NothingObserved));
        assert!(projected.codes.columns(0, 2).iter().all(|z| z.is_nan()) && projected.status[2].is_good());
    }
    // An invalid warm start: the same answer as without one.
    warm.column_mut(2).fill(f64::NAN);
    let projector = Projector::new(network.clone(), linf(true)).unwrap();
    let without = projector.project(&observations, None).unwrap();
    assert_eq!(projector.project(&observations, Some(&warm)).unwrap().codes.column(2), without.codes.column(2));
    for wrong in [DMatrix::zeros(4, 3), DMatrix::zeros(5, 2)] {
        assert!(projector.project(&observations, Some(&wrong)).unwrap_err().is_usage());
    }
    assert!(projector.project(&DMatrix::zeros(59, 1), None).unwrap_err().is_usage());
}

#[test]
fn descent_goes_on_from_the_warm_code() {
    let network = network();
    let truth = codes(&network, 8, 9);
    let observations = images(&network, &truth);
    let method = Method::Descent(DescentOptions::default().iterations(20_000));
    let options = Options::default().method(method).device(DeviceChoice::Cpu);
    let projector = Projector::new(network.clone(), options).unwrap();
    let projected = projector.project(&observations, Some(&moved(&truth, 1e-4, 2))).unwrap();
    assert!(errors(&projected.codes, &truth).iter().all(|error| *error < 1e-5), "{:?}", projected.status);
    assert!(projected.from_warm_start.iter().all(|warm| *warm));
}

/// Parts of a set have the answers of the whole: random starts are drawn by the index.
#[test]
fn a_part_has_the_answers_of_the_whole() {
    let network = network();
    let observations = moved(&images(&network, &codes(&network, 6, 9)), 0.1, 4);
    let method = Method::Descent(DescentOptions::default().iterations(50));
    let projector = Projector::new(network, Options::default().method(method).device(DeviceChoice::Cpu)).unwrap();
    let whole = projector.project(&observations, None).unwrap();
    let part = projector.project_from(&observations.columns(4, 2).into_owned(), None, 4).unwrap();
    assert_eq!(part.codes, whole.codes.columns(4, 2));
    assert_ne!(part.codes, projector.project(&observations.columns(4, 2).into_owned(), None).unwrap().codes);
}

/// If every unit is off, no small change of the code changes the image, and the loss is stationary.
/// The projector must not stay there.
#[test]
fn a_dead_warm_code_is_left() {
    let weight = DMatrix::from_column_slice(2, 1, &[1.0, 2.0]);
    let layer = DenseLayer { weight, bias: DVector::zeros(2), activation: Activation::Relu };
    let network = Network::new(vec![layer], "the test network").unwrap();
    let observations = DMatrix::from_column_slice(2, 1, &[1.0, 2.0]);
    let projector = Projector::new(network, linf(true)).unwrap();
    let projected = projector.project(&observations, Some(&DMatrix::from_element(1, 1, -1.0))).unwrap();
    assert!((projected.codes[0] - 1.0).abs() < 1e-9, "{projected:?}");
    assert!(!projected.from_warm_start[0]);
}

/// A black observation has length 0, so errors cannot be relative to it.
#[test]
fn the_nearer_answer_to_an_empty_observation_is_kept() {
    let weight = DMatrix::from_row_slice(2, 1, &[1.0, -1.0]);
    let layer = DenseLayer { weight, bias: DVector::from_element(2, 1.0), activation: Activation::Relu };
    let network = Network::new(vec![layer], "the test network").unwrap();
    let projector = Projector::new(network, linf(true)).unwrap();
    // At 5 the image is (6, 0), and (2, 0) where the second unit switches on again. No code has an
    // image nearer to zero than sqrt 2.
    let projected = projector.project(&DMatrix::zeros(2, 1), Some(&DMatrix::from_element(1, 1, 5.0))).unwrap();
    let cold = projector.project(&DMatrix::zeros(2, 1), None).unwrap();
    assert!(projected.images.norm() <= cold.images.norm() + 1e-9, "{projected:?} {cold:?}");
}

/// With `refine`, every projection is a local minimum, also those from descent with a warm start.
#[test]
fn a_warm_descent_is_refined() {
    let network = network();
    let truth = codes(&network, 6, 9);
    let observations = moved(&images(&network, &truth), 0.05, 3);
    let method = Method::Descent(DescentOptions::default().iterations(3));
    let options = Options::default().method(method).refine(Objective::L2).device(DeviceChoice::Cpu);
    let projected = Projector::new(network.clone(), options).unwrap().project(&observations, Some(&truth)).unwrap();
    let mut codes = projected.codes.clone();
    let packed = PackedNetwork::new(network);
    for (column, observation) in observations.column_iter().enumerate() {
        let mut code: Vec<f64> = codes.column(column).iter().copied().collect();
        let refinement = refine_one(&packed, observation.as_slice(), &mut code, &RefineOptions::default());
        assert!(refinement.loss_after >= refinement.loss_before * (1.0 - 1e-9), "{refinement:?}");
        codes.set_column(column, &DMatrix::from_vec(code.len(), 1, code).column(0));
    }
    assert!(projected.from_warm_start.iter().all(|warm| *warm));
}

/// docs/RECOVERY.md has the measured figure; this only checks that warm starts save time.
#[test]
fn a_warm_start_spares_the_programs() {
    let network = unrelu::internals::random::random_network(&[20, 100, 400], unrelu::Activation::Relu, 1).unwrap();
    let projector = Projector::new(network.clone(), linf(true)).unwrap();
    let observations = moved(&images(&network, &codes(&network, 20, 3)), 0.02, 4);
    // Each round of linear programs begins with a classification on the device.
    let rounds = |observations: &DMatrix<f64>, warm: Option<&DMatrix<f64>>| {
        let before = projector.inverter().runtime().device().dispatches();
        let projected = projector.project(observations, warm).unwrap();
        (projector.inverter().runtime().device().dispatches() - before, projected)
    };
    let (cold, first) = rounds(&observations, None);
    let (warm, second) = rounds(&moved(&observations, 1e-4, 5), Some(&first.codes));
    assert!(second.from_warm_start.iter().all(|warm| *warm));
    assert!(cold > 0 && warm == 0, "{warm} rounds warm, {cold} cold");
}

/// A projection has no report in which they could stand.
#[test]
fn what_a_projection_cannot_report_is_refused() {
    let network = network();
    let refused = |options: Options, option: &str| {
        let error = Projector::new(network.clone(), options).unwrap_err().to_string();
        assert!(error.contains(option) && error.contains("`Projector`"), "{error}");
    };
    refused(Options::default().uncertainty(true), "uncertainty");
    refused(Options::default().alternatives(3), "alternatives");
}
