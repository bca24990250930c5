//! Configurations, bit for bit as the CPU decides them in f64, especially where f32 cannot decide.

use std::sync::Arc;

use nalgebra::DMatrix;
use unrelu::Activation;
use unrelu::internals::cpu::CpuDevice;
use unrelu::internals::device::Device;
use unrelu::internals::gpu::GpuDevice;

use crate::compare::{configurations, expect};
use crate::fixtures::{gpu, matrix, network};

with_both_modules!(
    random_targets_agree_and_f32_decides_nearly_all,
    ties_denormals_infinities_and_nan_agree,
    values_within_a_rounding_of_the_threshold_agree,
    a_flipped_bit_is_found,
);

fn devices() -> (GpuDevice, CpuDevice) {
    let network = network(1, &[2, 3], Activation::Relu, Activation::Relu);
    (gpu::device(&network), CpuDevice::new(Arc::clone(&network)))
}

#[track_caller]
fn agree(name: &str, gpu: &GpuDevice, cpu: &CpuDevice, targets: &DMatrix<f64>, thresholds: &[f64]) {
    let left = gpu.classify(targets, thresholds).unwrap();
    let right = cpu.classify(targets, thresholds).unwrap();
    expect(configurations(name, &left, &right));
}

fn random_targets_agree_and_f32_decides_nearly_all() {
    let (gpu, cpu) = devices();
    for rows in [1, 31, 32, 33, 100, 2049, 2500] {
        for count in [1, 7, 65] {
            let targets = matrix((rows * 100 + count) as u64, rows, count);
            let thresholds: Vec<f64> = (0..count).map(|index| 0.1 * index as f64 - 1.0).collect();
            agree(&format!("random {rows} by {count}"), &gpu, &cpu, &targets, &thresholds);
        }
    }
    assert!(gpu.undecided_rows() < 10, "{} rows undecided", gpu.undecided_rows());
}

/// What rounding, range and special values can do to a comparison.
fn awkward() -> Vec<f64> {
    let mut values = vec![
        0.0,
        f64::from_bits(1),
        f64::MIN_POSITIVE,
        1e-300,
        1e-46,
        1e-45,
        1e-40,
        f64::from(f32::MIN_POSITIVE),
        1e-6,
        0.1,
        1.0,
        1e6,
        f64::from(f32::MAX),
        f64::from(f32::MAX) * (1.0 + 1e-9),
        1e39,
        1e300,
        f64::MAX,
    ];
    for value in values.clone() {
        values.extend([value.next_up(), value.next_down(), value * (1.0 + 3e-8), value * (1.0 + 7e-8)]);
    }
    values.retain(|value| value.is_finite());
    values.extend(values.clone().iter().map(|value| -value));
    values
}

fn ties_denormals_infinities_and_nan_agree() {
    let (gpu, cpu) = devices();
    let thresholds = awkward();
    let mut column = thresholds.clone();
    column.extend([f64::NAN, -f64::NAN, f64::INFINITY, f64::NEG_INFINITY]);
    let targets = DMatrix::from_fn(column.len(), thresholds.len(), |row, _| column[row]);
    agree("awkward", &gpu, &cpu, &targets, &thresholds);
    assert!(gpu.undecided_rows() > thresholds.len() as u64, "nothing was close to its threshold");
}

fn values_within_a_rounding_of_the_threshold_agree() {
    let (gpu, cpu) = devices();
    let noise = matrix(5, 500, 40);
    let thresholds: Vec<f64> = (0..40).map(|index| 10.0_f64.powi(index - 20) * 1.234567).collect();
    // From exact ties to a hundred times f32's last place.
    let targets = DMatrix::from_fn(500, 40, |row, column| {
        let width = [0.0, 1e-16, 1e-12, 1e-8, 1e-7, 1e-5][row % 6];
        thresholds[column] * (1.0 + width * noise[(row, column)])
    });
    agree("near", &gpu, &cpu, &targets, &thresholds);
}

fn a_flipped_bit_is_found() {
    let (gpu, cpu) = devices();
    let targets = matrix(6, 70, 3);
    let mut left = gpu.classify(&targets, &[0.0; 3]).unwrap();
    left.flip(2, 69);
    assert!(configurations("flipped", &left, &cpu.classify(&targets, &[0.0; 3]).unwrap()).is_err());
}
