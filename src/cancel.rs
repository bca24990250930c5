//! The token by which a caller ends work from another thread.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// Ends work from any thread. Copies of a token are one: cancelling any of them cancels all.
///
/// Work that holds the token begins nothing further once it is cancelled; the batches that have
/// begun are finished and handed over.
///
/// ```
/// let token = unrelu::CancelToken::new();
/// let copy = token.clone();
/// std::thread::spawn(move || copy.cancel()).join().unwrap();
/// assert!(token.is_cancelled());
/// ```
#[derive(Debug, Clone, Default)]
pub struct CancelToken(Arc<AtomicBool>);

impl CancelToken {
    /// A token that is not cancelled.
    pub fn new() -> Self {
        Self::default()
    }

    /// Cancels it, for good.
    pub fn cancel(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    /// Whether it was cancelled.
    pub fn is_cancelled(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}
