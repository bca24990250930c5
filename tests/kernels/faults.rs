//! A device that finds no memory, is lost, or never answers: the run ends right on what is left,
//! and says so.

use std::sync::Arc;
use std::time::{Duration, Instant};

use nalgebra::DMatrix;
use unrelu::internals::cpu::CpuDevice;
use unrelu::internals::device::Device;
use unrelu::internals::device::fallback::FallbackDevice;
use unrelu::internals::gpu::GpuDevice;
use unrelu::{Activation, CancelToken, DescentOptions, Error, Inverter, Network, Optimizer, Options};

use crate::fixtures::{gpu, matrix, network};

with_both_modules!(
    no_memory_at_any_allocation_halves_the_batch,
    a_batch_is_halved_until_it_fits_and_later_ones_keep_that_size,
    a_batch_is_whole_again_when_the_memory_was_short_for_a_while,
    a_card_without_any_memory_leaves_the_work_to_the_cpu,
    a_device_lost_at_any_submission_leaves_the_work_to_the_cpu,
    a_device_that_never_answers_is_given_up,
    whole_runs_end_right_on_what_is_left,
);

const COUNT: usize = 40;

fn example() -> Arc<Network> {
    network(30, &[3, 10, 20], Activation::LeakyRelu(0.1), Activation::Relu)
}

fn descent() -> DescentOptions {
    DescentOptions::default().optimizer(Optimizer::Adam).iterations(60)
}

/// The answers of all four kinds of work, as bits.
fn answers(device: &dyn Device, network: &Network) -> Vec<Vec<u64>> {
    let codes = matrix(31, 3, COUNT);
    let outputs = CpuDevice::new(Arc::new(network.clone())).forward(0..2, &codes).unwrap();
    let bits = |numbers: &DMatrix<f64>| numbers.iter().map(|x| x.to_bits()).collect::<Vec<_>>();
    let classes = device.classify(&outputs, &[0.1; COUNT]).unwrap();
    let which: Vec<usize> = (0..COUNT).collect();
    vec![
        bits(&device.forward(0..2, &codes).unwrap()),
        (0..COUNT).map(|lane| classes.active_count(lane) as u64).collect(),
        bits(&device.descend((&outputs).into(), 5, &descent(), 0.0).unwrap().codes),
        bits(&device.levenberg_marquardt(&outputs, &which, &matrix(32, 3, COUNT), 0.0).unwrap().unwrap()),
    ]
}

fn no_memory_at_any_allocation_halves_the_batch() {
    let network = example();
    let undisturbed = gpu::device(&network);
    let before = undisturbed.context().buffers_made();
    let expected = answers(&undisturbed, &network);
    let allocations = undisturbed.context().buffers_made() - before;
    assert!(allocations > 40, "{allocations}");
    for n in (0..allocations).step_by(7).chain([1, 2, allocations - 1]) {
        let device = gpu::device(&network);
        device.context().faults().no_memory_at(n);
        let device = FallbackDevice::new(device, Arc::clone(&network));
        assert_eq!(answers(&device, &network), expected, "allocation {n} of {allocations}");
        let warning = device.warning().unwrap();
        assert!(warning.contains("ran out of memory with 40 observations"), "{n}: {warning}");
        assert!(warning.contains("at most 20") && !warning.contains("CPU") && !warning.contains('\n'), "{warning}");
    }
}

fn a_batch_is_halved_until_it_fits_and_later_ones_keep_that_size() {
    let network = network(33, &[3, 40, 40], Activation::Relu, Activation::Identity);
    let codes = matrix(34, 3, 500);
    let expected = gpu::device(&network).forward(0..2, &codes).unwrap();
    let device = gpu::device(&network);
    // 63 observations of 40 numbers, but not 125.
    device.context().faults().no_memory_beyond(11_000);
    assert_eq!(device.forward(0..2, &codes).unwrap(), expected);
    let (dispatches, buffers) = (device.dispatches(), device.context().buffers_made());
    assert_eq!(device.forward(0..2, &codes).unwrap(), expected);
    // Two layers, and ⌈500 / 63⌉ parts.
    assert_eq!(device.dispatches() - dispatches, 2 * 8);
    assert_eq!(device.context().buffers_made(), buffers, "a size that does not fit was tried again");
    let warning = Device::warning(&device).unwrap();
    assert!(warning.contains("125 observations") && warning.contains("at most 63"), "{warning}");
}

fn a_batch_is_whole_again_when_the_memory_was_short_for_a_while() {
    let network = network(33, &[3, 40, 40], Activation::Relu, Activation::Identity);
    let codes = matrix(34, 3, 500);
    let device = gpu::device(&network);
    device.context().faults().no_memory_beyond(11_000);
    let expected = device.forward(0..2, &codes).unwrap();
    device.context().faults().no_memory_beyond(u64::MAX);
    let dispatches_of_a_call = || {
        let before = device.dispatches();
        assert_eq!(device.forward(0..2, &codes).unwrap(), expected);
        device.dispatches() - before
    };
    let seen: Vec<u64> = (0..1000).map(|_| dispatches_of_a_call()).collect();
    // Two layers in 8 parts at first, in one part at last, and never more than before.
    assert_eq!((seen[0], seen[seen.len() - 1]), (16, 2));
    assert!(seen.is_sorted_by(|before, after| before >= after), "{seen:?}");
}

fn a_card_without_any_memory_leaves_the_work_to_the_cpu() {
    let network = example();
    let cpu = CpuDevice::new(Arc::clone(&network));
    let device = gpu::device(&network);
    device.context().faults().no_memory_beyond(8);
    let device = FallbackDevice::new(device, Arc::clone(&network));
    let codes = matrix(35, 3, 9);
    assert_eq!(device.forward(0..2, &codes).unwrap(), cpu.forward(0..2, &codes).unwrap());
    let warning = device.warning().unwrap();
    assert!(warning.contains("out of memory even for one observation") && warning.contains("CPU"), "{warning}");

    // The weights themselves.
    let context = gpu::context(None);
    context.faults().no_memory_at(2);
    let error = GpuDevice::new(context, network).err().unwrap();
    assert!(matches!(&error, Error::NoDevice(reason) if reason.contains("too little free memory")), "{error}");
}

fn a_device_lost_at_any_submission_leaves_the_work_to_the_cpu() {
    let network = example();
    let cpu = CpuDevice::new(Arc::clone(&network));
    let outputs = cpu.forward(0..2, &matrix(36, 3, COUNT)).unwrap();
    let expected = cpu.descend((&outputs).into(), 5, &descent(), 0.0).unwrap();
    for n in [0, 1, 2, 4] {
        let device = gpu::device(&network);
        device.context().faults().lost_at(n);
        let device = FallbackDevice::new(device, Arc::clone(&network));
        assert_eq!(device.descend((&outputs).into(), 5, &descent(), 0.0).unwrap(), expected, "lost at {n}");
        assert!(device.warning().unwrap().contains("was lost"), "{n}");
    }
}

fn a_device_that_never_answers_is_given_up() {
    let network = example();
    let cpu = CpuDevice::new(Arc::clone(&network));
    let outputs = cpu.forward(0..2, &matrix(37, 3, COUNT)).unwrap();
    let expected = cpu.descend((&outputs).into(), 5, &descent(), 0.0).unwrap();
    for n in [0, 1, 3] {
        let device = gpu::device(&network);
        device.context().set_patience(Duration::from_secs(2));
        device.context().faults().silent_after(n);
        let device = FallbackDevice::new(device, Arc::clone(&network));
        assert_eq!(device.descend((&outputs).into(), 5, &descent(), 0.0).unwrap(), expected, "silent after {n}");
        let warning = device.warning().unwrap();
        assert!(warning.contains("the GPU hangs: no answer to submitted work within 2 s"), "{warning}");
        let begun = Instant::now();
        assert_eq!(device.descend((&outputs).into(), 5, &descent(), 0.0).unwrap(), expected);
        assert!(begun.elapsed() < Duration::from_secs(2), "it was asked again");
    }
}

/// Two lanes of a pipeline use the device at the same time.
fn whole_runs_end_right_on_what_is_left() {
    let network = example();
    let cpu = CpuDevice::new(Arc::clone(&network));
    let outputs = cpu.forward(0..2, &matrix(38, 3, COUNT)).unwrap();
    let run = |device: Box<dyn Device>| {
        let options = Options::default().threads(Some(2));
        let inverter = Inverter::with_device(Arc::clone(&network), options, device, None).unwrap();
        let source = (0..5).map(|batch| Ok((outputs.columns(8 * batch, 8).into_owned(), ())));
        let mut codes: Vec<u64> = Vec::new();
        let sink = |batch: unrelu::InvertedBatch, ()| {
            codes.extend(batch.codes.iter().map(|z| z.to_bits()));
            Ok(())
        };
        inverter.pipeline(source, 0, &CancelToken::new(), sink).unwrap();
        (codes, inverter.runtime().warning())
    };
    let (expected, warning) = run(Box::new(CpuDevice::new(Arc::clone(&network))));
    assert_eq!((expected.len(), warning), (3 * COUNT, None));
    type Fault = fn(&GpuDevice);
    let faults: [(Fault, &str); 3] = [
        (|device| device.context().faults().no_memory_at(3), "ran out of memory"),
        (|device| device.context().faults().lost_at(3), "was lost"),
        (
            |device| {
                device.context().set_patience(Duration::from_secs(1));
                device.context().faults().silent_after(2);
            },
            "hangs",
        ),
    ];
    for (fault, words) in faults {
        let device = gpu::device(&network);
        fault(&device);
        let (codes, warning) = run(Box::new(FallbackDevice::new(device, Arc::clone(&network))));
        assert_eq!(codes, expected, "{words}");
        assert!(warning.as_ref().is_some_and(|warning| warning.contains(words)), "{words}: {warning:?}");
    }
}
