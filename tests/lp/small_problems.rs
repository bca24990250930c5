//! Thousands of small layer LPs, degenerate on purpose: none wrong, none hung, none called solved without a certificate.
//!
//! `UNRELU_SMALL_LPS=100000 cargo test --release --test lp small` runs more of them than the usual 10,000.

use nalgebra::{DMatrix, DVector};
use rayon::prelude::*;
use unrelu::lp::certificate::Verdict;
use unrelu::lp::certified::{CertifiedSolution, solve_certified};
use unrelu::lp::formulation::{Method, RowRule};
use unrelu::lp::problem::{LayerSystem, Problem};
use unrelu::lp::solver::Path;
use unrelu::lp::solver::clarabel_reference::ClarabelReference;
use unrelu::lp::solver::interior_point::InteriorPoint;
use unrelu::network::Activation;
use unrelu::random::{Domain, normal_vector, uniform_vector};

use crate::support::Instance;

/// A seeded stream of choices.
struct Choices {
    numbers: std::vec::IntoIter<f64>,
}

impl Choices {
    fn below(&mut self, count: usize) -> usize {
        (self.numbers.next().unwrap_or(0.0) * count as f64) as usize
    }

    fn one_in(&mut self, count: usize) -> bool {
        self.below(count) == 0
    }
}

/// 1×1 to 40×12, with whatever makes linear programs awkward.
fn instance(seed: u64) -> Instance {
    let mut choose = Choices { numbers: uniform_vector(seed, Domain::Noise, 1, 200).into_iter() };
    let small = choose.one_in(3);
    let columns = 1 + choose.below(if small { 3 } else { 12 });
    let units = 1 + choose.below(if small { 6 } else { 40 });
    let mut weight = DMatrix::from_vec(units, columns, normal_vector(seed, Domain::Network, 0, units * columns));
    let mut bias = DVector::from_vec(normal_vector(seed, Domain::Network, 1, units)) * 0.3;
    if choose.one_in(3) {
        let rank = 1 + choose.below(columns);
        let left = weight.columns(0, rank).into_owned();
        let right = DMatrix::from_vec(rank, columns, normal_vector(seed, Domain::Network, 2, rank * columns));
        weight = left * right;
    }
    let integers = choose.one_in(3);
    if integers {
        weight.iter_mut().for_each(|w| *w = w.round());
        bias.iter_mut().for_each(|b| *b = b.round());
    }
    if choose.one_in(3) {
        bias.fill(0.0);
    }
    if choose.one_in(4) {
        for _ in 0..1 + units / 4 {
            let (from, to) = (choose.below(units), choose.below(units));
            let row = weight.row(from).into_owned();
            weight.set_row(to, &row);
        }
    }
    if choose.one_in(5) {
        weight.row_mut(choose.below(units)).fill(0.0);
    }
    if choose.one_in(5) {
        weight.column_mut(choose.below(columns)).fill(0.0);
    }
    let nonnegative = choose.one_in(2);
    let activation = match choose.below(5) {
        0 => Activation::LeakyRelu(0.1),
        1 => Activation::LeakyRelu(0.5),
        2 => Activation::Identity,
        _ => Activation::Relu,
    };
    let z = DVector::from_vec(normal_vector(seed, Domain::Code, 0, columns));
    let z = if nonnegative { z.map(|z| z.max(0.0)) } else { z };
    let noise = [0.0, 1e-3, 0.1, 1.0][choose.below(4)];
    let clean = (&weight * z + &bias).map(|a| activation.apply(a));
    let shaken = normal_vector(seed, Domain::Noise, 2, units);
    let mut target: Vec<f64> = clean.iter().zip(shaken).map(|(x, u)| x + noise * u).collect();
    if integers && choose.one_in(2) {
        target.iter_mut().for_each(|t| *t = t.round());
    }
    match choose.below(12) {
        0 => target.fill(0.25),
        1 => target.fill(0.0),
        2 => target.iter_mut().for_each(|t| *t = -t.abs()),
        3 => target.iter_mut().step_by(3).for_each(|t| *t = f64::NAN),
        _ => {}
    }
    let scale = [1.0, 1.0, 1.0, 1e-6, 1e6][choose.below(5)];
    target.iter_mut().for_each(|t| *t *= scale);
    bias *= scale;
    let epsilon = scale * [1e-6, 1e-2, 0.25, 1.0][choose.below(4)];
    let name = format!("seed {seed}: {units}×{columns}, {activation}, z ≥ 0: {nonnegative}");
    Instance { name, weight, bias, nonnegative, activation, target, epsilon }
}

/// What came of one instance: descriptions of what is not certified, of what is wrong, and how many needed a second try.
#[derive(Default)]
struct Findings {
    problems: usize,
    patient: usize,
    fallbacks: usize,
    not_certified: Vec<String>,
    wrong: Vec<String>,
    /// Both solvers certify, but do not agree on what is determined.
    disputed: Vec<String>,
}

/// Why the answer must be wrong, given another certified one. The certificate's tolerances grow with `|z|`; where a feasible set
/// has no bound a solver may come back with an enormous `z` that passes it, so an answer counts as better only if it satisfies
/// its rows without that allowance. (The violations of `linf` and `l1` are computed from `z`: there lower is right.)
fn wrong(
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
        (Verdict::Optimal { objective: a }, Verdict::Optimal { objective: b }) => {
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

fn examine(seed: u64) -> Findings {
    let instance = instance(seed);
    let system = instance.system();
    let mut findings = Findings::default();
    for (method, rule) in [
        (Method::Linf, RowRule::Corrected),
        (Method::Linf, RowRule::Printed),
        (Method::L1, RowRule::Corrected),
        (Method::Relaxed, RowRule::Corrected),
    ] {
        let problem = [instance.problem(&system, method, rule)];
        let found = solve_certified(&system, &InteriorPoint, &problem).remove(0);
        findings.problems += 1;
        findings.patient += usize::from(found.path == Path::Patient);
        findings.fallbacks += usize::from(found.path == Path::Fallback);
        let what = format!("{} {method} {rule}", instance.name);
        if let Verdict::NotCertified { failed, .. } = found.verdict {
            findings.not_certified.push(format!("{what}: {failed:?}"));
            continue;
        }
        let reference = solve_certified(&system, &ClarabelReference, &problem).remove(0);
        let size = problem[0].rows.iter().fold(0.0f64, |most, row| most.max(row.magnitude));
        // Without targets and biases nothing but the weights sets a scale, and those are about 1.
        let size = if size > 0.0 { size } else { 1.0 };
        if let Some(difference) = wrong(&system, &problem[0], &found, &reference, size) {
            findings.wrong.push(format!("{what}: {difference}"));
        }
        let both = [&found, &reference].iter().all(|s| matches!(s.verdict, Verdict::Optimal { .. }));
        if both && found.determined != reference.determined {
            findings.disputed.push(format!("{what}: {:?}, Clarabel {:?}", found.determined, reference.determined));
        }
    }
    findings
}

#[test]
fn small_problems_are_solved_and_none_wrongly() {
    let wanted = std::env::var("UNRELU_SMALL_LPS").ok().and_then(|n| n.parse().ok()).unwrap_or(10_000u64);
    let all = (0..wanted / 4).into_par_iter().map(examine).reduce(Findings::default, |mut a, b| {
        a.problems += b.problems;
        a.patient += b.patient;
        a.fallbacks += b.fallbacks;
        a.not_certified.extend(b.not_certified);
        a.wrong.extend(b.wrong);
        a.disputed.extend(b.disputed);
        a
    });
    let Findings { problems, patient, fallbacks, .. } = all;
    println!("{problems} problems, {patient} by patience, {fallbacks} by Clarabel, not certified:");
    all.not_certified.iter().for_each(|what| println!("  {what}"));
    println!("{} disputed about what is determined", all.disputed.len());
    all.disputed.iter().for_each(|what| println!("  {what}"));
    assert!(all.wrong.is_empty(), "{}", all.wrong.join("\n"));
    assert!(all.not_certified.len() * 1000 <= all.problems, "{} not certified", all.not_certified.len());
}
