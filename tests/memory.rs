//! Memory that is still in use after a thousand projections. It is a process of its own, so that no
//! other test's memory counts. The allocator counts, on every system alike.

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicI64, Ordering};

use nalgebra::DMatrix;
use unrelu::internals::cpu::forward::forward;
use unrelu::internals::random::{Domain, normal_vector, random_network};
use unrelu::{
    Activation, Dense, DeviceChoice, Objective, Operator, Options, ProjectedOptions, Projector, Recoverer, Strategy,
};

fn options() -> Options {
    Options::default().refine(Objective::L2).device(DeviceChoice::Cpu)
}

fn random(rows: usize, columns: usize) -> DMatrix<f64> {
    DMatrix::from_vec(rows, columns, normal_vector(1, Domain::Code, 0, rows * columns))
}

/// A matrix of 8 × 60 numbers kept per call would come to 4 MB.
const ALLOWED: i64 = 2_000_000;

/// The system's allocator, which counts the bytes in use.
struct Counting;

static IN_USE: AtomicI64 = AtomicI64::new(0);

#[global_allocator]
static ALLOCATOR: Counting = Counting;

// SAFETY: every call goes to the system's allocator as it came.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        IN_USE.fetch_add(layout.size() as i64, Ordering::Relaxed);
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, memory: *mut u8, layout: Layout) {
        IN_USE.fetch_sub(layout.size() as i64, Ordering::Relaxed);
        unsafe { System.dealloc(memory, layout) }
    }
}

/// Bytes in use.
fn in_use() -> i64 {
    IN_USE.load(Ordering::Relaxed)
}

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
    // The count is one that can fail: what is kept on purpose is seen.
    let before = in_use();
    let kept: Vec<DMatrix<f64>> = (0..1000).map(|_| observations.clone()).collect();
    assert!(in_use() > before + ALLOWED);
    drop(kept);
    assert!(in_use() < before + ALLOWED);

    calls(50);
    let before = in_use();
    calls(500);
    let after = in_use();
    assert!(after < before + ALLOWED, "{before} bytes before, {after} after");

    // A loop that never ends by itself: noise that no image has, and a tolerance of zero.
    let operator = Dense::gaussian(40, 60, 1).unwrap();
    let y = operator.apply(&observations).map(|y| y + 0.1 * (1e3 * y).sin());
    let recovered = |iterations: usize, restarts: usize| {
        let way = ProjectedOptions::default().iterations(iterations).restarts(restarts).tolerance(0.0);
        let options = unrelu::RecoverOptions::default().strategy(Strategy::Projected(way)).inversion(options());
        Recoverer::new(network.clone(), Box::new(operator.clone()), options).unwrap().recover(&y).unwrap()
    };
    let _ = recovered(20, 5);
    let before = in_use();
    let rows = recovered(40, 50).rows;
    let after = in_use();
    assert!(rows.iter().all(|row| row.iterations >= Some(1000)), "{rows:?}");
    assert!(after < before + ALLOWED, "{before} bytes before, {after} after");
}
