//! Observations in f32 give the results of the same numbers in f64, bit for bit. A device that
//! computes in f32 gets them as they are.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use nalgebra::DMatrix;
use unrelu::internals::cpu::CpuDevice;
use unrelu::internals::device::Device;
use unrelu::internals::observation::View;
use unrelu::{
    BestMethod, CancelToken, DescentOptions, Inverter, LayerwiseMethod, Method, Objective, Observations, Optimizer,
    Options,
};

use super::card::{Card, Descent};
use super::{joined, layerwise, network, noisy_observations, on_cpu};

/// Observations with entries that are hidden, infinite, the largest of f32, subnormal and −0.
fn observations() -> DMatrix<f32> {
    let mut observations = noisy_observations(&network(), 60).map(|x| x as f32);
    let planted = [f32::NAN, f32::INFINITY, f32::MAX, 1e-42, -0.0, f32::NEG_INFINITY];
    for (place, planted) in planted.into_iter().enumerate() {
        observations[(place % 3, 7 * place)] = planted;
    }
    observations.column_mut(50).fill(f32::NAN);
    observations
}

/// How many descents got f32, and how many f64.
#[derive(Default)]
struct Given([AtomicUsize; 2]);

fn run(
    device: impl Device + 'static,
    is_asynchronous: bool,
    options: &Options,
    observations: Observations,
) -> ((Vec<u64>, Vec<String>), [usize; 2]) {
    let given = Arc::new(Given::default());
    let seen = Arc::clone(&given);
    let descend = move |device: &_, descent: Descent<'_>| {
        let kind = usize::from(matches!(descent.observations, View::Double(_)));
        seen.0[kind].fetch_add(1, Ordering::Relaxed);
        descent.on(device)
    };
    let card = Card { device, full: 16, is_asynchronous, descend };
    let inverter = Inverter::with_device(network(), options.clone(), Box::new(card), None).unwrap();
    let source = (0..60).step_by(4).map(|from| {
        let batch: Observations = match &observations {
            Observations::Double(all) => all.columns(from, 4).into_owned().into(),
            Observations::Single(all) => all.columns(from, 4).into_owned().into(),
        };
        Ok((batch, ()))
    });
    let mut batches = Vec::new();
    let sink = |batch, ()| {
        batches.push(batch);
        Ok(())
    };
    inverter.pipeline(source, 0, &CancelToken::new(), sink).unwrap();
    let given = given.0.each_ref().map(|count| count.load(Ordering::Relaxed));
    (joined(&batches), given)
}

fn descents() -> Vec<Options> {
    let options = DescentOptions::default().iterations(60).restarts(1);
    [Optimizer::Plain, Optimizer::Adam]
        .map(|optimizer| on_cpu(Method::Descent(options.clone().optimizer(optimizer))).refine(Objective::L2))
        .into()
}

#[test]
fn a_descent_on_a_device_gets_numbers_of_f32_as_they_are() {
    let single = observations();
    let double = single.map(f64::from);
    let cpu = || CpuDevice::new(network());
    for options in descents() {
        let (expected, [_, doubles]) = run(cpu(), true, &options, double.clone().into());
        // Groups of 16.
        assert_eq!(run(cpu(), true, &options, single.clone().into()), (expected.clone(), [4, 0]));
        assert_eq!(doubles, 4);
        // The CPU's own f32 starts from f64.
        assert_eq!(run(cpu(), false, &options, single.clone().into()), (expected, [0, 4]));
    }
}

#[test]
fn every_method_gives_the_same_results() {
    let single = observations();
    let double = single.map(f64::from);
    let methods = [LayerwiseMethod::Linf, LayerwiseMethod::Exact].map(layerwise);
    for options in methods.into_iter().chain([on_cpu(Method::Best(BestMethod::default()))]) {
        let cpu = || CpuDevice::new(network());
        let (expected, _) = run(cpu(), true, &options, double.clone().into());
        assert_eq!(run(cpu(), true, &options, single.clone().into()).0, expected);
    }
}

#[cfg(feature = "gpu")]
#[test]
#[ignore = "needs a Vulkan adapter; see CONTRIBUTING.md"]
fn a_gpu_gives_the_same_bits() {
    use unrelu::internals::adapter::Selection;
    use unrelu::internals::gpu::GpuDevice;
    use unrelu::internals::gpu::context::Context;

    let gpu = || GpuDevice::new(Context::open(Selection::default(), None).unwrap(), network()).unwrap();
    let single = observations();
    let double = single.map(f64::from);
    for options in descents() {
        let (expected, _) = run(gpu(), true, &options, double.clone().into());
        assert_eq!(run(gpu(), true, &options, single.clone().into()), (expected, [4, 0]));
    }
}
