//! Several batches at the same time. While the pool solves one batch, the next is read and
//! classified, the one before gets its residuals, and an earlier one is written.
//!
//! ```text
//!          ┌→ lane 0 (classify, solve) ┐
//! reader ──┤                           ├→ finisher (refine, forward in f64) ──→ the caller's sink
//!          └→ lane 1 (classify, solve) ┘
//! ```
//!
//! Batch `b` uses lane `b mod 2`, and the finisher takes batches from the lanes in turn, so the
//! results keep their order. Every channel is bounded. A faster stage waits, and at most
//! [`MOST_BATCHES`] batches are in memory, however long the source is. Both lanes share one pool.
//! When one batch waits for the device or for its last linear programs, the other batch uses the
//! free threads. No result depends on another batch.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread;

use nalgebra::DMatrix;

use super::clocks::Clocks;
use super::engine::Engine;
use super::overlap::Overlapped;
use super::{InvertedBatch, Inverter};
use crate::cancel::CancelToken;
use crate::error::Result;

/// Number of batches that are solved at the same time.
const LANES: usize = 2;
/// Number of batches per lane that may wait for the finisher.
const WAITING: usize = 1;
/// Maximum number of batches in memory: one that is read ahead, one solved and one waiting per
/// lane, one that is finished and one that is written.
pub const MOST_BATCHES: usize = 1 + LANES * (1 + WAITING) + 2;

/// A solved batch on its way to the finisher, with its observations and its tag.
struct Solved<T> {
    observations: DMatrix<f64>,
    tag: T,
    batch: InvertedBatch,
}

struct ReadBatch<T> {
    first_index: u64,
    observations: DMatrix<f64>,
    tag: T,
}

impl Inverter {
    /// Inverts the batches of `source`, several at the same time, and passes the results to `sink`.
    ///
    /// `sink` is called in order, on the calling thread. Each batch carries a tag of any type, for
    /// example its true codes. `first_index` is the index of the first observation in the whole
    /// run. After `cancel` is cancelled, no further batch is read or started; batches that have
    /// started are finished and passed on.
    ///
    /// ```
    /// # use unrelu::{Activation, Inverter, Network, Options};
    /// # fn main() -> unrelu::Result<()> {
    /// let network = Network::random(&[2, 6, 20], Activation::Relu, 1)?;
    /// let inverter = Inverter::new(network, Options::default())?;
    /// let source = (0..4).map(|batch| Ok((nalgebra::DMatrix::zeros(20, 8), batch)));
    /// let mut seen = Vec::new();
    /// inverter.pipeline(source, 0, &unrelu::CancelToken::new(), |inverted, batch| {
    ///     seen.push((inverted.first_index, batch));
    ///     Ok(())
    /// })?;
    /// assert_eq!(seen, [(0, 0), (8, 1), (16, 2), (24, 3)]);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// After a cancellation it returns `Ok` too: ask the token.
    ///
    /// # Errors
    /// The first error of the source, of the inversion ([`Self::invert`]) or of the sink. The
    /// batches before it have been passed to `sink`.
    pub fn pipeline<T, S>(
        &self,
        source: S,
        first_index: u64,
        cancel: &CancelToken,
        sink: impl FnMut(InvertedBatch, T) -> Result<()>,
    ) -> Result<()>
    where
        T: Send,
        S: Iterator<Item = Result<(DMatrix<f64>, T)>> + Send,
    {
        run(self, &Clocks::default(), source, first_index, cancel, sink)
    }
}

/// [`Inverter::pipeline`] with the given clocks.
pub(crate) fn run<T, S>(
    engine: &dyn Engine,
    clocks: &Clocks,
    source: S,
    first_index: u64,
    cancel: &CancelToken,
    mut sink: impl FnMut(InvertedBatch, T) -> Result<()>,
) -> Result<()>
where
    T: Send,
    S: Iterator<Item = Result<(DMatrix<f64>, T)>> + Send,
{
    // Set if the sink fails: later results are not needed.
    let failed = AtomicBool::new(false);
    let stop = || failed.load(Ordering::Relaxed) || cancel.is_cancelled();
    let stop = &stop;
    thread::scope(|scope| {
        let mut to_lanes = Vec::with_capacity(LANES);
        let mut from_lanes = Vec::with_capacity(LANES);
        for _ in 0..LANES {
            let (to_lane, read) = sync_channel(0);
            let (solved, from_lane) = sync_channel(WAITING);
            to_lanes.push(to_lane);
            from_lanes.push(from_lane);
            scope.spawn(move || solve(engine, clocks, stop, read, solved));
        }
        let (finished, results) = sync_channel(0);
        scope.spawn(move || read(clocks, source, first_index, stop, to_lanes));
        scope.spawn(move || finish(engine, clocks, from_lanes, finished));
        let outcome = results.iter().try_for_each(|result: Result<Solved<T>>| {
            let Solved { tag, batch, .. } = result?;
            sink(batch, tag)
        });
        failed.store(outcome.is_err(), Ordering::Relaxed);
        // Closing the channel tells the other threads to stop.
        drop(results);
        outcome
    })
}

/// Sends batches to the lanes in turn, until the source or the run ends.
fn read<T, S>(
    clocks: &Clocks,
    mut source: S,
    mut first_index: u64,
    stop: &impl Fn() -> bool,
    lanes: Vec<SyncSender<Result<ReadBatch<T>>>>,
) where
    S: Iterator<Item = Result<(DMatrix<f64>, T)>>,
{
    for lane in lanes.iter().cycle() {
        if stop() {
            return;
        }
        let Some(next) = clocks.read.time(|| source.next()) else { return };
        let is_last = next.is_err();
        let batch = next.map(|(observations, tag)| {
            let batch = ReadBatch { first_index, observations, tag };
            first_index += batch.observations.ncols() as u64;
            batch
        });
        if lane.send(batch).is_err() || is_last {
            return;
        }
    }
}

/// One lane: solves its batches one after another.
fn solve<T>(
    engine: &dyn Engine,
    clocks: &Clocks,
    stop: &impl Fn() -> bool,
    batches: Receiver<Result<ReadBatch<T>>>,
    solved: SyncSender<Result<Solved<T>>>,
) {
    let device = Overlapped { device: engine.runtime().device(), clocks };
    for batch in batches {
        if stop() {
            return;
        }
        let result = batch.and_then(|ReadBatch { first_index, observations, tag }| {
            let batch = clocks.pool.time(|| clocks.solve.time(|| engine.solve(&device, &observations, first_index)))?;
            Ok(Solved { observations, tag, batch })
        });
        if solved.send(result).is_err() {
            return;
        }
    }
}

/// Takes the batches of the lanes in order and completes them. The run ends when the next lane in
/// turn has no further batch.
fn finish<T>(
    engine: &dyn Engine,
    clocks: &Clocks,
    lanes: Vec<Receiver<Result<Solved<T>>>>,
    finished: SyncSender<Result<Solved<T>>>,
) {
    for lane in lanes.iter().cycle() {
        let Ok(mut result) = lane.recv() else { return };
        if let Ok(Solved { observations, batch, .. }) = &mut result {
            clocks.pool.time(|| clocks.finish.time(|| engine.complete(observations, batch)));
        }
        let is_last = result.is_err();
        if finished.send(result).is_err() || is_last {
            return;
        }
    }
}
