//! The library's answers to the programs of one layer, against exact ones.
//!
//! What is proven for all codes is judged against all codes, what is proven within a box (`Within`)
//! against the codes in that box.

use std::fmt;

use unrelu::internals::lp::certificate::{Proof, Verdict};
use unrelu::internals::lp::certified::{CertifiedSolution, solve_certified};
use unrelu::internals::lp::problem::{LayerSystem, Objective, Problem};
use unrelu::internals::lp::solver::engine::LpEngine;
use unrelu::{LayerwiseMethod, RowRule};

use super::simplex::{Dictionary, Q, exact, zero};
use crate::support::Instance;

/// What an objective may be off by, relative and as a share of the terms: twice what the
/// certificate promises.
const OBJECTIVE: (f64, f64) = (2e-8, 2e-10);
/// What entries that are determined may differ by, as a share of their size or that of the data.
const SAME: f64 = 1e-6;
/// The box of `determined`, in units of the data's size.
pub const FAR: f64 = 1e3;

/// The findings of some problems.
#[derive(Default)]
pub struct Count {
    pub problems: usize,
    pub certified: usize,
    pub everywhere: usize,
    pub infeasible: usize,
    pub not_certified: Vec<String>,
    pub wrong: Vec<String>,
    /// Entries that are determined, and how many of them are not said to be.
    pub determined: usize,
    pub unsaid: Vec<String>,
}

impl Count {
    pub fn and(mut self, other: Count) -> Self {
        self.problems += other.problems;
        self.certified += other.certified;
        self.everywhere += other.everywhere;
        self.infeasible += other.infeasible;
        self.not_certified.extend(other.not_certified);
        self.wrong.extend(other.wrong);
        self.determined += other.determined;
        self.unsaid.extend(other.unsaid);
        self
    }
}

impl fmt::Display for Count {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Count { problems, certified, everywhere, infeasible, determined, unsaid, .. } = self;
        write!(
            f,
            "{problems} problems: {certified} certified ({everywhere} against all codes), {infeasible} infeasible, \
             {} not certified, {} wrong; {} of {determined} determined entries not said to be",
            self.not_certified.len(),
            self.wrong.len(),
            unsaid.len()
        )
    }
}

/// A problem in exact numbers: `x` is `z` (two variables per entry where it is free), then the
/// violations.
pub struct Exact<'a> {
    system: &'a LayerSystem,
    problem: &'a Problem,
    rows: Vec<Vec<Q>>,
    objective: Vec<Q>,
}

impl<'a> Exact<'a> {
    pub fn of(system: &'a LayerSystem, problem: &'a Problem) -> Self {
        let mut units: Vec<usize> = problem.rows.iter().map(|row| row.unit).collect();
        units.dedup();
        let of_z = system.columns() * if system.nonnegative { 1 } else { 2 };
        let violations = match problem.objective {
            Objective::LargestViolation => 1,
            Objective::SumOfViolations => units.len(),
            Objective::Linear { .. } => 0,
        };
        let mut exact_problem = Exact { system, problem, rows: Vec::new(), objective: Vec::new() };
        for row in &problem.rows {
            let mut numbers = vec![exact(row.bound)];
            numbers.resize(1 + of_z + violations, zero());
            for (i, w) in system.unit(row.unit).iter().enumerate() {
                exact_problem.add_entry(&mut numbers[1..], i, exact(row.side * w));
            }
            match problem.objective {
                Objective::LargestViolation => numbers[1 + of_z] = -exact(row.slack),
                Objective::SumOfViolations => {
                    let place = units.iter().position(|unit| *unit == row.unit).unwrap();
                    numbers[1 + of_z + place] = -exact(row.slack);
                }
                Objective::Linear { .. } => {}
            }
            exact_problem.rows.push(numbers);
        }
        exact_problem.objective = vec![zero(); of_z + violations];
        match &problem.objective {
            // Of the units, since the sums in `weights` are rounded.
            Objective::Linear { units, .. } => {
                let mut objective = std::mem::take(&mut exact_problem.objective);
                for &(unit, weight, _) in units {
                    for (i, w) in system.unit(unit).iter().enumerate() {
                        exact_problem.add_entry(&mut objective, i, exact(weight) * exact(*w));
                    }
                }
                exact_problem.objective = objective;
            }
            _ => exact_problem.objective[of_z..].fill(exact(-1.0)),
        }
        exact_problem
    }

    /// Adds a multiple of `z_i` to a row over `x`.
    fn add_entry(&self, row: &mut [Q], entry: usize, factor: Q) {
        if self.system.nonnegative {
            row[entry] += factor;
        } else {
            row[2 * entry] += &factor;
            row[2 * entry + 1] -= factor;
        }
    }

    /// Only codes with `|z′_i − z_i| ≤ size / max_u |w_ui|`.
    pub fn within(&mut self, z: &[f64], size: f64) {
        for (i, z) in z.iter().enumerate() {
            let largest = self.system.largest_of_column(i);
            if largest == 0.0 {
                continue;
            }
            for side in [1.0, -1.0] {
                let mut row = vec![exact(side * z) + exact(size) / exact(largest)];
                row.resize(1 + self.objective.len(), zero());
                self.add_entry(&mut row[1..], i, exact(side));
                self.rows.push(row);
            }
        }
    }

    /// The optimum, `δ*`, `Σ e*` or `q·z*`, at a vertex of the optimal face; `None` if infeasible.
    pub fn solve(&self) -> Option<(Q, Dictionary)> {
        let mut dictionary = Dictionary::feasible(&self.rows)?;
        let best = dictionary.maximise(&self.objective).expect("every layer problem is bounded");
        let optimum = if matches!(self.problem.objective, Objective::Linear { .. }) { best } else { -best };
        Some((optimum, dictionary.face(&self.objective)))
    }

    /// What is wrong with a certified objective whose problem has this optimum: that a code is
    /// better, among those that the proof names.
    pub fn better(&self, optimum: &Q, z: &[f64], objective: f64, proof: Proof) -> Option<String> {
        let Exact { system, problem, .. } = self;
        let tolerance = exact(OBJECTIVE.0 * objective.abs() + OBJECTIVE.1 * scale(system, problem, z));
        let is_better = |optimum: &Q| match problem.objective {
            Objective::Linear { .. } => optimum > &(exact(objective) + &tolerance),
            _ => optimum < &(exact(objective) - &tolerance),
        };
        let mut found = Some(optimum.clone()).filter(is_better);
        if let (Some(_), Proof::Within { factor }) = (&found, proof) {
            let mut near = Exact::of(system, problem);
            near.within(z, factor * data_size(system, problem, z));
            found = near.solve().map(|(optimum, _)| optimum).filter(is_better);
        }
        found.map(|optimum| format!("{proof:?}, objective {objective:e}, optimum {optimum}"))
    }

    /// The least and the greatest `z_i` on a face; `None` where it is unbounded.
    fn range(&self, face: &Dictionary, entry: usize) -> Option<(Q, Q)> {
        let extreme = |sign: f64| {
            let mut objective = vec![zero(); self.objective.len()];
            self.add_entry(&mut objective, entry, exact(sign));
            face.clone().maximise(&objective)
        };
        Some((-extreme(-1.0)?, extreme(1.0)?))
    }

    /// Whether every code of a face has the entry of `z`, and whether the face has only one value
    /// of it. `size`: the size of the data.
    pub fn is_same(&self, face: &Dictionary, z: &[f64], entry: usize, size: f64) -> (bool, bool) {
        let Some((low, high)) = self.range(face, entry) else { return (false, false) };
        let close = exact(SAME) * exact(z[entry].abs().max(size / self.system.largest_of_column(entry)));
        let z = exact(z[entry]);
        (high.clone() - &z <= close && z - &low <= close, low == high)
    }
}

pub fn judge(instance: &Instance) -> Count {
    let system = instance.system();
    let mut count = Count::default();
    for (method, rule) in [
        (LayerwiseMethod::Linf, RowRule::Corrected),
        (LayerwiseMethod::Linf, RowRule::Printed),
        (LayerwiseMethod::L1, RowRule::Corrected),
        (LayerwiseMethod::Relaxed, RowRule::Corrected),
    ] {
        let problem = instance.problem(&system, method, rule);
        if problem.rows.is_empty() {
            continue;
        }
        let found = solve_certified(&system, &LpEngine, std::slice::from_ref(&problem)).remove(0);
        let (before, unsaid) = (count.wrong.len(), count.unsaid.len());
        judge_one(&system, &problem, &found, &mut count);
        let what = format!("{} {method} {rule}", instance.name);
        count.wrong[before..].iter_mut().for_each(|wrong| *wrong = format!("{what}: {wrong}"));
        count.unsaid[unsaid..].iter_mut().for_each(|entry| *entry = format!("{what}: {entry}"));
        if let Verdict::NotCertified { failed, .. } = found.verdict {
            count.not_certified.push(format!("{what}: {failed:?}"));
        }
    }
    count
}

/// The largest of `|b_u| + |t_u|` and `|w_ui z_i|`.
pub fn data_size(system: &LayerSystem, problem: &Problem, z: &[f64]) -> f64 {
    let terms = z.iter().enumerate().map(|(i, z)| system.largest_of_column(i) * z.abs());
    terms.chain(problem.rows.iter().map(|row| row.magnitude)).fold(0.0, f64::max)
}

fn judge_one(system: &LayerSystem, problem: &Problem, found: &CertifiedSolution, count: &mut Count) {
    count.problems += 1;
    let whole = Exact::of(system, problem);
    let truth = whole.solve();
    let (objective, proof) = match found.verdict {
        Verdict::Optimal { objective, proof } => (objective, proof),
        Verdict::Infeasible => {
            count.infeasible += 1;
            // Said of the codes within 1000 times the data's size.
            let size = problem.rows.iter().fold(0.0f64, |most, row| most.max(row.magnitude));
            let mut near = Exact::of(system, problem);
            near.within(&vec![0.0; system.columns()], 0.9 * FAR * size);
            if truth.is_some() && near.solve().is_some() {
                count.wrong.push("called infeasible, and it is not".to_owned());
            }
            return;
        }
        _ => return,
    };
    count.certified += 1;
    count.everywhere += usize::from(matches!(proof, Proof::Everywhere { .. }));
    // Rows may be violated by 1e-9 of their terms: infeasible by less than that is no fault.
    let Some((optimum, face)) = truth else { return };
    count.wrong.extend(whole.better(&optimum, &found.z, objective, proof));
    let size = data_size(system, problem, &found.z);
    let is_same = |problem: &Exact<'_>, face: &Dictionary, i: usize| problem.is_same(face, &found.z, i, size);
    for i in 0..system.columns() {
        if system.largest_of_column(i) == 0.0 {
            if found.determined[i] {
                count.wrong.push(format!("entry {i} has no weight, and is called determined"));
            }
            continue;
        }
        let (same, point) = is_same(&whole, &face, i);
        count.determined += usize::from(point);
        if point && !found.determined[i] {
            count.unsaid.push(format!("entry {i}, {proof:?}"));
        }
        if found.determined[i] && !same {
            let mut near = Exact::of(system, problem);
            near.within(&found.z, FAR * size);
            let in_box = near.solve().is_none_or(|(_, face)| is_same(&near, &face, i).0);
            if matches!(proof, Proof::Everywhere { .. }) || !in_box {
                count.wrong.push(format!("entry {i} is called determined, {proof:?}, z {:?}", found.z));
            }
        }
    }
}

/// What is wrong with a certified objective, if anything: that a code is better.
pub fn judge_objective(
    system: &LayerSystem,
    problem: &Problem,
    z: &[f64],
    objective: f64,
    proof: Proof,
) -> Option<String> {
    let whole = Exact::of(system, problem);
    let (optimum, _) = whole.solve()?;
    whole.better(&optimum, z, objective, proof)
}

/// `Q` of the certificate.
fn scale(system: &LayerSystem, problem: &Problem, z: &[f64]) -> f64 {
    if let Objective::Linear { units, .. } = &problem.objective {
        let of_unit = |&(unit, weight, magnitude): &(usize, f64, f64)| {
            weight.abs() * (system.absolute_product(unit, z) + magnitude)
        };
        return units.iter().map(of_unit).sum();
    }
    let units = problem.rows.chunk_by(|a, b| a.unit == b.unit);
    let sizes = units.map(|rows| {
        let slack = rows.iter().fold(f64::INFINITY, |least, row| least.min(row.slack));
        (system.absolute_product(rows[0].unit, z) + rows[0].magnitude) / slack
    });
    match problem.objective {
        Objective::SumOfViolations => sizes.sum(),
        _ => sizes.fold(0.0, f64::max),
    }
}
