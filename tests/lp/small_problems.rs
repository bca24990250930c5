//! Thousands of small layer LPs, degenerate on purpose: none wrong, none hung, none called solved without a certificate.
//!
//! `UNRELU_SMALL_LPS=100000 cargo test --release --test lp small` runs more of them than the usual 10,000.

use nalgebra::{DMatrix, DVector};
use rayon::prelude::*;
use unrelu::lp::certificate::Verdict;
use unrelu::lp::certified::solve_certified;
use unrelu::lp::formulation::{Method, RowRule};
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
    retried: usize,
    not_certified: Vec<String>,
    wrong: Vec<String>,
    /// Both solvers certify, but do not agree on what is determined.
    disputed: Vec<String>,
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
        findings.retried += usize::from(found.retried);
        let what = format!("{} {method} {rule}", instance.name);
        if let Verdict::NotCertified { failed, .. } = found.verdict {
            findings.not_certified.push(format!("{what}: {failed:?}"));
            continue;
        }
        let reference = solve_certified(&system, &ClarabelReference, &problem).remove(0);
        let size = problem[0].rows.iter().fold(0.0f64, |most, row| most.max(row.magnitude));
        // Without targets and biases nothing but the weights sets a scale, and those are about 1.
        let size = if size > 0.0 { size } else { 1.0 };
        match (found.verdict, reference.verdict) {
            (_, Verdict::NotCertified { .. }) => {}
            (Verdict::Optimal { objective: a }, Verdict::Optimal { objective: b }) => {
                // Two certified optima may differ by the certificate's own tolerances, and scale with the rows' number.
                let size = if method == Method::Relaxed { size * size * 100.0 } else { size };
                if (a - b).abs() > 3e-8 * b.abs() + 1e-9 * size {
                    findings.wrong.push(format!("{what}: {a:e}, Clarabel {b:e}"));
                }
                if found.determined != reference.determined {
                    findings
                        .disputed
                        .push(format!("{what}: {:?}, Clarabel {:?}", found.determined, reference.determined));
                }
            }
            (a, b) if a != b => findings.wrong.push(format!("{what}: {a:?}, Clarabel {b:?}")),
            _ => {}
        }
    }
    findings
}

#[test]
fn small_problems_are_solved_and_none_wrongly() {
    let wanted = std::env::var("UNRELU_SMALL_LPS").ok().and_then(|n| n.parse().ok()).unwrap_or(10_000u64);
    let all = (0..wanted / 4).into_par_iter().map(examine).reduce(Findings::default, |mut a, b| {
        a.problems += b.problems;
        a.retried += b.retried;
        a.not_certified.extend(b.not_certified);
        a.wrong.extend(b.wrong);
        a.disputed.extend(b.disputed);
        a
    });
    println!("{} problems, {} by a second try, not certified:", all.problems, all.retried);
    all.not_certified.iter().for_each(|what| println!("  {what}"));
    println!("{} disputed about what is determined", all.disputed.len());
    all.disputed.iter().for_each(|what| println!("  {what}"));
    assert!(all.wrong.is_empty(), "{}", all.wrong.join("\n"));
    assert!(all.not_certified.len() * 1000 <= all.problems, "{} not certified", all.not_certified.len());
}
