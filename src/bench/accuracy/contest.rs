//! Runs the methods on the same observations of one network at one noise.

use std::sync::Arc;
use std::time::Instant;

use nalgebra::DMatrix;

use super::Options;
use super::row::{Row, Spread};
use crate::batch::{self, BestMethod, Inverter, Method};
use crate::bench::subject::Subject;
use crate::cancel::CancelToken;
use crate::cpu::forward::forward;
use crate::descent::DescentOptions;
use crate::device::DeviceChoice;
use crate::error::{Error, Result};
use crate::lp::formulation::{LayerwiseMethod, Tolerances};
use crate::lp::layer::LayerwiseOptions;
use crate::multistart::{BestOptions, Objective, PackedNetwork, RefineOptions, refine_batch};
use crate::named::unknown;
use crate::observation::squared_distances;
use crate::random::{Domain, Noise, normal_vector, uniform_vector};

/// Observations per step of a method; its time is checked between two steps.
pub const CHUNK: usize = 10;
/// Seeds of the codes, the noise and the observed entries.
const SEEDS: [u64; 3] = [1, 2, 3];
/// Losses whose relative difference is at most this count as equal.
const SAME: f64 = 1e-9;

/// The methods that take part.
#[derive(Debug, Clone, Copy, PartialEq, Eq, strum::Display, strum::EnumString, strum::VariantNames)]
#[strum(serialize_all = "kebab-case", parse_err_ty = String, parse_err_fn = unknown::<Self>)]
pub enum Contestant {
    /// `linf`.
    Linf,
    /// `linf`, refined by squares.
    LinfRefined,
    /// `linf`, refined in its own norm.
    LinfRefinedLinf,
    /// `l1`, over the ladder.
    L1,
    /// `l1`, refined by squares.
    L1Refined,
    /// `l1`, refined in its own norm.
    L1RefinedL1,
    /// `relaxed`, over the ladder.
    Relaxed,
    /// Plain gradient descent from eleven random codes.
    Descent,
    /// `best`, by squares.
    Best,
    /// `best` with the objective `linf`.
    BestLinf,
    /// `best` with the objective `l1`.
    BestL1,
}

impl Contestant {
    /// All methods.
    pub const ALL: [Contestant; 11] = [
        Contestant::Linf,
        Contestant::LinfRefined,
        Contestant::LinfRefinedLinf,
        Contestant::L1,
        Contestant::L1Refined,
        Contestant::L1RefinedL1,
        Contestant::Relaxed,
        Contestant::Descent,
        Contestant::Best,
        Contestant::BestLinf,
        Contestant::BestL1,
    ];

    /// Options of the method's inverter; ε starts at the size of the noise.
    fn options(self, noise: Noise, threads: Option<usize>) -> batch::Options {
        let epsilon = match noise {
            Noise::Uniform(size) | Noise::Gaussian(size) | Noise::Laplace(size) => size.max(1e-9),
            // The entries that are not wrong are exact.
            Noise::Gross(_) => 1e-9,
        };
        let tolerances = Tolerances::default().epsilon(epsilon);
        let layerwise =
            |method| Method::Layerwise(LayerwiseOptions { method, tolerances, ..LayerwiseOptions::default() });
        let best = |objective| {
            let search = BestOptions::default().objective(objective);
            Method::Best(BestMethod { tolerances, search, ..BestMethod::default() })
        };
        let (method, refine) = match self {
            Contestant::Linf => (layerwise(LayerwiseMethod::Linf), None),
            Contestant::LinfRefined => (layerwise(LayerwiseMethod::Linf), Some(Objective::L2)),
            Contestant::LinfRefinedLinf => (layerwise(LayerwiseMethod::Linf), Some(Objective::Linf)),
            Contestant::L1 => (layerwise(LayerwiseMethod::L1), None),
            Contestant::L1Refined => (layerwise(LayerwiseMethod::L1), Some(Objective::L2)),
            Contestant::L1RefinedL1 => (layerwise(LayerwiseMethod::L1), Some(Objective::L1)),
            Contestant::Relaxed => (layerwise(LayerwiseMethod::Relaxed), None),
            Contestant::Descent => {
                (Method::Descent(DescentOptions { restarts: 10, ..DescentOptions::default() }), None)
            }
            Contestant::Best => (best(Objective::L2), None),
            Contestant::BestLinf => (best(Objective::Linf), None),
            Contestant::BestL1 => (best(Objective::L1), None),
        };
        batch::Options { method, refine, device: DeviceChoice::Cpu, threads, ..batch::Options::default() }
    }
}

/// One network's observations at one noise, with the true codes.
pub struct Contest<'a> {
    subject: &'a Subject,
    noise: Noise,
    options: &'a Options,
    codes: DMatrix<f64>,
    observations: DMatrix<f64>,
}

/// A method's codes and losses, for the observations that it got.
struct Entry {
    codes: DMatrix<f64>,
    losses: Vec<f64>,
    seconds: f64,
}

impl<'a> Contest<'a> {
    /// Draws codes, noise and observed entries, each by its index.
    pub fn new(subject: &'a Subject, noise: Noise, options: &'a Options) -> Self {
        let network = &subject.network;
        let (k, count) = (network.code_length(), options.count);
        let codes = (0..count as u64).flat_map(|index| normal_vector(SEEDS[0], Domain::Code, index, k)).collect();
        let codes = DMatrix::from_vec(k, count, codes);
        let mut observations = forward(network, 0..network.depth(), &codes);
        for (index, mut x) in (0_u64..).zip(observations.column_iter_mut()) {
            noise.apply(SEEDS[1], index, x.as_mut_slice());
            if options.observed < 1.0 {
                let shares = uniform_vector(SEEDS[2], Domain::Noise, index, x.len());
                x.iter_mut()
                    .zip(shares)
                    .filter(|(_, share)| *share >= options.observed)
                    .for_each(|(x, _)| *x = f64::NAN);
            }
        }
        Contest { subject, noise, options, codes, observations }
    }

    /// Runs the limit and the methods, and adds the lower of limit and `best`.
    ///
    /// # Errors
    /// Those of the inverters, and [`Error::Cancelled`].
    pub fn run(&self, cancel: &CancelToken) -> Result<Vec<Row>> {
        let mut entries = vec![("limit".to_owned(), self.limit(Objective::L2))];
        if self.subject.network.objective_obstacle().is_none() {
            for norm in [Objective::Linf, Objective::L1] {
                entries.push((format!("limit {norm}"), self.limit(norm)));
            }
        }
        for method in &self.options.methods {
            let inverter =
                Inverter::new(Arc::clone(&self.subject.network), method.options(self.noise, self.options.threads))?;
            let mut codes: Vec<f64> = Vec::new();
            let (mut seconds, mut done) = (0.0, 0);
            while done < self.options.count && (done == 0 || seconds < self.options.seconds) {
                if cancel.is_cancelled() {
                    return Err(Error::Cancelled);
                }
                let count = CHUNK.min(self.options.count - done);
                let chunk = self.observations.columns(done, count).into_owned();
                let start = Instant::now();
                let found = inverter.invert_from(&chunk, done as u64)?;
                seconds += start.elapsed().as_secs_f64();
                codes.extend(found.codes.iter());
                done += count;
            }
            let codes = DMatrix::from_vec(self.codes.nrows(), done, codes);
            let losses = self.losses(&codes);
            entries.push((method.to_string(), Entry { codes, losses, seconds }));
        }
        Ok(self.rows(&entries))
    }

    fn rows(&self, entries: &[(String, Entry)]) -> Vec<Row> {
        let limit = &entries[0].1;
        let best = entries.iter().find(|(name, _)| *name == Contestant::Best.to_string()).map(|(_, entry)| entry);
        let mut rows: Vec<Row> = entries.iter().map(|(name, entry)| self.row(name, entry, limit, best)).collect();
        if let Some(best) = best {
            let lower = self.lower(limit, best);
            rows.push(self.row("lower of both", &lower, limit, Some(best)));
        }
        rows
    }

    fn row(&self, name: &str, entry: &Entry, limit: &Entry, best: Option<&Entry>) -> Row {
        let count = entry.losses.len();
        let above =
            |others: &Entry| (0..count.min(others.losses.len())).filter(|&i| self.is_above(i, entry, others)).count();
        let below =
            |others: &Entry| (0..count.min(others.losses.len())).filter(|&i| self.is_above(i, others, entry)).count();
        let errors: Vec<f64> = (0..count).map(|i| self.error(entry, i)).collect();
        let below_but_farther =
            (0..count).filter(|&i| self.is_above(i, limit, entry) && errors[i] > self.error(limit, i)).count();
        Row {
            network: self.subject.name.clone(),
            noise: self.noise.to_string(),
            observed: self.options.observed,
            method: name.to_owned(),
            observations: count,
            above_limit: above(limit),
            below_limit: below(limit),
            below_limit_but_farther: below_but_farther,
            below_best: best.map(below),
            error: Spread::of(errors),
            milliseconds: (entry.seconds > 0.0).then(|| 1e3 * entry.seconds / count as f64),
        }
    }

    /// Descent from the true codes to minima of this objective.
    fn limit(&self, objective: Objective) -> Entry {
        let packed = PackedNetwork::new(Arc::clone(&self.subject.network));
        let mut codes = self.codes.clone();
        refine_batch(&packed, &self.observations, &mut codes, &RefineOptions { steps: 1000, objective });
        let losses = self.losses(&codes);
        Entry { codes, losses, seconds: 0.0 }
    }

    fn lower(&self, limit: &Entry, best: &Entry) -> Entry {
        let mut codes = best.codes.clone();
        for index in 0..codes.ncols() {
            if self.is_above(index, best, limit) {
                codes.set_column(index, &limit.codes.column(index));
            }
        }
        let losses = self.losses(&codes);
        Entry { codes, losses, seconds: 0.0 }
    }

    /// `½‖G(z) − x‖²` over the observed entries, by the naive forward pass.
    fn losses(&self, codes: &DMatrix<f64>) -> Vec<f64> {
        let network = &self.subject.network;
        let made = forward(network, 0..network.depth(), codes);
        squared_distances(&made, &self.observations).into_iter().map(|distance| 0.5 * distance).collect()
    }

    /// Whether `entry`'s loss of an observation is above `other`'s, beyond rounding. A failed entry
    /// is above all others.
    fn is_above(&self, index: usize, entry: &Entry, other: &Entry) -> bool {
        let (ours, theirs) = (entry.losses[index], other.losses[index]);
        let size: f64 = self.observations.column(index).iter().filter(|x| !x.is_nan()).map(|x| x * x).sum();
        !theirs.is_nan() && (ours.is_nan() || ours > theirs * (1.0 + SAME) + 1e-22 * size)
    }

    /// `‖z − z*‖ / ‖z*‖`.
    fn error(&self, entry: &Entry, index: usize) -> f64 {
        let truth = self.codes.column(index);
        (entry.codes.column(index) - truth).norm() / truth.norm()
    }
}
