//! Descents of consecutive batches on a device overlap. The order of events shows it, not times:
//! the device ends a batch only when the next one has been handed over and made.

use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

use nalgebra::DMatrix;
use unrelu::internals::cpu::CpuDevice;
use unrelu::internals::descent::DescentAnswer;
use unrelu::{CancelToken, DescentOptions, Error, InvertedBatch, Inverter, Method, Result};

use super::card::{Card, Descent};
use super::{network, noisy_observations, on_cpu};

/// Observations per batch.
const BATCH: u64 = 5;
/// Number of batches, an even one.
const BATCHES: u64 = 8;
/// Only a failing test waits as long.
const PATIENCE: Duration = Duration::from_secs(60);

/// What has happened so far.
#[derive(Default)]
struct Events {
    happened: Mutex<Vec<Event>>,
    news: Condvar,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Event {
    /// The pipeline has taken a batch from its source.
    Read(u64),
    /// The device has made a batch.
    Made(u64),
}

impl Events {
    fn add(&self, event: Event) {
        self.happened.lock().unwrap().push(event);
        self.news.notify_all();
    }

    /// Waits for an event; false if it does not come.
    fn wait_for(&self, event: Event) -> bool {
        let happened = self.happened.lock().unwrap();
        let missing = |happened: &mut Vec<Event>| !happened.contains(&event);
        !self.news.wait_timeout_while(happened, PATIENCE, missing).unwrap().1.timed_out()
    }
}

/// Runs all batches on a device that holds each batch with an even number until `event`. The device
/// answers an observation with its index, and computes nothing in the pool: a thread of the pool
/// that waits for a part of its work may take the whole other batch meanwhile.
fn run(threads: usize, event: fn(u64) -> Event) {
    let observations = noisy_observations(&network(), (BATCH * BATCHES) as usize);
    let events = Arc::new(Events::default());
    let made = Arc::clone(&events);
    let descend = move |_: &_, descent: Descent<'_>| {
        let (first, count) = (descent.first_index, descent.observations.ncols());
        let awaited = event(first / BATCH);
        if (first / BATCH).is_multiple_of(2) && !made.wait_for(awaited) {
            return Err(Error::DeviceLost(format!("batch {} waits for {awaited:?} in vain", first / BATCH)));
        }
        made.add(Event::Made(first / BATCH));
        let mut answer = DescentAnswer::undetermined(network().code_length(), count);
        answer.codes = DMatrix::from_fn(network().code_length(), count, |_, column| (first + column as u64) as f64);
        Ok(answer)
    };
    let card = Card { device: CpuDevice::new(network()), full: 1, is_asynchronous: true, descend };
    let options = on_cpu(Method::Descent(DescentOptions::default())).threads(Some(threads));
    let inverter = Inverter::with_device(network(), options, Box::new(card), None).unwrap();
    let source = (0..BATCHES).map(|batch| -> Result<(DMatrix<f64>, ())> {
        events.add(Event::Read(batch));
        Ok((observations.columns((BATCH * batch) as usize, BATCH as usize).into_owned(), ()))
    });
    let mut found = Vec::new();
    let sink = |batch: InvertedBatch, ()| {
        found.extend(batch.codes.row(0).iter().copied());
        Ok(())
    };
    inverter.pipeline(source, 0, &CancelToken::new(), sink).unwrap();
    assert!(found.iter().copied().eq((0..BATCH * BATCHES).map(|index| index as f64)), "{found:?}");
}

#[test]
fn a_batch_is_handed_over_and_made_while_the_device_has_the_one_before() {
    [1, 2].into_iter().for_each(|threads| run(threads, |batch| Event::Made(batch + 1)));
}

/// While both batches before it are on the device.
#[test]
fn a_batch_is_read_while_the_device_has_those_before() {
    run(1, |batch| Event::Read((batch + 2).min(BATCHES - 1)));
}
