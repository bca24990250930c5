//! Batches from an iterator, one after the other: what has not been asked for has not been read, so memory holds one batch
//! whatever the length of the source.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use nalgebra::DMatrix;

use super::{InvertedBatch, Inverter};
use crate::error::{Error, Result};

/// An iterator of inverted batches; ends after the first error.
pub struct Stream<'a, S> {
    inverter: &'a Inverter,
    source: S,
    next_index: u64,
    cancelled: Arc<AtomicBool>,
    progress: Option<Box<dyn FnMut(u64) + 'a>>,
    ended: bool,
}

impl<'a, S: Iterator<Item = Result<DMatrix<f64>>>> Stream<'a, S> {
    pub(super) fn new(inverter: &'a Inverter, source: S) -> Self {
        let cancelled = Arc::new(AtomicBool::new(false));
        Stream { inverter, source, next_index: 0, cancelled, progress: None, ended: false }
    }

    /// Calls `progress` after each batch with the number of observations that are done.
    pub fn on_progress(mut self, progress: impl FnMut(u64) + 'a) -> Self {
        self.progress = Some(Box::new(progress));
        self
    }

    /// A handle that ends the stream before its next batch, from any thread; the stream then yields
    /// [`Error::Cancelled`].
    pub fn canceller(&self) -> Canceller {
        Canceller(Arc::clone(&self.cancelled))
    }

    fn next_batch(&mut self) -> Option<Result<InvertedBatch>> {
        if self.cancelled.load(Ordering::Relaxed) {
            return Some(Err(Error::Cancelled));
        }
        let observations = match self.source.next()? {
            Ok(observations) => observations,
            Err(error) => return Some(Err(error)),
        };
        let result = self.inverter.invert_from(&observations, self.next_index);
        self.next_index += observations.ncols() as u64;
        if let (Ok(_), Some(progress)) = (&result, &mut self.progress) {
            progress(self.next_index);
        }
        Some(result)
    }
}

impl<S: Iterator<Item = Result<DMatrix<f64>>>> Iterator for Stream<'_, S> {
    type Item = Result<InvertedBatch>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.ended {
            return None;
        }
        let next = self.next_batch();
        self.ended = !matches!(next, Some(Ok(_)));
        next
    }
}

/// Cancels a [`Stream`].
#[derive(Debug, Clone)]
pub struct Canceller(Arc<AtomicBool>);

impl Canceller {
    /// Ends the stream before its next batch.
    pub fn cancel(&self) {
        self.0.store(true, Ordering::Relaxed);
    }
}
