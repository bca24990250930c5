//! The engine's answers against Clarabel's on the same problems: they are certified, not worse, and
//! not better than possible.

use rayon::prelude::*;
use unrelu::internals::lp::certificate::Verdict;
use unrelu::internals::lp::certified::{CertifiedSolution, solve_certified};
use unrelu::internals::lp::problem::{LayerSystem, Problem};
use unrelu::internals::lp::solution::Attempt;
use unrelu::internals::lp::solver::clarabel_reference::ClarabelReference;
use unrelu::internals::lp::solver::engine::LpEngine;
use unrelu::{LayerwiseMethod, RowRule};

use crate::ranges::is_determined;
use crate::support::Instance;

/// The result of one instance: descriptions of uncertified and of wrong answers, and the number of
/// second attempts.
#[derive(Default)]
pub struct Findings {
    pub problems: usize,
    pub patient: usize,
    pub fallbacks: usize,
    /// The most iterations that one problem took.
    pub iterations: u32,
    pub not_certified: Vec<String>,
    /// Certified, but not by the engine's usual run.
    pub slow: Vec<String>,
    pub wrong: Vec<String>,
    /// Both solvers are certified, but disagree on what is determined.
    pub disputed: Vec<String>,
    /// Problems for which the engine reports an entry as determined although its range over the
    /// optimal face shows that it is free.
    pub overclaimed: usize,
}

/// Why the answer must be wrong, given another certified one. The certificate's tolerances grow
/// with `|z|`. If a feasible set is unbounded, a solver may return an enormous `z` that passes. So
/// an answer counts as better only if it satisfies its rows without that allowance. (The violations
/// of `linf` and `l1` are computed from `z`, so there lower is always better.)
pub fn wrong(
    system: &LayerSystem,
    problem: &Problem,
    found: &CertifiedSolution,
    reference: &CertifiedSolution,
    size: f64,
) -> Option<String> {
    let satisfies = |solution: &CertifiedSolution| {
        problem
            .rows
            .iter()
            .all(|row| row.slack > 0.0 || row.side * system.product(row.unit, &solution.z) - row.bound <= 1e-9 * size)
    };
    let is_linear = problem.rows.first().is_some_and(|row| row.slack == 0.0);
    // Bilinear in target and code.
    let size = if is_linear { 100.0 * size * size } else { size };
    match (found.verdict, reference.verdict) {
        (Verdict::Optimal { objective: a, .. }, Verdict::Optimal { objective: b, .. }) => {
            let tolerance = 3e-8 * b.abs() + 1e-9 * size;
            let worse = if is_linear { b - a > tolerance } else { a - b > tolerance };
            let too_good = is_linear && a - b > tolerance && !satisfies(found);
            (too_good || worse && satisfies(reference)).then(|| format!("{a:e}, Clarabel {b:e}"))
        }
        (Verdict::Infeasible, Verdict::Optimal { .. }) => {
            satisfies(reference).then(|| "infeasible, but Clarabel has a point".to_owned())
        }
        (Verdict::Optimal { .. }, Verdict::Infeasible) => {
            (!satisfies(found)).then(|| "a point that satisfies nothing, and Clarabel says infeasible".to_owned())
        }
        _ => None,
    }
}

/// Every method's problem of one instance.
pub fn examine(instance: &Instance) -> Findings {
    let system = instance.system();
    let mut findings = Findings::default();
    for (method, rule) in [
        (LayerwiseMethod::Linf, RowRule::Corrected),
        (LayerwiseMethod::Linf, RowRule::Printed),
        (LayerwiseMethod::L1, RowRule::Corrected),
        (LayerwiseMethod::Relaxed, RowRule::Corrected),
    ] {
        let problem = [instance.problem(&system, method, rule)];
        let found = solve_certified(&system, &LpEngine, &problem).remove(0);
        findings.problems += 1;
        findings.iterations = findings.iterations.max(found.iterations);
        findings.patient += usize::from(found.attempt == Attempt::Patient);
        findings.fallbacks += usize::from(found.attempt == Attempt::Fallback);
        let what = format!("{} {method} {rule}", instance.name);
        if found.attempt != Attempt::Usual {
            findings.slow.push(format!("{what}: {:?}", found.attempt));
        }
        if let Verdict::NotCertified { failed, .. } = found.verdict {
            findings.not_certified.push(format!("{what}: {failed:?}"));
            continue;
        }
        let reference = solve_certified(&system, &ClarabelReference, &problem).remove(0);
        let size = problem[0].rows.iter().fold(0.0f64, |most, row| most.max(row.magnitude));
        // Without targets and biases, only the weights set a scale, and those are about 1.
        let size = if size > 0.0 { size } else { 1.0 };
        if let Some(difference) = wrong(&system, &problem[0], &found, &reference, size) {
            findings.wrong.push(format!("{what}: {difference}"));
        }
        let both = [&found, &reference].iter().all(|s| matches!(s.verdict, Verdict::Optimal { .. }));
        if both && found.determined != reference.determined {
            let (words, overclaimed) = judge(&system, &problem[0], &found, &reference);
            findings.disputed.push(format!("{what}: {words}"));
            findings.overclaimed += usize::from(overclaimed);
        }
    }
    findings
}

/// Decides the disputed entries by their ranges over the optimal face, and checks whether the
/// engine reports more as determined than is true.
fn judge(
    system: &LayerSystem,
    problem: &Problem,
    found: &CertifiedSolution,
    reference: &CertifiedSolution,
) -> (String, bool) {
    let (mut engine, mut clarabel, mut undecided) = (Vec::new(), Vec::new(), Vec::new());
    for entry in (0..system.columns()).filter(|&i| found.determined[i] != reference.determined[i]) {
        match is_determined(system, problem, found.objective(), entry) {
            None => undecided.push(entry),
            Some(truth) if truth == found.determined[entry] => clarabel.push(entry),
            Some(_) => engine.push(entry),
        }
    }
    let overclaimed = engine.iter().any(|&entry| found.determined[entry]);
    let words =
        format!("the engine is wrong at {engine:?}, Clarabel's answer at {clarabel:?}, undecided {undecided:?}");
    (words, overclaimed)
}

impl Findings {
    fn and(mut self, other: Findings) -> Self {
        self.problems += other.problems;
        self.patient += other.patient;
        self.fallbacks += other.fallbacks;
        self.iterations = self.iterations.max(other.iterations);
        self.not_certified.extend(other.not_certified);
        self.wrong.extend(other.wrong);
        self.disputed.extend(other.disputed);
        self.overclaimed += other.overclaimed;
        self.slow.extend(other.slow);
        self
    }

    /// Examines `count` problems and prints the findings. Fails if one is wrong, if more than
    /// `allowed` in a thousand are not certified, or if more than one in a thousand reports too
    /// much as determined.
    pub fn check(count: u64, allowed: usize, instance: impl Fn(u64) -> Instance + Sync) {
        let all = (0..count.div_ceil(4))
            .into_par_iter()
            .map(|seed| examine(&instance(seed)))
            .reduce(Findings::default, Findings::and);
        let Findings { problems, patient, fallbacks, iterations, .. } = all;
        println!(
            "{problems} problems, {patient} by patience, {fallbacks} by Clarabel, at most {iterations} iterations"
        );
        all.slow.iter().for_each(|what| println!("  {what}"));
        println!("{} not certified", all.not_certified.len());
        all.not_certified.iter().for_each(|what| println!("  {what}"));
        println!("{} disputed about what is determined, {} claim too much", all.disputed.len(), all.overclaimed);
        all.disputed.iter().for_each(|what| println!("  {what}"));
        assert!(all.wrong.is_empty(), "{}", all.wrong.join("\n"));
        assert!(all.overclaimed <= all.problems.div_ceil(1000), "{}", all.disputed.join("\n"));
        let allowed = (allowed * all.problems).div_ceil(1000);
        let listed = all.not_certified.join("\n");
        assert!(all.not_certified.len() <= allowed, "{} not certified:\n{listed}", all.not_certified.len());
    }
}

/// How many problems to examine: `usual`, or what the environment variable says.
pub fn wanted(variable: &str, usual: u64) -> u64 {
    match std::env::var(variable) {
        Ok(text) => text.parse().unwrap_or_else(|_| panic!("{variable}={text}: expected a number of problems")),
        Err(_) => usual,
    }
}
