//! Measures one group: the engine on one thread and on all, one LP at a time and in batch, and
//! Clarabel on the first of the same LPs.
//!
//! The engine's time includes everything that an answer needs: solving, finishing and the
//! certificate. Its slower paths are switched off, so that only the engine is measured. An LP whose
//! answer does not pass is counted and listed, with the result of the slower paths. Clarabel's time
//! includes only its own solve; its answers are checked outside the measured time. One thread is
//! measured in processor time, all threads by the wall clock. Of several passes, the fastest
//! counts.

use std::hint::black_box;

use rayon::{ThreadPool, ThreadPoolBuilder};
use serde::Serialize;

use super::instances::Weights;
use super::{Group, Options};
use crate::bench::clock;
use crate::error::{Error, Result};
use crate::lp::basis::WarmStart;
use crate::lp::certificate::{FailedTest, Verdict, certify_optimal, clip_to_signs};
use crate::lp::certified::{CertifiedSolution, solve_certified};
use crate::lp::problem::{LayerSystem, Objective, Problem};
use crate::lp::solution::{Attempt, Solution};
use crate::lp::solver::Solver;
use crate::lp::solver::clarabel_reference::ClarabelReference;
use crate::lp::solver::engine::LpEngine;

/// One row of the table of linear programs.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Measurement {
    /// Units of the layer.
    pub rows: usize,
    /// Entries of `z`.
    pub columns: usize,
    /// `linf`, `l1`, `relaxed`, or `exact` for its feasibility problem.
    pub method: String,
    /// Whether `z ≥ 0`.
    pub nonnegative: bool,
    /// The solver's name.
    pub solver: &'static str,
    /// Number of working threads.
    pub threads: usize,
    /// LPs per call; for Clarabel, which solves one at a time, the number of solved LPs.
    pub batch: usize,
    /// Milliseconds per LP.
    pub ms_per_lp: f64,
    /// Mean iterations per LP.
    pub iterations: f64,
    /// LPs whose first answer did not pass the certificate, so that a slower path would be needed.
    pub fallbacks: usize,
    /// The largest difference between the engine's and Clarabel's objective, over the LPs that
    /// Clarabel solved, relative to the objective (see [`comparison_scale`]).
    pub objective_difference: Option<f64>,
    /// The speed relative to Clarabel.
    pub ratio_to_clarabel: f64,
    /// The origin of the weights.
    pub weights: Weights,
    /// `relu` or `leaky_relu:c`.
    pub activation: String,
    /// Amplitude of the noise on the targets.
    pub noise: f64,
}

/// A group's rows, and the engine's objective of each LP.
pub struct Measured {
    /// The engine's rows, then Clarabel's.
    pub measurements: Vec<Measurement>,
    /// One objective per problem, certified by any path; `NaN` if none was certified.
    pub objectives: Vec<f64>,
    /// The LPs whose first answer did not pass.
    pub uncertified: Vec<Uncertified>,
    /// The engine's stages and their shares of its time, if requested.
    pub profile: Vec<(&'static str, f64)>,
}

/// An LP whose first answer did not pass the certificate.
#[derive(Debug, Clone, PartialEq)]
pub struct Uncertified {
    /// Its place in the batch.
    pub index: usize,
    /// The test that failed.
    pub failed: FailedTest,
    /// The slower attempt that found an answer; `None` if none did.
    pub attempt: Option<Attempt>,
    /// Milliseconds with the slower paths.
    pub milliseconds: f64,
}

/// The engine without its slower paths.
struct EngineAlone;

impl Solver for EngineAlone {
    fn name(&self) -> &'static str {
        LpEngine.name()
    }

    fn solve_warm(&self, system: &LayerSystem, problems: &[Problem], warm: &[WarmStart<'_>]) -> Vec<Solution> {
        LpEngine.solve_warm(system, problems, warm)
    }

    fn retry(&self, _: &LayerSystem, _: &Problem, _: usize) -> Option<(Attempt, Solution)> {
        None
    }
}

/// The thread pools of the measurements.
pub struct Pools {
    one: ThreadPool,
    all: ThreadPool,
}

impl Pools {
    /// Creates a pool with one thread, and one with rayon's default number.
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
}

/// The result of a pass over some LPs.
struct Pass {
    ms_per_lp: f64,
    answers: Vec<CertifiedSolution>,
}

/// Measures one group.
pub fn measure(group: Group, system: &LayerSystem, problems: &[Problem], pools: &Pools, options: &Options) -> Measured {
    let reference = pools.one.install(|| solve_with_clarabel(system, problems, options.clarabel_seconds));
    let singles = &problems[..options.singles.clamp(1, problems.len())];
    // The first call packs the weights, which happens once per layer.
    black_box(solve_certified(system, &EngineAlone, &problems[..1]));
    let mut measurements = Vec::new();
    let mut answers = Vec::new();
    for pool in [&pools.one, &pools.all] {
        for (lps, batch) in [(singles, 1), (problems, problems.len())] {
            if pool.current_num_threads() == 1 && !std::ptr::eq(pool, &pools.one) {
                continue;
            }
            let pass = fastest_pass(system, lps, batch, pool, options.repeat_seconds);
            measurements.push(Measurement {
                threads: pool.current_num_threads(),
                batch,
                solver: EngineAlone.name(),
                ms_per_lp: pass.ms_per_lp,
                iterations: mean(pass.answers.iter().map(|answer| answer.iterations)),
                fallbacks: pass.answers.iter().filter(|answer| !answer.is_certified()).count(),
                objective_difference: largest_difference(lps, &pass.answers, &reference.objectives),
                ratio_to_clarabel: reference.row.ms_per_lp / pass.ms_per_lp,
                ..reference.row(group)
            });
            answers = pass.answers;
        }
    }
    measurements.push(reference.row(group));
    let mut objectives: Vec<f64> = answers.iter().map(CertifiedSolution::objective).collect();
    let mut uncertified = Vec::new();
    for (index, answer) in answers.iter().enumerate() {
        if let Verdict::NotCertified { failed, .. } = answer.verdict {
            let (objective, found) = pools.one.install(|| by_slower_paths(system, &problems[index], index, failed));
            objectives[index] = objective;
            uncertified.push(found);
        }
    }
    let profile = if options.profile { LpEngine::profile(system, problems) } else { Vec::new() };
    Measured { measurements, objectives, uncertified, profile }
}

/// Solves an LP whose first answer did not pass by the slower paths; returns its objective and the
/// report.
fn by_slower_paths(system: &LayerSystem, problem: &Problem, index: usize, failed: FailedTest) -> (f64, Uncertified) {
    let mut answer = CertifiedSolution::missing(system);
    let seconds = clock::processor_seconds(|| {
        if let Some(found) = solve_certified(system, &LpEngine, std::slice::from_ref(problem)).pop() {
            answer = found;
        }
    });
    let attempt = answer.is_certified().then_some(answer.attempt);
    let objective = if attempt.is_some() { answer.objective() } else { f64::NAN };
    (objective, Uncertified { index, failed, attempt, milliseconds: 1e3 * seconds })
}

/// Repeats a pass over `lps`, `batch` at a time, for `seconds`, and returns the fastest.
fn fastest_pass(system: &LayerSystem, lps: &[Problem], batch: usize, pool: &ThreadPool, seconds: f64) -> Pass {
    let one_thread = pool.current_num_threads() == 1;
    let mut fastest = f64::INFINITY;
    let mut spent = 0.0;
    let mut answers = Vec::new();
    while spent < seconds {
        let pass = || {
            let solve = |lps| solve_certified(system, &EngineAlone, lps);
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
            rows: group.case.rows,
            columns: group.case.columns,
            method: group.method.to_string(),
            nonnegative: group.case.nonnegative,
            solver: ClarabelReference.name(),
            threads: 1,
            batch: self.objectives.len(),
            ms_per_lp: self.row.ms_per_lp,
            iterations: self.row.iterations,
            fallbacks: self.row.not_certified,
            objective_difference: Some(0.0),
            ratio_to_clarabel: 1.0,
            weights: group.case.weights,
            activation: group.case.activation.to_string(),
            noise: group.case.noise,
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
                Verdict::Optimal { objective, .. } => objectives.push(objective),
                // Its objective can still be compared, with fewer digits.
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

/// The scale of a difference from `objective`: the objective itself. If the objective is almost 0
/// (no noise), the scale is 1e-4 of the largest bound (of `Σ|q|·bound` for a linear objective).
pub fn comparison_scale(problem: &Problem, objective: f64) -> f64 {
    let bound = problem.rows.iter().fold(0.0f64, |most, row| most.max(row.bound.abs()));
    let size = match &problem.objective {
        Objective::LargestViolation | Objective::SumOfViolations => bound,
        Objective::Linear { weights, .. } => weights.iter().map(|q| q.abs()).sum::<f64>() * bound,
    };
    // `max` ignores an objective that is not a number.
    (1e-4 * size).max(objective.abs())
}

/// The largest relative difference over the LPs that have a reference. Infinite if the engine has
/// no number for one of them; `None` if there is no reference.
fn largest_difference(lps: &[Problem], answers: &[CertifiedSolution], reference: &[f64]) -> Option<f64> {
    let difference = |((problem, answer), expected): ((&Problem, &CertifiedSolution), &f64)| {
        let difference = (answer.objective() - expected).abs();
        let scale = comparison_scale(problem, *expected);
        if difference == 0.0 {
            0.0
        } else if difference.is_finite() && scale > 0.0 {
            difference / scale
        } else {
            f64::INFINITY
        }
    };
    let known = lps.iter().zip(answers).zip(reference).filter(|(_, expected)| expected.is_finite());
    known.map(difference).reduce(f64::max)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::lp::instances::{CASES, Instances};
    use crate::lp::formulation::LayerwiseMethod;

    #[test]
    fn a_difference_is_seen_and_a_missing_answer_is_infinitely_far() {
        let instances = Instances::new(CASES[3], 3).unwrap();
        let problems = instances.problems(LayerwiseMethod::Linf);
        let mut answers = solve_certified(&instances.system, &EngineAlone, &problems);
        let objectives: Vec<f64> = answers.iter().map(CertifiedSolution::objective).collect();
        assert_eq!(largest_difference(&problems, &answers, &objectives), Some(0.0));
        let halved = [objectives[0], objectives[1] / 2.0, f64::NAN];
        assert_eq!(largest_difference(&problems, &answers, &halved), Some(1.0));
        assert_eq!(largest_difference(&problems, &answers, &[f64::NAN]), None);
        answers[0] = CertifiedSolution::missing(&instances.system);
        assert_eq!(largest_difference(&problems, &answers, &objectives), Some(f64::INFINITY));
    }

    #[test]
    fn an_objective_of_zero_is_compared_in_the_size_of_the_bounds() {
        let problems = Instances::new(CASES[3], 1).unwrap().problems(LayerwiseMethod::Linf);
        let largest = problems[0].rows.iter().fold(0.0f64, |most, row| most.max(row.bound.abs()));
        assert_eq!(comparison_scale(&problems[0], 0.0), 1e-4 * largest);
        assert_eq!(comparison_scale(&problems[0], 2.0 * largest), 2.0 * largest);
    }
}
