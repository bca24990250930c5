use nalgebra::{DMatrix, DVector};

use super::alone::Alone;
use super::codes::Codes;
use super::pack::Pack;
use super::start::{Start, Starts};
use super::*;
use crate::lp::certificate::{Verdict, certify_optimal, clip_to_signs};
use crate::lp::problem::Row;
use crate::lp::solver::Solver;
use crate::lp::solver::clarabel_reference::ClarabelReference;
use crate::lp::solver::engine::LpEngine;
use crate::lp::solver::simplex::Simplex;
use crate::random::{Domain, normal_vector};

/// Layers with noisy targets: of ReLU units (`slope` 0) or LeakyReLU, `z` free or not, with a
/// largest violation or a linear objective.
fn problems(
    (units, columns): (usize, usize),
    slope: f64,
    nonnegative: bool,
    linear: bool,
    count: usize,
) -> (LayerSystem, Vec<Problem>) {
    let weights = DMatrix::from_vec(units, columns, normal_vector(5, Domain::Network, 0, units * columns));
    let bias = DVector::from_vec(normal_vector(5, Domain::Network, 1, units)) * 0.1;
    let system = LayerSystem::new(weights, bias, nonnegative);
    let problem = |index: usize| {
        let mut z = normal_vector(6, Domain::Code, index as u64, columns);
        if nonnegative {
            z.iter_mut().for_each(|z| *z = z.max(0.0));
        }
        let noise = normal_vector(7, Domain::Noise, index as u64, units);
        let mut rows = Vec::new();
        let (mut q, mut weighted) = (DVector::zeros(columns), Vec::new());
        for (unit, noise) in noise.iter().enumerate() {
            let a = system.product(unit, &z) + system.bias[unit];
            let t = if a > 0.0 { a } else { slope * a } + 0.02 * noise;
            let bias = system.bias[unit];
            let magnitude = bias.abs() + t.abs();
            let mut row = |side: f64, slack: f64, limit: f64| {
                let slack = if linear { 0.0 } else { slack };
                rows.push(Row { unit, side, slack, bound: side * (limit - bias), magnitude });
            };
            row(1.0, 1.0, t.max(0.0) + if linear { 0.1 } else { 0.0 });
            if linear {
            } else if t > 0.0 {
                row(-1.0, 1.0, t);
            } else if slope > 0.0 {
                row(1.0, 1.0 / slope, t / slope);
                row(-1.0, 1.0 / slope, t / slope);
            }
            if linear && t > 0.0 {
                system.unit(unit).iter().zip(q.iter_mut()).for_each(|(w, q)| *q += t * w);
                weighted.push((unit, t, magnitude));
            }
        }
        let objective =
            if linear { Objective::Linear { weights: q, units: weighted } } else { Objective::LargestViolation };
        Problem { rows, objective }
    };
    let problems = (0..count).map(problem).collect();
    (system, problems)
}

const KINDS: [(f64, bool, bool); 6] = [
    (0.0, false, false),
    (0.0, true, false),
    (0.2, false, false),
    (0.2, true, false),
    (0.0, false, true),
    (0.0, true, true),
];

#[test]
fn a_pack_makes_the_pivots_that_each_problem_makes_alone() {
    for (slope, nonnegative, linear) in KINDS {
        for size in [(30, 6), (67, 17), (130, 32), (3, 1)] {
            let (system, problems) = problems(size, slope, nonnegative, linear, 37);
            let mut starts_of = Starts::default();
            let mut starts = Vec::new();
            for (place, problem) in problems.iter().enumerate() {
                let mut start = Start::default();
                let rows = ScaledRows::of(&system, problem);
                if starts_of.write(&system, (problem, &rows), None, None, &mut start) {
                    starts.push((place, start));
                }
            }
            let mut packed = vec![None; starts.len()];
            Pack::default().solve(&system, &starts, |index, pivots, end: Option<(&Codes, &[u32])>| {
                assert!(packed[index].is_none(), "told twice");
                packed[index] = Some((pivots, end.map(|(_, constraints)| constraints.to_vec())));
            });
            let mut alone = Alone::default();
            for ((place, start), packed) in starts.iter().zip(packed) {
                let (end, pivots) = alone.solve(&system, start);
                let basis = |end: Option<&[u32]>, slots: usize| {
                    let codes = Codes { columns: system.columns(), units: system.units(), slots };
                    end.and_then(|constraints| codes.basis(&problems[*place], start, constraints))
                };
                let (pivots_of_pack, end_of_pack) = packed.unwrap();
                assert_eq!(pivots, pivots_of_pack, "{size:?} {slope} {nonnegative} {linear}");
                let slots = starts.iter().map(|(_, start)| start.slots).max().unwrap();
                assert_eq!(
                    basis(end.map(|(_, constraints)| constraints), start.slots),
                    basis(end_of_pack.as_deref(), slots)
                );
            }
        }
    }
}

#[test]
fn vertices_are_optimal() {
    let mut found_all = [0, 0];
    for (slope, nonnegative, linear) in KINDS {
        for size in [(60, 12), (150, 40)] {
            let (system, problems) = problems(size, slope, nonnegative, linear, 12);
            let warm = vec![WarmStart::default(); problems.len()];
            let mut rows: Vec<ScaledRows> = problems.iter().map(|problem| ScaledRows::of(&system, problem)).collect();
            let found = Approach::default().vertices(&system, &problems, &rows, &warm);
            let reference = ClarabelReference.solve(&system, &problems);
            for (((problem, rows), found), mut expected) in problems.iter().zip(&mut rows).zip(&found).zip(reference) {
                found_all[1] += 1;
                let Some(basis) = &found.vertex else { continue };
                let warm = WarmStart { basis: Some(basis), ..WarmStart::default() };
                let Some(mut solution) = Simplex::default().solve(&system, (problem, rows), warm) else {
                    continue;
                };
                // At most a few pivots off.
                assert!(solution.pivots <= 5, "{} pivots", solution.pivots);
                found_all[0] += 1;
                let objective = |solution: &mut crate::lp::solution::Solution| {
                    clip_to_signs(&system, &mut solution.z, &mut solution.y);
                    match certify_optimal(&system, problem, &solution.z, &solution.y) {
                        Verdict::Optimal { objective, .. } | Verdict::NotCertified { objective, .. } => objective,
                        verdict => panic!("{verdict:?}"),
                    }
                };
                let (ours, theirs) = (objective(&mut solution), objective(&mut expected));
                assert!((ours - theirs).abs() <= 1e-6 * theirs.abs().max(1e-3), "{ours} and {theirs}");
            }
        }
    }
    // Few go another way.
    assert!(found_all[0] * 10 >= found_all[1] * 9, "{found_all:?}");
}

#[test]
fn answers_do_not_depend_on_the_other_problems() {
    for (slope, nonnegative, linear) in KINDS {
        for size in [(60, 12), (120, 40)] {
            let (system, problems) = problems(size, slope, nonnegative, linear, 23);
            let together = LpEngine.solve(&system, &problems);
            for (problem, together) in problems.iter().zip(together) {
                let mut by_itself = LpEngine.solve(&system, std::slice::from_ref(problem));
                assert_eq!(by_itself.pop(), Some(together));
            }
        }
    }
}

#[test]
fn degenerate_problems_are_left_to_the_other_ways() {
    // Every row twice, and a target of zeros.
    let columns = 5;
    let half = normal_vector(8, Domain::Network, 0, 10 * columns);
    let transposed = DMatrix::from_vec(columns, 20, [half.clone(), half].concat());
    let system = LayerSystem::from_units(transposed);
    let row = |unit: usize, side: f64, bound: f64| Row { unit, side, slack: 1.0, bound, magnitude: 1.0 };
    for target in [0.0, 1.0] {
        let rows = (0..20).flat_map(|unit| [row(unit, 1.0, target), row(unit, -1.0, -target)]).collect();
        let problem = Problem { rows, objective: Objective::LargestViolation };
        let answers = crate::lp::certified::solve_certified(&system, &LpEngine, &vec![problem; 20]);
        assert!(answers.iter().all(|answer| answer.is_certified()));
        assert!(answers.iter().all(|answer| answer.z == answers[0].z));
    }
}
