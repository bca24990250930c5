//! Devices with small limits: batches are split, and what cannot be split is rejected with the
//! missing resource. wgpu itself rejects everything beyond the limits of a device, so an unsplit
//! batch would fail here.

use std::sync::Arc;

use nalgebra::DMatrix;
use unrelu::internals::cpu::CpuDevice;
use unrelu::internals::device::Device;
use unrelu::internals::gpu::GpuDevice;
use unrelu::{Activation, DescentOptions, Error};

use crate::compare::{configurations, expect, matrices};
use crate::fixtures::{gpu, matrix, network};

with_both_modules!(
    a_small_device_gives_the_answers_of_a_large_one,
    a_device_with_few_invocations_takes_smaller_tiles,
    what_is_missing_is_named,
    weights_beyond_f32_are_refused_by_name,
);

/// Bindings of a few kilobytes, three workgroups per dispatch.
fn small() -> wgpu::Limits {
    wgpu::Limits {
        max_storage_buffer_binding_size: 4096,
        max_buffer_size: 4096,
        max_compute_workgroups_per_dimension: 3,
        ..wgpu::Limits::default()
    }
}

fn few_invocations() -> wgpu::Limits {
    wgpu::Limits { max_compute_invocations_per_workgroup: 64, ..wgpu::Limits::default() }
}

fn a_small_device_gives_the_answers_of_a_large_one() {
    let network = network(1, &[3, 19, 40], Activation::Relu, Activation::Relu);
    let large = gpu::device(&network);
    let cpu = CpuDevice::new(Arc::clone(&network));
    let codes = matrix(2, 3, 131);
    let observations = large.forward(0..2, &codes).unwrap();
    let thresholds = vec![0.3; 131];
    let options = DescentOptions::default().iterations(40);
    let descent = large.descend((&observations).into(), 5, &options, 0.0).unwrap();

    let small = GpuDevice::new(gpu::context(Some(&small())), Arc::clone(&network)).unwrap();
    assert_eq!(small.forward(0..2, &codes).unwrap(), observations);
    assert_eq!(small.descend((&observations).into(), 5, &options, 0.0).unwrap(), descent);
    let found = small.classify(&observations, &thresholds).unwrap();
    expect(configurations("small device", &found, &cpu.classify(&observations, &thresholds).unwrap()));
    assert!(small.dispatches() > 2 * large.dispatches(), "the batch was not split");
}

fn a_device_with_few_invocations_takes_smaller_tiles() {
    let network = network(3, &[3, 19, 40], Activation::Relu, Activation::Tanh);
    let context = gpu::context(Some(&few_invocations()));
    let device = GpuDevice::new(context, Arc::clone(&network)).unwrap();
    let codes = matrix(4, 3, 21);
    let expected = CpuDevice::new(Arc::clone(&network)).forward(0..2, &codes).unwrap();
    let found = device.forward(0..2, &codes).unwrap();
    expect(matrices("few invocations", &found, &expected, &DMatrix::from_element(40, 21, 1e-5)));
}

fn what_is_missing_is_named() {
    let context = gpu::context(Some(&small()));
    // 100 × 40 weights are 16,000 bytes.
    let large = network(5, &[40, 100], Activation::Relu, Activation::Relu);
    let error = GpuDevice::new(context, large).err().unwrap().to_string();
    assert!(error.contains("layer 1") && error.contains("16000") && error.contains("4096"), "{error}");

    // 250 units are four of the smallest tiles.
    let wide = network(5, &[2, 250], Activation::Relu, Activation::Relu);
    let error = GpuDevice::new(gpu::context(Some(&small())), wide).err().unwrap().to_string();
    assert!(error.contains("4 workgroups") && error.contains("offers 3"), "{error}");

    let selection = unrelu::internals::adapter::Selection::default();
    let none = wgpu::Limits { max_compute_invocations_per_workgroup: 32, ..wgpu::Limits::default() };
    let error = unrelu::internals::gpu::context::Context::open(selection, Some(&none)).err().unwrap();
    assert!(matches!(error, Error::NoDevice(_)));
    assert!(error.to_string().contains("32 invocations in a workgroup where 64 are required"), "{error}");
}

fn weights_beyond_f32_are_refused_by_name() {
    // The last layer is divided by a power of two that fits it.
    let network = network(6, &[2, 3, 4], Activation::Relu, Activation::Relu);
    let mut layers = network.dense_layers();
    layers[0].weight[(1, 1)] = 1e300;
    let network = unrelu::Network::new(layers, "a test's network").unwrap();
    let context = gpu::context(None);
    let error = GpuDevice::new(context, Arc::new(network)).err().unwrap().to_string();
    assert!(error.contains("layer 1") && error.contains("1e300"), "{error}");
}

/// As many observations as fill a card, and no more than run together.
#[test]
#[ignore = "needs a Vulkan adapter; see CONTRIBUTING.md"]
fn a_card_takes_as_many_observations_at_once_as_fill_it() {
    let network = network(9, &[20, 60, 784], Activation::Relu, Activation::Relu);
    let plain = DescentOptions::default;
    let device = gpu::device(&network);
    let full = device.full_for(&plain());
    assert_eq!((full, device.full_for(&plain().restarts(3))), (8192, 2048));
    assert_eq!(device.full_for(&plain().iterations(8000)), 1024);
    assert_eq!(device.full_for(&plain().iterations(u32::MAX as usize)), 1);
    // The longest array of an observation has 784 numbers of four bytes.
    let limits = wgpu::Limits { max_storage_buffer_binding_size: 784 * 4 * 100, ..wgpu::Limits::default() };
    let little = GpuDevice::new(gpu::context(Some(&limits)), Arc::clone(&network)).unwrap();
    assert_eq!(little.full_for(&plain()), 100);
    // An iteration of such a network has 3 · 2 · 4096 · 4096 operations per observation.
    let wide = GpuDevice::new(gpu::context(None), self::network(9, &[4096, 4096], Activation::Relu, Activation::Relu));
    assert_eq!(wide.unwrap().full_for(&plain()), 993);
    // A software rasterizer computes on the processor: a small batch is as fast.
    assert_eq!(device.observations_at_once(&plain()), if is_software(&device) { 1 } else { 8192 });
}

fn is_software(device: &GpuDevice) -> bool {
    !device.context().adapter().hardware
}
