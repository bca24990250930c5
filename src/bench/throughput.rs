//! `unrelu bench throughput`: the CPU against the GPU by batch size, transfers included.
//!
//! Every pass starts and ends with arrays on the host, so uploads, read-backs and the host's f64
//! work count. If the adapter has a clock, the time of the kernels alone is reported too.
//! [`batches`] creates the batches, [`quantity`] defines what is counted, `contender` runs a pass,
//! `repeat` measures it, and `series` goes through the batches. [`row`] holds the figures,
//! [`machine`] the names and the measured peaks, [`adapters`] opens the GPU, [`table`] prints the
//! results.

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

use crate::adapter::Backend;
use crate::bench::subject::Subject;
use crate::cancel::CancelToken;
use crate::device::DeviceChoice;
use crate::error::{Error, Result};
use contender::Contender;
use machine::Machine;
use quantity::Quantity;
use row::{Crossover, Row, crossover};

/// Options of the measurement.
#[derive(Debug, Clone, PartialEq)]
pub struct Options {
    /// Batch sizes; measured in ascending order.
    pub batches: Vec<usize>,
    /// The quantities to count.
    pub quantities: Vec<Quantity>,
    /// Whether the GPU takes part: [`DeviceChoice::Auto`] uses hardware only, [`DeviceChoice::Gpu`]
    /// requires an adapter of any kind, [`DeviceChoice::Cpu`] uses no GPU.
    pub device: DeviceChoice,
    /// A part of the name of the adapter to use.
    pub adapter: Option<String>,
    /// The graphics API.
    pub backend: Option<Backend>,
    /// Threads of the pool; `None` uses all processors that the process may use.
    pub threads: Option<usize>,
    /// Iterations of a plain descent, unless it converges earlier.
    pub descent_iterations: usize,
    /// Seconds for which passes over a batch are repeated; at least three passes.
    pub repeat_seconds: f64,
    /// Maximum seconds of one pass; a series ends before a batch that would take longer.
    pub pass_seconds: f64,
    /// Maximum bytes of a batch; `None` uses half of the free memory.
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
            backend: None,
            threads: None,
            descent_iterations: 100,
            repeat_seconds: 1.0,
            pass_seconds: 60.0,
            memory: None,
        }
    }

    /// A few batches, in some seconds in total.
    pub fn quick() -> Self {
        Options {
            batches: vec![1, 16, 256, 4096],
            descent_iterations: 10,
            repeat_seconds: 0.05,
            pass_seconds: 0.3,
            ..Self::full()
        }
    }

    /// Whether a GPU was requested, so that a run without it is an error.
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

/// A report of a run, as soon as it is ready.
#[derive(Debug)]
pub enum Event<'a> {
    /// The devices, before any measurement except their peaks.
    Begun(&'a Machine, &'a Options),
    /// One line about something that is missing.
    Notice(&'a str),
    /// A series starts.
    Series(&'a Subject, Quantity),
    /// One batch, one row per device.
    Rows(&'a [Row]),
    /// A series has ended; says where the GPU is faster, if there is a GPU.
    Ended(Option<Crossover>),
}

/// Measures every quantity of every network on every device and reports to `each`. An error of
/// `each` ends the run.
///
/// # Errors
/// Invalid options; a requested GPU that is missing or cannot hold one of the networks (only a
/// notice if no GPU was requested); [`Error::Cancelled`] between two passes if `cancel` is
/// cancelled; the errors of `each`. A GPU that fails during the run only ends its series, and its
/// rows say why.
pub fn run(
    options: &Options,
    subjects: &[Subject],
    cancel: &CancelToken,
    mut each: impl FnMut(Event<'_>) -> Result<()> + Send,
) -> Result<Vec<Row>> {
    let mut options = options.clone();
    options.batches.sort_unstable();
    options.batches.dedup();
    options.validate()?;
    // An inverter checks the number of threads before any thread starts.
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
                each(Event::Notice(&format!("{}: no GPU rows: {error}", subject.name)))?;
                None
            }
            Ok(gpu) => gpu,
        };
        let contenders: Vec<Contender> = std::iter::once(cpu).chain(gpu).collect();
        for &quantity in &options.quantities {
            each(Event::Series(subject, quantity))?;
            let tell = |rows: &[Row]| each(Event::Rows(rows));
            let rows =
                pool.install(|| series::run(subject, quantity, &contenders, &machine, &options, cancel, tell))?;
            each(Event::Ended(crossover(&rows)))?;
            all.extend(rows);
        }
    }
    Ok(all)
}
