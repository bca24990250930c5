//! `unrelu bench throughput`: the CPU against the GPU, transfers included, by the size of the
//! batch.
//!
//! Every pass begins with arrays of the host and ends with arrays of the host, so uploads,
//! read-backs and what the host does in f64 afterwards count; what kernels alone took is told
//! beside it where the adapter has a clock. [`batches`] makes the batches, [`quantity`] says what
//! is counted, `contender` runs a pass, `repeat` measures it, `series` goes through the batches,
//! [`row`] holds the figures, [`machine`] the names and the measured peaks, [`adapters`] opens the
//! GPU, [`table`] is what a person reads.

pub mod adapters;
pub mod batches;
mod contender;
pub mod machine;
mod peak;
pub mod quantity;
mod repeat;
pub mod row;
mod series;
mod spread;
pub mod table;

use rayon::ThreadPoolBuilder;

pub use machine::Kind;

use crate::bench::subject::Subject;
use crate::device::DeviceChoice;
use crate::error::{Error, Result};
use contender::Contender;
use machine::Machine;
use quantity::Quantity;
use row::{Crossover, Row, crossover};

/// What is measured, on what, and for how long.
#[derive(Debug, Clone, PartialEq)]
pub struct Options {
    /// Sizes of batches; taken in ascending order.
    pub batches: Vec<usize>,
    /// What is counted.
    pub quantities: Vec<Quantity>,
    /// The GPU beside the CPU: [`DeviceChoice::Auto`] takes hardware only, [`DeviceChoice::Gpu`]
    /// any adapter and insists on one, [`DeviceChoice::Cpu`] none.
    pub device: DeviceChoice,
    /// A part of the name of the adapter to use.
    pub adapter: Option<String>,
    /// Threads of the pool; `None` takes the processors that the process may use.
    pub threads: Option<usize>,
    /// Iterations of a descent, plain, unless it converges before.
    pub descent_iterations: usize,
    /// Seconds for which passes over a batch are repeated; three passes at least.
    pub repeat_seconds: f64,
    /// Seconds that one pass may take; a series ends before a batch that would take longer.
    pub pass_seconds: f64,
    /// Bytes that a batch may take; `None` takes half of what is free.
    pub memory: Option<f64>,
}

impl Options {
    /// Batches from 1 to 65,536 in powers of 4.
    pub fn full() -> Self {
        Options {
            batches: (0..=8).map(|power| 4_usize.pow(power)).collect(),
            quantities: Quantity::ALL.to_vec(),
            device: DeviceChoice::Auto,
            adapter: None,
            threads: None,
            descent_iterations: 100,
            repeat_seconds: 1.0,
            pass_seconds: 60.0,
            memory: None,
        }
    }

    /// A few batches, for some seconds in all.
    pub fn quick() -> Self {
        Options {
            batches: vec![1, 16, 256, 4096],
            descent_iterations: 10,
            repeat_seconds: 0.05,
            pass_seconds: 0.3,
            ..Self::full()
        }
    }

    /// Whether a GPU was asked for, so that to go on without it is not an answer.
    fn insists_on_gpu(&self) -> bool {
        self.device == DeviceChoice::Gpu || self.adapter.is_some()
    }

    fn validate(&self) -> Result<()> {
        if self.batches.is_empty() || self.batches.contains(&0) {
            return Err(Error::option("batches", "a batch of 0", "sizes of at least 1, for example 1,64,4096"));
        }
        if self.quantities.is_empty() {
            return Err(Error::option("quantities", "none", "some of forward, classify, descend, invert"));
        }
        if !(self.pass_seconds > 0.0 && self.pass_seconds.is_finite()) {
            return Err(Error::option("pass_seconds", self.pass_seconds.to_string(), "a positive number"));
        }
        if self.threads == Some(0) {
            return Err(Error::option("threads", "0", "at least 1"));
        }
        if self.descent_iterations == 0 {
            return Err(Error::option("the iterations of a descent", "0", "at least 1"));
        }
        Ok(())
    }
}

/// What a run has to tell, as soon as it is there.
#[derive(Debug)]
pub enum Event<'a> {
    /// The devices, before anything is measured on them but their peaks.
    Begun(&'a Machine, &'a Options),
    /// One line about what is not there.
    Notice(&'a str),
    /// A series begins.
    Series(&'a Subject, Quantity),
    /// One batch, a row a device.
    Rows(&'a [Row]),
    /// A series has ended; where the GPU is faster, if there is one.
    Ended(Option<Crossover>),
}

/// Measures every quantity of every network on every device and tells `each` what comes of it. An
/// error of `each` ends the run.
///
/// # Errors
/// Bad options; a GPU that is asked for and not there, or cannot hold one of the networks (a notice
/// where it is not asked for); [`Error::Cancelled`] between two passes when `cancelled` says so;
/// what `each` returns. A GPU that fails in the middle ends its series only, and its rows say why.
pub fn run(
    options: &Options,
    subjects: &[Subject],
    cancelled: &(dyn Fn() -> bool + Sync),
    mut each: impl FnMut(Event<'_>) -> Result<()> + Send,
) -> Result<Vec<Row>> {
    let mut options = options.clone();
    options.batches.sort_unstable();
    options.batches.dedup();
    options.validate()?;
    // An inverter checks the threads before any are started.
    let cpus: Vec<Contender> =
        subjects.iter().map(|subject| Contender::cpu(subject, &options)).collect::<Result<_>>()?;
    let pool = ThreadPoolBuilder::new()
        .num_threads(options.threads.unwrap_or(0))
        .build()
        .map_err(|error| Error::option("threads", error.to_string(), "a number of threads that the system allows"))?;
    let machine = Machine::look(&options, &pool)?;
    each(Event::Begun(&machine, &options))?;
    let mut all = Vec::new();
    for (subject, cpu) in subjects.iter().zip(cpus) {
        let gpu = match machine.gpu.as_ref().map(|_| Contender::gpu(subject, &options)).transpose() {
            Err(error) if options.insists_on_gpu() => return Err(error),
            Err(error) => {
                each(Event::Notice(&format!("{}: no rows of the GPU: {error}", subject.name)))?;
                None
            }
            Ok(gpu) => gpu,
        };
        let contenders: Vec<Contender> = std::iter::once(cpu).chain(gpu).collect();
        for &quantity in &options.quantities {
            each(Event::Series(subject, quantity))?;
            let tell = |rows: &[Row]| each(Event::Rows(rows));
            let rows =
                pool.install(|| series::run(subject, quantity, &contenders, &machine, &options, cancelled, tell))?;
            each(Event::Ended(crossover(&rows)))?;
            all.extend(rows);
        }
    }
    Ok(all)
}
