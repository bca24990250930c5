//! Measures the time of each stage of a pipeline. Batches overlap, so the time of a stage is the
//! time during which at least one batch was in it. No stage takes longer than the run, and the
//! slowest stage bounds the run.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::summary::Seconds;

/// Measures the time during which at least one thread works.
#[derive(Debug, Default)]
pub(crate) struct Clock(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    at_work: usize,
    since: Option<Instant>,
    total: Duration,
}

impl Clock {
    /// Runs `work` and measures it.
    pub fn time<T>(&self, work: impl FnOnce() -> T) -> T {
        self.enter();
        let result = work();
        self.leave();
        result
    }

    /// One more thread starts work.
    pub fn enter(&self) {
        self.change(|state| {
            if state.at_work == 0 {
                state.since = Some(Instant::now());
            }
            state.at_work += 1;
        });
    }

    /// One thread ends its work. It must have called [`Self::enter`].
    pub fn leave(&self) {
        self.change(|state| {
            state.at_work = state.at_work.saturating_sub(1);
            if state.at_work == 0
                && let Some(since) = state.since.take()
            {
                state.total += since.elapsed();
            }
        });
    }

    fn change<T>(&self, change: impl FnOnce(&mut State) -> T) -> T {
        // A panic cannot leave the state half changed, so a poisoned lock is safe to use.
        change(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn seconds(&self) -> f64 {
        self.change(|state| state.total + state.since.map_or(Duration::ZERO, |since| since.elapsed())).as_secs_f64()
    }
}

/// The clocks of the stages of a run.
#[derive(Debug, Default)]
pub(crate) struct Clocks {
    pub read: Clock,
    pub classify: Clock,
    pub solve: Clock,
    pub forward: Clock,
    pub descent: Clock,
    pub finish: Clock,
    pub write: Clock,
    /// Runs during classify, forward and descent.
    pub device: Clock,
    /// Runs during solve and finish.
    pub pool: Clock,
}

impl Clocks {
    /// The seconds per stage. The caller measures `refine` and `residuals` batch by batch, and
    /// `total`.
    pub fn seconds(&self, refine: f64, residuals: f64, total: f64) -> Seconds {
        Seconds {
            read: self.read.seconds(),
            classify: self.classify.seconds(),
            solve: self.solve.seconds(),
            forward: self.forward.seconds(),
            descent: self.descent.seconds(),
            refine,
            residuals,
            write: self.write.seconds(),
            device: self.device.seconds(),
            pool: self.pool.seconds(),
            total,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_at_once_count_once() {
        let clock = Clock::default();
        let pause = Duration::from_millis(20);
        let start = Instant::now();
        std::thread::scope(|scope| {
            for _ in 0..2 {
                scope.spawn(|| clock.time(|| std::thread::sleep(pause)));
            }
        });
        let seconds = clock.seconds();
        assert!((pause.as_secs_f64()..=start.elapsed().as_secs_f64()).contains(&seconds), "{seconds}");
        std::thread::sleep(pause);
        assert_eq!(clock.seconds(), seconds);
    }
}
