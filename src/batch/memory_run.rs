//! A run on batches in memory, with the totals of a run on files.

use std::time::Instant;

use super::clocks::Clocks;
use super::engine::Engine;
use super::summary::Summary;
use super::{InvertedBatch, pipeline};
use crate::cancel::CancelToken;
use crate::error::Result;
use crate::observation::Observations;

/// Computes the codes of the batches of `source`, several batches at the same time, and passes them
/// to `sink` in order. `first_index`: the index of the first observation in the whole run.
///
/// After a cancellation it returns `Ok` too, with the totals so far: ask the token.
///
/// # Errors
/// The first error of the source, of the engine or of the sink.
pub fn run<O, S>(
    engine: &dyn Engine,
    source: S,
    first_index: u64,
    cancel: &CancelToken,
    mut sink: impl FnMut(InvertedBatch) -> Result<()>,
) -> Result<Summary>
where
    O: Into<Observations>,
    S: Iterator<Item = Result<O>> + Send,
{
    let start = Instant::now();
    let clocks = Clocks::default();
    let runtime = engine.runtime();
    let before = runtime.device().dispatches();
    let mut summary = Summary::default();
    let (mut refine, mut residuals) = (0.0, 0.0);
    let source = source.map(|batch| batch.map(|batch| (batch, ())));
    pipeline::run(engine, &clocks, source, first_index, cancel, |batch, ()| {
        clocks.write.time(|| {
            refine += batch.times.refine.as_secs_f64();
            residuals += batch.times.residuals.as_secs_f64();
            summary.add(&batch);
            sink(batch)
        })
    })?;
    summary.seconds = clocks.seconds(refine, residuals, start.elapsed().as_secs_f64());
    summary.dispatches = runtime.device().dispatches() - before;
    summary.threads = runtime.threads();
    summary.device = runtime.description();
    Ok(summary)
}
