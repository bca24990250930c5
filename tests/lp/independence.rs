//! An answer depends only on its problem. It is bit for bit the same alone, in a batch, with other
//! neighbours and on any number of threads. The sizes are those at which the engine reuses its
//! workspace, leaves rows out and uses single precision.

use rayon::ThreadPoolBuilder;
use unrelu::internals::bench::lp::instances::{CASES, Case, Instances};
use unrelu::internals::lp::certified::{CertifiedSolution, solve_certified};
use unrelu::internals::lp::problem::{LayerSystem, Problem};
use unrelu::internals::lp::solver::engine::LpEngine;

const COUNT: usize = 40;

/// A difference between two answers, in any bit; `None` if there is none.
fn difference(a: &CertifiedSolution, b: &CertifiedSolution) -> Option<String> {
    let bits = |solution: &CertifiedSolution| -> Vec<u64> { solution.z.iter().map(|z| z.to_bits()).collect() };
    if let Some(entry) = bits(a).iter().zip(&bits(b)).position(|(a, b)| a != b) {
        return Some(format!("entry {entry}: {:e} and {:e}", a.z[entry], b.z[entry]));
    }
    if a.z.len() != b.z.len() || a.objective().to_bits() != b.objective().to_bits() {
        return Some(format!("objectives {:e} and {:e}", a.objective(), b.objective()));
    }
    (a != b).then(|| "verdict, what is determined, iterations or path".to_owned())
}

fn solve(system: &LayerSystem, problems: &[Problem], threads: usize) -> Vec<CertifiedSolution> {
    let pool = ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
    pool.install(|| solve_certified(system, &LpEngine, problems))
}

/// The problems in another order: problem `order[i]` is at place `i`.
fn shuffled(case: usize) -> Vec<usize> {
    // 40 and the step have no common divisor.
    let step = [7, 11, 13, 17][case % 4];
    (0..COUNT).map(|i| (i * step + case) % COUNT).collect()
}

fn check(case: Case) {
    let instances = Instances::new(case, COUNT).unwrap();
    let system = &instances.system;
    // The methods one after the other, so that a workspace is reused for another kind of problem.
    let of_methods: Vec<Vec<Problem>> = case.methods().iter().map(|&method| instances.problems(method)).collect();
    for (kind, problems) in of_methods.iter().enumerate() {
        let alone: Vec<CertifiedSolution> =
            problems.iter().map(|problem| solve(system, std::slice::from_ref(problem), 1).remove(0)).collect();
        assert!(alone.iter().all(CertifiedSolution::is_certified), "{case}");
        let compare = |place: usize, found: &CertifiedSolution, what: &str| {
            if let Some(difference) = difference(&alone[place], found) {
                panic!("{case} {}, LP {place}, alone and {what}: {difference}", case.methods()[kind]);
            }
        };
        for threads in [1, 2] {
            for (place, found) in solve(system, problems, threads).iter().enumerate() {
                compare(place, found, &format!("in a batch on {threads} threads"));
            }
            let order = shuffled(kind + threads);
            let reordered: Vec<Problem> = order.iter().map(|&place| problems[place].clone()).collect();
            for (found, &place) in solve(system, &reordered, threads).iter().zip(&order) {
                compare(place, found, &format!("shuffled on {threads} threads"));
            }
            // Each among neighbours of another kind and length.
            let others = &of_methods[(kind + 1) % of_methods.len()];
            let mixed: Vec<Problem> = problems.iter().zip(others).flat_map(|(a, b)| [b.clone(), a.clone()]).collect();
            for (place, found) in solve(system, &mixed, threads).iter().skip(1).step_by(2).enumerate() {
                compare(place, found, &format!("among other kinds on {threads} threads"));
            }
        }
    }
}

#[test]
fn answers_at_500x100_depend_on_nothing_but_their_problem() {
    CASES.into_iter().filter(|case| (case.rows, case.columns) == (500, 100)).for_each(check);
}

#[test]
fn answers_at_784x60_depend_on_nothing_but_their_problem() {
    CASES.into_iter().filter(|case| (case.rows, case.columns) == (784, 60)).for_each(check);
}

#[test]
fn one_bit_of_difference_is_seen() {
    let instances = Instances::new(CASES[3], 1).unwrap();
    let problems = instances.problems(CASES[3].methods()[0]);
    let found = solve(&instances.system, &problems, 1).remove(0);
    assert_eq!(difference(&found, &found), None);
    let mut changed = found.clone();
    changed.z[3] = f64::from_bits(changed.z[3].to_bits() ^ 1);
    assert!(difference(&found, &changed).is_some_and(|difference| difference.contains("entry 3")));
    let changed = CertifiedSolution { iterations: found.iterations + 1, ..found.clone() };
    assert!(difference(&found, &changed).is_some());
}
