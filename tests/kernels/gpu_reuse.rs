//! Buffers are created once, and little is read back.

use std::sync::Arc;

use unrelu::internals::descent::Steps;
use unrelu::internals::device::Device;
use unrelu::internals::gpu::GpuDevice;
use unrelu::internals::marquardt::MarquardtRules;
use unrelu::{Activation, DescentOptions, Optimizer};

use crate::fixtures::{gpu, matrix, network};

with_both_modules!(
    a_hundred_calls_make_no_buffer,
    descent_reads_a_few_counts_back_and_the_answer,
    calls_of_all_kinds_from_many_threads_do_not_meet,
);

fn a_hundred_calls_make_no_buffer() {
    let network = network(800, &[3, 19, 40], Activation::Relu, Activation::Relu);
    let limits = wgpu::Limits { max_storage_buffer_binding_size: 16 << 10, ..wgpu::Limits::default() };
    // On the second one every call is split into parts. Buffers do not depend on the checks, and
    // both take long.
    let ceilings: &[Option<&wgpu::Limits>] = if gpu::has_checks() { &[Some(&limits)] } else { &[None, Some(&limits)] };
    for &ceiling in ceilings {
        let context = gpu::context(ceiling);
        let device = GpuDevice::new(context, Arc::clone(&network)).unwrap();
        let call = |round: usize, count: usize, cap: usize| {
            let codes = matrix(round as u64, 3, count);
            let observations = device.forward(0..2, &codes).unwrap();
            device.forward(1..2, &matrix(round as u64, 19, count / 2 + 1)).unwrap();
            device.classify(&observations, &vec![0.1; count]).unwrap();
            let optimizer = [Optimizer::Plain, Optimizer::Adam][round % 2];
            let steps = Steps { optimizer, size: 1e-2, cap, prior: 0.0 };
            device.descend_f32(&observations, &codes, &steps).unwrap();
            device.levenberg_marquardt_f32(&observations, &codes, &MarquardtRules::IN_F32).unwrap();
        };
        // Parts are even: one part of a smaller batch can be longer than two of a larger one.
        (0..4).for_each(|round| call(round, 301, 12));
        // More iterations than a submission may have: a workspace makes its second staging buffer
        // when two submissions of a descent are under way, which otherwise depends on the pace.
        (0..8).for_each(|round| call(round, 301 - 37 * round, 600));
        (0..100).for_each(|round| call(round, 1 + 3 * round, 12));
        let before = device.context().buffers_made();
        assert!(before > 20, "{before}: buffers are no longer counted");
        (0..100).for_each(|round| call(round, 1 + 3 * round, 12));
        assert_eq!(device.context().buffers_made(), before);
        call(0, 302, 12);
        let grown = device.context().buffers_made();
        assert_eq!(grown > before, ceiling.is_none(), "{before} and {grown}: a larger batch must make larger ones");
    }
}

fn descent_reads_a_few_counts_back_and_the_answer() {
    let network = network(801, &[4, 15, 45], Activation::Relu, Activation::Relu);
    let device = gpu::device(&network);
    let observations = device.forward(0..2, &matrix(802, 4, 3)).unwrap();
    let steps = Steps { optimizer: Optimizer::Plain, size: 1e-6, cap: 3000, prior: 0.0 };
    // The length of a submission follows its time, which other programs may stretch.
    let tries = (0..5).map(|_| {
        let before = device.context().read_backs();
        let reached = device.descend_f32(&observations, &matrix(803, 4, 3), &steps).unwrap();
        assert!(reached.lanes.iter().all(|lane| lane.iterations == 3000));
        device.context().read_backs() - before
    });
    let read_backs: Vec<u64> = tries.collect();
    assert!(read_backs.iter().any(|read_backs| *read_backs < 300), "{read_backs:?} in 3000 iterations");
}

fn calls_of_all_kinds_from_many_threads_do_not_meet() {
    let network = network(804, &[3, 10, 20], Activation::Relu, Activation::Relu);
    let device = gpu::device(&network);
    let options = DescentOptions::default().iterations(60).optimizer(Optimizer::Momentum);
    let work = |seed: u64, count: usize| {
        let observations = device.forward(0..2, &matrix(seed, 3, count)).unwrap();
        let bits = device.classify(&observations, &vec![0.2; count]).unwrap();
        (device.descend((&observations).into(), seed, &options, 0.0).unwrap(), bits, observations)
    };
    let expected: Vec<_> = (0..4).map(|seed| work(seed, 5 + 9 * seed as usize)).collect();
    std::thread::scope(|scope| {
        for (seed, expected) in expected.iter().enumerate() {
            let work = &work;
            scope.spawn(move || (0..8).for_each(|_| assert_eq!(&work(seed as u64, 5 + 9 * seed), expected)));
        }
    });
}
