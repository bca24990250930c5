//! The memory after a thousand projections: a separate process, so that no other test's memory
//! counts.

use nalgebra::DMatrix;
use unrelu::internals::cpu::forward::forward;
use unrelu::internals::random::{Domain, normal_vector, random_network};
use unrelu::{Activation, Dense, DeviceChoice, Operator, Options, ProjectedOptions, Projector, Recoverer, Strategy};

fn options() -> Options {
    Options::default().refine(true).device(DeviceChoice::Cpu)
}

fn random(rows: usize, columns: usize) -> DMatrix<f64> {
    DMatrix::from_vec(rows, columns, normal_vector(1, Domain::Code, 0, rows * columns))
}

/// A kept matrix of 8 × 60 numbers per call would add up to 4 MB.
const ALLOWED: u64 = 2_000_000;

/// Both in one test, because two tests would run at the same time.
#[test]
fn a_thousand_projections_leave_nothing_behind() {
    let network = random_network(&[5, 20, 60], Activation::Relu, 1).unwrap();
    let projector = Projector::new(network.clone(), options()).unwrap();
    let images = forward(&network, 0..2, &random(5, 8));
    let observations = DMatrix::from_fn(60, 8, |i, j| images[(i, j)] + 0.02 * ((i * 8 + j) as f64).sin());
    let expected = projector.project(&observations, None).unwrap();
    let warm = projector.project(&observations, Some(&expected.codes)).unwrap();
    let calls = |count: usize| {
        std::thread::scope(|scope| {
            for _ in 0..2 {
                scope.spawn(|| {
                    for call in 0..count {
                        let warm_start = (call % 10 > 0).then_some(&expected.codes);
                        let projected = projector.project(&observations, warm_start).unwrap();
                        assert_eq!(projected.codes, if warm_start.is_some() { &warm } else { &expected }.codes);
                    }
                });
            }
        });
    };
    calls(50);
    let before = resident();
    calls(500);
    let after = resident();
    assert!(after < before + ALLOWED, "{before} bytes before, {after} after");

    // A loop that never ends by itself: noise that no image has, and a tolerance of zero.
    let operator = Dense::gaussian(40, 60, 1).unwrap();
    let y = operator.apply(&observations).map(|y| y + 0.1 * (1e3 * y).sin());
    let recovered = |iterations: usize, restarts: usize| {
        let way = ProjectedOptions::default().iterations(iterations).restarts(restarts).tolerance(0.0);
        let options = unrelu::RecoverOptions::default().strategy(Strategy::Projected(way)).inversion(options());
        Recoverer::new(network.clone(), Box::new(operator.clone()), options).unwrap().recover(&y).unwrap()
    };
    recovered(20, 5);
    let before = resident();
    let rows = recovered(40, 50).rows;
    let after = resident();
    assert!(rows.iter().all(|row| row.iterations >= Some(1000)), "{rows:?}");
    assert!(after < before + ALLOWED, "{before} bytes before, {after} after");
}

/// Bytes of this process in memory; 0 if the system does not report it.
fn resident() -> u64 {
    let statm = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
    statm.split_whitespace().nth(1).and_then(|pages| pages.parse::<u64>().ok()).map_or(0, |pages| pages * 4096)
}
