//! The number of gradient descent iterations per submission. It is small where an iteration is
//! slow: drivers stop work that runs for seconds, and lanes that end in between have to wait. It is
//! large where an iteration is fast, because the host notices the end of a run only after a
//! submission.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use super::fitting::{KINDS, Work};

/// Target duration of a submission.
const AIM: Duration = Duration::from_millis(25);
/// Iterations of the first submission, before any time is known: one iteration of a large network
/// on a slow device may already take long enough.
const FIRST: usize = 1;
/// Maximum number of iterations. Even if an iteration is very short, this many take longer than the
/// host's part.
const MOST: usize = 512;
/// Maximum growth from one submission to the next: the first measured time may include the
/// compilation of the kernels, or almost nothing.
const GROWTH: usize = 4;

/// Computes the length of the next submission.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pace {
    iterations: usize,
    /// The number of lanes to which `iterations` applies.
    lanes: usize,
}

impl Default for Pace {
    /// The state before the first submission.
    fn default() -> Self {
        Pace { iterations: FIRST, lanes: 1 }
    }
}

impl Pace {
    /// Number of iterations of the next submission with this number of lanes, at least 1. For more
    /// lanes than before, there are fewer by the same factor. For fewer lanes there are not more,
    /// because a part of the time does not depend on the lanes.
    pub fn iterations(&self, lanes: usize) -> usize {
        let shared = self.iterations as u128 * self.lanes as u128 / lanes.max(1) as u128;
        (shared as usize).clamp(1, self.iterations)
    }

    /// Records the duration of the last `iterations` of `lanes` lanes.
    pub fn observe(&mut self, iterations: usize, lanes: usize, took: Duration) {
        let each = took.as_secs_f64() / iterations.max(1) as f64;
        let fitting = if each > 0.0 { (AIM.as_secs_f64() / each) as usize } else { MOST };
        self.iterations = fitting.clamp(1, MOST.min(GROWTH * self.iterations(lanes)));
        self.lanes = lanes;
    }
}

/// The paces of a device, one per kind of work. The first submission of a batch continues at the
/// pace of the batch before.
#[derive(Debug, Default)]
pub(super) struct Paces([Mutex<Pace>; KINDS]);

impl Paces {
    /// The last pace of this kind of work.
    pub fn of(&self, work: Work) -> Pace {
        *self.0[work as usize].lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Keeps a pace for the next batch.
    pub fn keep(&self, work: Work, pace: Pace) {
        *self.0[work as usize].lock().unwrap_or_else(PoisonError::into_inner) = pace;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn submissions_grow_to_the_aim_and_shrink_at_once() {
        let mut pace = Pace::default();
        let mut lengths = vec![pace.iterations(8)];
        for _ in 0..5 {
            let now = pace.iterations(8);
            pace.observe(now, 8, Duration::from_micros(100) * now as u32);
            lengths.push(pace.iterations(8));
        }
        assert_eq!(lengths, [1, 4, 16, 64, 250, 250]);
        pace.observe(250, 8, Duration::from_secs(25));
        assert_eq!(pace.iterations(8), 1);
        pace.observe(1, 8, Duration::ZERO);
        assert_eq!(pace.iterations(8), 4);
    }

    #[test]
    fn the_next_batch_continues_at_the_pace_of_the_last_but_a_wider_one_does_not_take_longer() {
        let paces = Paces::default();
        let mut pace = paces.of(Work::Descend);
        for _ in 0..9 {
            let now = pace.iterations(256);
            pace.observe(now, 256, Duration::from_micros(100) * now as u32);
        }
        paces.keep(Work::Descend, pace);
        let kept = paces.of(Work::Descend);
        assert_eq!([1, 256, 512, 25_600, 1 << 40].map(|lanes| kept.iterations(lanes)), [250, 250, 125, 2, 1]);
        assert_eq!(paces.of(Work::LevenbergMarquardt), Pace::default());
    }
}
