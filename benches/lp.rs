//! Benchmarks of the stages of a layer LP: normal matrix, factorisation, one whole solve, finish,
//! certificate.
//!
//! `cargo bench --bench lp`, or `-- --quick`, or `-- 500x100`. The instances are those of
//! `unrelu bench lp`; everything runs on one thread.

use std::hint::black_box;

use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};
use rayon::ThreadPoolBuilder;
use unrelu::LayerwiseMethod;
use unrelu::internals::bench::lp::instances::{CASES, Case, Instances};
use unrelu::internals::lp::certificate::{certify_optimal, clip_to_signs};
use unrelu::internals::lp::certified::solve_certified;
use unrelu::internals::lp::face::{OptimalFace, Reading};
use unrelu::internals::lp::solver::Solver;
use unrelu::internals::lp::solver::engine::LpEngine;
use unrelu::internals::lp::solver::interior_point::stage_benches::StageBench;

/// Number of LPs that a benchmark cycles through, so that the result does not depend on one
/// instance.
const INSTANCES: usize = 8;

/// All layers except the two largest, which take minutes and show nothing new.
fn cases() -> impl Iterator<Item = Case> {
    CASES.into_iter().filter(|case| case.rows * case.columns <= 50_000)
}

fn noisy_relu_cases() -> impl Iterator<Item = Case> {
    cases().filter(|case| case.noise > 0.0 && case.activation == unrelu::Activation::Relu)
}

fn normal_matrix(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("normal matrix");
    for case in noisy_relu_cases() {
        let instances = Instances::new(case, 1).unwrap();
        // At first all units take part, at the end about as many as there are columns.
        for (units, single) in [(case.rows, true), (case.rows, false), (2 * case.columns, false)] {
            let precision = if single { "f32" } else { "f64" };
            let mut stage = StageBench::new(&instances.system, units, single);
            let id = BenchmarkId::new(case.to_string(), format!("{units} units, {precision}"));
            group.bench_function(id, |bencher| bencher.iter(|| stage.form()));
        }
    }
    group.finish();
}

fn factorisation(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("factorisation");
    for case in noisy_relu_cases() {
        let instances = Instances::new(case, 1).unwrap();
        let mut stage = StageBench::new(&instances.system, case.rows, false);
        group.bench_function(case.to_string(), |bencher| bencher.iter(|| black_box(stage.factor())));
    }
    group.finish();
}

/// The interior-point method alone, and with finish and certificate.
fn whole_solve(criterion: &mut Criterion) {
    let pool = ThreadPoolBuilder::new().num_threads(1).build().unwrap();
    for (name, certified) in [("solve", false), ("solve, finish and certificate", true)] {
        let mut group = criterion.benchmark_group(name);
        for case in cases() {
            let instances = Instances::new(case, INSTANCES).unwrap();
            for &method in case.methods() {
                let problems = instances.problems(method);
                let mut next = (0..INSTANCES).cycle();
                group.bench_function(BenchmarkId::new(case.to_string(), method), |bencher| {
                    pool.install(|| {
                        bencher.iter(|| {
                            let problem = std::slice::from_ref(&problems[next.next().unwrap_or(0)]);
                            if certified {
                                black_box(solve_certified(&instances.system, &LpEngine, problem).len())
                            } else {
                                black_box(LpEngine.solve(&instances.system, problem).len())
                            }
                        });
                    });
                });
            }
        }
        group.finish();
    }
}

/// After the interior-point method: identification of the face and the move onto it, then the
/// check.
fn finish_and_certificate(criterion: &mut Criterion) {
    for finish in [true, false] {
        let mut group = criterion.benchmark_group(if finish { "finish" } else { "certificate" });
        for case in cases() {
            let instances = Instances::new(case, INSTANCES).unwrap();
            let system = &instances.system;
            for &method in case.methods().iter().filter(|method| **method != LayerwiseMethod::Exact) {
                let problems = instances.problems(method);
                let mut answers = LpEngine.solve(system, &problems);
                for answer in &mut answers {
                    clip_to_signs(system, &mut answer.z, &mut answer.y);
                }
                let mut next = (0..INSTANCES).cycle();
                group.bench_function(BenchmarkId::new(case.to_string(), method), |bencher| {
                    bencher.iter(|| {
                        let index = next.next().unwrap_or(0);
                        let (problem, answer) = (&problems[index], &answers[index]);
                        if finish {
                            let point = (&answer.z[..], &answer.y[..]);
                            let face = OptimalFace::read(system, problem, point, Reading::USUAL, &[]);
                            black_box(face.map(|face| face.finish(&answer.z, &answer.y)));
                        } else {
                            black_box(certify_optimal(system, problem, &answer.z, &answer.y));
                        }
                    });
                });
            }
        }
        group.finish();
    }
}

criterion_group!(stages, normal_matrix, factorisation, whole_solve, finish_and_certificate);
criterion_main!(stages);
