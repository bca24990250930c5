//! The device as one batch of a pipeline sees it: its calls are timed, and while a GPU works on one batch, the thread of
//! the pool that asked it solves the linear programs of another.

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

/// How long a thread with nothing else to do waits before it looks for work of the pool again.
const PAUSE: Duration = Duration::from_micros(50);

/// A device of one batch.
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

/// Runs `work` on a thread of its own; this one, of the pool, does what else the pool has to do until it is done.
fn while_pool_works<T: Send>(work: impl FnOnce() -> T + Send) -> T {
    thread::scope(|scope| {
        let (done, is_done) = sync_channel(1);
        let worker = scope.spawn(move || {
            let result = work();
            // Whoever waits for it is there until it comes.
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

    fn is_asynchronous(&self) -> bool {
        self.device.is_asynchronous()
    }

    fn warning(&self) -> Option<String> {
        self.device.warning()
    }
}
