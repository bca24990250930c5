//! Batches that a card makes together: their order, bytes and errors are those of single batches.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::channel;

use nalgebra::DMatrix;
use unrelu::internals::batch::pipeline::{MOST_GROUPS, MOST_SINGLE};
use unrelu::internals::cpu::CpuDevice;
use unrelu::internals::device::Device;
use unrelu::{
    BestMethod, CancelToken, DescentOptions, Error, InvertedBatch, Inverter, Method, Objective, Options, Result,
};

use super::card::{Card, Descent};
use super::{in_batches, joined, network, noisy_observations, on_cpu};

/// What became of a run: its batches, the calls of the device, and the outcome.
struct Run {
    batches: Vec<InvertedBatch>,
    calls: Vec<(u64, usize)>,
    outcome: Result<()>,
}

fn run<D: Device + 'static>(
    (device, full, fails_at): (D, usize, Option<u64>),
    options: &Options,
    source: Vec<Result<DMatrix<f64>>>,
) -> Run {
    let (calls, called) = channel();
    // The descent of the observation with the index `fails_at` fails.
    let descend = move |device: &_, descent: Descent<'_>| {
        let (first, count) = (descent.first_index, descent.observations.ncols());
        let _ = calls.send((first, count));
        if fails_at.is_some_and(|index| (first..first + count as u64).contains(&index)) {
            return Err(Error::DeviceLost("a test".into()));
        }
        descent.on(device)
    };
    let is_asynchronous = device.is_asynchronous();
    let card = Box::new(Card { device, full, is_asynchronous, descend });
    let inverter = Inverter::with_device(network(), options.clone(), card, None).unwrap();
    let mut batches = Vec::new();
    let source = source.into_iter().enumerate().map(|(number, batch)| batch.map(|batch| (batch, number)));
    let outcome = inverter.pipeline(source, 0, &CancelToken::new(), |batch, number| {
        assert_eq!(number, batches.len());
        batches.push(batch);
        Ok(())
    });
    drop(inverter);
    let mut calls: Vec<(u64, usize)> = called.iter().collect();
    calls.sort_unstable();
    Run { batches, calls, outcome }
}

fn descent() -> Options {
    on_cpu(Method::Descent(DescentOptions::default().iterations(60).restarts(1)))
}

/// Batches of these sizes, over and over.
fn in_sizes(observations: &DMatrix<f64>, sizes: &[usize]) -> Vec<Result<DMatrix<f64>>> {
    let mut sizes = sizes.iter().cycle();
    let mut batches = Vec::new();
    let mut from = 0;
    while from < observations.ncols() {
        let count = (*sizes.next().unwrap()).min(observations.ncols() - from);
        batches.push(Ok(observations.columns(from, count).into_owned()));
        from += count;
    }
    batches
}

#[test]
fn batches_made_together_are_the_batches_made_one_by_one() {
    let observations = noisy_observations(&network(), 500);
    let options = descent().refine(Objective::L2);
    let single = Inverter::new(network(), options.clone()).unwrap();
    let expected = joined(&in_batches(&single, &observations, 7));
    let cpu = || CpuDevice::new(network());
    for (sizes, full) in [(vec![7], 64), (vec![1, 30, 0, 5], 64), (vec![64], 64), (vec![100], 64), (vec![9], 100_000)] {
        let source = in_sizes(&observations, &sizes);
        let widths: Vec<usize> = source.iter().map(|batch| batch.as_ref().unwrap().ncols()).collect();
        let run = run((cpu(), full, None), &options, source);
        run.outcome.unwrap();
        assert_eq!(joined(&run.batches), expected, "{sizes:?}");
        assert_eq!(run.batches.iter().map(|batch| batch.codes.ncols()).collect::<Vec<_>>(), widths);
        // As few calls as whole batches allow.
        let mut groups: Vec<usize> = Vec::new();
        for width in widths {
            match groups.last_mut() {
                Some(group) if *group + width <= full && *group < full => *group += width,
                _ => groups.push(width),
            }
        }
        let firsts = groups.iter().scan(0, |from, width| Some(std::mem::replace(from, *from + *width) as u64));
        let calls: Vec<(u64, usize)> = firsts.zip(groups.iter().copied()).collect();
        assert_eq!(run.calls, calls, "{sizes:?}");
    }
}

#[test]
fn only_descents_are_made_together() {
    let observations = noisy_observations(&network(), 12);
    let options = on_cpu(Method::Best(BestMethod::default()));
    let single = Inverter::new(network(), options.clone()).unwrap();
    let run = run((CpuDevice::new(network()), 64, None), &options, in_sizes(&observations, &[3]));
    run.outcome.unwrap();
    assert_eq!(joined(&run.batches), joined(&in_batches(&single, &observations, 3)));
    assert!(run.calls.is_empty());
}

#[test]
fn an_error_comes_after_the_groups_before_it() {
    let observations = noisy_observations(&network(), 40);
    let cpu = || CpuDevice::new(network());
    for place in [0, 2, 5, 9] {
        // A source that fails, or that gives observations of another length: all batches before.
        let mut source = in_sizes(&observations, &[4]);
        source[place] = Err(Error::Cancelled);
        let failed = run((cpu(), 12, None), &descent(), source);
        assert!(matches!(failed.outcome, Err(Error::Cancelled)) && failed.batches.len() == place);
        let mut source = in_sizes(&observations, &[4]);
        source[place] = Ok(DMatrix::zeros(3, 1));
        let failed = run((cpu(), 12, None), &descent(), source);
        assert!(matches!(failed.outcome, Err(Error::Input(_))) && failed.batches.len() == place);
        // A device that fails: all groups before, of three batches each.
        let failed = run((cpu(), 12, Some(4 * place as u64)), &descent(), in_sizes(&observations, &[4]));
        assert!(matches!(failed.outcome, Err(Error::DeviceLost(_))) && failed.batches.len() == place / 3 * 3);
    }
}

/// A slow writer stops the reader, however much input there is; after a stop there is no gap.
#[test]
fn memory_has_a_few_groups_and_a_stop_leaves_no_gap() {
    struct Token(Arc<AtomicUsize>);
    impl Drop for Token {
        fn drop(&mut self) {
            self.0.fetch_sub(1, Ordering::SeqCst);
        }
    }
    let observations = noisy_observations(&network(), 2);
    let (in_memory, most) = (Arc::new(AtomicUsize::new(0)), AtomicUsize::new(0));
    let descend = |device: &_, descent: Descent<'_>| descent.on(device);
    let card = Card { device: CpuDevice::new(network()), full: 16, is_asynchronous: false, descend };
    let inverter = Inverter::with_device(network(), descent(), Box::new(card), None).unwrap();
    let source = std::iter::repeat_with(|| {
        most.fetch_max(in_memory.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
        Ok((observations.clone(), Token(Arc::clone(&in_memory))))
    });
    let (stop, mut taken) = (CancelToken::new(), 0);
    let slow = |batch: InvertedBatch, token| {
        std::thread::sleep(std::time::Duration::from_millis(3));
        drop(token);
        assert_eq!(batch.first_index, 2 * taken);
        taken += 1;
        if taken == 60 {
            stop.cancel();
        }
        Ok(())
    };
    inverter.pipeline(source, 0, &stop, slow).unwrap();
    let (most, bound) = (most.into_inner(), 8 * MOST_GROUPS + MOST_SINGLE);
    assert!((8..=bound).contains(&most), "{most} batches at a time");
    assert!((60..60 + bound as u64).contains(&taken) && taken % 8 == 0, "{taken} batches taken");
    assert_eq!(in_memory.load(Ordering::SeqCst), 0);
}

#[cfg(feature = "gpu")]
#[test]
#[ignore = "needs a Vulkan adapter; see CONTRIBUTING.md"]
fn a_gpu_gives_the_same_bytes_in_groups() {
    use unrelu::internals::adapter::Selection;
    use unrelu::internals::gpu::GpuDevice;
    use unrelu::internals::gpu::context::Context;

    let gpu = || GpuDevice::new(Context::open(Selection::default(), None).unwrap(), network()).unwrap();
    let observations = noisy_observations(&network(), 600);
    let single = run((gpu(), 1, None), &descent(), in_sizes(&observations, &[7]));
    single.outcome.unwrap();
    assert_eq!(single.calls.len(), 86);
    for full in [40, 100_000] {
        let grouped = run((gpu(), full, None), &descent(), in_sizes(&observations, &[7]));
        grouped.outcome.unwrap();
        assert!(grouped.calls.len() < 20);
        assert_eq!(joined(&grouped.batches), joined(&single.batches));
    }
}
