//! One group's figures: the engine on one thread and on all, one LP at a time and in batch, and Clarabel on the first of the
//! same LPs.
//!
//! The engine is charged for all that an answer needs: solving, finish, certificate, and the slower path where an answer did
//! not pass. Clarabel is charged for its own solve only; its answers are checked off the clock. One thread is measured in
//! processor time, all threads by the wall clock; of several passes the fastest counts.

use std::hint::black_box;

use rayon::{ThreadPool, ThreadPoolBuilder};
use serde::Serialize;

use super::instances::Weights;
use super::{Group, Options, clock};
use crate::error::{Error, Result};
use crate::lp::certificate::{Verdict, certify_optimal, clip_to_signs};
use crate::lp::certified::{CertifiedSolution, solve_certified};
use crate::lp::problem::{LayerSystem, Problem};
use crate::lp::solver::Solver;
use crate::lp::solver::clarabel_reference::ClarabelReference;
use crate::lp::solver::interior_point::InteriorPoint;

/// One row of `bench lp --json`.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Measurement {
    /// Units of the layer.
    pub rows: usize,
    /// Entries of `z`.
    pub columns: usize,
    /// `linf`, `l1` or `relaxed`.
    pub method: String,
    /// Whether `z ≥ 0`.
    pub nonnegative: bool,
    /// The solver's name.
    pub solver: &'static str,
    /// Threads at work.
    pub threads: usize,
    /// LPs handed over at once; for Clarabel, which takes one at a time, how many were solved.
    pub batch: usize,
    /// Milliseconds an LP.
    pub ms_per_lp: f64,
    /// Iterations an LP, on average.
    pub iterations: f64,
    /// LPs whose first answer did not pass the certificate.
    pub fallbacks: usize,
    /// The largest relative difference of an objective from Clarabel's, over the LPs that both have an answer for.
    pub objective_difference: Option<f64>,
    /// How many times faster than Clarabel.
    pub ratio_to_clarabel: f64,
    /// Where the weights come from.
    pub weights: Weights,
}

/// A group's rows, and the engine's objectives LP by LP.
pub struct Measured {
    /// The engine's rows, then Clarabel's.
    pub measurements: Vec<Measurement>,
    /// One a problem; `NaN` where no answer was certified.
    pub objectives: Vec<f64>,
    /// The engine's stages and their shares of its time, if they were asked for.
    pub profile: Vec<(&'static str, f64)>,
}

/// The pools that the measurements run in.
pub struct Pools {
    one: ThreadPool,
    all: ThreadPool,
}

impl Pools {
    /// One thread, and as many as rayon uses by default.
    ///
    /// # Errors
    /// [`Error::Io`] if the system grants no threads.
    pub fn new() -> Result<Self> {
        let pool = |threads| {
            let built = ThreadPoolBuilder::new().num_threads(threads).build();
            built.map_err(|error| Error::io("the thread pool".as_ref(), "start", std::io::Error::other(error)))
        };
        Ok(Pools { one: pool(1)?, all: pool(0)? })
    }

    /// Threads of the larger pool.
    pub fn threads(&self) -> usize {
        self.all.current_num_threads()
    }
}

/// What a pass over some LPs came to.
struct Pass {
    ms_per_lp: f64,
    answers: Vec<CertifiedSolution>,
}

/// Measures one group.
pub fn measure(group: Group, system: &LayerSystem, problems: &[Problem], pools: &Pools, options: &Options) -> Measured {
    let reference = pools.one.install(|| solve_with_clarabel(system, problems, options.clarabel_seconds));
    let singles = &problems[..options.singles.clamp(1, problems.len())];
    // The first call packs the weights; a layer does that once.
    black_box(solve_certified(system, &InteriorPoint, &problems[..1]));
    let mut measurements = Vec::new();
    let mut objectives = Vec::new();
    for pool in [&pools.one, &pools.all] {
        for (lps, batch) in [(singles, 1), (problems, problems.len())] {
            if pool.current_num_threads() == 1 && !std::ptr::eq(pool, &pools.one) {
                continue;
            }
            let pass = fastest_pass(system, lps, batch, pool, options.repeat_seconds);
            objectives = pass.answers.iter().map(CertifiedSolution::objective).collect();
            measurements.push(Measurement {
                threads: pool.current_num_threads(),
                batch,
                solver: InteriorPoint.name(),
                ms_per_lp: pass.ms_per_lp,
                iterations: mean(pass.answers.iter().map(|answer| answer.iterations)),
                fallbacks: pass.answers.iter().filter(|answer| answer.retried || !answer.is_certified()).count(),
                objective_difference: largest_difference(&objectives, &reference.objectives),
                ratio_to_clarabel: reference.row.ms_per_lp / pass.ms_per_lp,
                ..reference.row(group)
            });
        }
    }
    measurements.push(reference.row(group));
    let profile = if options.profile { InteriorPoint::profile(system, problems) } else { Vec::new() };
    Measured { measurements, objectives, profile }
}

/// Repeats a pass over `lps`, `batch` at a time, for `seconds`, and returns the fastest.
fn fastest_pass(system: &LayerSystem, lps: &[Problem], batch: usize, pool: &ThreadPool, seconds: f64) -> Pass {
    let one_thread = pool.current_num_threads() == 1;
    let mut fastest = f64::INFINITY;
    let mut spent = 0.0;
    let mut answers = Vec::new();
    while spent < seconds {
        let pass = || {
            let solve = |lps| solve_certified(system, &InteriorPoint, lps);
            answers = pool.install(|| lps.chunks(batch).flat_map(solve).collect());
        };
        let taken = if one_thread { clock::processor_seconds(pass) } else { clock::wall_seconds(pass) };
        fastest = fastest.min(taken);
        spent += taken.max(1e-6);
    }
    Pass { ms_per_lp: fastest * 1e3 / lps.len() as f64, answers }
}

/// Clarabel's row without the group's names, and its objectives for the first problems.
struct Reference {
    row: ReferenceRow,
    objectives: Vec<f64>,
}

struct ReferenceRow {
    ms_per_lp: f64,
    iterations: f64,
    not_certified: usize,
}

impl Reference {
    fn row(&self, group: Group) -> Measurement {
        Measurement {
            rows: group.size.rows,
            columns: group.size.columns,
            method: group.method.to_string(),
            nonnegative: group.size.nonnegative,
            solver: ClarabelReference.name(),
            threads: 1,
            batch: self.objectives.len(),
            ms_per_lp: self.row.ms_per_lp,
            iterations: self.row.iterations,
            fallbacks: self.row.not_certified,
            objective_difference: Some(0.0),
            ratio_to_clarabel: 1.0,
            weights: group.size.weights,
        }
    }
}

fn solve_with_clarabel(system: &LayerSystem, problems: &[Problem], seconds: f64) -> Reference {
    let mut spent = 0.0;
    let mut iterations = Vec::new();
    let mut objectives = Vec::new();
    let mut not_certified = 0;
    for problem in problems {
        let mut answers = Vec::new();
        spent += clock::processor_seconds(|| {
            answers = ClarabelReference.solve(system, std::slice::from_ref(problem));
        });
        for mut answer in answers {
            clip_to_signs(system, &mut answer.z, &mut answer.y);
            iterations.push(answer.iterations);
            match certify_optimal(system, problem, &answer.z, &answer.y) {
                Verdict::Optimal { objective } => objectives.push(objective),
                // Its objective is still something to compare with, to fewer digits.
                Verdict::NotCertified { objective, .. } => {
                    not_certified += 1;
                    objectives.push(objective);
                }
                Verdict::Infeasible | Verdict::AboveCutoff { .. } => objectives.push(f64::NAN),
            }
        }
        if spent >= seconds {
            break;
        }
    }
    let count = objectives.len().max(1) as f64;
    let row = ReferenceRow { ms_per_lp: spent * 1e3 / count, iterations: mean(iterations.into_iter()), not_certified };
    Reference { row, objectives }
}

fn mean(numbers: impl ExactSizeIterator<Item = u32>) -> f64 {
    let count = numbers.len().max(1) as f64;
    numbers.map(f64::from).sum::<f64>() / count
}

/// `max |a − b| / max(|a|, |b|)` over the pairs that are numbers; `None` where there is none.
fn largest_difference(left: &[f64], right: &[f64]) -> Option<f64> {
    let difference = |(a, b): (&f64, &f64)| {
        let scale = a.abs().max(b.abs());
        if scale > 0.0 { (a - b).abs() / scale } else { 0.0 }
    };
    let both = left.iter().zip(right).filter(|(a, b)| a.is_finite() && b.is_finite());
    both.map(difference).reduce(f64::max)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_difference_is_seen_and_a_missing_answer_left_out() {
        assert_eq!(largest_difference(&[1.0, 2.0, 0.0], &[1.0, 1.0, 0.0]), Some(0.5));
        assert_eq!(largest_difference(&[f64::NAN, 4.0], &[1.0, 4.0]), Some(0.0));
        assert_eq!(largest_difference(&[f64::NAN], &[1.0]), None);
    }
}
