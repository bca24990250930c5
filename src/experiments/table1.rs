//! The paper's table 1: what an inversion takes, by the code length on random networks k → 250 → 600 and on the trained generator; each
//! observation alone, and 200 in one batch.
//!
//! Without noise, as in figure 2, every method; with uniform noise of 1e-9, which the authors' program adds, `linf`; on the trained
//! generator also noise that one would meet. One network a code length, prepared beforehand; everything that an inversion itself needs is
//! in the time.

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
/// What the authors' program adds.
const AUTHORS_NOISE: f64 = 1e-9;
/// What one would meet.
const REAL_NOISE: f64 = 1e-2;
/// ε₀ where there is no noise.
const EPSILON: f64 = 1e-9;
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

/// A method at a noise of this size, uniform.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Case {
    subject: Subject,
    noise: f64,
    method: Contender,
}

impl Case {
    /// All that are timed of a subject.
    fn of(subject: Subject) -> Vec<Self> {
        let at = |noise: f64, methods: &[Contender]| -> Vec<Case> {
            methods.iter().map(|method| Case { subject, noise, method: *method }).collect()
        };
        let mut cases = at(0.0, &METHODS);
        cases.extend(at(AUTHORS_NOISE, &[Contender::Linf]));
        if subject == Subject::Trained {
            use Contender::{Best, Descent, L1, Linf, Relaxed};
            cases.extend(at(REAL_NOISE, &[Linf, L1, Relaxed, Descent, Best]));
        }
        cases
    }
}

struct Job {
    case: Case,
    /// Of the chunk, or the repetition.
    index: u64,
}

/// One observation alone, or a batch.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Row {
    network: String,
    code_length: usize,
    noise: f64,
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
        // The first call also wakes the threads.
        if let Some(first) = instances.first() {
            inverter.invert(&first.observation)?;
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
    let lengths: Vec<usize> = study.pick((1..=11).map(|tens| 10 * tens).collect(), vec![20, 110]);
    let subjects: Vec<Subject> = lengths.into_iter().map(Subject::Random).chain([Subject::Trained]).collect();
    let count = study.pick(200, CHUNK);
    let jobs = |indices: u64| -> Vec<Job> {
        let cases = subjects.iter().flat_map(|subject| Case::of(*subject));
        cases.flat_map(|case| (0..indices).map(move |index| Job { case, index })).collect()
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
    fn of<'a>(&self, rows: &'a [Row], case: Case) -> impl Iterator<Item = &'a Row> {
        let k = match case.subject {
            Subject::Random(k) => k,
            Subject::Trained => self.study.trained().network.code_length(),
        };
        rows.iter().filter(move |row| {
            (row.network.as_str(), row.code_length) == (case.subject.name(), k)
                && (row.noise, row.method) == (case.noise, case.method)
        })
    }

    /// Median milliseconds an observation.
    fn time(&self, rows: &[Row], case: Case) -> f64 {
        median(self.of(rows, case).map(|row| row.milliseconds).collect())
    }

    fn found(&self, case: Case) -> f64 {
        let found: Vec<f64> = self.of(self.alone, case).map(|row| row.found).collect();
        found.iter().sum::<f64>() / found.len() as f64
    }

    fn plot(&self) -> Plot {
        let panel = |(title, rows): (&str, &[Row])| {
            let curve = |method: Contender, noise: f64, label: String, colour, style| {
                let at = |subject: &Subject| match subject {
                    Subject::Random(k) => Some((*k as f64, self.time(rows, Case { subject: *subject, noise, method }))),
                    Subject::Trained => None,
                };
                Curve { label, points: self.subjects.iter().filter_map(at).collect(), colour, style }
            };
            let noise_free = METHODS.into_iter().zip([0, 3, 5, 2, 1, 4]);
            let mut curves: Vec<Curve> = noise_free
                .map(|(method, colour)| curve(method, 0.0, method.to_string(), colour, Style::Solid))
                .collect();
            curves.push(curve(Contender::Linf, AUTHORS_NOISE, "linf, noise 1e-9".to_owned(), 0, Style::Dashed));
            Panel {
                title: title.to_owned(),
                horizontal: Axis { label: "code length k".to_owned(), scale: Scale::Linear, shows: vec![0.0] },
                vertical: Axis {
                    label: "median milliseconds an observation".to_owned(),
                    scale: Scale::Logarithmic,
                    shows: [self.alone, self.batched].into_iter().flatten().map(|row| row.milliseconds).collect(),
                },
                curves,
            }
        };
        let threads = self.alone.first().map_or(0, |row| row.threads);
        let machine = processor::name();
        let batch = format!("{} in one batch", self.batched.first().map_or(0, |row| row.batch));
        Plot {
            title: format!(
                "Time of an inversion without noise, random networks k-250-600\n{machine}, {threads} threads"
            ),
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
            for noise in [0.0, AUTHORS_NOISE, REAL_NOISE] {
                let cases = Case::of(subject).into_iter().filter(|case| case.noise == noise);
                let told: Vec<String> = cases
                    .map(|case| {
                        let (alone, batched) = (self.time(self.alone, case), self.time(self.batched, case));
                        format!("{} {alone:.3} / {batched:.3} ({:.0})", case.method, 100.0 * self.found(case))
                    })
                    .collect();
                if !told.is_empty() {
                    text.push_str(&format!("\n  {name}, noise {noise}: {}", told.join(", ")));
                }
            }
        }
        let linf = |noise| self.time(self.batched, Case { subject: Subject::Trained, noise, method: Contender::Linf });
        text.push_str(&format!(
            "\nThe paper gives 0.5 s an image for linf on its trained generator, on its authors' machine; here in a batch it is \
             1/{:.0} of that without noise, 1/{:.0} at noise {AUTHORS_NOISE:e}, 1/{:.0} at {REAL_NOISE}.",
            PAPER_LINF_TRAINED / linf(0.0),
            PAPER_LINF_TRAINED / linf(AUTHORS_NOISE),
            PAPER_LINF_TRAINED / linf(REAL_NOISE),
        ));
        text
    }
}
