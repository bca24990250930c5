//! How long each stage of a pipeline was at work. Batches overlap, so the time of a stage is that during which at least one
//! batch was in it: no stage can come to more than the run took, and the slowest one bounds the run.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::summary::Seconds;

/// The time during which somebody was at work.
#[derive(Debug, Default)]
pub(crate) struct Clock(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    at_work: usize,
    since: Option<Instant>,
    total: Duration,
}

impl Clock {
    /// Runs `work` on this clock.
    pub fn time<T>(&self, work: impl FnOnce() -> T) -> T {
        self.enter();
        let result = work();
        self.leave();
        result
    }

    /// Somebody begins.
    pub fn enter(&self) {
        self.change(|state| {
            if state.at_work == 0 {
                state.since = Some(Instant::now());
            }
            state.at_work += 1;
        });
    }

    /// Somebody ends, who has begun.
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
        // Whoever panicked while holding it left two numbers behind, which are whole.
        change(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn seconds(&self) -> f64 {
        self.change(|state| state.total + state.since.map_or(Duration::ZERO, |since| since.elapsed())).as_secs_f64()
    }
}

/// The stages of a run.
#[derive(Debug, Default)]
pub(crate) struct Clocks {
    pub read: Clock,
    pub classify: Clock,
    pub solve: Clock,
    pub forward: Clock,
    pub descent: Clock,
    pub finish: Clock,
    pub write: Clock,
    /// Any of classify, forward, descent.
    pub device: Clock,
    /// Either of solve and finish.
    pub pool: Clock,
}

impl Clocks {
    /// What they show after `total` seconds; `refine` and `residuals` are measured apart, batch by batch.
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
