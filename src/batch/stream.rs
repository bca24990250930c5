//! Batches from an iterator, one after another. A batch is read only when it is requested, so
//! memory holds one batch, however long the source is.

use nalgebra::DMatrix;

use super::{InvertedBatch, Inverter};
use crate::cancel::CancelToken;
use crate::error::{Error, Result};

/// An iterator over inverted batches. It ends after the first error.
///
/// ```
/// use unrelu::{Activation, CancelToken, Inverter, Network, Options};
///
/// # fn main() -> unrelu::Result<()> {
/// let network = Network::random(&[2, 6, 20], Activation::Relu, 1)?;
/// let batches = (0..3).map(|seed| network.forward(&network.random_codes(8, seed)));
/// let inverter = Inverter::new(network.clone(), Options::default())?;
/// let token = CancelToken::new();
/// let mut done = 0;
/// for batch in inverter.stream(batches).cancelled_by(&token) {
///     done += batch?.rows.len();
/// }
/// assert_eq!(done, 24);
/// # Ok(())
/// # }
/// ```
#[must_use = "a stream inverts only what is asked of it"]
pub struct Stream<'a, S> {
    inverter: &'a Inverter,
    source: S,
    next_index: u64,
    cancel: CancelToken,
    progress: Option<Box<dyn FnMut(u64) + 'a>>,
    ended: bool,
}

impl<'a, S: Iterator<Item = Result<DMatrix<f64>>>> Stream<'a, S> {
    pub(super) fn new(inverter: &'a Inverter, source: S) -> Self {
        Stream { inverter, source, next_index: 0, cancel: CancelToken::new(), progress: None, ended: false }
    }

    /// Calls `progress` after each batch with the number of observations done so far.
    pub fn on_progress(mut self, progress: impl FnMut(u64) + 'a) -> Self {
        self.progress = Some(Box::new(progress));
        self
    }

    /// Ends the stream before its next batch if `token` is cancelled. The last item is then
    /// [`Error::Cancelled`].
    pub fn cancelled_by(mut self, token: &CancelToken) -> Self {
        self.cancel = token.clone();
        self
    }

    fn next_batch(&mut self) -> Option<Result<InvertedBatch>> {
        if self.cancel.is_cancelled() {
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
