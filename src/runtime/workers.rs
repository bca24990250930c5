//! The pool of threads, which any thread may hand work to.
//!
//! Callers come from anywhere: a program's own rayon pool, tokio, Python. rayon lets a worker that
//! waits for another pool steal further jobs of its own pool meanwhile. If these jobs call an
//! inverter too, each waits on top of the one before, and the stack overflows. So a caller never
//! steals while it waits here: it parks. Inside the pool, the number of calls that can lie on one
//! worker's stack is bounded by a [`Gate`], and the stack is sized for that many.

use std::panic::resume_unwind;
use std::sync::OnceLock;
use std::thread;

use rayon::{ThreadPool, ThreadPoolBuilder};

use super::gate::Gate;
use crate::error::{Error, Result};

/// Calls in the pool at a time, however few its threads: the pipeline has three batches there, and
/// one of them may wait for a device.
const FEWEST_CALLS: usize = 4;
/// Stack of a worker for each call that may lie on it. Without optimisation, four calls together
/// needed less than this. Memory is taken only for what is used.
const STACK_PER_CALL: usize = 256 << 10;
/// Stack of a worker beside that.
const STACK: usize = 2 << 20;
/// Stack of a thread that only waits.
const WAITING_STACK: usize = 128 << 10;

/// A pool of threads that any thread may hand work to.
#[derive(Debug)]
pub(crate) struct Workers {
    pool: ThreadPool,
    gate: Gate,
    /// For calls that come from the pool's own threads, such as those of a caller's operator.
    inner: OnceLock<Option<Box<Workers>>>,
}

impl Workers {
    /// Starts this many threads; by default as many as [`thread::available_parallelism`] counts,
    /// which heeds affinity and the cgroup's quota.
    ///
    /// # Errors
    /// [`Error::BadOption`] where the system does not allow that many.
    pub fn new(threads: Option<usize>) -> Result<Self> {
        let wanted = threads.unwrap_or_else(|| thread::available_parallelism().map_or(1, usize::from));
        let calls = wanted.max(FEWEST_CALLS);
        let pool = ThreadPoolBuilder::new()
            .num_threads(wanted)
            .thread_name(|index| format!("unrelu-{index}"))
            .stack_size(STACK + calls * STACK_PER_CALL)
            .build()
            .map_err(|error| {
                Error::option("threads", error.to_string(), "a number of threads that the system allows")
            })?;
        Ok(Workers { pool, gate: Gate::new(calls), inner: OnceLock::new() })
    }

    /// Number of threads.
    pub fn threads(&self) -> usize {
        self.pool.current_num_threads()
    }

    /// Runs `work` on these threads, for a caller from outside the library. The caller parks until
    /// it is done. A caller that is one of these threads itself is served by further ones.
    pub fn enter<T: Send>(&self, work: impl FnOnce() -> T + Send) -> T {
        match self.innermost() {
            None => self.wait_for(work),
            Some(workers) => match workers.inner() {
                Some(inner) => inner.wait_for(work),
                None => work(),
            },
        }
    }

    /// [`Self::enter`] for the library's own code: a thread that is inside already does the work
    /// itself.
    pub fn run<T: Send>(&self, work: impl FnOnce() -> T + Send) -> T {
        if self.innermost().is_some() { work() } else { self.wait_for(work) }
    }

    /// Parks the calling thread, which is none of these, until `work` is done.
    fn wait_for<T: Send>(&self, work: impl FnOnce() -> T + Send) -> T {
        let _pass = self.gate.pass();
        // A thread of no pool parks in `install`.
        if rayon::current_thread_index().is_none() {
            return self.pool.install(work);
        }
        // A worker of another pool would steal there. So a thread of its own waits in its stead.
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

    /// The pool that the calling thread belongs to, of this one and those for calls from inside.
    fn innermost(&self) -> Option<&Workers> {
        let inner = self.inner.get().and_then(Option::as_deref);
        match inner.and_then(Workers::innermost) {
            Some(workers) => Some(workers),
            None => self.pool.current_thread_index().map(|_| self),
        }
    }

    /// The pool for calls from this pool's threads; none where the system allows no more threads.
    fn inner(&self) -> Option<&Workers> {
        self.inner.get_or_init(|| Workers::new(Some(self.threads())).ok().map(Box::new)).as_deref()
    }
}

#[cfg(test)]
mod tests;
