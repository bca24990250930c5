//! How many iterations of gradient descent go into one submission: few where one takes long,
//! because drivers stop work that runs for seconds and what ends in between has to wait; many where
//! one is short, because the host cannot see any run's end before a submission's.

use std::time::Duration;

/// What a submission should take.
const AIM: Duration = Duration::from_millis(25);
/// The first submissions, before anything is known: of a large network on a slow device one
/// iteration takes long enough.
const FIRST: usize = 1;
/// However short an iteration is, so many hide the host's part.
const MOST: usize = 512;
/// How fast the length may grow: the first time measured has the compilation of the kernels in it,
/// or nothing.
const GROWTH: usize = 4;

/// The length of the next submission.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pace {
    iterations: usize,
}

impl Default for Pace {
    /// Before the first.
    fn default() -> Self {
        Pace { iterations: FIRST }
    }
}

impl Pace {
    /// Iterations for the next submission, at least 1.
    pub fn iterations(&self) -> usize {
        self.iterations
    }

    /// Takes in how long the last `iterations` took.
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
