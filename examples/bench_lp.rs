//! Times the linear programs of one layer: milliseconds an LP on one thread in a batch, against Clarabel on a few of them.
//!
//! `cargo run --release --example bench_lp -- [--count N] [--clarabel N] [--threads N] [--repeats N] [--noise SIZE] [--profile] [method …] [rows x columns …]`

use std::time::Instant;

use nalgebra::{DMatrix, DVector};
use unrelu::lp::certificate::Verdict;
use unrelu::lp::certified::solve_certified;
use unrelu::lp::problem::{LayerSystem, Objective, Problem, Row};
use unrelu::lp::solver::Solver;
use unrelu::lp::solver::clarabel_reference::ClarabelReference;
use unrelu::lp::solver::interior_point::InteriorPoint;
use unrelu::random::{Domain, normal_vector, uniform_vector};

const EPSILON: f64 = 0.01;

/// A ReLU layer with entries N(0, 1/rows) and its noisy targets, as rows of the method's LP.
fn problems(rows: usize, columns: usize, method: &str, count: usize, noise_size: f64) -> (LayerSystem, Vec<Problem>) {
    let nonnegative = columns > 20;
    let scale = 1.0 / (rows as f64).sqrt();
    let weight = DMatrix::from_vec(rows, columns, normal_vector(1, Domain::Network, 0, rows * columns)) * scale;
    let system = LayerSystem::new(weight, DVector::zeros(rows), nonnegative);
    let problem = |index: u64| {
        let z = DVector::from_vec(normal_vector(2, Domain::Code, index, columns));
        let z = if nonnegative { z.map(|z| z.max(0.0)) } else { z };
        let noise = uniform_vector(3, Domain::Noise, index, rows);
        let clean = (&system.weight * z).map(|a| a.max(0.0));
        let target: Vec<f64> = clean.iter().zip(noise).map(|(x, u)| x + noise_size * (2.0 * u - 1.0)).collect();
        make(&system, &target, method)
    };
    let problems = (0..count as u64).map(problem).collect();
    (system, problems)
}

fn make(system: &LayerSystem, target: &[f64], method: &str) -> Problem {
    let linear = method == "relaxed";
    let mut rows = Vec::new();
    let mut weights = DVector::zeros(system.columns());
    let mut units = Vec::new();
    for (unit, &t) in target.iter().enumerate() {
        let magnitude = t.abs() + if linear { EPSILON } else { 0.0 };
        let slack = if linear { 0.0 } else { 1.0 };
        let bound = if linear { t + 2.0 * EPSILON } else { t };
        rows.push(Row { unit, side: 1.0, slack, bound, magnitude });
        if !linear && t > EPSILON {
            rows.push(Row { unit, side: -1.0, slack, bound: -t, magnitude });
        }
        if linear && t > 0.0 {
            weights += DVector::from_column_slice(system.unit(unit)) * t;
            units.push((unit, t, magnitude));
        }
    }
    let objective = match method {
        "l1" => Objective::SumOfViolations,
        "relaxed" => Objective::Linear { weights, units },
        _ => Objective::LargestViolation,
    };
    Problem { rows, objective }
}

/// Processor seconds of all threads so far, which a busy machine does not stretch; wall-clock time where the system does not
/// tell.
fn seconds(start: Instant) -> f64 {
    let tasks = std::fs::read_dir("/proc/self/task").into_iter().flatten().flatten();
    let of_task = |path: std::path::PathBuf| {
        let text = std::fs::read_to_string(path.join("schedstat")).ok()?;
        text.split_whitespace().next()?.parse::<f64>().ok()
    };
    let total: f64 = tasks.filter_map(|task| of_task(task.path())).sum();
    if total > 0.0 { total * 1e-9 } else { start.elapsed().as_secs_f64() }
}

fn main() {
    let clock = Instant::now();
    let (mut count, mut clarabel, mut threads, mut repeats) = (256, 2, 1, 3);
    let mut profile = false;
    let mut noise = 0.01;
    let (mut methods, mut sizes) = (Vec::new(), Vec::new());
    let mut arguments = std::env::args().skip(1);
    while let Some(argument) = arguments.next() {
        let number = |arguments: &mut dyn Iterator<Item = String>| {
            arguments.next().and_then(|n| n.parse().ok()).expect("a number")
        };
        match argument.as_str() {
            "--count" => count = number(&mut arguments),
            "--clarabel" => clarabel = number(&mut arguments),
            "--threads" => threads = number(&mut arguments),
            "--repeats" => repeats = number(&mut arguments),
            "--noise" => noise = arguments.next().and_then(|n| n.parse().ok()).expect("a number"),
            "--profile" => profile = true,
            other => match other.split_once('x') {
                Some((r, c)) if r.parse::<usize>().is_ok() => sizes.push((r.parse().unwrap(), c.parse().unwrap())),
                _ => methods.push(other.to_owned()),
            },
        }
    }
    if methods.is_empty() {
        methods = ["linf", "l1", "relaxed"].map(str::to_owned).to_vec();
    }
    if sizes.is_empty() {
        sizes = vec![(500, 100), (784, 60), (100, 20), (600, 250)];
    }
    rayon::ThreadPoolBuilder::new().num_threads(threads).build_global().unwrap();
    println!(
        "{:>10} {:>8} {:>9} {:>9} {:>6} {:>9} {:>8} {:>9} {:>8}",
        "size", "method", "solve ms", "all ms", "iter", "certified", "retried", "clarabel", "ratio"
    );
    for &(rows, columns) in &sizes {
        for method in &methods {
            let count = if rows * columns > 100_000 { count / 4 } else { count };
            let (system, problems) = problems(rows, columns, method, count, noise);
            let (mut solve, mut all) = (f64::INFINITY, f64::INFINITY);
            let mut answers = Vec::new();
            for _ in 0..repeats {
                let start = seconds(clock);
                std::hint::black_box(InteriorPoint.solve(&system, &problems));
                solve = solve.min(seconds(clock) - start);
                let start = seconds(clock);
                answers = solve_certified(&system, &InteriorPoint, &problems);
                all = all.min(seconds(clock) - start);
            }
            let certified = answers.iter().filter(|a| matches!(a.verdict, Verdict::Optimal { .. })).count();
            let retried = answers.iter().filter(|a| a.retried).count();
            let iterations: f64 = answers.iter().map(|a| f64::from(a.iterations)).sum::<f64>() / count as f64;
            let start = seconds(clock);
            let few = &problems[..clarabel.min(count)];
            let reference = solve_certified(&system, &ClarabelReference, few);
            let peer = (seconds(clock) - start) / clarabel.max(1) as f64 * 1e3;
            for (a, b) in answers.iter().zip(&reference) {
                assert!(
                    (a.objective() - b.objective()).abs() <= 1e-7 * b.objective().abs() + 1e-9,
                    "{} {}",
                    a.objective(),
                    b.objective()
                );
            }
            let per = 1e3 / count as f64;
            println!(
                "{:>10} {method:>8} {:>9.4} {:>9.4} {iterations:>6.1} {certified:>9} {retried:>8} {peer:>9.2} {:>8.1}",
                format!("{rows}x{columns}"),
                solve * per,
                all * per,
                peer / (all * per)
            );
            if profile {
                let stages = InteriorPoint::profile(&system, &problems);
                let shares: Vec<String> =
                    stages.iter().map(|(name, share)| format!("{name} {:.0}%", 100.0 * share)).collect();
                println!("           {}", shares.join(", "));
            }
        }
    }
}
