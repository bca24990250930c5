//! The resources of a call: a device and a pool of threads, opened once.

mod gate;
mod workers;

use std::fmt;
use std::sync::Arc;

use crate::device::{self, Device, Request};
use crate::error::Result;
use crate::network::Network;
use workers::Workers;

/// Number of batches that may wait for a GPU at the same time: the lanes of the pipeline.
const MOST_WAITING: usize = 2;

/// A device for one network, and a pool of threads.
pub struct Runtime {
    device: Box<dyn Device>,
    notice: Option<String>,
    workers: Workers,
}

impl Runtime {
    #[doc(hidden)]
    /// Opens the device and starts the threads.
    ///
    /// `threads` is the number of threads; by default, as many as the system allows this process.
    ///
    /// # Errors
    /// Those of [`device::open`]; [`Error::BadOption`](crate::Error::BadOption) for more threads
    /// than the system allows.
    pub fn open(network: &Arc<Network>, request: &Request<'_>, threads: Option<usize>) -> Result<Self> {
        let opened = device::open(network, request)?;
        Self::with_device(opened.device, opened.notice, threads)
    }

    #[doc(hidden)]
    /// Makes a runtime on the given device. `notice` explains the choice of the device, if needed.
    ///
    /// # Errors
    /// [`Error::BadOption`](crate::Error::BadOption) for more threads than the system allows.
    pub fn with_device(device: Box<dyn Device>, notice: Option<String>, threads: Option<usize>) -> Result<Self> {
        let waiting = if device.is_asynchronous() { MOST_WAITING } else { 0 };
        Ok(Runtime { device, notice, workers: Workers::new(threads, waiting)? })
    }

    #[doc(hidden)]
    /// The device.
    pub fn device(&self) -> &dyn Device {
        &*self.device
    }

    /// The description of the device, with the number of threads that it uses.
    pub fn description(&self) -> String {
        self.workers.enter(|| self.device.description())
    }

    /// The notice about the choice of the device, if any.
    pub fn notice(&self) -> Option<&str> {
        self.notice.as_deref()
    }

    /// Sets the notice, unless there is one already.
    pub(crate) fn notify(&mut self, notice: String) {
        self.notice.get_or_insert(notice);
    }

    /// The warning about a failure of the device, if any. For example, a GPU was lost and the CPU
    /// does its work since then.
    pub fn warning(&self) -> Option<String> {
        self.device.warning()
    }

    /// Number of threads that compute.
    pub fn threads(&self) -> usize {
        self.workers.threads()
    }

    /// Runs `work` on the threads, for callers outside the library; see [`Workers::enter`].
    pub(crate) fn enter<T: Send>(&self, work: impl FnOnce() -> T + Send) -> T {
        self.workers.enter(work)
    }

    /// Runs `work` on the threads. A thread of the pool runs it directly.
    pub(crate) fn run<T: Send>(&self, work: impl FnOnce() -> T + Send) -> T {
        self.workers.run(work)
    }
}

impl fmt::Debug for Runtime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Runtime")
            .field("notice", &self.notice)
            .field("threads", &self.threads())
            .finish_non_exhaustive()
    }
}
