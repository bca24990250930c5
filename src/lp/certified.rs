//! Turns a solver's answers into certified answers: finish on the optimal face, certificate, and a
//! second attempt for answers that did not pass.

mod units;

use rayon::prelude::*;

use super::basis::{Basis, WarmStart};
use super::certificate::{
    FailedTest, Proof, ROW_TOLERANCE, Verdict, certify_above, certify_held, certify_optimal, clip_to_signs,
    largest_magnitude,
};
use super::face::{OptimalFace, Reading, SAME};
use super::problem::equilibration::Equilibrated;
use super::problem::{LayerSystem, Objective, Problem, Row};
use super::solution::{Attempt, Outcome, Solution};
use super::solver::Solver;

/// Rows whose terms are a smaller share of the largest than this are loosened as if they were this
/// share.
const SMALLEST_SLACK: f64 = 1e-12;

/// How the tight constraints are told, in this order.
const READINGS: [Reading; 4] = [
    Reading::USUAL,
    Reading { factor: 1.0, square: true },
    Reading { factor: 1e3, square: false },
    Reading { factor: 1e-3, square: true },
];

/// A checked answer to one problem.
#[derive(Debug, Clone, PartialEq)]
pub struct CertifiedSolution {
    /// The primal point, one entry per column, within its signs.
    pub z: Vec<f64>,
    /// The multipliers, one per row, at least 0. The verdict relies on them and `z`. Empty if the
    /// solver gave no answer.
    pub multipliers: Vec<f64>,
    /// The verdict of the certificate.
    pub verdict: Verdict,
    /// For each entry of `z`, whether it is the same on the whole optimal face. All `false` where
    /// there is no optimum.
    pub determined: Vec<bool>,
    /// Number of iterations of all attempts.
    pub iterations: u32,
    /// Simplex pivots.
    pub pivots: u32,
    /// The optimal vertex, if the solver ended at one: a neighbouring problem may start from it.
    pub vertex: Option<Basis>,
    /// Whether the first try did not pass.
    pub retried: bool,
    /// Which attempt this is.
    pub attempt: Attempt,
}

impl CertifiedSolution {
    /// A placeholder for an answer that was never given.
    pub(crate) fn missing(system: &LayerSystem) -> Self {
        CertifiedSolution {
            z: vec![f64::NAN; system.columns()],
            multipliers: Vec::new(),
            verdict: Verdict::NotCertified { objective: f64::NAN, failed: FailedTest::NotFinite },
            determined: vec![false; system.columns()],
            iterations: 0,
            pivots: 0,
            vertex: None,
            retried: false,
            attempt: Attempt::Usual,
        }
    }

    /// Whether the verdict, optimal or infeasible, is proven.
    pub fn is_certified(&self) -> bool {
        !matches!(self.verdict, Verdict::NotCertified { .. })
    }

    /// The primal objective at `z`; `NaN` where the rows are infeasible or only a bound was asked
    /// for.
    pub fn objective(&self) -> f64 {
        match self.verdict {
            Verdict::Optimal { objective, .. } | Verdict::NotCertified { objective, .. } => objective,
            Verdict::Infeasible | Verdict::AboveCutoff { .. } => f64::NAN,
        }
    }
}

/// Solves, finishes and certifies a batch of problems on one `W`. One answer per problem, in order.
pub fn solve_certified(system: &LayerSystem, solver: &dyn Solver, problems: &[Problem]) -> Vec<CertifiedSolution> {
    solve_certified_warm(system, solver, problems, &vec![WarmStart::default(); problems.len()])
}

/// As [`solve_certified`], with starting information for each problem. Verdict, objective and what
/// is determined do not depend on that, the work does; only of a problem with a cutoff the answer
/// may be that its optimum is above it.
pub fn solve_certified_warm(
    system: &LayerSystem,
    solver: &dyn Solver,
    problems: &[Problem],
    warm: &[WarmStart<'_>],
) -> Vec<CertifiedSolution> {
    match system.equilibrated() {
        Some(better) => solve_in_better_units(system, better, solver, problems, warm),
        None => solve_as_it_is(system, solver, problems, warm),
    }
}

/// Solves each problem in the layer's better units where they are exact, otherwise in its own.
fn solve_in_better_units(
    system: &LayerSystem,
    better: &Equilibrated,
    solver: &dyn Solver,
    problems: &[Problem],
    warm: &[WarmStart<'_>],
) -> Vec<CertifiedSolution> {
    let solve = |(problem, warm): (&Problem, &WarmStart<'_>)| {
        let mut solutions = match better.problem(problem) {
            // Warm starts are in the layer's own units.
            Some(scaled) => {
                let solutions = solve_certified(&better.system, solver, std::slice::from_ref(&scaled));
                let restored = |solution: CertifiedSolution| {
                    let mut restored = units::restored((system, problem), (better, &scaled), solution);
                    if restored.verdict == Verdict::Infeasible {
                        restored.verdict = certify_infeasible(system, solver, problem);
                    }
                    restored
                };
                solutions.into_iter().map(restored).collect()
            }
            None => solve_as_it_is(system, solver, std::slice::from_ref(problem), std::slice::from_ref(warm)),
        };
        solutions.pop().unwrap_or_else(|| CertifiedSolution::missing(system))
    };
    problems.par_iter().zip(warm).map(solve).collect()
}

/// Solves a problem from the vertex of `warm`, and in no other way. Returns its only optimum, or
/// that this is above the cutoff; certified in either case. `None` where the vertex does not lead
/// to that, and where the layer is solved in other units than its own.
pub(super) fn solve_certified_from(
    system: &LayerSystem,
    solver: &dyn Solver,
    problem: &Problem,
    warm: WarmStart<'_>,
) -> Option<CertifiedSolution> {
    if system.equilibrated().is_some() {
        return None;
    }
    let solution = solver.solve_from(system, problem, warm)?;
    let checked = check(system, solver, problem, solution, warm.cutoff, false);
    let is_proven = match checked.verdict {
        Verdict::Optimal { .. } => checked.vertex.is_some(),
        Verdict::AboveCutoff { .. } => true,
        Verdict::Infeasible | Verdict::NotCertified { .. } => false,
    };
    is_proven.then_some(checked)
}

fn solve_as_it_is(
    system: &LayerSystem,
    solver: &dyn Solver,
    problems: &[Problem],
    warm: &[WarmStart<'_>],
) -> Vec<CertifiedSolution> {
    solver
        .solve_warm(system, problems, warm)
        .into_par_iter()
        .zip(problems)
        .zip(warm)
        .map(|((solution, problem), warm)| {
            if problem.rows.is_empty() {
                return unconstrained(system);
            }
            let shortcut = solution.attempt == Attempt::WarmStart;
            let mut checked = check(system, solver, problem, solution, warm.cutoff, true);
            if shortcut && !checked.is_certified() {
                let pivots = checked.pivots;
                let afresh = solver.solve(system, std::slice::from_ref(problem)).pop();
                let Some(afresh) = afresh else { return CertifiedSolution::missing(system) };
                checked = check(system, solver, problem, afresh, None, true);
                checked.pivots += pivots;
            }
            let mut retry = 0;
            while !checked.is_certified()
                && let Some((attempt, solution)) = solver.retry(system, problem, retry)
            {
                retry += 1;
                // Whether the feasibility of the rows was tested already.
                let again = check(system, solver, problem, solution, None, false);
                let (iterations, pivots) = (checked.iterations + again.iterations, checked.pivots + again.pivots);
                if again.is_certified() || again.z.iter().all(|z| z.is_finite()) {
                    checked = CertifiedSolution { attempt, ..again };
                }
                (checked.iterations, checked.pivots) = (iterations, pivots);
                checked.retried = true;
            }
            checked
        })
        .collect()
}

/// No row, nothing to minimise: any `z` is an optimum, and 0 the one to return.
fn unconstrained(system: &LayerSystem) -> CertifiedSolution {
    CertifiedSolution {
        z: vec![0.0; system.columns()],
        multipliers: Vec::new(),
        verdict: Verdict::Optimal { objective: 0.0, proof: Proof::Everywhere { reach: f64::INFINITY } },
        determined: vec![false; system.columns()],
        iterations: 0,
        pivots: 0,
        vertex: None,
        retried: false,
        attempt: Attempt::Usual,
    }
}

fn check(
    system: &LayerSystem,
    solver: &dyn Solver,
    problem: &Problem,
    solution: Solution,
    cutoff: Option<f64>,
    suspect_rows: bool,
) -> CertifiedSolution {
    let Solution { outcome, mut z, mut y, iterations, attempt, pivots, is_unique, vertex, held } = solution;
    clip_to_signs(system, &mut z, &mut y);
    clear_weightless(system, &mut z);
    let checked = |z, multipliers, verdict, determined| CertifiedSolution {
        z,
        multipliers,
        verdict,
        determined,
        iterations,
        pivots,
        vertex: None,
        retried: false,
        attempt,
    };
    let nothing_determined = || vec![false; system.columns()];
    if let (Outcome::AboveCutoff, Some(cutoff)) = (outcome, cutoff) {
        let verdict = certify_above(system, problem, &y, cutoff);
        return checked(z, y, verdict, nothing_determined());
    }
    // The other objectives are always feasible: a solver that claims otherwise has stalled.
    if outcome == Outcome::Infeasible && matches!(problem.objective, Objective::Linear { .. }) {
        let verdict = certify_infeasible(system, solver, problem);
        return checked(z, y, verdict, nothing_determined());
    }
    let infeasible = |verdict: &Verdict| {
        // Without a point that satisfies the rows, an iteration cannot make progress.
        suspect_rows
            && outcome == Outcome::Stalled
            && matches!(problem.objective, Objective::Linear { .. })
            && !matches!(verdict, Verdict::Optimal { .. })
            && certify_infeasible(system, solver, problem) == Verdict::Infeasible
    };
    if z.iter().chain(&y).any(|value| !value.is_finite()) {
        let verdict = certify_optimal(system, problem, &z, &y);
        let verdict = if infeasible(&verdict) { Verdict::Infeasible } else { verdict };
        return checked(z, y, verdict, nothing_determined());
    }
    if is_unique {
        let verdict = certify_held(system, problem, &z, &y, held);
        // A solver's word that there is no other optimum is believed of a target that it
        // reproduced (least squares of proven rank); otherwise the certificate has to hold all
        // codes as good close.
        let reproduced = y.iter().all(|y| *y == 0.0);
        if let Verdict::Optimal { proof: Proof::Everywhere { reach }, .. } = verdict
            && (reproduced || reach <= SAME * largest_magnitude(problem))
        {
            return CertifiedSolution { vertex, ..checked(z, y, verdict, vec![true; system.columns()]) };
        }
    }
    let mut best: Option<CertifiedSolution> = None;
    let mut tried: Vec<OptimalFace<'_>> = Vec::new();
    for reading in READINGS {
        let Some(face) = OptimalFace::read(system, problem, (&z, &y), reading, &tried) else { continue };
        let (mut finished_z, mut finished_y) = face.finish(&z, &y);
        clip_to_signs(system, &mut finished_z, &mut finished_y);
        let verdict = certify_optimal(system, problem, &finished_z, &finished_y);
        if let Verdict::Optimal { .. } = verdict {
            let determined = face.determined(&finished_z, &finished_y);
            let count = |determined: &[bool]| determined.iter().filter(|determined| **determined).count();
            let found = count(&determined);
            if best.as_ref().is_none_or(|best| found > count(&best.determined)) {
                best = Some(checked(finished_z, finished_y, verdict, determined));
            }
            // Fewer equations determine no more.
            if found + face.free() == system.columns() {
                break;
            }
        }
        tried.push(face);
    }
    if let Some(best) = best {
        return best;
    }
    // Where the guess of the tight rows is wrong, the unchanged interior point may still be
    // accurate enough.
    let verdict = certify_optimal(system, problem, &z, &y);
    if infeasible(&verdict) {
        return checked(z, y, Verdict::Infeasible, nothing_determined());
    }
    let determined = match (&verdict, tried.first()) {
        (Verdict::Optimal { .. }, Some(face)) => face.determined(&z, &y),
        _ => nothing_determined(),
    };
    checked(z, y, verdict, determined)
}

/// An entry without any weight is 0: the solver leaves a rounding error there, or where it started.
fn clear_weightless(system: &LayerSystem, z: &mut [f64]) {
    let entries = z.iter_mut().enumerate().filter(|(column, _)| system.largest_of_column(*column) == 0.0);
    entries.filter(|(_, z)| z.is_finite()).for_each(|(_, z)| *z = 0.0);
}

/// Proves that no `z` satisfies a linear problem's rows: the least `δ` by which they all have to be
/// loosened is certified as an optimum of its own, and even a row loosened by that is violated by
/// more than the row test forgives. Its multipliers are Farkas' proof, finished and checked like
/// any other.
///
/// At first all rows are loosened by the same `δ`. Where that decides nothing, each is loosened by
/// `δ` times the size of its own terms, which is what the row test measures it by: rows of large
/// terms then hide no violation of rows of small ones.
fn certify_infeasible(system: &LayerSystem, solver: &dyn Solver, problem: &Problem) -> Verdict {
    let refuted = Verdict::NotCertified { objective: f64::NAN, failed: FailedTest::Infeasibility };
    let mut slacks = vec![1.0; problem.rows.len()];
    for own_terms in [false, true] {
        let loosened = |(row, slack): (&Row, &f64)| Row { slack: *slack, ..*row };
        let rows: Vec<Row> = problem.rows.iter().zip(&slacks).map(loosened).collect();
        let elastic = Problem { rows, objective: Objective::LargestViolation };
        // Always feasible and bounded, so this does not come back here.
        let Some(checked) = solve_certified(system, solver, std::slice::from_ref(&elastic)).pop() else {
            return refuted;
        };
        let sizes = problem.rows.iter().map(|row| row.magnitude + system.absolute_product(row.unit, &checked.z));
        let sizes: Vec<f64> = sizes.collect();
        // What the row test forgives in each row, as a multiple of its slack.
        let forgiven = sizes.iter().zip(&slacks).fold(0.0f64, |most, (size, slack)| most.max(size / slack));
        match checked.verdict {
            Verdict::Optimal { objective, .. } if objective > ROW_TOLERANCE * forgiven => return Verdict::Infeasible,
            _ if own_terms => return refuted,
            _ => {}
        }
        let largest = sizes.iter().fold(0.0f64, |most, size| most.max(*size));
        if !(largest > 0.0 && largest.is_finite()) {
            return refuted;
        }
        // A row without terms, 0 ≤ 0, is loosened like the largest.
        let share = |size: &f64| if *size > 0.0 { (size / largest).max(SMALLEST_SLACK) } else { 1.0 };
        slacks = sizes.iter().map(share).collect();
    }
    refuted
}
