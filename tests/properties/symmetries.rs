//! One layer's programs, written in another way: units permuted, columns permuted or in other
//! units, a zero row added, rows duplicated. At the same ε the certified objective is the same up
//! to the tolerances of the certificate, and the codes agree in the entries that are determined,
//! where the other code is at least as good. The bits may differ: sums run in another order.
//!
//! A duplicated row counts twice for `l1` and `relaxed`. So there all rows are duplicated, which
//! doubles the objective; a single duplicate leaves it, for `l1`, between once and twice its value.

use std::cell::Cell;

use nalgebra::{DMatrix, DVector};
use proptest::prelude::*;
use proptest::test_runner::TestCaseError;
use unrelu::internals::lp::certificate::Verdict;
use unrelu::internals::lp::certified::{CertifiedSolution, solve_certified};
use unrelu::internals::lp::problem::{LayerSystem, Problem};
use unrelu::internals::lp::solver::engine::LpEngine;
use unrelu::{LayerwiseMethod, RowRule};

use crate::generators::instances;
use crate::support::{Instance, layer_answer, method as options_of};
use crate::trial::check;

const PROGRAMS: [LayerwiseMethod; 3] = [LayerwiseMethod::Linf, LayerwiseMethod::L1, LayerwiseMethod::Relaxed];
/// Twice the certificate's tolerance, relative to the objective and as a share of its terms.
const OBJECTIVE: (f64, f64) = (2e-8, 2e-10);
/// For `relaxed`, whose rows may be violated by 1e-9 of their terms.
const RELAXED: (f64, f64) = (2e-8, 1e-7);
/// What determined entries may differ by: twice a millionth.
const SAME: f64 = 2e-6;

/// The same layer written in another way.
struct Rewritten {
    instance: Instance,
    /// `z_i` of the original is `factor · z_place` of this one.
    columns: Vec<(usize, f64)>,
}

struct Solved {
    system: LayerSystem,
    problem: Problem,
    solution: CertifiedSolution,
}

fn solve(instance: &Instance, method: LayerwiseMethod) -> Option<Solved> {
    let system = instance.system();
    let problem = instance.problem(&system, method, RowRule::Corrected);
    if problem.rows.is_empty() {
        return None;
    }
    let solution = solve_certified(&system, &LpEngine, std::slice::from_ref(&problem)).remove(0);
    Some(Solved { system, problem, solution })
}

impl Solved {
    /// `s_u` of the largest unit, and their sum, times the weight of a unit for `relaxed`.
    fn sizes(&self, instance: &Instance) -> (f64, f64) {
        let z = &self.solution.z;
        let units = self.problem.rows.chunk_by(|a, b| a.unit == b.unit).map(|rows| rows[0]);
        let sizes: Vec<(usize, f64)> =
            units.map(|row| (row.unit, self.system.absolute_product(row.unit, z) + row.magnitude)).collect();
        let largest = sizes.iter().fold(0.0f64, |most, (_, size)| most.max(*size));
        let is_relaxed = self.problem.rows[0].slack == 0.0;
        let weight = |unit: usize| if is_relaxed { instance.target[unit].abs() } else { 1.0 };
        (largest, sizes.iter().map(|(unit, size)| weight(*unit) * size).sum())
    }

    fn objective(&self) -> Option<f64> {
        matches!(self.solution.verdict, Verdict::Optimal { .. }).then(|| self.solution.objective())
    }
}

/// How many entries are determined, in how many the two ways differ, and how many programs of both
/// were certified.
#[derive(Default)]
struct Seen {
    entries: Cell<usize>,
    differ: Cell<usize>,
    certified: Cell<usize>,
    not_certified: Cell<usize>,
}

fn add(cell: &Cell<usize>, more: usize) {
    cell.set(cell.get() + more);
}

impl Seen {
    /// `factors`: the least and the largest that the objective may be multiplied by.
    fn compare(
        &self,
        (instance, before): (&Instance, &Solved),
        (rewritten, after): (&Rewritten, &Solved),
        factors: (f64, f64),
    ) -> Result<(), TestCaseError> {
        let is_infeasible = |solved: &Solved| solved.solution.verdict == Verdict::Infeasible;
        let both = before.solution.is_certified() && after.solution.is_certified();
        add(if both { &self.certified } else { &self.not_certified }, 1);
        if !both {
            return Ok(());
        }
        prop_assert_eq!(is_infeasible(before), is_infeasible(after));
        let (Some(a), Some(b)) = (before.objective(), after.objective()) else { return Ok(()) };
        let is_linear = before.problem.rows[0].slack == 0.0;
        let (relative, of_terms) = if is_linear { RELAXED } else { OBJECTIVE };
        let terms = before.sizes(instance).1 + after.sizes(&rewritten.instance).1;
        let tolerance = relative * a.abs().max(b.abs()) + of_terms * terms;
        let (low, high) = (factors.0 * a, factors.1 * a);
        prop_assert!(b >= low.min(high) - tolerance && b <= high.max(low) + tolerance, "objectives {} and {}", a, b);
        if factors.0 != factors.1 {
            return Ok(());
        }
        // What is determined in one way holds the other code, where that is at least as good.
        let size = before.sizes(instance).0.max(after.sizes(&rewritten.instance).0);
        let first_is_better = if is_linear { a * factors.0 >= b } else { a * factors.0 <= b };
        for (i, &(place, factor)) in rewritten.columns.iter().enumerate() {
            let of_column = before.system.largest_of_column(i);
            let (z, other) = (before.solution.z[i], after.solution.z[place] * factor);
            let (first, second) = (before.solution.determined[i], after.solution.determined[place]);
            add(&self.entries, usize::from(first || second));
            add(&self.differ, usize::from(first != second));
            if if first_is_better { second } else { first } {
                let allowed = SAME * z.abs().max(other.abs()).max(size / of_column);
                prop_assert!((z - other).abs() <= allowed, "entry {}: {} and {}", i, z, other);
            }
        }
        Ok(())
    }

    /// Rarely is an entry determined in one way only, or a program not certified.
    fn finish(&self) {
        let (entries, differ) = (self.entries.get(), self.differ.get());
        let (certified, not_certified) = (self.certified.get(), self.not_certified.get());
        println!("{certified} certified, {not_certified} not; {entries} determined, {differ} in one way only");
        assert!(certified > 50 && entries > 30, "{certified} certified, {entries} determined");
        assert!(not_certified <= certified.div_ceil(1000), "{not_certified} of {certified} are not certified");
        assert!(differ <= entries.div_ceil(100), "{differ} of {entries} are determined in one way only");
    }
}

/// `units`: for each unit of the new layer, that of the old one.
fn with_units(instance: &Instance, units: &[usize]) -> Rewritten {
    let columns = instance.weight.ncols();
    let instance = Instance {
        weight: DMatrix::from_fn(units.len(), columns, |u, i| instance.weight[(units[u], i)]),
        bias: DVector::from_fn(units.len(), |u, _| instance.bias[units[u]]),
        target: units.iter().map(|unit| instance.target[*unit]).collect(),
        ..instance.clone()
    };
    Rewritten { instance, columns: (0..columns).map(|i| (i, 1.0)).collect() }
}

/// `columns`: for each entry of the old code its place in the new one, and `log2` of its units.
fn with_columns(instance: &Instance, columns: &[(usize, i32)]) -> Rewritten {
    let mut weight = instance.weight.clone();
    for (i, &(place, power)) in columns.iter().enumerate() {
        weight.set_column(place, &(instance.weight.column(i) * 2.0f64.powi(power)));
    }
    let columns = columns.iter().map(|&(place, power)| (place, 2.0f64.powi(power))).collect();
    Rewritten { instance: Instance { weight, ..instance.clone() }, columns }
}

fn shuffled(count: usize) -> impl Strategy<Value = Vec<usize>> {
    Just((0..count).collect::<Vec<_>>()).prop_shuffle()
}

/// All programs of a layer and of the same written in another way.
fn compare(
    seen: &Seen,
    instance: &Instance,
    rewritten: &Rewritten,
    factor: impl Fn(LayerwiseMethod) -> (f64, f64),
) -> Result<(), TestCaseError> {
    for method in PROGRAMS {
        if let (Some(before), Some(after)) = (solve(instance, method), solve(&rewritten.instance, method)) {
            let compared = seen.compare((instance, &before), (rewritten, &after), factor(method));
            compared.map_err(|error| TestCaseError::fail(format!("{method}: {error}")))?;
        }
    }
    exact(instance, rewritten)
}

/// `exact` has no objective: whether there is a code is the same, and what is determined of it.
fn exact(instance: &Instance, rewritten: &Rewritten) -> Result<(), TestCaseError> {
    let options = options_of(LayerwiseMethod::Exact);
    let before = layer_answer(instance, &LpEngine, &options);
    let after = layer_answer(&rewritten.instance, &LpEngine, &options);
    prop_assert_eq!(before.failure.is_some(), after.failure.is_some(), "exact: {:?}, {:?}", before, after);
    prop_assert_eq!(before.certified, after.certified);
    Ok(())
}

#[test]
fn permuted_units_are_the_same_problem() {
    let seen = Seen::default();
    let inputs = instances().prop_flat_map(|instance| (shuffled(instance.target.len()), Just(instance)));
    check(1000, inputs, |(units, instance)| compare(&seen, &instance, &with_units(&instance, &units), |_| (1.0, 1.0)));
    seen.finish();
}

#[test]
fn permuted_columns_in_other_units_are_the_same_problem() {
    let seen = Seen::default();
    let inputs = instances().prop_flat_map(|instance| {
        let columns = instance.weight.ncols();
        (shuffled(columns), proptest::collection::vec(-6..6i32, columns), Just(instance))
    });
    check(1000, inputs, |(places, powers, instance)| {
        let columns: Vec<(usize, i32)> = places.into_iter().zip(powers).collect();
        compare(&seen, &instance, &with_columns(&instance, &columns), |_| (1.0, 1.0))
    });
    seen.finish();
}

#[test]
fn a_zero_row_with_an_observation_of_zero_changes_nothing() {
    let seen = Seen::default();
    check(1000, instances(), |instance| {
        let units = instance.target.len();
        let mut with_zero = with_units(&instance, &(0..units).chain([0]).collect::<Vec<_>>());
        with_zero.instance.weight.row_mut(units).fill(0.0);
        with_zero.instance.bias[units] = 0.0;
        with_zero.instance.target[units] = 0.0;
        compare(&seen, &instance, &with_zero, |_| (1.0, 1.0))
    });
    seen.finish();
}

#[test]
fn a_duplicate_row_changes_no_largest_violation() {
    let seen = Seen::default();
    let inputs = instances().prop_flat_map(|instance| (0..instance.target.len(), Just(instance)));
    check(1000, inputs, |(unit, instance)| {
        let units: Vec<usize> = (0..instance.target.len()).chain([unit]).collect();
        let rewritten = with_units(&instance, &units);
        for (method, factors) in [(LayerwiseMethod::Linf, (1.0, 1.0)), (LayerwiseMethod::L1, (1.0, 2.0))] {
            if let (Some(before), Some(after)) = (solve(&instance, method), solve(&rewritten.instance, method)) {
                seen.compare((&instance, &before), (&rewritten, &after), factors)?;
            }
        }
        exact(&instance, &rewritten)
    });
    seen.finish();
}

#[test]
fn duplicating_all_rows_doubles_sums() {
    let seen = Seen::default();
    check(1000, instances(), |instance| {
        let units: Vec<usize> = (0..instance.target.len()).chain(0..instance.target.len()).collect();
        let factor = |method| if method == LayerwiseMethod::Linf { 1.0 } else { 2.0 };
        compare(&seen, &instance, &with_units(&instance, &units), |method| (factor(method), factor(method)))
    });
    seen.finish();
}
