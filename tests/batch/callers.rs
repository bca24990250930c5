//! Calls from a caller's own pool and from many threads, all with small stacks. A call that waits
//! by work stealing lies on the stack above the previous one; some thousands of these overflow any
//! stack.

use std::sync::Arc;
use std::thread;

use nalgebra::DMatrix;
use rayon::prelude::*;
use unrelu::internals::cpu::forward::forward;
use unrelu::internals::random::random_network;
use unrelu::{
    Activation, BestMethod, BestOptions, Dense, DeviceChoice, Inverter, LayerwiseOptions, Method, Network, Options,
    Projector, RecoverOptions, Recoverer, Strategy,
};

const CALLS: usize = 10_000;
const THREADS: usize = 64;
const STACK: usize = 256 << 10;

type Call<'a> = &'a (dyn Fn() -> DMatrix<f64> + Sync);

fn network() -> Arc<Network> {
    Arc::new(random_network(&[3, 8, 20], Activation::Relu, 1).unwrap())
}

fn observation(network: &Network) -> DMatrix<f64> {
    forward(network, 0..2, &DMatrix::from_column_slice(3, 1, &[0.5, -1.0, 0.25]))
}

/// The default options, as in `Inverter::new(network, Options::default())`, on two threads.
fn options(method: Method) -> Options {
    Options::default().method(method).device(DeviceChoice::Cpu).threads(Some(2))
}

fn linf() -> Method {
    Method::Layerwise(LayerwiseOptions::default())
}

fn bits(codes: &DMatrix<f64>) -> Vec<u64> {
    codes.iter().map(|z| z.to_bits()).collect()
}

/// Makes the call 10,000 times from a caller's pool, and 10,000 times from 64 threads.
fn from_anywhere(call: Call) {
    let expected = bits(&call());
    let right = |_: usize| usize::from(bits(&call()) == expected);
    let pool = rayon::ThreadPoolBuilder::new().num_threads(4).stack_size(STACK).build().unwrap();
    let from_pool: usize = pool.install(|| (0..CALLS).into_par_iter().map(right).sum());
    assert_eq!(from_pool, CALLS);
    let from_threads: usize = thread::scope(|scope| {
        let work = || (0..CALLS.div_ceil(THREADS)).map(right).sum::<usize>();
        let spawn = |_| thread::Builder::new().stack_size(STACK).spawn_scoped(scope, work).unwrap();
        let threads: Vec<_> = (0..THREADS).map(spawn).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).sum()
    });
    assert_eq!(from_threads, CALLS.div_ceil(THREADS) * THREADS);
}

#[test]
fn inversions_layer_by_layer() {
    let network = network();
    let x = observation(&network);
    let inverter = Inverter::new(network, options(linf())).unwrap();
    from_anywhere(&|| inverter.invert(&x).unwrap().codes);
}

#[test]
fn inversions_by_search() {
    let network = network();
    let x = observation(&network);
    let inverter = Inverter::new(network, options(Method::Best(BestMethod::default()))).unwrap();
    from_anywhere(&|| inverter.invert(&x).unwrap().codes);
}

#[test]
fn projections() {
    let network = network();
    let x = observation(&network);
    let projector = Projector::new(network, options(linf())).unwrap();
    let warm = projector.project(&x, None).unwrap().codes;
    from_anywhere(&|| projector.project(&x, Some(&warm)).unwrap().codes);
}

#[test]
fn recoveries() {
    let network = network();
    let operator = Dense::gaussian(12, 20, 3).unwrap();
    let y = unrelu::Operator::apply(&operator, &observation(&network));
    let options =
        RecoverOptions::default().strategy(Strategy::Search(BestOptions::default())).inversion(options(linf()));
    let recoverer = Recoverer::new(network, Box::new(operator), options).unwrap();
    from_anywhere(&|| recoverer.recover(&y).unwrap().codes);
}
