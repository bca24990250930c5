//! Problems solved from the optimum of a neighbouring ε. The answer is that of a solver without a
//! warm start, for every order of the ladder. A bound above the cutoff is reported only if the
//! optimum is above it.

use rayon::prelude::*;
use unrelu::internals::lp::basis::WarmStart;
use unrelu::internals::lp::certificate::{Verdict, certify_above};
use unrelu::internals::lp::certified::{CertifiedSolution, solve_certified, solve_certified_warm};
use unrelu::internals::lp::problem::{LayerSystem, Problem};
use unrelu::internals::lp::solution::Attempt;
use unrelu::internals::lp::solver::clarabel_reference::ClarabelReference;
use unrelu::internals::lp::solver::engine::LpEngine;
use unrelu::{Activation, LayerwiseMethod, RowRule};

use crate::awkward;
use crate::comparison::wrong;
use crate::support::{Instance, random_instance};

/// Factors of the instance's ε, in the order of solving: up, down and far away.
const LADDER: [f64; 9] = [1.0, 1.2, 1.44, 3.0, 2.0, 1.7, 0.5, 0.1, 20.0];
/// Cutoffs, relative to the optimum.
const CUTOFFS: [f64; 4] = [0.5, 0.999, 1.001, 2.0];

#[derive(Default)]
struct Seen {
    from_neighbours: usize,
    bounds: usize,
    wrong: Vec<String>,
}

impl Seen {
    fn and(mut self, other: Seen) -> Self {
        self.from_neighbours += other.from_neighbours;
        self.bounds += other.bounds;
        self.wrong.extend(other.wrong);
        self
    }
}

fn solve(system: &LayerSystem, problem: &Problem, warm: WarmStart<'_>) -> CertifiedSolution {
    solve_certified_warm(system, &LpEngine, std::slice::from_ref(problem), &[warm]).remove(0)
}

fn walk(instance: &Instance) -> Seen {
    let system = instance.system();
    let mut seen = Seen::default();
    for (method, rule) in [
        (LayerwiseMethod::Linf, RowRule::Corrected),
        (LayerwiseMethod::Linf, RowRule::Printed),
        (LayerwiseMethod::Linf, RowRule::Inactive),
        (LayerwiseMethod::L1, RowRule::Corrected),
        (LayerwiseMethod::L1, RowRule::Printed),
        (LayerwiseMethod::Relaxed, RowRule::Corrected),
    ] {
        let mut vertex = None;
        for step in LADDER {
            let at_step = Instance { epsilon: instance.epsilon * step, ..instance.clone() };
            let problem = at_step.problem(&system, method, rule);
            let reference = solve_certified(&system, &ClarabelReference, std::slice::from_ref(&problem)).remove(0);
            let found = solve(&system, &problem, WarmStart { basis: vertex.as_ref(), ..WarmStart::default() });
            seen.from_neighbours += usize::from(found.attempt == Attempt::WarmStart);
            let what = format!("{} {method} {rule} at {}", instance.name, at_step.epsilon);
            if reference.is_certified() {
                if !found.is_certified() {
                    seen.wrong.push(format!("{what}: not certified"));
                }
                let size = problem.rows.iter().fold(0.0f64, |most, row| most.max(row.magnitude));
                let size = if size > 0.0 { size } else { 1.0 };
                if let Some(difference) = wrong(&system, &problem, &found, &reference, size) {
                    seen.wrong.push(format!("{what}: {difference}"));
                }
                let optimal = |solution: &CertifiedSolution| matches!(solution.verdict, Verdict::Optimal { .. });
                if found.attempt == Attempt::WarmStart && optimal(&reference) {
                    // If the vertex is reported as the only optimum, it must also be the
                    // reference's answer.
                    let scale = reference.z.iter().fold(1e-6 * size, |most, z| most.max(z.abs()));
                    let off = found.z.iter().zip(&reference.z).fold(0.0f64, |most, (a, b)| most.max((a - b).abs()));
                    if reference.determined.iter().all(|d| *d) && off > 1e-4 * scale {
                        seen.wrong.push(format!("{what}: another point, off by {off:e}"));
                    }
                }
                if method == LayerwiseMethod::Linf && optimal(&reference) {
                    check_cutoffs(&system, &problem, vertex.as_ref(), reference.objective(), &what, &mut seen);
                }
            }
            if found.vertex.is_some() {
                vertex = found.vertex;
            }
        }
    }
    seen
}

fn check_cutoffs(
    system: &LayerSystem,
    problem: &Problem,
    vertex: Option<&unrelu::internals::lp::basis::Basis>,
    optimum: f64,
    what: &str,
    seen: &mut Seen,
) {
    for share in CUTOFFS {
        let cutoff = share * optimum;
        let found = solve(system, problem, WarmStart { basis: vertex, cutoff: Some(cutoff), ..WarmStart::default() });
        if let Verdict::AboveCutoff { bound } = found.verdict {
            seen.bounds += 1;
            if bound > optimum * (1.0 + 1e-7) || bound <= cutoff {
                seen.wrong.push(format!("{what}: bound {bound:e} for cutoff {cutoff:e}, optimum {optimum:e}"));
            }
        } else if !found.is_certified() {
            seen.wrong.push(format!("{what}: not certified with cutoff {cutoff:e}"));
        }
    }
}

/// `|z| ≤ δ` and `|z − 1| ≤ δ`: `δ* = 0.5`, shown by 0.5 on `z ≤ δ` and 0.5 on `1 − z ≤ δ`.
#[test]
fn a_bound_is_believed_only_if_its_multipliers_hold() {
    let instance = Instance {
        name: "two equations".to_owned(),
        weight: nalgebra::DMatrix::from_element(2, 1, 1.0),
        bias: nalgebra::DVector::zeros(2),
        nonnegative: false,
        activation: Activation::Identity,
        target: vec![0.0, 1.0],
        epsilon: 1e-3,
    };
    let system = instance.system();
    let problem = instance.problem(&system, LayerwiseMethod::Linf, RowRule::Corrected);
    let multipliers = |upper_of_first: f64, lower_of_second: f64| -> Vec<f64> {
        let of = |row: &unrelu::internals::lp::problem::Row| match (row.unit, row.side > 0.0) {
            (0, true) => upper_of_first,
            (1, false) => lower_of_second,
            _ => 0.0,
        };
        problem.rows.iter().map(of).collect()
    };
    let believed = |y: Vec<f64>, cutoff: f64| matches!(certify_above(&system, &problem, &y, cutoff), Verdict::AboveCutoff { bound } if bound > cutoff && bound <= 0.5);
    assert!(believed(multipliers(0.5, 0.5), 0.4999));
    assert!(!believed(multipliers(0.5, 0.5), 0.5), "a bound at the cutoff is not above it");
    assert!(believed(multipliers(1.0, 1.0), 0.4), "multipliers that sum to 2 are divided by it");
    assert!(!believed(multipliers(1.0, 1.0), 0.5), "and prove no more than before");
    assert!(!believed(multipliers(0.4, 0.6), 0.4), "Σ y side w is not 0");
    assert!(!believed(multipliers(f64::NAN, 0.5), 0.4));
}

#[test]
fn neighbours_of_small_degenerate_problems() {
    let shape = |choose: &mut awkward::Choices| (1 + choose.below(30), 1 + choose.below(8));
    let seen = (0..150u64)
        .into_par_iter()
        .map(|seed| walk(&awkward::instance(50_000 + seed, shape)))
        .reduce(Seen::default, Seen::and);
    println!("{} solved from a neighbour, {} bounds", seen.from_neighbours, seen.bounds);
    assert!(seen.wrong.is_empty(), "{}", seen.wrong.join("\n"));
    assert!(seen.from_neighbours > 1000 && seen.bounds > 100, "the tests hardly met a neighbour");
}

#[test]
fn neighbours_of_random_problems() {
    let activations = [Activation::Relu, Activation::LeakyRelu(0.1), Activation::Identity];
    let seen = (0..24u64)
        .into_par_iter()
        .map(|seed| {
            let activation = activations[seed as usize % 3];
            let columns = 9 + 3 * seed as usize % 10;
            walk(&random_instance(4 * columns, columns, activation, seed % 2 == 0, 0.05, 900 + seed))
        })
        .reduce(Seen::default, Seen::and);
    println!("{} solved from a neighbour, {} bounds", seen.from_neighbours, seen.bounds);
    assert!(seen.wrong.is_empty(), "{}", seen.wrong.join("\n"));
    assert!(seen.from_neighbours > 300 && seen.bounds > 30, "the tests hardly met a neighbour");
}
