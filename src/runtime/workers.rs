//! The thread pool, which accepts work from any thread.
//!
//! Callers can be threads of a program's own rayon pool, of tokio or of Python. A rayon worker that
//! waits for another pool steals further jobs of its own pool. If these jobs also call an inverter,
//! each call waits on top of the one before, and the stack overflows. So a caller never steals
//! while it waits here; it sleeps. Inside the pool, a [`Gate`] limits the number of calls that can
//! lie on one worker's stack. The stack is large enough for that number.

use std::panic::resume_unwind;
use std::sync::OnceLock;
use std::thread;

use rayon::{ThreadPool, ThreadPoolBuilder};

use super::gate::Gate;
use crate::error::{Error, Result};

/// Minimum number of calls that are allowed in the pool, even with few threads. The pipeline has
/// three batches there, and two of them may wait for a device.
const FEWEST_CALLS: usize = 4;
/// Stack size of a worker per call that may lie on it. Without optimisation, four calls together
/// needed less than this. The system allocates only the memory that is used.
const STACK_PER_CALL: usize = 256 << 10;
/// Additional stack size of a worker.
const STACK: usize = 2 << 20;
/// Stack size of a thread that only waits.
const WAITING_STACK: usize = 128 << 10;

/// A pool of threads that accepts work from any thread.
#[derive(Debug)]
pub(crate) struct Workers {
    pool: ThreadPool,
    /// Number of threads that compute.
    threads: usize,
    gate: Gate,
    /// The pool for calls from this pool's own threads, for example from an operator that calls an
    /// inverter.
    inner: OnceLock<Option<Box<Workers>>>,
}

impl Workers {
    /// Starts the threads. The default number is that of [`thread::available_parallelism`], which
    /// respects CPU affinity and cgroup limits. `waiting` more threads are started for calls that
    /// wait for a GPU. Such a call blocks its thread: if the thread did other work of the pool
    /// meanwhile, that could be a whole other batch, and the finished result would lie until its
    /// end.
    ///
    /// # Errors
    /// [`Error::BadOption`] if the system does not allow that many threads.
    pub fn new(threads: Option<usize>, waiting: usize) -> Result<Self> {
        let wanted = threads.unwrap_or_else(|| thread::available_parallelism().map_or(1, usize::from)).max(1);
        let calls = wanted.max(FEWEST_CALLS);
        let pool = ThreadPoolBuilder::new()
            .num_threads(wanted.saturating_add(waiting))
            .thread_name(|index| format!("unrelu-{index}"))
            .stack_size(STACK + calls * STACK_PER_CALL)
            .build()
            .map_err(|error| {
                Error::option("threads", error.to_string(), "a number of threads that the system allows")
            })?;
        Ok(Workers { pool, threads: wanted, gate: Gate::new(calls), inner: OnceLock::new() })
    }

    /// Number of threads that compute.
    pub fn threads(&self) -> usize {
        self.threads
    }

    /// Runs `work` on these threads, for callers outside the library. The caller sleeps until it is
    /// done. Calls from these threads themselves run on an inner pool.
    pub fn enter<T: Send>(&self, work: impl FnOnce() -> T + Send) -> T {
        match self.innermost() {
            None => self.wait_for(work),
            Some(workers) => match workers.inner() {
                Some(inner) => inner.wait_for(work),
                None => work(),
            },
        }
    }

    /// [`Self::enter`] for the library's own code. A thread of the pool runs the work directly.
    pub fn run<T: Send>(&self, work: impl FnOnce() -> T + Send) -> T {
        if self.innermost().is_some() { work() } else { self.wait_for(work) }
    }

    /// Blocks the calling thread, which is not of this pool, until `work` is done.
    fn wait_for<T: Send>(&self, work: impl FnOnce() -> T + Send) -> T {
        let _pass = self.gate.pass();
        // A thread outside all pools sleeps in `install`.
        if rayon::current_thread_index().is_none() {
            return self.pool.install(work);
        }
        // A worker of another pool would steal jobs there. So a new thread waits instead.
        let mut waiting = Some(work);
        let mut result = None;
        thread::scope(|scope| {
            let run = || result = waiting.take().map(|work| self.pool.install(work));
            let waiter = thread::Builder::new().stack_size(WAITING_STACK).spawn_scoped(scope, run);
            if let Ok(Err(panic)) = waiter.map(thread::ScopedJoinHandle::join) {
                resume_unwind(panic);
            }
        });
        match (result, waiting) {
            (Some(result), _) => result,
            // The system allows no further thread.
            (None, Some(work)) => self.pool.install(work),
            (None, None) => unreachable!("the waiter either ran the work or did not start"),
        }
    }

    /// The pool of the calling thread: this one or one of its inner pools.
    fn innermost(&self) -> Option<&Workers> {
        let inner = self.inner.get().and_then(Option::as_deref);
        match inner.and_then(Workers::innermost) {
            Some(workers) => Some(workers),
            None => self.pool.current_thread_index().map(|_| self),
        }
    }

    /// The pool for calls from this pool's threads; `None` if the system allows no more threads. It
    /// has no threads that wait: such calls come from operators and do not use the device.
    fn inner(&self) -> Option<&Workers> {
        self.inner.get_or_init(|| Workers::new(Some(self.threads()), 0).ok().map(Box::new)).as_deref()
    }
}

#[cfg(test)]
mod tests;
