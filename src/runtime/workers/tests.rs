use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Barrier};

use nalgebra::DMatrix;
use rayon::prelude::*;

use super::*;
use crate::batch::{BestMethod, Inverter, Method, Options};
use crate::cpu::forward::forward;
use crate::device::DeviceChoice;
use crate::lp::layer::LayerwiseOptions;
use crate::multistart::BestOptions;
use crate::network::{Activation, Network};
use crate::projector::Projector;
use crate::random::random_network;
use crate::recover::operators::{Dense, Operator};
use crate::recover::{RecoverOptions, Recoverer, Strategy};
use crate::runtime::Runtime;

const CALLS: usize = 10_000;

/// Work that steals jobs while it waits, like the products and searches.
fn spread(width: usize) -> usize {
    (0..width).into_par_iter().map(|index| std::hint::black_box(index) & 1).sum()
}

fn pool(threads: usize) -> ThreadPool {
    ThreadPoolBuilder::new().num_threads(threads).stack_size(256 << 10).build().unwrap()
}

#[test]
fn a_caller_of_another_pool_does_not_steal_while_it_waits() {
    let workers = Workers::new(Some(2), 0).unwrap();
    let callers = pool(2);
    let (inside, deepest) = (AtomicUsize::new(0), AtomicUsize::new(0));
    thread_local!(static DEPTH: AtomicUsize = const { AtomicUsize::new(0) });
    callers.install(|| {
        (0..CALLS).into_par_iter().with_max_len(1).for_each(|_| {
            let depth = DEPTH.with(|depth| depth.fetch_add(1, Ordering::Relaxed)) + 1;
            deepest.fetch_max(depth, Ordering::Relaxed);
            inside.fetch_add(workers.enter(|| spread(64)), Ordering::Relaxed);
            DEPTH.with(|depth| depth.fetch_sub(1, Ordering::Relaxed));
        });
    });
    assert_eq!(inside.into_inner(), CALLS * 32);
    assert_eq!(deepest.into_inner(), 1, "a call began on top of another");
}

#[test]
fn no_more_calls_than_the_gate_allows_are_inside_at_a_time() {
    let workers = Workers::new(Some(1), 0).unwrap();
    let (now, most) = (AtomicUsize::new(0), AtomicUsize::new(0));
    thread::scope(|scope| {
        for _ in 0..64 {
            scope.spawn(|| {
                for _ in 0..CALLS / 64 {
                    workers.enter(|| {
                        most.fetch_max(now.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                        spread(16);
                        now.fetch_sub(1, Ordering::SeqCst);
                    });
                }
            });
        }
    });
    assert!((1..=FEWEST_CALLS).contains(&most.into_inner()));
}

#[test]
fn a_call_from_inside_goes_to_further_threads_and_the_librarys_own_stays() {
    let workers = Workers::new(Some(2), 0).unwrap();
    let name = || thread::current().id();
    let (outer, own, further) = workers.enter(|| (name(), workers.run(name), workers.enter(name)));
    assert_eq!(outer, own);
    assert_ne!(outer, further);
    // Any depth is possible.
    assert_eq!(workers.enter(|| workers.enter(|| workers.enter(|| workers.run(|| spread(8))))), 4);
    let sum: usize = workers.run(|| (0..CALLS).into_par_iter().map(|_| workers.enter(|| spread(2))).sum());
    assert_eq!(sum, CALLS);
}

#[test]
fn a_panic_reaches_the_caller_and_leaves_the_threads_usable() {
    let workers = Workers::new(Some(1), 0).unwrap();
    let callers = pool(1);
    for _ in 0..2 * FEWEST_CALLS {
        let caught = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            callers.install(|| workers.enter(|| -> usize { panic!("planted") }))
        }));
        assert_eq!(caught.unwrap_err().downcast_ref::<&str>(), Some(&"planted"));
    }
    assert_eq!(workers.enter(|| spread(10)), 5);
}

/// The network of the tests below, an observation of it, and options with two threads.
fn prepared(method: Method) -> (Arc<Network>, DMatrix<f64>, Options) {
    let network = Arc::new(random_network(&[3, 8, 20], Activation::Relu, 1).unwrap());
    let x = forward(&network, 0..2, &DMatrix::from_element(3, 1, 0.5));
    (network, x, Options { method, device: DeviceChoice::Cpu, threads: Some(2), ..Options::default() })
}

/// Makes the call 10,000 times from the runtime's own threads.
fn from_inside(runtime: &Runtime, call: impl Fn() -> DMatrix<f64> + Sync) {
    let expected = call();
    let ready = Barrier::new(2);
    let all: usize = runtime.run(|| {
        rayon::join(|| ready.wait(), || ready.wait());
        (0..CALLS).into_par_iter().map(|_| usize::from(call() == expected)).sum()
    });
    assert_eq!(all, CALLS);
}

/// Calls `invert` from the inverter's own threads, as an operator that inverts would do. The search
/// of `best` was the first to overflow the stack.
#[test]
fn inversions_from_the_inverters_own_threads() {
    for method in [Method::Layerwise(LayerwiseOptions::default()), Method::Best(BestMethod::default())] {
        let (network, x, options) = prepared(method);
        let inverter = Inverter::new(network, options).unwrap();
        from_inside(inverter.runtime(), || inverter.invert(&x).unwrap().codes);
    }
}

#[test]
fn projections_from_the_projectors_own_threads() {
    let (network, x, options) = prepared(Method::Layerwise(LayerwiseOptions::default()));
    let projector = Projector::new(network, options).unwrap();
    let warm = projector.project(&x, None).unwrap().codes;
    from_inside(projector.inverter().runtime(), || projector.project(&x, Some(&warm)).unwrap().codes);
}

#[test]
fn recoveries_from_the_recoverers_own_threads() {
    let (network, x, inversion) = prepared(Method::Layerwise(LayerwiseOptions::default()));
    let operator = Dense::gaussian(12, 20, 3).unwrap();
    let y = operator.apply(&x);
    let options = RecoverOptions { strategy: Strategy::Search(BestOptions::default()), inversion };
    let recoverer = Recoverer::new(network, Box::new(operator), options).unwrap();
    from_inside(recoverer.runtime(), || recoverer.recover(&y).unwrap().codes);
}
