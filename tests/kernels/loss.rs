//! A device lost during a run: an error without a panic, and a run that continues on the CPU.

use std::sync::Arc;

use unrelu::internals::cpu::CpuDevice;
use unrelu::internals::device::Device;
use unrelu::internals::device::fallback::FallbackDevice;
use unrelu::internals::gpu::GpuDevice;
use unrelu::{Activation, DescentOptions, Error, Optimizer};

use crate::fixtures::{gpu, matrix, network};

with_both_modules!(
    every_call_on_a_lost_device_is_an_error,
    the_call_in_which_it_is_lost_is_done_by_the_cpu,
    a_descent_lost_anywhere_is_done_by_the_cpu,
    a_batch_lost_between_its_parts_is_done_by_the_cpu,
    errors_of_use_do_not_lose_the_device,
    a_call_that_wgpu_refuses_is_an_error_and_leaves_the_device_usable,
    many_threads_share_a_device,
);

fn every_call_on_a_lost_device_is_an_error() {
    let network = network(1, &[3, 10, 20], Activation::Relu, Activation::Relu);
    let device = gpu::device(&network);
    device.context().lose_after(0);
    let options = DescentOptions::default();
    for _ in 0..2 {
        assert!(matches!(device.forward(0..2, &matrix(2, 3, 4)), Err(Error::DeviceLost(_))));
        assert!(matches!(device.classify(&matrix(3, 20, 4), &[0.0; 4]), Err(Error::DeviceLost(_))));
        assert!(matches!(device.descend((&matrix(3, 20, 4)).into(), 0, &options, 0.0), Err(Error::DeviceLost(_))));
        assert!(matches!(
            device.levenberg_marquardt(&matrix(3, 20, 4), &[2], &matrix(2, 3, 1), 0.0),
            Err(Error::DeviceLost(_))
        ));
    }
}

fn the_call_in_which_it_is_lost_is_done_by_the_cpu() {
    let network = network(4, &[3, 10, 20], Activation::Relu, Activation::Relu);
    let gpu = gpu::device(&network);
    let cpu = CpuDevice::new(Arc::clone(&network));
    let device = FallbackDevice::new(gpu, Arc::clone(&network));
    let observations = cpu.forward(0..2, &matrix(5, 3, 9)).unwrap();
    let options = DescentOptions::default().iterations(500);

    device.forward(0..2, &matrix(5, 3, 9)).unwrap();
    assert_eq!(device.warning(), None);
    // After about two hundred kernels of gradient descent.
    device.primary().context().lose_after(200);
    let found = device.descend((&observations).into(), 7, &options, 0.0).unwrap();
    assert_eq!(found, cpu.descend((&observations).into(), 7, &options, 0.0).unwrap());

    let warning = device.warning().unwrap();
    assert!(warning.contains("lost") && warning.contains("CPU") && !warning.contains('\n'), "{warning}");
    assert!(device.description().contains("CPU"));
    let dispatches = device.primary().dispatches();
    assert_eq!(device.forward(0..2, &matrix(6, 3, 2)).unwrap(), cpu.forward(0..2, &matrix(6, 3, 2)).unwrap());
    assert_eq!(device.primary().dispatches(), dispatches, "the lost device was asked again");
}

/// The loss is in the first submission of a descent, between two submissions while one is being
/// read back, or late; the optimizer has moments.
fn a_descent_lost_anywhere_is_done_by_the_cpu() {
    let network = network(20, &[3, 10, 20], Activation::LeakyRelu(0.1), Activation::Relu);
    let cpu = CpuDevice::new(Arc::clone(&network));
    let observations = cpu.forward(0..2, &matrix(21, 3, 40)).unwrap();
    let options = DescentOptions::default().iterations(600).optimizer(Optimizer::Momentum).restarts(1);
    let expected = cpu.descend((&observations).into(), 3, &options, 0.0).unwrap();
    // Some runs reach the cap: 600 iterations of five kernels.
    for kernels in [1, 26, 150, 2000, 2900] {
        let gpu = gpu::device(&network);
        gpu.context().lose_after(kernels);
        let device = FallbackDevice::new(gpu, Arc::clone(&network));
        assert_eq!(device.descend((&observations).into(), 3, &options, 0.0).unwrap(), expected, "lost after {kernels}");
        assert!(device.warning().is_some(), "{kernels}: never lost");
        assert!(device.primary().dispatches() >= kernels);
        let clock = device.primary().context().has_timestamps();
        assert_eq!(device.kernel_seconds().is_some(), clock, "what the lost device had run is still known");
    }
}

/// Seven parts of a batch; one is being read back while the next is computed.
fn a_batch_lost_between_its_parts_is_done_by_the_cpu() {
    let limits = wgpu::Limits { max_compute_workgroups_per_dimension: 3, ..wgpu::Limits::default() };
    let network = network(22, &[3, 19, 40], Activation::Relu, Activation::Relu);
    let cpu = CpuDevice::new(Arc::clone(&network));
    let codes = matrix(23, 3, 21 * 16);
    let outputs = cpu.forward(0..2, &codes).unwrap();
    let thresholds = vec![0.1; 20];
    let targets = outputs.columns(0, 20).into_owned();
    let bits = cpu.classify(&targets, &thresholds).unwrap();
    for kernels in 1..=6 {
        for classifies in [false, true] {
            let context = gpu::context(Some(&limits));
            let gpu = GpuDevice::new(context, Arc::clone(&network)).unwrap();
            gpu.context().lose_after(kernels);
            let device = FallbackDevice::new(gpu, Arc::clone(&network));
            if classifies {
                assert_eq!(device.classify(&targets, &thresholds).unwrap(), bits);
            } else {
                assert_eq!(device.forward(0..2, &codes).unwrap(), outputs);
            }
            assert!(device.warning().is_some(), "{kernels}: never lost");
        }
    }
}

fn errors_of_use_do_not_lose_the_device() {
    let network = network(7, &[3, 10], Activation::Relu, Activation::Relu);
    let gpu = gpu::device(&network);
    let device = FallbackDevice::new(gpu, network);
    assert!(matches!(device.forward(0..1, &matrix(8, 4, 1)), Err(Error::Input(_))));
    assert!(device.warning().is_none());
}

fn a_call_that_wgpu_refuses_is_an_error_and_leaves_the_device_usable() {
    let network = network(9, &[3, 10], Activation::Relu, Activation::Relu);
    let device = gpu::device(&network);
    let context = device.context();
    let too_large = context.limits().max_buffer_size / 4 + 1;
    let refused = context.guarded(|| Ok(unrelu::internals::gpu::buffers::storage(context, too_large as usize)));
    assert!(matches!(refused, Err(Error::DeviceLost(_))));
    assert!(device.forward(0..1, &matrix(10, 3, 1)).is_ok());
}

fn many_threads_share_a_device() {
    let network = network(11, &[3, 10, 20], Activation::Relu, Activation::Relu);
    let device = gpu::device(&network);
    let expected: Vec<_> = (0..4).map(|seed| device.forward(0..2, &matrix(seed, 3, 9)).unwrap()).collect();
    std::thread::scope(|scope| {
        for (seed, expected) in expected.iter().enumerate() {
            let device = &device;
            scope.spawn(move || {
                for _ in 0..10 {
                    assert_eq!(&device.forward(0..2, &matrix(seed as u64, 3, 9)).unwrap(), expected);
                }
            });
        }
    });
}
