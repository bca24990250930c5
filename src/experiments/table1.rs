//! The paper's table 1: the time of an inversion against the code length, on random networks k →
//! 250 → 600 and on the trained generator; for single observations, and for 200 in one batch.
//!
//! All methods are timed without noise, as in figure 2, and, where they apply to it, with the
//! uniform noise of 1e-9 that the authors' program adds: these are the times beside the paper's. On
//! the trained generator there is realistic noise, too. There is one network per code length,
//! prepared beforehand. The time includes everything that an inversion itself needs.

mod table;

use std::sync::Arc;
use std::time::Instant;

use nalgebra::DMatrix;
use serde::{Deserialize, Serialize};

use super::contender::{Contender, descent_on_random, descent_on_trained};
use super::instance::{Instance, SUCCESS};
use super::study::Study;
use crate::batch::Inverter;
use crate::error::{Error, Result};
use crate::network::{Activation, Network};
use crate::random::{Noise, random_network};
use table::Table;

const NAME: &str = "table1";
const METHODS: [Contender; 6] =
    [Contender::Linf, Contender::L1, Contender::Relaxed, Contender::Exact, Contender::Descent, Contender::Best];
/// Those of the paper's table.
const PAPERS_METHODS: [Contender; 4] = [Contender::Linf, Contender::L1, Contender::Relaxed, Contender::Descent];
/// Those that take realistic noise.
const NOISY_METHODS: [Contender; 5] =
    [Contender::Linf, Contender::L1, Contender::Relaxed, Contender::Descent, Contender::Best];
/// The noise that the authors' program adds.
const AUTHORS_NOISE: f64 = 1e-9;
/// A realistic noise.
const REAL_NOISE: f64 = 1e-2;
/// ε₀ without noise.
const EPSILON: f64 = 1e-9;
/// The code lengths of the paper's table.
const LENGTHS: [usize; 6] = [10, 30, 50, 70, 90, 110];
/// Number of observations that are timed one by one before their rows are written.
fn chunk(study: &Study) -> u64 {
    study.pick(20, 4)
}

/// Number of times that a batch is inverted, unless that takes minutes.
const REPETITIONS: u64 = 3;

/// A network to time: the trained one, or a random one of this code length.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Subject {
    Random(usize),
    Trained,
}

impl Subject {
    fn network(self, study: &Study) -> Result<Arc<Network>> {
        Ok(match self {
            Subject::Random(k) => {
                Arc::new(random_network(&[k, 250, 600], Activation::Relu, study.seed(&[3, k as u64]))?)
            }
            Subject::Trained => Arc::clone(&study.trained().network),
        })
    }

    fn name(self) -> &'static str {
        match self {
            Subject::Random(_) => "random",
            Subject::Trained => "trained",
        }
    }
}

/// A method at uniform noise of this size.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Case {
    subject: Subject,
    noise: f64,
    method: Contender,
}

impl Case {
    /// All cases of a network.
    fn of(subject: Subject) -> Vec<Self> {
        let at = |noise: f64, methods: &[Contender]| -> Vec<Case> {
            methods.iter().map(|method| Case { subject, noise, method: *method }).collect()
        };
        let mut cases = at(0.0, &METHODS);
        cases.extend(at(AUTHORS_NOISE, &PAPERS_METHODS));
        if subject == Subject::Trained {
            cases.extend(at(REAL_NOISE, &NOISY_METHODS));
        }
        cases
    }

    /// Whether an inversion walks a long ladder of programs, and takes tenths of a second.
    fn is_slow(&self) -> bool {
        matches!(self.method, Contender::L1 | Contender::Relaxed) && self.noise == AUTHORS_NOISE
            || self.method == Contender::Relaxed
    }

    /// Number of chunks of observations that are inverted one by one.
    fn chunks(&self, all: u64) -> u64 {
        if self.is_slow() { 1 } else { all }
    }

    /// Number of observations in its batch.
    fn batch(&self, study: &Study, all: u64) -> u64 {
        if self.is_slow() { chunk(study) } else { all }
    }

    /// Number of times that its batch is inverted.
    fn repetitions(&self, study: &Study) -> u64 {
        if self.is_slow() || self.noise == AUTHORS_NOISE { 1 } else { study.pick(REPETITIONS, 1) }
    }
}

struct Job {
    case: Case,
    /// Index of the chunk or of the repetition.
    index: u64,
}

/// The row of a single observation or of a batch.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Row {
    network: String,
    code_length: usize,
    noise: f64,
    method: Contender,
    /// Index of the observation, or of the repetition of the batch.
    run: u64,
    /// Number of observations inverted together.
    batch: usize,
    threads: usize,
    /// Wall-clock milliseconds per observation.
    milliseconds: f64,
    /// The share of the observations with a relative error up to 1e-3.
    found: f64,
}

impl Job {
    /// Prepares the inverter, and the observations of these indices.
    fn prepared(&self, study: &Study, runs: std::ops::Range<u64>) -> Result<(Inverter, Vec<Instance>)> {
        let Case { subject, noise, method } = self.case;
        let network = subject.network(study)?;
        let k = network.code_length() as u64;
        let seed = study.seed(&[4, k]);
        let mut descent = match subject {
            Subject::Random(_) => descent_on_random(seed),
            Subject::Trained => descent_on_trained(seed),
        };
        descent.iterations = study.pick(descent.iterations, descent.iterations.min(1000));
        let inverter =
            Inverter::new(Arc::clone(&network), method.options(noise.max(EPSILON), descent, study.threads()))?;
        let of = |run| Instance::of(Arc::clone(&network), Noise::Uniform(noise), study.seed(&[5, k, run]));
        let instances: Vec<Instance> = runs.map(of).collect();
        // The first call also starts the threads.
        if let Some(first) = instances.first() {
            let _ = inverter.invert(&first.observation)?;
        }
        Ok((inverter, instances))
    }

    fn row(&self, inverter: &Inverter, run: u64, batch: usize, seconds: f64, found: f64) -> Row {
        Row {
            network: self.case.subject.name().to_owned(),
            code_length: inverter.network().code_length(),
            noise: self.case.noise,
            method: self.case.method,
            run,
            batch,
            threads: inverter.runtime().threads(),
            milliseconds: 1e3 * seconds / batch as f64,
            found,
        }
    }

    /// Inverts the observations one after the other.
    fn alone(&self, study: &Study) -> Result<Vec<Row>> {
        let runs = self.index * chunk(study)..(self.index + 1) * chunk(study);
        let (inverter, instances) = self.prepared(study, runs.clone())?;
        let time = |(run, instance): (u64, &Instance)| {
            let start = Instant::now();
            let found = inverter.invert(&instance.observation)?;
            let seconds = start.elapsed().as_secs_f64();
            let found = f64::from(u8::from(instance.error(&found) <= SUCCESS));
            Ok(self.row(&inverter, run, 1, seconds, found))
        };
        runs.zip(&instances).map(time).collect()
    }

    /// Inverts all `count` in one call.
    fn batch(&self, study: &Study, count: u64) -> Result<Vec<Row>> {
        let (inverter, instances) = self.prepared(study, 0..count)?;
        let entries = instances.iter().flat_map(|instance| instance.observation.iter().copied());
        let observations = DMatrix::from_iterator(inverter.network().observation_length(), instances.len(), entries);
        let start = Instant::now();
        let found = inverter.invert(&observations)?;
        let seconds = start.elapsed().as_secs_f64();
        let is_found = |(z, instance): &(nalgebra::DVectorView<f64>, &Instance)| {
            (z - &instance.code).norm() <= SUCCESS * instance.code.norm()
        };
        let found = found.codes.column_iter().zip(&instances).filter(is_found).count() as f64 / count as f64;
        Ok(vec![self.row(&inverter, self.index, instances.len(), seconds, found)])
    }
}

/// Runs the experiment: the table.
pub fn run(study: &Study) -> Result<String> {
    let lengths = study.pick(LENGTHS.to_vec(), vec![10]);
    let subjects: Vec<Subject> = lengths.into_iter().map(Subject::Random).chain([Subject::Trained]).collect();
    let count = study.pick(200, chunk(study));
    let jobs = |indices: &dyn Fn(Case) -> u64| -> Vec<Job> {
        let cases = subjects.iter().flat_map(|subject| Case::of(*subject));
        cases.flat_map(|case| (0..indices(case)).map(move |index| Job { case, index })).collect()
    };
    same_threads(study, &study.recorded(NAME, 1)?)?;
    let alone = study.runs_at_a_time(
        1,
        NAME,
        &jobs(&|case| case.chunks(count / chunk(study))),
        chunk(study) as usize,
        |job| job.alone(study),
    )?;
    let batched = study.runs_at_a_time(1, "table1-batch", &jobs(&|case| case.repetitions(study)), 1, |job| {
        job.batch(study, job.case.batch(study, count))
    })?;
    let table = Table { subjects: &subjects, alone: &alone, batched: &batched, study };
    study.draw(NAME, &table.plot())?;
    study.tell(NAME, table.text())
}

/// Fails if recorded times were measured with another number of threads: these must not be mixed.
fn same_threads(study: &Study, recorded: &[Row]) -> Result<()> {
    match recorded.iter().find(|row| row.threads != study.threads()) {
        None => Ok(()),
        Some(row) => Err(Error::input(
            study.file("table1.csv").display(),
            format!("times with {} threads", row.threads),
            format!("times with {}, as now", study.threads()),
            format!("resume with option `threads: {}`, or give another folder with option `out`", row.threads),
        )),
    }
}
