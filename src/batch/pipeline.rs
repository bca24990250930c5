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
//!
//! Where a card makes the descents, a lane solves a group of several batches at once (`group.rs`).
//! The finisher and the sink get them batch by batch, as ever. Then at most [`MOST_GROUPS`] groups
//! are in memory, and [`MOST_SINGLE`] batches.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread;

use super::clocks::Clocks;
use super::engine::Engine;
use super::group::{Group, Groups, Solved};
use super::overlap::Overlapped;
use super::{InvertedBatch, Inverter};
use crate::cancel::CancelToken;
use crate::error::Result;
use crate::observation::{Observations, View};

/// Number of groups that are solved at the same time.
const LANES: usize = 2;
/// Number of batches per lane that may wait for the finisher.
const WAITING: usize = 1;
/// Maximum number of groups in memory: one that is read ahead and one per lane. Without a card, a
/// group is one batch.
pub const MOST_GROUPS: usize = 1 + LANES;
/// Maximum number of batches in memory besides groups of several: one that did not fit its group,
/// one handed over and one waiting per lane, one that is finished and one that is written.
pub const MOST_SINGLE: usize = 1 + LANES * (1 + WAITING) + 2;
/// Maximum number of batches in memory without a card: one that is read ahead, one solved and one
/// waiting per lane, one that is finished and one that is written.
pub const MOST_BATCHES: usize = 1 + LANES * (1 + WAITING) + 2;

impl Inverter {
    /// Inverts the batches of `source`, several at the same time, and passes the results to `sink`.
    ///
    /// `sink` is called in order, on the calling thread. Each batch carries a tag of any type, for
    /// example its true codes. `first_index` is the index of the first observation in the whole
    /// run. After `cancel` is cancelled, no further batch is read or started; batches that have
    /// started are finished and passed on. For descents on a card, batches are read and started
    /// together, up to about 8,192 observations.
    ///
    /// A batch is a matrix of f64 or f32, `n` × count, one observation per column. A card that
    /// makes the descents takes f32 as it is; the results are the same.
    ///
    /// ```
    /// # use unrelu::{Activation, Inverter, Network, Options};
    /// # fn main() -> unrelu::Result<()> {
    /// let network = Network::random(&[2, 6, 20], Activation::Relu, 1)?;
    /// let inverter = Inverter::new(network, Options::default())?;
    /// let source = (0..4).map(|batch| Ok((nalgebra::DMatrix::<f64>::zeros(20, 8), batch)));
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
    /// batches before it have been passed to `sink`, except for those that a card had together with
    /// a batch whose inversion failed.
    pub fn pipeline<T, O, S>(
        &self,
        source: S,
        first_index: u64,
        cancel: &CancelToken,
        sink: impl FnMut(InvertedBatch, T) -> Result<()>,
    ) -> Result<()>
    where
        T: Send,
        O: Into<Observations>,
        S: Iterator<Item = Result<(O, T)>> + Send,
    {
        run(self, &Clocks::default(), source, first_index, cancel, sink)
    }
}

/// [`Inverter::pipeline`] with the given clocks.
pub(crate) fn run<T, O, S>(
    engine: &dyn Engine,
    clocks: &Clocks,
    source: S,
    first_index: u64,
    cancel: &CancelToken,
    mut sink: impl FnMut(InvertedBatch, T) -> Result<()>,
) -> Result<()>
where
    T: Send,
    O: Into<Observations>,
    S: Iterator<Item = Result<(O, T)>> + Send,
{
    // Widened by the thread that reads, while others work on the batches before. Asked for each
    // batch: a lost card leaves the work to the CPU.
    let source = source.map(|batch| {
        batch.map(|(observations, tag)| match observations.into() {
            given if engine.takes_single() => (given, tag),
            given => (given.into_double().into(), tag),
        })
    });
    // Before the lanes begin, which would both do it.
    engine.prepare(cancel);
    if cancel.is_cancelled() {
        return Ok(());
    }
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
        let groups = Groups::new(source, first_index);
        scope.spawn(move || read(engine, clocks, groups, stop, to_lanes));
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

/// Sends groups of batches to the lanes in turn, until the source or the run ends.
fn read<T, S>(
    engine: &dyn Engine,
    clocks: &Clocks,
    mut groups: Groups<S, T>,
    stop: &impl Fn() -> bool,
    lanes: Vec<SyncSender<Result<Group<T>>>>,
) where
    S: Iterator<Item = Result<(Observations, T)>>,
{
    for lane in lanes.iter().cycle() {
        if stop() {
            return;
        }
        // Asked for each group: a lost card leaves the work to the CPU.
        let most = engine.observations_at_once();
        let Some(group) = clocks.read.time(|| groups.next(most, stop)) else { return };
        let is_last = group.is_err();
        if lane.send(group).is_err() || is_last {
            return;
        }
    }
}

/// One lane: solves its groups one after another.
fn solve<T>(
    engine: &dyn Engine,
    clocks: &Clocks,
    stop: &impl Fn() -> bool,
    groups: Receiver<Result<Group<T>>>,
    solved: SyncSender<Result<InTurn<T>>>,
) {
    let device = Overlapped { device: engine.runtime().device(), clocks };
    for group in groups {
        if stop() {
            return;
        }
        let solve = |observations: View<'_>, first_index| {
            clocks.pool.time(|| clocks.solve.time(|| engine.solve(&device, observations, first_index)))
        };
        match group.and_then(|group| group.solve(solve)) {
            Err(error) => {
                if solved.send(Err(error)).is_err() {
                    return;
                }
            }
            Ok(mut parts) => {
                while let Some(part) = parts.next() {
                    let ends_group = parts.len() == 0;
                    if solved.send(Ok(InTurn { part, ends_group })).is_err() {
                        return;
                    }
                }
            }
        }
    }
}

/// Takes the groups of the lanes in order and completes their batches. The run ends when the next
/// lane in turn has no further batch.
fn finish<T>(
    engine: &dyn Engine,
    clocks: &Clocks,
    lanes: Vec<Receiver<Result<InTurn<T>>>>,
    finished: SyncSender<Result<Solved<T>>>,
) {
    for lane in lanes.iter().cycle() {
        loop {
            let Ok(result) = lane.recv() else { return };
            let ends_group = result.as_ref().is_ok_and(|InTurn { ends_group, .. }| *ends_group);
            let result = result.map(|InTurn { mut part, .. }| {
                let Solved { observations, batch, .. } = &mut part;
                let complete = || engine.complete(&observations.view().double(), batch);
                clocks.pool.time(|| clocks.finish.time(complete));
                part
            });
            let is_last = result.is_err();
            if finished.send(result).is_err() || is_last {
                return;
            }
            if ends_group {
                break;
            }
        }
    }
}

/// A solved batch of a lane.
struct InTurn<T> {
    part: Solved<T>,
    /// Whether it is the last of its group: the next batch comes from the other lane.
    ends_group: bool,
}
