//! Several batches at a time: while the pool solves one, the next is read and classified, the one before is run forward, and the one
//! before that is written.
//!
//! ```text
//!          ┌→ lane 0 (classify, solve) ┐
//! reader ──┤                           ├→ finisher (refine, forward in f64) ──→ the caller's sink
//!          └→ lane 1 (classify, solve) ┘
//! ```
//!
//! Batch `b` takes lane `b mod 2`, and the finisher asks the lanes in turn, so results keep their order. Every channel is
//! bounded: whoever is ahead waits, and at most [`MOST_BATCHES`] are in memory, whatever the length of the source. Two
//! lanes share one pool: what a batch leaves idle, waiting for a device or for the last of its linear programs, the other uses.
//! Nothing that one batch computes depends on another.

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

/// Batches that are solved at the same time.
const LANES: usize = 2;
/// Batches that may wait behind each lane for the finisher, which takes them in turn.
const WAITING: usize = 1;
/// Batches in memory at a time: one read ahead; in each lane one that is solved and one that waits; one that is finished and
/// one that is written.
pub const MOST_BATCHES: usize = 1 + LANES * (1 + WAITING) + 2;

/// A batch on its way: what it was read with, and what became of it.
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
    /// Inverts batch after batch of `source`, several at a time, and hands the results to `sink` in order, on the calling
    /// thread. Each batch comes with a tag of the caller's, such as its true codes. `first_index` is that of the first observation.
    /// When `cancel` is cancelled, nothing further is read or begun; what was begun is finished and handed over.
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
    /// # Errors
    /// The first of the source, of the inversion ([`Self::invert`]) and of the sink; the batches before it were handed over.
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

/// [`Inverter::pipeline`] on these clocks.
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
    // Set where the sink fails: what comes after it has no use.
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
        // Whoever wants to hand over a further batch learns that nobody takes it.
        drop(results);
        outcome
    })
}

/// Hands batches to the lanes in turn, until the source or the run ends.
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

/// A lane: solves what it is given, one batch after the other.
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

/// Takes the lanes' batches in order and completes them. The first lane that has ended ends the run.
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
