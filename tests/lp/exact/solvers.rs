//! The exact programs of layers against solvers that know nothing of them: microlp, on problems
//! written from the definitions, and Clarabel, on the library's. Every objective and row rule, with
//! infeasible ones. What the reference calls determined has to be a point of the exact face.

use unrelu::internals::lp::certificate::Verdict;
use unrelu::internals::lp::certified::solve_certified;
use unrelu::internals::lp::problem::Problem;
use unrelu::internals::lp::solver::clarabel_reference::ClarabelReference;
use unrelu::{Activation, LayerwiseMethod, RowRule};

use super::program::{Exact, Optimum};
use super::simplex::{Q, exact};
use crate::oracle;
use crate::support::{Instance, random_instance};

/// All objectives and row rules.
pub const KINDS: [(LayerwiseMethod, RowRule); 7] = [
    (LayerwiseMethod::Linf, RowRule::Corrected),
    (LayerwiseMethod::Linf, RowRule::Printed),
    (LayerwiseMethod::Linf, RowRule::Inactive),
    (LayerwiseMethod::L1, RowRule::Corrected),
    (LayerwiseMethod::L1, RowRule::Printed),
    (LayerwiseMethod::L1, RowRule::Inactive),
    (LayerwiseMethod::Relaxed, RowRule::Corrected),
];

fn instance(seed: u64) -> Instance {
    let activation = [Activation::Relu, Activation::LeakyRelu(0.25), Activation::Identity][(seed % 3) as usize];
    let (units, columns) = (3 + (seed / 3 % 4) as usize, 1 + (seed / 12 % 3) as usize);
    // Too few active units leave entries open; little room makes `relaxed` infeasible.
    let mut instance = random_instance(units, columns, activation, seed.is_multiple_of(2), 0.3, 7000 + 3 * seed);
    if seed.is_multiple_of(5) {
        instance.weight.apply(|w| *w = w.round());
    }
    instance
}

/// The optimum by microlp; `None` if infeasible.
fn by_microlp(instance: &Instance, method: LayerwiseMethod, rule: RowRule) -> Option<f64> {
    match method {
        LayerwiseMethod::Relaxed => oracle::relaxed(instance),
        _ => Some(oracle::violation(instance, rule, method == LayerwiseMethod::L1)),
    }
}

fn is_close(optimum: &Q, value: f64, size: f64) -> bool {
    let off = optimum - exact(value);
    let tolerance = exact(1e-8 * (size + value.abs()));
    off <= tolerance && -off <= tolerance
}

#[test]
fn exact_optima_are_those_of_microlp_and_clarabel() {
    let (mut optima, mut infeasible, mut determined, mut open) = (0, 0, 0, 0);
    for seed in 0..180 {
        let instance = instance(seed);
        let system = instance.system();
        for (method, rule) in KINDS {
            let what = format!("{} {method} {rule}", instance.name);
            let problem: Problem = instance.problem(&system, method, rule);
            let program = Exact::of(&system, &problem);
            let reference = solve_certified(&system, &ClarabelReference, std::slice::from_ref(&problem)).remove(0);
            let size = instance.scale() * if program.is_linear() { 10.0 * instance.scale() } else { 1.0 };
            let (optimum, face) = match program.optimum() {
                Optimum::Unbounded => panic!("{what}: unbounded"),
                Optimum::Infeasible => {
                    assert_eq!(by_microlp(&instance, method, rule), None, "{what}");
                    assert_eq!(reference.verdict, Verdict::Infeasible, "{what}");
                    infeasible += 1;
                    continue;
                }
                Optimum::At(optimum, face) => (optimum, face),
            };
            optima += 1;
            let simplex = by_microlp(&instance, method, rule);
            assert!(simplex.is_some_and(|value| is_close(&optimum, value, size)), "{what}: {optimum}, {simplex:?}");
            let clarabel = reference.objective();
            assert!(is_close(&optimum, clarabel, size), "{what}: {optimum}, Clarabel {clarabel}");
            // A claim of the reference about an entry has to hold on the exact face.
            for entry in (0..system.columns()).filter(|&i| system.largest_of_column(i) > 0.0) {
                let is_point = program.range(&face, entry).is_some_and(|(low, high)| low == high);
                assert!(is_point || !reference.determined[entry], "{what}: entry {entry} is open");
                determined += usize::from(is_point && reference.determined[entry]);
                open += usize::from(!is_point);
            }
        }
    }
    println!("{optima} optima, {infeasible} infeasible; {determined} entries determined, {open} open");
    assert!(optima > 1000 && infeasible > 20 && determined > 1000 && open > 100);
}
