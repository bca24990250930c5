use super::*;
use crate::batch::rows::empty_row;
use crate::batch::{BestMethod, Inverter, NoiseLaw};
use crate::descent::DescentOptions;
use crate::device::DeviceChoice;
use crate::lp::layer::LayerwiseOptions;
use crate::network::DenseLayer;
use crate::outcome::{Failure, LayerRow};
use crate::random::random_network;
use nalgebra::{DMatrix, DVector};

fn network(output: Activation) -> Network {
    let network = random_network(&[2, 6], Activation::Relu, 1).unwrap();
    let layer = DenseLayer { activation: output, ..network.layers()[0].to_dense() };
    Network::new(vec![layer], "test").unwrap()
}

fn layerwise(method: LayerwiseMethod) -> Method {
    Method::Layerwise(LayerwiseOptions { method, ..LayerwiseOptions::default() })
}

fn best(objective: Objective) -> Method {
    let mut best = BestMethod::default();
    best.search.objective = objective;
    Method::Best(best)
}

/// A row whose last layer was solved at this tolerance.
fn row(status: Status, epsilon: f64) -> ObservationRow {
    let layer = LayerRow {
        layer: 1,
        epsilon,
        objective: 0.0,
        active_rows: 0,
        determined: true,
        undetermined_entries: 0,
        solves: 1,
        warm_started: 0,
        iterations: 0,
        pivots: 0,
        retries: 0,
        certified: true,
    };
    ObservationRow { layers: vec![layer], ..empty_row(0, status) }
}

/// The row after judging outputs that miss `observation` by `errors`.
fn judged(options: &Options, observation: &[f64], errors: &[f64], mut row: ObservationRow) -> ObservationRow {
    let output: Vec<f64> = observation.iter().zip(errors).map(|(x, e)| x + e).collect();
    let network = network(Activation::Identity);
    if row.epsilon.is_nan() {
        row.epsilon = 1e-6;
    }
    Judge::of(options, &network).judge(observation, &output, &[0.1, 0.2], &mut row);
    row
}

const X: [f64; 6] = [1.0, -1.0, 1.0, -1.0, 1.0, -1.0];

fn fit_of(options: &Options, error: f64) -> Fit {
    judged(options, &X, &[error; 6], row(Status::Solved, 0.0)).fit.unwrap()
}

#[test]
fn without_noise_the_residual_is_compared_with_the_tolerance() {
    for method in [layerwise(LayerwiseMethod::Linf), layerwise(LayerwiseMethod::L1), best(Objective::L2)] {
        let options = Options { method, ..Options::default() };
        assert_eq!(fit_of(&options, 1.9e-6), Fit::Reproduced);
        assert_eq!(fit_of(&options, 2.1e-6), Fit::Approximate);
        assert_eq!(fit_of(&options, 0.49), Fit::Approximate);
        assert_eq!(fit_of(&options, 0.51), Fit::Unexplained);
    }
}

#[test]
fn named_noise_explains_what_it_can_cause() {
    let of = |method, refine| Options { method, refine, noise: Some(0.1), ..Options::default() };
    // Layer by layer: up to twice the noise.
    assert_eq!(fit_of(&of(layerwise(LayerwiseMethod::Linf), None), 0.19), Fit::Reproduced);
    assert_eq!(fit_of(&of(layerwise(LayerwiseMethod::L1), None), 0.19), Fit::Reproduced);
    assert_eq!(fit_of(&of(layerwise(LayerwiseMethod::Linf), None), 0.21), Fit::Approximate);
    // A fit of all layers passes its own test: χ²₀.₉₉₉(6) = 22.5, so a root mean square of 1.93.
    assert_eq!(fit_of(&of(layerwise(LayerwiseMethod::Linf), Some(Objective::L2)), 0.19), Fit::Reproduced);
    assert_eq!(fit_of(&of(best(Objective::L2), None), 0.2), Fit::Approximate);
    assert_eq!(fit_of(&of(best(Objective::Linf), None), 0.11), Fit::Approximate);
    // In its own norm: `max|r| ≤ 0.1`, and `Σ|r| ≤ 0.1 (6 + 4√6) = 1.58`.
    assert_eq!(fit_of(&of(layerwise(LayerwiseMethod::Linf), Some(Objective::Linf)), 0.099), Fit::Reproduced);
    assert_eq!(fit_of(&of(layerwise(LayerwiseMethod::Linf), Some(Objective::Linf)), 0.11), Fit::Approximate);
    assert_eq!(fit_of(&of(layerwise(LayerwiseMethod::L1), Some(Objective::L1)), 0.26), Fit::Reproduced);
    assert_eq!(fit_of(&of(layerwise(LayerwiseMethod::L1), Some(Objective::L1)), 0.27), Fit::Approximate);
    // The user knows that the noise is larger than the signal.
    let large = Options { noise: Some(2.0), method: best(Objective::L2), ..Options::default() };
    assert_eq!(fit_of(&large, 1.9), Fit::Reproduced);
}

#[test]
fn a_large_tolerance_of_a_program_excuses_nothing() {
    let unnamed = Options { method: layerwise(LayerwiseMethod::Linf), ..Options::default() };
    let named = Options { noise: Some(0.1), ..unnamed.clone() };
    for options in [unnamed, named] {
        let fit = |error| judged(&options, &X, &[error; 6], row(Status::Solved, 9.0)).fit;
        assert_eq!((fit(0.3), fit(0.6)), (Some(Fit::Approximate), Some(Fit::Unexplained)));
    }
}

#[test]
fn exact_promises_a_pre_image() {
    let options = Options { method: layerwise(LayerwiseMethod::Exact), ..Options::default() };
    let fit = |error, epsilon| judged(&options, &X, &[error; 6], row(Status::Solved, epsilon));
    assert_eq!(fit(0.9e-4, 1e-5).status, Status::Solved);
    let missed = fit(1.1e-4, 1e-5);
    assert_eq!((missed.fit, missed.status.clone()), (Some(Fit::Unexplained), Status::Unexplained));
    assert!(!missed.determined);
    assert_eq!(fit(1.9e-6, 1e-12).status, Status::Solved);
}

#[test]
fn unexplained_answers_are_never_good_or_determined() {
    let options = Options { method: best(Objective::L2), ..Options::default() };
    for status in [Status::Solved, Status::Converged, Status::NotConverged, Status::NotCertified] {
        let judged = judged(&options, &X, &[1.0; 6], row(status, 0.0));
        assert!(judged.status == Status::Unexplained && !judged.status.is_good() && !judged.determined);
    }
    let failed = judged(&options, &X, &[f64::NAN; 6], row(Status::Failed(Failure::Diverged), 0.0));
    assert_eq!((failed.fit, failed.status), (None, Status::Failed(Failure::Diverged)));
}

#[test]
fn an_iteration_that_reproduces_has_converged() {
    let descent = Options { method: Method::Descent(DescentOptions::default()), ..Options::default() };
    assert_eq!(judged(&descent, &X, &[1e-7; 6], row(Status::NotConverged, 0.0)).status, Status::Converged);
    assert_eq!(judged(&descent, &X, &[1e-3; 6], row(Status::NotConverged, 0.0)).status, Status::NotConverged);
    // Within a named noise, a lower minimum may exist.
    let noisy = Options { noise: Some(0.1), ..descent };
    assert_eq!(judged(&noisy, &X, &[1e-7; 6], row(Status::NotConverged, 0.0)).status, Status::NotConverged);
    // A program without a certificate stays without.
    let linf = Options { method: layerwise(LayerwiseMethod::Linf), ..Options::default() };
    assert_eq!(judged(&linf, &X, &[0.0; 6], row(Status::NotCertified, 0.0)).status, Status::NotCertified);
}

#[test]
fn sums_forgive_gross_errors_where_the_method_does() {
    // One of twenty entries is wrong by five times the variation.
    let x: Vec<f64> = (0..40).map(|i| if i % 2 == 0 { 1.0 } else { -1.0 }).collect();
    let errors: Vec<f64> = (0..40).map(|i| if i % 20 == 0 { 5.0 } else { 1e-3 }).collect();
    let fit = |method| judged(&Options { method, ..Options::default() }, &x, &errors, row(Status::Solved, 0.0)).fit;
    assert_eq!(fit(layerwise(LayerwiseMethod::L1)), Some(Fit::Approximate));
    assert_eq!(fit(best(Objective::L1)), Some(Fit::Approximate));
    assert_eq!(fit(best(Objective::L2)), Some(Fit::Unexplained));
}

#[test]
fn only_observed_entries_count_and_scale_does_not() {
    let mut hidden = X;
    hidden[0] = f64::NAN;
    for scale in [1e-200, 1e-6, 1.0, 1e200] {
        let x: Vec<f64> = hidden.iter().map(|x| x * scale).collect();
        let options = Options { method: best(Objective::L2), ..Options::default() };
        let fit = |error: f64| {
            let mut errors = [error * scale; 6];
            errors[0] = 1e9 * scale;
            let mut row = row(Status::Converged, 0.0);
            row.epsilon = 1e-6 * scale;
            judged(&options, &x, &errors, row).fit
        };
        assert_eq!(fit(1e-6), Some(Fit::Reproduced), "{scale}");
        assert_eq!(fit(0.3), Some(Fit::Approximate), "{scale}");
        assert_eq!(fit(0.7), Some(Fit::Unexplained), "{scale}");
    }
    // A constant observation varies by nothing, so only a reproduction explains it.
    let options = Options::default();
    assert_eq!(judged(&options, &[3.0; 6], &[0.0; 6], row(Status::Solved, 0.0)).fit, Some(Fit::Reproduced));
    assert_eq!(judged(&options, &[3.0; 6], &[0.1; 6], row(Status::Solved, 0.0)).fit, Some(Fit::Unexplained));
}

#[test]
fn entries_out_of_range_are_counted_and_announced_once() {
    let network = network(Activation::Sigmoid);
    let options = Options::default().device(DeviceChoice::Cpu);
    let inverter = Inverter::new(network, options).unwrap();
    let inside = DMatrix::from_element(6, 2, 0.25);
    assert!(inverter.invert(&inside).unwrap().rows.iter().all(|row| row.out_of_range == 0));
    assert_eq!(inverter.data_warning(), None);
    let mut pixels = inside;
    pixels.set_column(1, &DVector::from_vec(vec![0.0, 255.0, 12.0, 0.0, 99.0, f64::NAN]));
    let rows = inverter.invert_from(&pixels, 10).unwrap().rows;
    assert_eq!(rows.iter().map(|row| row.out_of_range).collect::<Vec<_>>(), [0, 3]);
    assert!(!rows[1].determined && !rows[1].status.is_good());
    assert!(inverter.data_warning().unwrap().starts_with("observation 11: 3 of 5 entries"));
}

#[test]
fn only_what_is_reproduced_is_determined() {
    for noise in [None, Some(1e-3)] {
        let options = Options { method: best(Objective::L2), noise, ..Options::default() };
        let is_determined = |error| judged(&options, &X, &[error; 6], row(Status::Converged, 0.0)).determined;
        assert!(is_determined(1e-7) && !is_determined(0.1) && !is_determined(0.9));
    }
}

/// With gross errors three quarters of the entries decide, at any size of the others.
#[test]
fn gross_errors_do_not_count() {
    let options = Options { method: best(Objective::L1), noise_law: Some(NoiseLaw::Gross), ..Options::default() };
    let with = |errors: [f64; 8], noise| {
        let options = Options { noise, ..options.clone() };
        let x: Vec<f64> = (0..8).map(f64::from).collect();
        judged(&options, &x, &errors, row(Status::Converged, f64::NAN)).fit
    };
    let errors =
        |gross: usize, other: f64| -> [f64; 8] { std::array::from_fn(|i| if i < gross { 50.0 } else { other }) };
    assert_eq!(with(errors(2, 0.0), None), Some(Fit::Reproduced));
    assert_eq!(with(errors(2, 0.09), Some(0.1)), Some(Fit::Reproduced));
    assert_ne!(with(errors(3, 0.0), None), Some(Fit::Reproduced));
    assert_ne!(with(errors(2, 0.11), Some(0.1)), Some(Fit::Reproduced));
}

/// Behind a sigmoid ε₀ is 1e-6, whatever the size of the observation.
#[test]
fn a_tolerance_larger_than_the_observation_reproduces_nothing() {
    let x: Vec<f64> = X.iter().map(|x| 1e-7 * x).collect();
    let largest = x.iter().fold(0.0, |most: f64, x| most.max(x.abs()));
    let fit = |options: &Options, error: f64| {
        let mut row = row(Status::Converged, 0.0);
        row.epsilon = 1e-6;
        judged(options, &x, &[error; 6], row).fit
    };
    let unnamed = Options { method: best(Objective::L2), ..Options::default() };
    assert_eq!(fit(&unnamed, 0.9 * largest), Some(Fit::Unexplained));
    assert_eq!(fit(&unnamed, 0.1 * largest), Some(Fit::Reproduced));
    // Who names a noise of that size means it.
    let named = Options { noise: Some(1e-6), ..unnamed };
    assert_eq!(fit(&named, 0.9 * largest), Some(Fit::Reproduced));
}
