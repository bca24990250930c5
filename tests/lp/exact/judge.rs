//! The library's answers to the programs of one layer, against exact ones.
//!
//! What is proven for all codes is judged against all codes, what is proven within a box (`Within`)
//! against the codes in that box.

use std::fmt;

use unrelu::internals::lp::certificate::{Proof, Verdict};
use unrelu::internals::lp::certified::{CertifiedSolution, solve_certified};
use unrelu::internals::lp::problem::{LayerSystem, Problem};
use unrelu::internals::lp::solver::engine::LpEngine;
use unrelu::{LayerwiseMethod, RowRule};

use super::program::{Exact, data_size};
use super::simplex::Dictionary;
use crate::support::Instance;

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
