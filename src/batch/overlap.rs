//! The device as one batch of a pipeline uses it. Its calls are timed. While a GPU works on one
//! batch, the calling thread of the pool solves linear programs of another batch.

use std::ops::Range;
use std::sync::mpsc::{RecvTimeoutError, TryRecvError, sync_channel};
use std::thread;
use std::time::Duration;

use nalgebra::DMatrix;
use rayon::Yield;

use super::clocks::{Clock, Clocks};
use crate::configuration::Configurations;
use crate::descent::{DescentAnswer, DescentOptions};
use crate::device::Device;
use crate::error::Result;

/// How long an idle thread waits before it checks the pool for work again.
const PAUSE: Duration = Duration::from_micros(50);

/// The device of one batch.
pub(super) struct Overlapped<'a> {
    pub device: &'a dyn Device,
    pub clocks: &'a Clocks,
}

impl Overlapped<'_> {
    fn call<T: Send>(&self, clock: &Clock, call: impl FnOnce(&dyn Device) -> Result<T> + Send) -> Result<T> {
        let clocks = self.clocks;
        clocks.solve.leave();
        clocks.pool.leave();
        let timed = || clocks.device.time(|| clock.time(|| call(self.device)));
        let result = if self.device.is_asynchronous() { while_pool_works(timed) } else { timed() };
        clocks.pool.enter();
        clocks.solve.enter();
        result
    }
}

/// Runs `work` on a new thread. Until it is done, the calling thread of the pool does other work of
/// the pool.
fn while_pool_works<T: Send>(work: impl FnOnce() -> T + Send) -> T {
    thread::scope(|scope| {
        let (done, is_done) = sync_channel(1);
        let worker = scope.spawn(move || {
            let result = work();
            // Cannot fail: the receiver lives until the message arrives.
            let _ = done.send(());
            result
        });
        loop {
            match is_done.try_recv() {
                Ok(()) | Err(TryRecvError::Disconnected) => break,
                Err(TryRecvError::Empty) => {}
            }
            if let Some(Yield::Executed) = rayon::yield_now() {
                continue;
            }
            match is_done.recv_timeout(PAUSE) {
                Ok(()) | Err(RecvTimeoutError::Disconnected) => break,
                Err(RecvTimeoutError::Timeout) => {}
            }
        }
        worker.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    })
}

impl Device for Overlapped<'_> {
    fn description(&self) -> String {
        self.device.description()
    }

    fn forward(&self, layers: Range<usize>, inputs: &DMatrix<f64>) -> Result<DMatrix<f64>> {
        self.call(&self.clocks.forward, |device| device.forward(layers, inputs))
    }

    fn classify(&self, targets: &DMatrix<f64>, thresholds: &[f64]) -> Result<Configurations> {
        self.call(&self.clocks.classify, |device| device.classify(targets, thresholds))
    }

    fn descend(
        &self,
        observations: &DMatrix<f64>,
        first_index: u64,
        options: &DescentOptions,
    ) -> Result<DescentAnswer> {
        self.call(&self.clocks.descent, |device| device.descend(observations, first_index, options))
    }

    fn levenberg_marquardt(
        &self,
        observations: &DMatrix<f64>,
        which: &[usize],
        starts: &DMatrix<f64>,
    ) -> Result<Option<DMatrix<f64>>> {
        self.call(&self.clocks.descent, |device| device.levenberg_marquardt(observations, which, starts))
    }

    fn dispatches(&self) -> u64 {
        self.device.dispatches()
    }

    fn kernel_seconds(&self) -> Option<f64> {
        self.device.kernel_seconds()
    }

    fn is_asynchronous(&self) -> bool {
        self.device.is_asynchronous()
    }

    fn warning(&self) -> Option<String> {
        self.device.warning()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A device whose answers all differ from the default answers of the trait.
    struct Telling;

    impl Device for Telling {
        fn description(&self) -> String {
            "a card".to_owned()
        }

        fn forward(&self, _: Range<usize>, inputs: &DMatrix<f64>) -> Result<DMatrix<f64>> {
            Ok(inputs * 2.0)
        }

        fn classify(&self, targets: &DMatrix<f64>, thresholds: &[f64]) -> Result<Configurations> {
            Ok(crate::cpu::classify::classify(targets, thresholds))
        }

        fn descend(&self, x: &DMatrix<f64>, first_index: u64, _: &DescentOptions) -> Result<DescentAnswer> {
            Ok(DescentAnswer::undetermined(x.nrows(), first_index as usize))
        }

        fn levenberg_marquardt(
            &self,
            _: &DMatrix<f64>,
            _: &[usize],
            starts: &DMatrix<f64>,
        ) -> Result<Option<DMatrix<f64>>> {
            Ok(Some(starts * 3.0))
        }

        fn dispatches(&self) -> u64 {
            7
        }

        fn kernel_seconds(&self) -> Option<f64> {
            Some(1.5)
        }

        fn is_asynchronous(&self) -> bool {
            true
        }

        fn warning(&self) -> Option<String> {
            Some("lost".to_owned())
        }
    }

    #[test]
    fn everything_a_device_tells_is_handed_on() {
        let clocks = Clocks::default();
        let overlapped = Overlapped { device: &Telling, clocks: &clocks };
        assert_eq!(overlapped.description(), "a card");
        assert_eq!((overlapped.dispatches(), overlapped.kernel_seconds()), (7, Some(1.5)));
        assert_eq!((overlapped.is_asynchronous(), overlapped.warning()), (true, Some("lost".to_owned())));
        let ones = DMatrix::repeat(2, 3, 1.0);
        let on_pool = || {
            let found = overlapped.levenberg_marquardt(&ones, &[0, 1, 2], &ones).unwrap();
            assert_eq!(found, Some(&ones * 3.0));
            assert_eq!(overlapped.forward(0..1, &ones).unwrap(), &ones * 2.0);
            assert_eq!(
                overlapped.classify(&ones, &[0.5, 2.0, 0.0]).unwrap(),
                Telling.classify(&ones, &[0.5, 2.0, 0.0]).unwrap()
            );
            assert_eq!(overlapped.descend(&ones, 4, &DescentOptions::default()).unwrap().codes.ncols(), 4);
        };
        rayon::ThreadPoolBuilder::new().num_threads(1).build().unwrap().install(on_pool);
    }
}
