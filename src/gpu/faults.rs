//! Failures of a device on purpose, at the points where a real one fails: an allocation, a
//! submission, a wait. Tests use them to show that a run ends right on what is left.

use std::cell::Cell;
use std::sync::atomic::{AtomicU64, Ordering};

thread_local! {
    /// Bytes of the allocation that this thread was refused last, as an error scope of wgpu would
    /// keep it.
    static REFUSED: Cell<Option<u64>> = const { Cell::new(None) };
}

/// Which of the next calls fail. Nothing fails by default.
#[derive(Debug)]
pub struct Faults {
    /// Number of allocations until one finds no memory.
    allocations: AtomicU64,
    /// The largest buffer for which there is memory, in bytes.
    largest: AtomicU64,
    /// Number of submissions until the device is lost.
    submissions: AtomicU64,
    /// Number of submissions that are answered.
    answers: AtomicU64,
}

impl Default for Faults {
    fn default() -> Self {
        let never = || AtomicU64::new(u64::MAX);
        Faults { allocations: never(), largest: never(), submissions: never(), answers: never() }
    }
}

impl Faults {
    /// The `n`-th allocation from now on finds no memory, the first one for 0. Later ones do.
    pub fn no_memory_at(&self, n: u64) {
        self.allocations.store(n, Ordering::Relaxed);
    }

    /// Every buffer of more than `bytes` finds no memory.
    pub fn no_memory_beyond(&self, bytes: u64) {
        self.largest.store(bytes, Ordering::Relaxed);
    }

    /// The device is lost at the `n`-th submission from now on, the first one for 0.
    pub fn lost_at(&self, n: u64) {
        self.submissions.store(n, Ordering::Relaxed);
    }

    /// The device answers `n` more submissions, and then never again.
    pub fn silent_after(&self, n: u64) {
        self.answers.store(n, Ordering::Relaxed);
    }

    /// Whether an allocation of `bytes` has to fail.
    pub(super) fn refuses(&self, bytes: u64) -> bool {
        let refuses = counts_down(&self.allocations) || bytes > self.largest.load(Ordering::Relaxed);
        if refuses {
            REFUSED.set(Some(bytes));
        }
        refuses
    }

    /// What a refused allocation of this thread says, if there was one.
    pub(super) fn refusal() -> Option<String> {
        REFUSED.get().map(|bytes| format!("no memory for a buffer of {bytes} bytes"))
    }

    /// Forgets it.
    pub(super) fn forget_refusal() {
        REFUSED.set(None);
    }

    /// Whether the device is to be lost at this submission.
    pub(super) fn loses(&self) -> bool {
        counts_down(&self.submissions)
    }

    /// Whether a wait for this submission has to find no answer.
    pub(super) fn silences(&self) -> bool {
        self.answers.load(Ordering::Relaxed) != u64::MAX
            && self.answers.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1)).is_err()
    }
}

/// Counts one call down; whether it is the one that fails. Without a failure to come, nothing is
/// counted.
fn counts_down(left: &AtomicU64) -> bool {
    if left.load(Ordering::Relaxed) == u64::MAX {
        return false;
    }
    // After 0, which fails, nothing fails again.
    let next = |left: u64| (left != u64::MAX).then(|| left.checked_sub(1).unwrap_or(u64::MAX));
    left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, next) == Ok(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_named_call_fails_and_no_other() {
        let faults = Faults::default();
        assert!(!faults.refuses(u64::MAX - 1) && !faults.loses() && !faults.silences());
        faults.no_memory_at(2);
        assert_eq!([0; 5].map(|bytes| faults.refuses(bytes)), [false, false, true, false, false]);
        faults.no_memory_beyond(100);
        assert_eq!([100, 101, 7].map(|bytes| faults.refuses(bytes)), [false, true, false]);
        faults.lost_at(0);
        assert_eq!([(); 3].map(|()| faults.loses()), [true, false, false]);
        faults.silent_after(2);
        assert_eq!([(); 4].map(|()| faults.silences()), [false, false, true, true]);
    }
}
