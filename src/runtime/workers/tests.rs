use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Barrier};

use nalgebra::DMatrix;
use rayon::prelude::*;

use super::*;
use crate::batch::{BestMethod, Inverter, Method, Options};
use crate::cpu::forward::forward;
use crate::device::DeviceChoice;
use crate::lp::layer::LayerwiseOptions;
use crate::network::Activation;
use crate::random::random_network;

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
    let workers = Workers::new(Some(2)).unwrap();
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
    let workers = Workers::new(Some(1)).unwrap();
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
    let workers = Workers::new(Some(2)).unwrap();
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
    let workers = Workers::new(Some(1)).unwrap();
    let callers = pool(1);
    for _ in 0..2 * FEWEST_CALLS {
        let caught = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            callers.install(|| workers.enter(|| -> usize { panic!("planted") }))
        }));
        assert_eq!(caught.unwrap_err().downcast_ref::<&str>(), Some(&"planted"));
    }
    assert_eq!(workers.enter(|| spread(10)), 5);
}

/// Calls `invert` from the inverter's own threads, as an operator that inverts would do. The search
/// of `best` was the first to overflow the stack.
#[test]
fn inversions_from_the_inverters_own_threads() {
    for method in [Method::Layerwise(LayerwiseOptions::default()), Method::Best(BestMethod::default())] {
        let network = Arc::new(random_network(&[3, 8, 20], Activation::Relu, 1).unwrap());
        let x = forward(&network, 0..2, &DMatrix::from_element(3, 1, 0.5));
        let options = Options { method, device: DeviceChoice::Cpu, threads: Some(2), ..Options::default() };
        let inverter = Inverter::new(network, options).unwrap();
        let expected = inverter.invert(&x).unwrap().codes;
        let ready = Barrier::new(2);
        let all: usize = inverter.runtime().run(|| {
            rayon::join(|| ready.wait(), || ready.wait());
            let call = |_| usize::from(inverter.invert(&x).unwrap().codes == expected);
            (0..CALLS).into_par_iter().map(call).sum()
        });
        assert_eq!(all, CALLS);
    }
}
