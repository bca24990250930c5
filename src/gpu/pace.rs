//! The number of gradient descent iterations per submission. It is small where an iteration is
//! slow: drivers stop work that runs for seconds, and lanes that end in between have to wait. It is
//! large where an iteration is fast, because the host notices the end of a run only after a
//! submission.

use std::time::Duration;

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
}

impl Default for Pace {
    /// The state before the first submission.
    fn default() -> Self {
        Pace { iterations: FIRST }
    }
}

impl Pace {
    /// Number of iterations of the next submission, at least 1.
    pub fn iterations(&self) -> usize {
        self.iterations
    }

    /// Records the duration of the last `iterations`.
    pub fn observe(&mut self, iterations: usize, took: Duration) {
        let each = took.as_secs_f64() / iterations.max(1) as f64;
        let fitting = if each > 0.0 { (AIM.as_secs_f64() / each) as usize } else { MOST };
        self.iterations = fitting.clamp(1, MOST.min(GROWTH * self.iterations));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn submissions_grow_to_the_aim_and_shrink_at_once() {
        let mut pace = Pace::default();
        let mut lengths = vec![pace.iterations()];
        for _ in 0..5 {
            pace.observe(pace.iterations(), Duration::from_micros(100) * pace.iterations() as u32);
            lengths.push(pace.iterations());
        }
        assert_eq!(lengths, [1, 4, 16, 64, 250, 250]);
        pace.observe(250, Duration::from_secs(25));
        assert_eq!(pace.iterations(), 1);
        pace.observe(1, Duration::ZERO);
        assert_eq!(pace.iterations(), 4);
    }
}
