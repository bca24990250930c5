//! The device as one batch of a pipeline uses it, with its calls timed. While a GPU works on a
//! batch, the calling thread of the pool is blocked, and continues at once when the result is
//! there. The pool has a thread more for each batch that may wait (`runtime/workers.rs`), which
//! solves linear programs of another batch meanwhile.

use std::ops::Range;

use nalgebra::DMatrix;

use super::clocks::{Clock, Clocks};
use crate::configuration::Configurations;
use crate::descent::{DescentAnswer, DescentOptions};
use crate::device::Device;
use crate::error::Result;
use crate::observation::View;

/// The device of one batch.
pub(super) struct Overlapped<'a> {
    pub device: &'a dyn Device,
    pub clocks: &'a Clocks,
}

impl Overlapped<'_> {
    fn call<T>(&self, clock: &Clock, call: impl FnOnce(&dyn Device) -> Result<T>) -> Result<T> {
        let clocks = self.clocks;
        clocks.solve.leave();
        clocks.pool.leave();
        let result = clocks.device.time(|| clock.time(|| call(self.device)));
        clocks.pool.enter();
        clocks.solve.enter();
        result
    }
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
        observations: View<'_>,
        first_index: u64,
        options: &DescentOptions,
        prior: f64,
    ) -> Result<DescentAnswer> {
        self.call(&self.clocks.descent, |device| device.descend(observations, first_index, options, prior))
    }

    fn levenberg_marquardt(
        &self,
        observations: &DMatrix<f64>,
        which: &[usize],
        starts: &DMatrix<f64>,
        prior: f64,
    ) -> Result<Option<DMatrix<f64>>> {
        self.call(&self.clocks.descent, |device| device.levenberg_marquardt(observations, which, starts, prior))
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

    fn observations_at_once(&self, options: &DescentOptions) -> usize {
        self.device.observations_at_once(options)
    }

    fn warning(&self) -> Option<String> {
        self.device.warning()
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::*;
    use crate::runtime::Runtime;

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

        fn descend(&self, x: View<'_>, first_index: u64, _: &DescentOptions, _: f64) -> Result<DescentAnswer> {
            Ok(DescentAnswer::undetermined(x.nrows(), first_index as usize))
        }

        fn levenberg_marquardt(
            &self,
            _: &DMatrix<f64>,
            _: &[usize],
            starts: &DMatrix<f64>,
            _: f64,
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

        fn observations_at_once(&self, options: &DescentOptions) -> usize {
            options.restarts + 11
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
        assert_eq!(overlapped.observations_at_once(&DescentOptions::default().restarts(4)), 15);
        let ones = DMatrix::repeat(2, 3, 1.0);
        let on_pool = || {
            let found = overlapped.levenberg_marquardt(&ones, &[0, 1, 2], &ones, 0.0).unwrap();
            assert_eq!(found, Some(&ones * 3.0));
            assert_eq!(overlapped.forward(0..1, &ones).unwrap(), &ones * 2.0);
            assert_eq!(
                overlapped.classify(&ones, &[0.5, 2.0, 0.0]).unwrap(),
                Telling.classify(&ones, &[0.5, 2.0, 0.0]).unwrap()
            );
            assert_eq!(
                overlapped.descend((&ones).into(), 4, &DescentOptions::default(), 0.0).unwrap().codes.ncols(),
                4
            );
        };
        rayon::ThreadPoolBuilder::new().num_threads(1).build().unwrap().install(on_pool);
    }

    /// A device that answers after a while.
    struct Slow;

    impl Device for Slow {
        fn description(&self) -> String {
            Telling.description()
        }

        fn forward(&self, _: Range<usize>, inputs: &DMatrix<f64>) -> Result<DMatrix<f64>> {
            std::thread::sleep(ANSWER);
            Ok(inputs.clone())
        }

        fn classify(&self, targets: &DMatrix<f64>, thresholds: &[f64]) -> Result<Configurations> {
            Telling.classify(targets, thresholds)
        }

        fn descend(
            &self,
            x: View<'_>,
            first_index: u64,
            options: &DescentOptions,
            prior: f64,
        ) -> Result<DescentAnswer> {
            Telling.descend(x, first_index, options, prior)
        }

        fn levenberg_marquardt(
            &self,
            observations: &DMatrix<f64>,
            which: &[usize],
            starts: &DMatrix<f64>,
            prior: f64,
        ) -> Result<Option<DMatrix<f64>>> {
            Telling.levenberg_marquardt(observations, which, starts, prior)
        }

        fn dispatches(&self) -> u64 {
            0
        }

        fn kernel_seconds(&self) -> Option<f64> {
            None
        }

        fn is_asynchronous(&self) -> bool {
            true
        }

        fn observations_at_once(&self, options: &DescentOptions) -> usize {
            Telling.observations_at_once(options)
        }

        fn warning(&self) -> Option<String> {
            None
        }
    }

    const ANSWER: Duration = Duration::from_millis(300);
    const OTHER_BATCH: Duration = Duration::from_millis(1500);

    /// The other batch starts while this one waits, and ends long after the answer.
    #[test]
    fn another_batch_runs_meanwhile_and_does_not_delay_the_answer() {
        for threads in [1, 2] {
            let runtime = Runtime::with_device(Box::new(Slow), None, Some(threads)).unwrap();
            let clocks = Clocks::default();
            let overlapped = Overlapped { device: runtime.device(), clocks: &clocks };
            let ones = DMatrix::repeat(2, 3, 1.0);
            let begun = Instant::now();
            let (answered, other) = std::thread::scope(|scope| {
                let lane = scope.spawn(|| {
                    runtime.run(|| overlapped.forward(0..1, &ones)).unwrap();
                    begun.elapsed()
                });
                std::thread::sleep(ANSWER / 3);
                let other = scope.spawn(|| {
                    runtime.run(|| std::thread::sleep(OTHER_BATCH));
                    begun.elapsed()
                });
                (lane.join().unwrap(), other.join().unwrap())
            });
            assert!(answered < OTHER_BATCH, "{threads} threads: the answer lay for {answered:?}");
            assert!(other < ANSWER + OTHER_BATCH, "{threads} threads: the other batch waited until {other:?}");
            assert_eq!(runtime.threads(), threads);
        }
    }
}
