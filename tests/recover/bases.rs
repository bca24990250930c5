//! Bases of the last call: the answers are those of a call without them, and the work is less.

use nalgebra::DMatrix;
use unrelu::internals::random::random_network;
use unrelu::{
    Activation, Bases, DeviceChoice, Inverter, LayerwiseMethod, LayerwiseOptions, Method, Network, Options, Projection,
    Projector, RowRule, SolverChoice, Status, WarmStart,
};

use crate::support::{codes, images, moved, network};

fn options(layerwise: LayerwiseOptions) -> Options {
    Options::default().method(Method::Layerwise(layerwise)).device(DeviceChoice::Cpu)
}

fn projector(network: &Network, layerwise: LayerwiseOptions) -> Projector {
    Projector::new(network.clone(), options(layerwise)).unwrap()
}

fn linf() -> LayerwiseOptions {
    LayerwiseOptions::default()
}

/// The first column whose status differs, or whose codes differ by more than 1e-9 of their size.
fn difference(a: &Projection, b: &Projection) -> Option<usize> {
    (0..a.codes.ncols()).find(|&column| {
        let (a_code, b_code) = (a.codes.column(column), b.codes.column(column));
        let same_nan = a_code.iter().zip(b_code.iter()).all(|(a, b)| a.is_nan() == b.is_nan());
        let size = 1.0 + a_code.iter().filter(|z| !z.is_nan()).fold(0.0, |most: f64, z| most.max(z.abs()));
        let is_far = (a_code - b_code).iter().any(|d| d.abs() > 1e-9 * size);
        a.status[column] != b.status[column] || !same_nan || is_far
    })
}

#[test]
fn a_difference_is_found() {
    let network = network();
    let projector = projector(&network, linf());
    let cold = projector.project(&moved(&images(&network, &codes(&network, 3, 3)), 0.01, 4), None).unwrap();
    for entry in [1e-6, f64::NAN] {
        let mut other = cold.clone();
        other.codes[(2, 1)] += entry;
        assert_eq!(difference(&cold, &other), Some(1));
    }
    let mut other = cold.clone();
    other.status[2] = Status::NotConverged;
    assert_eq!((difference(&cold, &other), difference(&cold, &cold)), (Some(2), None));
}

/// Follows slowly moving observations, and compares every projection with one without a warm start.
/// Returns the rounds of classifications without and with bases: each round of programs begins with
/// a classification, and a search that goes on from a basis has no rounds.
fn follow(network: &Network, layerwise: LayerwiseOptions, count: usize) -> (u64, u64) {
    let projector = projector(network, layerwise);
    let dispatches = || projector.inverter().runtime().device().dispatches();
    let truth = moved(&images(network, &codes(network, count, 3)), 0.01, 4);
    let (mut cold_rounds, mut warm_rounds) = (0, 0);
    let mut last = projector.project(&moved(&truth, 1e-3, 5), None).unwrap();
    for step in 1..6 {
        let observations = moved(&truth, 1e-3 * 0.7f64.powi(step), 5);
        let before = dispatches();
        let cold = projector.project(&observations, None).unwrap();
        let between = dispatches();
        let warm = projector.project(&observations, &last).unwrap();
        cold_rounds += between - before;
        warm_rounds += dispatches() - between;
        assert_eq!(difference(&cold, &warm), None, "{layerwise:?}, step {step}");
        last = warm;
    }
    (cold_rounds, warm_rounds)
}

#[test]
fn answers_are_those_without_bases_and_programs_are_fewer() {
    let leaky = Activation::LeakyRelu(0.2);
    for sizes in [&[5, 20, 60][..], &[4, 12, 30, 80], &[6, 40]] {
        for (activation, rows) in
            [(Activation::Relu, RowRule::Corrected), (leaky, RowRule::Corrected), (leaky, RowRule::Printed)]
        {
            let network = random_network(sizes, activation, 1).unwrap();
            for count in [1, 12] {
                let (cold, warm) = follow(&network, linf().rows(rows), count);
                // The printed rows have no optimum that serves several steps.
                assert!(
                    rows == RowRule::Printed || 2 * warm <= cold,
                    "{sizes:?} {activation}: {warm} of {cold} rounds"
                );
            }
        }
    }
}

#[test]
fn ladders_start_from_bases_too() {
    for method in [LayerwiseMethod::L1, LayerwiseMethod::Relaxed, LayerwiseMethod::Exact] {
        for activation in [Activation::Relu, Activation::LeakyRelu(0.2)] {
            let network = random_network(&[5, 20, 60], activation, 1).unwrap();
            let (cold, warm) = follow(&network, linf().method(method), 6);
            assert!(warm <= cold, "{method} {activation}: {warm} of {cold} rounds");
        }
    }
}

/// Clarabel solves every program from the beginning.
#[test]
fn another_solver_agrees() {
    for activation in [Activation::Relu, Activation::LeakyRelu(0.2)] {
        let network = random_network(&[5, 20, 60], activation, 2).unwrap();
        let observations = moved(&images(&network, &codes(&network, 8, 3)), 0.01, 4);
        let projector = projector(&network, linf());
        let last = projector.project(&moved(&observations, 1e-3, 6), None).unwrap();
        let warm = projector.project(&observations, &last).unwrap();
        let clarabel = Inverter::new(network.clone(), options(linf()).solver(SolverChoice::Clarabel)).unwrap();
        let clarabel = clarabel.invert(&observations).unwrap();
        for column in 0..8 {
            assert_eq!(warm.status[column], clarabel.rows[column].status, "{activation}, {column}");
            let error = (warm.codes.column(column) - clarabel.codes.column(column)).amax();
            assert!(error < 1e-6, "{activation}, {column}: {error}");
        }
    }
}

/// Bases of other observations, of a network with the same layers, of another method: answers stay.
#[test]
fn a_basis_that_does_not_belong_changes_nothing() {
    let network = random_network(&[5, 20, 60], Activation::Relu, 2).unwrap();
    let other = random_network(&[5, 20, 60], Activation::Relu, 7).unwrap();
    let observations = moved(&images(&network, &codes(&network, 8, 3)), 0.01, 4);
    let elsewhere = moved(&images(&network, &codes(&network, 8, 33)), 0.5, 44);
    let projector_of = |network: &Network, method| projector(network, linf().method(method));
    let linf_of = |network: &Network| projector_of(network, LayerwiseMethod::Linf);
    let foreign = [
        linf_of(&network).project(&elsewhere, None).unwrap(),
        linf_of(&other).project(&elsewhere, None).unwrap(),
        linf_of(&network).project(&(&observations * 1e-5), None).unwrap(),
        linf_of(&network).project(&(&observations * 1e5), None).unwrap(),
        projector_of(&network, LayerwiseMethod::L1).project(&observations, None).unwrap(),
        projector_of(&network, LayerwiseMethod::Relaxed).project(&observations, None).unwrap(),
    ];
    for method in [LayerwiseMethod::Linf, LayerwiseMethod::L1, LayerwiseMethod::Relaxed] {
        let projector = projector_of(&network, method);
        let cold = projector.project(&observations, None).unwrap();
        for (place, foreign) in foreign.iter().enumerate() {
            let start = WarmStart::default().bases(&foreign.bases);
            let warm = projector.project(&observations, start).unwrap();
            assert_eq!(difference(&cold, &warm), None, "{method}, {place}");
        }
    }
}

#[test]
fn entries_may_be_missing_that_were_not() {
    let network = random_network(&[5, 20, 60], Activation::Relu, 2).unwrap();
    let observations = moved(&images(&network, &codes(&network, 6, 3)), 0.01, 4);
    let hidden = |first: usize| {
        let mut observations = observations.clone();
        (0..6).for_each(|column| (first..60).step_by(7).for_each(|row| observations[(row, column)] = f64::NAN));
        observations[(5, 0)] = f64::INFINITY;
        observations.column_mut(1).fill(f64::NAN);
        observations
    };
    let projector = projector(&network, linf());
    let mut last = projector.project(&observations, None).unwrap();
    for first in [0, 3, 60, 1] {
        let observations = hidden(first);
        let cold = projector.project(&observations, None).unwrap();
        let warm = projector.project(&observations, &last).unwrap();
        assert_eq!(difference(&cold, &warm), None, "{first}");
        assert!(matches!(warm.status[1], Status::Failed(_)) == (first < 60 || warm.status[1].failure().is_some()));
        last = warm;
    }
}

#[test]
fn shapes_that_do_not_fit_are_refused() {
    let network = network();
    let observations = moved(&images(&network, &codes(&network, 4, 3)), 0.01, 4);
    let projector = projector(&network, linf());
    let last = projector.project(&observations, None).unwrap();
    let refused = |observations: &DMatrix<f64>, start: WarmStart<'_>, why: &str| {
        let error = projector.project(observations, start).unwrap_err();
        assert!(error.is_usage() && error.to_string().contains(why), "{error}");
    };
    let three = observations.columns(0, 3).into_owned();
    refused(&three, WarmStart::default().bases(&last.bases), "4 sets of bases");
    refused(&three, WarmStart::from(&last), "4 codes");
    for sizes in [&[5, 21, 60][..], &[5, 60], &[5, 20, 61], &[6, 20, 60]] {
        let other = random_network(sizes, Activation::Relu, 1).unwrap();
        let other_observations = moved(&images(&other, &codes(&other, 4, 3)), 0.01, 4);
        let other = self::projector(&other, linf()).project(&other_observations, None).unwrap();
        refused(&observations, WarmStart::default().bases(&other.bases), "bases of a network with other layers");
    }
    // Without observations they are as none, and a selection fits the selected observations.
    let cold = projector.project(&three, None).unwrap();
    for bases in [Bases::default(), last.bases.select(&[0, 1, 2])] {
        let warm = projector.project(&three, WarmStart::default().bases(&bases)).unwrap();
        assert_eq!(difference(&cold, &warm), None);
    }
}

/// A loop of projected gradient steps ends where it ends with codes only, and without warm starts.
#[test]
fn a_loop_is_the_same() {
    let network = random_network(&[5, 20, 60], Activation::Relu, 2).unwrap();
    let operator = unrelu::Dense::gaussian(30, 60, 3).unwrap();
    use unrelu::Operator;
    let measured = moved(&operator.apply(&images(&network, &codes(&network, 5, 3))), 0.01, 8);
    let projector = projector(&network, linf());
    let run = |project: &dyn Fn(&DMatrix<f64>, Option<&Projection>) -> Projection| {
        let (mut images, mut last) = (DMatrix::zeros(60, 5), None);
        for _ in 0..20 {
            let step = &images - operator.adjoint(&(operator.apply(&images) - &measured)) * 0.3;
            let projected = project(&step, last.as_ref());
            images = projected.images.clone();
            last = Some(projected);
        }
        images
    };
    let cold = run(&|step, _| projector.project(step, None).unwrap());
    let with_codes = run(&|step, last| projector.project(step, last.map(|last| &last.codes)).unwrap());
    let with_bases =
        run(&|step, last| projector.project(step, last.map_or_else(WarmStart::default, WarmStart::from)).unwrap());
    assert!(cold.amax() > 0.1, "{}", cold.amax());
    assert!((&with_codes - &with_bases).amax() < 1e-7, "{}", (&with_codes - &with_bases).amax());
    assert!((&cold - &with_bases).amax() < 1e-7, "{}", (&cold - &with_bases).amax());
}

/// A code that reproduces its observation is the answer whether there are bases or not: they only
/// prove, of other observations, that there is no such code.
#[test]
fn codes_answer_alone_where_they_did_without_bases() {
    for activation in [Activation::Relu, Activation::LeakyRelu(0.2)] {
        let network = random_network(&[5, 20, 60], activation, 2).unwrap();
        let clean = images(&network, &codes(&network, 12, 3));
        let projector = projector(&network, linf());
        let last = projector.project(&moved(&clean, 0.01, 4), None).unwrap();
        let mut counts = Vec::new();
        for size in [0.0, 1e-9, 1e-7, 3e-7, 1e-6, 1e-5, 1e-3] {
            let observations = moved(&clean, size, 5);
            let from_codes = projector.project(&observations, &last.codes).unwrap();
            let from_both = projector.project(&observations, &last).unwrap();
            assert_eq!(from_codes.from_warm_start, from_both.from_warm_start, "{activation}, {size}");
            assert_eq!(difference(&from_codes, &from_both), None, "{activation}, {size}");
            counts.push(from_both.from_warm_start.iter().filter(|warm| **warm).count());
        }
        assert!(counts[0] > 8 && counts[6] == 0, "{activation}: {counts:?}");
    }
}
