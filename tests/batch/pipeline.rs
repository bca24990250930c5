//! Several batches at the same time: the order, the bytes and the errors are those of one after the
//! other, and memory stays within the stated limit.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use nalgebra::DMatrix;
use unrelu::internals::batch::pipeline::MOST_BATCHES;
use unrelu::{CancelToken, Error, InvertedBatch, Inverter, LayerwiseMethod, Result};

use super::{in_batches, joined, layerwise, network, noisy_observations};

/// Batches of uneven sizes, each with its number.
fn uneven(observations: &DMatrix<f64>) -> Vec<Result<(DMatrix<f64>, usize)>> {
    let mut batches = Vec::new();
    let (mut from, mut number) = (0, 0);
    while from < observations.ncols() {
        let count = (1 + number * 7 % 40).min(observations.ncols() - from);
        batches.push(Ok((observations.columns(from, count).into_owned(), number)));
        (from, number) = (from + count, number + 1);
    }
    batches
}

fn run(inverter: &Inverter, source: Vec<Result<(DMatrix<f64>, usize)>>) -> (Vec<InvertedBatch>, Result<()>) {
    let mut batches = Vec::new();
    let outcome = inverter.pipeline(source.into_iter(), 0, &CancelToken::new(), |batch, number| {
        assert_eq!(number, batches.len());
        batches.push(batch);
        Ok(())
    });
    (batches, outcome)
}

#[test]
fn the_same_bytes_in_the_same_order() {
    let observations = noisy_observations(&network(), 500);
    for method in [LayerwiseMethod::Linf, LayerwiseMethod::L1] {
        let inverter = Inverter::new(network(), layerwise(method)).unwrap();
        let (batches, outcome) = run(&inverter, uneven(&observations));
        outcome.unwrap();
        assert_eq!(joined(&batches), joined(&in_batches(&inverter, &observations, 500)));
    }
}

#[test]
fn an_error_comes_after_the_batches_before_it() {
    let inverter = Inverter::new(network(), layerwise(LayerwiseMethod::Linf)).unwrap();
    let observations = noisy_observations(&network(), 300);
    for place in [0, 1, 4] {
        let mut source = uneven(&observations);
        source[place] = Err(Error::Cancelled);
        let (batches, outcome) = run(&inverter, source);
        assert!(matches!(outcome, Err(Error::Cancelled)));
        assert_eq!(batches.len(), place);
        // The same for a batch that the inversion rejects.
        let mut source = uneven(&observations);
        source[place] = Ok((DMatrix::zeros(3, 1), place));
        let (batches, outcome) = run(&inverter, source);
        assert!(matches!(outcome, Err(Error::Input(_))));
        assert_eq!(batches.len(), place);
    }
}

#[test]
fn whoever_takes_the_results_may_fail_or_stop() {
    let inverter = Inverter::new(network(), layerwise(LayerwiseMethod::Exact)).unwrap();
    let observations = noisy_observations(&network(), 4);
    let endless = || std::iter::repeat_with(|| Ok((observations.clone(), ())));
    let mut taken = 0;
    let outcome = inverter.pipeline(endless(), 0, &CancelToken::new(), |_, ()| {
        taken += 1;
        if taken == 3 { Err(Error::Cancelled) } else { Ok(()) }
    });
    assert!(matches!(outcome, Err(Error::Cancelled)) && taken == 3);
    // After a stop, all started batches are delivered, without a gap.
    let (token, mut taken) = (CancelToken::new(), 0);
    let outcome = inverter.pipeline(endless(), 100, &token, |batch, ()| {
        assert_eq!(batch.first_index as usize, 100 + 4 * taken);
        taken += 1;
        if taken == 5 {
            token.cancel();
        }
        Ok(())
    });
    outcome.unwrap();
    assert!((5..5 + MOST_BATCHES).contains(&taken));
}

/// A slow writer stops the reader, however much input there is.
#[test]
fn no_more_than_a_few_batches_are_in_memory() {
    let inverter = Inverter::new(network(), layerwise(LayerwiseMethod::Exact)).unwrap();
    let observations = noisy_observations(&network(), 2);
    let (in_memory, most) = (Arc::new(AtomicUsize::new(0)), AtomicUsize::new(0));
    struct Token(Arc<AtomicUsize>);
    impl Drop for Token {
        fn drop(&mut self) {
            self.0.fetch_sub(1, Ordering::SeqCst);
        }
    }
    let source = (0..60).map(|_| {
        most.fetch_max(in_memory.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
        Ok((observations.clone(), Token(Arc::clone(&in_memory))))
    });
    let slow = |_, token| {
        std::thread::sleep(Duration::from_millis(3));
        drop(token);
        Ok(())
    };
    inverter.pipeline(source, 0, &CancelToken::new(), slow).unwrap();
    let most = most.into_inner();
    assert!((3..=MOST_BATCHES).contains(&most), "{most} batches at a time");
    assert_eq!(in_memory.load(Ordering::SeqCst), 0);
}
