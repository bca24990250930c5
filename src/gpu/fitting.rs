//! Batches that fit the memory of a card. Its free memory is unknown and changes: other programs
//! use it, too. So a batch for which there is no memory is halved until it fits, and later batches
//! keep that size. After a number of them twice the size is tried: the memory may have been short
//! for a while only.

use std::ops::Range;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

use super::GpuDevice;
use super::buffers::even_size;
use crate::error::{Error, Result};

/// The kinds of work, each with its own need of memory per observation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Work {
    Forward,
    Classify,
    Descend,
    LevenbergMarquardt,
}

/// Their number.
pub(super) const KINDS: usize = Work::LevenbergMarquardt as usize + 1;

/// Number of attempts of a reduced size that succeed before twice the size is tried. If it does not
/// fit, one attempt of as many is lost.
const UNTIL_LARGER: usize = 64;

/// What is known about the sizes that fit.
#[derive(Debug)]
pub(super) struct Fitting {
    most: [AtomicUsize; KINDS],
    /// Successes since the last change of `most`, where it is reduced.
    successes: [AtomicUsize; KINDS],
    /// The last size that did not fit, and the driver's reason.
    too_large: Mutex<Option<(usize, String)>>,
}

impl Default for Fitting {
    fn default() -> Self {
        let each = |size| [(); KINDS].map(|()| AtomicUsize::new(size));
        Fitting { most: each(usize::MAX), successes: each(0), too_large: Mutex::new(None) }
    }
}

impl Fitting {
    fn most(&self, work: Work) -> usize {
        self.most[work as usize].load(Ordering::Relaxed)
    }

    fn learn(&self, work: Work, most: usize, too_large: usize, reason: String) {
        self.most[work as usize].fetch_min(most, Ordering::Relaxed);
        self.successes[work as usize].store(0, Ordering::Relaxed);
        *self.too_large.lock().unwrap_or_else(PoisonError::into_inner) = Some((too_large, reason));
    }

    /// Counts an attempt that fitted.
    fn succeed(&self, work: Work) {
        let most = self.most(work);
        if most < usize::MAX && self.successes[work as usize].fetch_add(1, Ordering::Relaxed) + 1 >= UNTIL_LARGER {
            self.successes[work as usize].store(0, Ordering::Relaxed);
            // Another thread may have learned something meanwhile: that counts.
            let larger = most.saturating_mul(2);
            let _ = self.most[work as usize].compare_exchange(most, larger, Ordering::Relaxed, Ordering::Relaxed);
        }
    }

    /// What the user should know, in one line; `None` if everything has fitted so far.
    pub fn warning(&self, name: &str) -> Option<String> {
        let too_large = self.too_large.lock().unwrap_or_else(PoisonError::into_inner);
        too_large.as_ref().map(|(size, reason)| {
            let reason = reason.split_whitespace().collect::<Vec<_>>().join(" ");
            let most = size.div_ceil(2);
            format!(
                "{name} ran out of memory with {size} observations at a time ({reason}); continuing with at most {most}"
            )
        })
    }
}

impl GpuDevice {
    /// Calls `attempt` with a number of observations at a time: `most`, or as many as fit. A size
    /// that does not fit is tried again only after [`UNTIL_LARGER`] attempts of half of it.
    ///
    /// # Errors
    /// What `attempt` returns; [`Error::DeviceLost`] if not even one observation fits.
    pub(super) fn halving<T>(&self, work: Work, most: usize, mut attempt: impl FnMut(usize) -> Result<T>) -> Result<T> {
        let mut size = most.min(self.fitting.most(work));
        loop {
            match attempt(size) {
                Err(Error::DeviceMemory(reason)) => {
                    // What earlier calls left there.
                    self.workspaces.clear();
                    if size <= 1 {
                        return Err(Error::DeviceLost(format!("out of memory even for one observation: {reason}")));
                    }
                    let half = size.div_ceil(2);
                    self.fitting.learn(work, half, size, reason);
                    size = half;
                }
                other => {
                    if other.is_ok() {
                        self.fitting.succeed(work);
                    }
                    return other;
                }
            }
        }
    }

    /// Processes `count` observations in parts of at most `most`, or of as many as fit.
    ///
    /// # Errors
    /// What `part` returns; [`Error::DeviceLost`] if not even one observation fits.
    pub(super) fn in_parts(
        &self,
        work: Work,
        count: usize,
        most: usize,
        mut part: impl FnMut(Range<usize>) -> Result<()>,
    ) -> Result<()> {
        let mut done = 0;
        while done < count {
            let left = count - done;
            // A part that does not fit is tried again from its beginning.
            // Even parts: a last part of few observations would cost as much time as a full one.
            let even = even_size(left, most.min(self.fitting.most(work)));
            done += self.halving(work, even, |size| {
                let size = size.min(left);
                part(done..done + size).map(|()| size)
            })?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_size_grows_again_once_in_a_while() {
        let fitting = Fitting::default();
        let (work, other) = (Work::Descend, Work::Forward);
        let succeed = |times: usize| (0..times).for_each(|_| fitting.succeed(work));
        succeed(2 * UNTIL_LARGER);
        assert_eq!(fitting.most(work), usize::MAX);
        fitting.learn(work, 100, 200, "none left".into());
        succeed(UNTIL_LARGER - 1);
        assert_eq!((fitting.most(work), fitting.most(other)), (100, usize::MAX));
        succeed(1);
        assert_eq!(fitting.most(work), 200);
        // It does not fit: the count begins again.
        succeed(UNTIL_LARGER - 1);
        fitting.learn(work, 100, 200, "none left".into());
        succeed(UNTIL_LARGER - 1);
        assert_eq!(fitting.most(work), 100);
        succeed(1 + 80 * UNTIL_LARGER);
        assert_eq!(fitting.most(work), usize::MAX);
    }
}
