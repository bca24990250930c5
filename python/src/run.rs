//! A run over many observations: batches in, rows out, with progress and Ctrl-C.
//!
//! The work is on a thread of its own. This thread, which has the interpreter's lock, answers its
//! requests for batches, so that only the batches in work are copied. After Ctrl-C it leaves at
//! once; the other thread finishes the batches that have started and ends.

use std::ops::Range;
use std::sync::Arc;
use std::sync::mpsc::{Sender, SyncSender, sync_channel};

use pyo3::prelude::*;
use unrelu::internals::batch::engine::Engine;
use unrelu::internals::batch::memory_run;
use unrelu::internals::batch::summary::Summary;
use unrelu::{CancelToken, InvertedBatch, Observations, Result};

use crate::arrays::observations;
use crate::calls::Running;
use crate::errors::exception;
use crate::waiting::inbox;

/// What the working thread says.
enum Message {
    /// It wants these observations.
    Wanted(Range<usize>, SyncSender<Observations>),
    Inverted(Box<InvertedBatch>),
    Ended(Box<Result<Summary>>),
}

/// The observations of a run, in Python.
pub struct Source<'a, 'py> {
    /// Called with the first row and the row after the last; returns these rows as an array of
    /// f64 or f32 in C order.
    pub rows: &'a Bound<'py, PyAny>,
    /// Number of observations.
    pub count: usize,
    /// Observations per batch.
    pub batch: usize,
    /// The index of the first observation in the whole run.
    pub first_index: u64,
}

/// Runs `engine` on `source`. `took` receives each batch in order. `cancel` is cancelled when this
/// thread leaves; `guard` is dropped when the working thread has ended.
///
/// # Errors
/// What Python raises, `KeyboardInterrupt` included, and the errors of the engine.
pub fn run<E: Engine + Send + 'static>(
    py: Python<'_>,
    engine: Arc<E>,
    source: &Source<'_, '_>,
    cancel: CancelToken,
    guard: Option<Arc<Running>>,
    mut took: impl FnMut(InvertedBatch) -> PyResult<()>,
) -> PyResult<Summary> {
    let cancel = Cancel(cancel);
    let (sender, messages) = inbox();
    let batches = Batches { messages: sender.clone(), next: 0, count: source.count, batch: source.batch };
    let (token, first_index) = (cancel.0.clone(), source.first_index);
    std::thread::Builder::new().name("unrelu run".to_owned()).spawn(move || {
        let _guard = guard;
        let sink = |batch| {
            // Nobody waits after Ctrl-C.
            let _ = sender.send(Message::Inverted(Box::new(batch)));
            Ok(())
        };
        let summary = memory_run::run(&*engine, batches, first_index, &token, sink);
        let _ = sender.send(Message::Ended(Box::new(summary)));
    })?;
    loop {
        match messages.next(py)? {
            Message::Wanted(range, answer) => {
                let rows = source.rows.call1((range.start, range.end))?;
                // The thread ended early, with an error that it says next.
                let _ = answer.send(observations(&rows, "a batch of observations")?);
            }
            Message::Inverted(batch) => took(*batch)?,
            Message::Ended(summary) => return summary.map_err(exception),
        }
    }
}

/// Cancels the work when this thread leaves, whatever the reason. After the end, it has no effect.
pub struct Cancel(pub CancelToken);

impl Drop for Cancel {
    fn drop(&mut self) {
        self.0.cancel();
    }
}

/// The batches, as the working thread sees them.
struct Batches {
    messages: Sender<Message>,
    next: usize,
    count: usize,
    batch: usize,
}

impl Iterator for Batches {
    type Item = Result<Observations>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.next == self.count {
            return None;
        }
        let range = self.next..self.count.min(self.next.saturating_add(self.batch));
        self.next = range.end;
        let (answer, answered) = sync_channel(1);
        self.messages.send(Message::Wanted(range, answer)).ok()?;
        // Without an answer, the other thread has left.
        answered.recv().ok().map(Ok)
    }
}
