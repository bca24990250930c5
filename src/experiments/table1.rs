//! The paper's table 1: what an inversion takes, by the code length on random networks k → 250 → 600 and on the trained generator; each
//! observation alone, and 200 in one batch.
//!
//! The noise is uniform of size 1e-9, as in the authors' program, which hands each linear program to a general solver. One network a code
//! length, prepared beforehand; everything that an inversion itself needs is in the time.

use std::sync::Arc;
use std::time::Instant;

use nalgebra::DMatrix;
use serde::{Deserialize, Serialize};

use super::contender::{Contender, descent_on_random, descent_on_trained};
use super::instance::{Instance, SUCCESS};
use super::study::Study;
use crate::batch::Inverter;
use crate::bench::processor;
use crate::error::Result;
use crate::network::{Activation, Network};
use crate::pictures::axis::{Axis, Scale};
use crate::pictures::plot::{Curve, Panel, Plot, Style};
use crate::random::{Noise, random_network};
use crate::statistics::median;

const NAME: &str = "table1";
const METHODS: [Contender; 6] =
    [Contender::Linf, Contender::L1, Contender::Relaxed, Contender::Exact, Contender::Descent, Contender::Best];
const NOISE: f64 = 1e-9;
/// Observations that are timed one by one before their rows are written.
const CHUNK: u64 = 20;
/// Times that a batch is inverted.
const REPETITIONS: u64 = 3;
/// What the paper reports for `linf` on its trained generator, in milliseconds.
const PAPER_LINF_TRAINED: f64 = 500.0;

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

struct Job {
    subject: Subject,
    method: Contender,
    /// Of the chunk, or the repetition.
    index: u64,
}

/// One observation alone, or a batch.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Row {
    network: String,
    code_length: usize,
    method: Contender,
    /// The observation, or the repetition of the batch.
    run: u64,
    /// Observations that were inverted together.
    batch: usize,
    threads: usize,
    /// Wall-clock time an observation.
    milliseconds: f64,
    /// The share of the observations with a relative error up to 1e-3.
    found: f64,
}

impl Job {
    /// The inverter, and the observations of these indices.
    fn prepared(&self, study: &Study, runs: std::ops::Range<u64>) -> Result<(Inverter, Vec<Instance>)> {
        let network = self.subject.network(study)?;
        let k = network.code_length() as u64;
        let seed = study.seed(&[4, k]);
        let mut descent = match self.subject {
            Subject::Random(_) => descent_on_random(seed),
            Subject::Trained => descent_on_trained(seed),
        };
        descent.iterations = study.pick(descent.iterations, descent.iterations.min(1000));
        let inverter = Inverter::new(Arc::clone(&network), self.method.options(NOISE, descent, study.threads()))?;
        let of = |run| Instance::of(Arc::clone(&network), Noise::Uniform(NOISE), study.seed(&[5, k, run]));
        let instances: Vec<Instance> = runs.map(of).collect();
        // The first call also wakes the threads.
        if let Some(first) = instances.first() {
            inverter.invert(&first.observation)?;
        }
        Ok((inverter, instances))
    }

    fn row(&self, inverter: &Inverter, run: u64, batch: usize, seconds: f64, found: f64) -> Row {
        Row {
            network: self.subject.name().to_owned(),
            code_length: inverter.network().code_length(),
            method: self.method,
            run,
            batch,
            threads: inverter.threads(),
            milliseconds: 1e3 * seconds / batch as f64,
            found,
        }
    }

    /// One after the other.
    fn alone(&self, study: &Study) -> Result<Vec<Row>> {
        let runs = self.index * CHUNK..(self.index + 1) * CHUNK;
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

    /// All `count` in one call.
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

/// The table.
pub fn run(study: &Study) -> Result<String> {
    let lengths: Vec<usize> = study.pick((1..=11).map(|tens| 10 * tens).collect(), vec![20, 60, 110]);
    let subjects: Vec<Subject> = lengths.into_iter().map(Subject::Random).chain([Subject::Trained]).collect();
    let count = study.pick(200, CHUNK);
    let jobs = |indices: u64| -> Vec<Job> {
        let pairs = subjects.iter().flat_map(|subject| METHODS.map(|method| (*subject, method)));
        pairs.flat_map(|(subject, method)| (0..indices).map(move |index| Job { subject, method, index })).collect()
    };
    let alone = study.runs_one_by_one(NAME, &jobs(count / CHUNK), CHUNK as usize, |job| job.alone(study))?;
    let repetitions = study.pick(REPETITIONS, 1);
    let batched = study.runs_one_by_one("table1-batch", &jobs(repetitions), 1, |job| job.batch(study, count))?;
    let table = Table { subjects: &subjects, alone: &alone, batched: &batched, study };
    study.draw(NAME, &table.plot())?;
    study.tell(NAME, table.text())
}

/// The rows, as they are read.
struct Table<'a> {
    subjects: &'a [Subject],
    alone: &'a [Row],
    batched: &'a [Row],
    study: &'a Study<'a>,
}

impl Table<'_> {
    fn of<'a>(&self, rows: &'a [Row], subject: Subject, method: Contender) -> impl Iterator<Item = &'a Row> {
        let k = match subject {
            Subject::Random(k) => k,
            Subject::Trained => self.study.trained().network.code_length(),
        };
        rows.iter()
            .filter(move |row| (row.network.as_str(), row.code_length, row.method) == (subject.name(), k, method))
    }

    /// Median milliseconds an observation.
    fn time(&self, rows: &[Row], subject: Subject, method: Contender) -> f64 {
        median(self.of(rows, subject, method).map(|row| row.milliseconds).collect())
    }

    fn found(&self, subject: Subject, method: Contender) -> f64 {
        let found: Vec<f64> = self.of(self.alone, subject, method).map(|row| row.found).collect();
        found.iter().sum::<f64>() / found.len() as f64
    }

    fn plot(&self) -> Plot {
        let panel = |(title, rows): (&str, &[Row])| {
            let curves = METHODS.into_iter().enumerate().map(|(place, method)| {
                let at = |subject: &Subject| match subject {
                    Subject::Random(k) => Some((*k as f64, self.time(rows, *subject, method))),
                    Subject::Trained => None,
                };
                let points = self.subjects.iter().filter_map(at).collect();
                Curve { label: method.to_string(), points, colour: [0, 3, 5, 2, 1, 4][place], style: Style::Solid }
            });
            Panel {
                title: title.to_owned(),
                horizontal: Axis { label: "code length k".to_owned(), scale: Scale::Linear, shows: vec![0.0] },
                vertical: Axis {
                    label: "median milliseconds an observation".to_owned(),
                    scale: Scale::Logarithmic,
                    shows: [self.alone, self.batched].into_iter().flatten().map(|row| row.milliseconds).collect(),
                },
                curves: curves.collect(),
            }
        };
        let threads = self.alone.first().map_or(0, |row| row.threads);
        let machine = processor::name();
        let batch = format!("{} in one batch", self.batched.first().map_or(0, |row| row.batch));
        Plot {
            title: format!("Time of an inversion, random networks k-250-600, noise 1e-9\n{machine}, {threads} threads"),
            panels: [("each alone", self.alone), (&batch, self.batched)].map(panel).to_vec(),
        }
    }

    fn text(&self) -> String {
        let batch = self.batched.first().map_or(0, |row| row.batch);
        let mut text = format!(
            "table1: median milliseconds an observation alone / in a batch of {batch} (share found again in %), {} threads of {}.",
            self.alone.first().map_or(0, |row| row.threads),
            processor::name(),
        );
        for &subject in self.subjects {
            let name = match subject {
                Subject::Random(k) => format!("random k = {k}"),
                Subject::Trained => self.study.trained().name.clone(),
            };
            let of = |method| {
                let (alone, batched) =
                    (self.time(self.alone, subject, method), self.time(self.batched, subject, method));
                format!("{method} {alone:.3} / {batched:.3} ({:.0})", 100.0 * self.found(subject, method))
            };
            text.push_str(&format!("\n  {name}: {}", METHODS.map(of).join(", ")));
        }
        let ours = self.time(self.batched, Subject::Trained, Contender::Linf);
        text.push_str(&format!(
            "\nThe paper gives 0.5 s for linf on its trained generator, on its authors' machine: {:.0} times what it takes here in a batch.",
            PAPER_LINF_TRAINED / ours
        ));
        text
    }
}
