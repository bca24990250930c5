//! Certified pairs with one number changed: what is wrong by the exact oracle has to be refused.

use unrelu::internals::lp::certificate::{Verdict, certify_optimal, clip_to_signs};
use unrelu::internals::lp::certified::solve_certified;
use unrelu::internals::lp::problem::{Objective, Problem};
use unrelu::internals::lp::solver::engine::LpEngine;
use unrelu::{LayerwiseMethod, RowRule};

use super::families::{FAMILIES, Scale};
use super::judge;

/// From just inside the tolerances to far outside, relative to the number or to the largest.
const SIZES: [f64; 9] = [1e-13, 1e-11, 1e-9, 1e-8, 1e-7, 1e-6, 1e-4, 1e-2, 1.0];

/// What became of the perturbed pairs.
#[derive(Default)]
pub struct Refusals {
    pub pairs: usize,
    /// Pairs that were certified when solved, and are refused as they are.
    pub refused_unchanged: usize,
    pub perturbed: usize,
    pub accepted: usize,
    pub wrong: Vec<String>,
}

impl Refusals {
    pub fn and(mut self, other: Refusals) -> Self {
        self.pairs += other.pairs;
        self.refused_unchanged += other.refused_unchanged;
        self.perturbed += other.perturbed;
        self.accepted += other.accepted;
        self.wrong.extend(other.wrong);
        self
    }
}

/// Perturbs the pairs of one instance; one seed for each of the plain families.
pub fn perturb(seed: u64) -> Refusals {
    let families = FAMILIES.iter().filter(|family| family.scale == Scale::Plain);
    families.map(|family| perturb_instance(family.instance, seed)).fold(Refusals::default(), Refusals::and)
}

fn perturb_instance(instance: fn(u64) -> crate::support::Instance, seed: u64) -> Refusals {
    let instance = instance(seed);
    let system = instance.system();
    let mut refusals = Refusals::default();
    for method in [LayerwiseMethod::Linf, LayerwiseMethod::L1, LayerwiseMethod::Relaxed] {
        let problem = instance.problem(&system, method, RowRule::Corrected);
        if problem.rows.is_empty() {
            continue;
        }
        let found = solve_certified(&system, &LpEngine, std::slice::from_ref(&problem)).remove(0);
        if !matches!(found.verdict, Verdict::Optimal { .. }) {
            continue;
        }
        refusals.pairs += 1;
        let pair = Pair { problem, z: found.z, y: found.multipliers };
        let unchanged = certify_optimal(&system, &pair.problem, &pair.z, &pair.y);
        refusals.refused_unchanged += usize::from(!matches!(unchanged, Verdict::Optimal { .. }));
        for (step, size) in SIZES.into_iter().enumerate() {
            for kind in 0..7 {
                let mut changed = pair.clone();
                if !changed.change(kind, size, seed as usize + step) {
                    continue;
                }
                refusals.perturbed += 1;
                clip_to_signs(&system, &mut changed.z, &mut changed.y);
                let verdict = certify_optimal(&system, &changed.problem, &changed.z, &changed.y);
                if let Verdict::Optimal { objective, proof } = verdict {
                    refusals.accepted += 1;
                    let what = format!("{} {method}, change {kind} by {size:e}", instance.name);
                    let wrong = judge::judge_objective(&system, &changed.problem, &changed.z, objective, proof);
                    refusals.wrong.extend(wrong.map(|w| format!("{what}: {w}")));
                }
            }
        }
    }
    refusals
}

#[derive(Clone)]
struct Pair {
    problem: Problem,
    z: Vec<f64>,
    y: Vec<f64>,
}

impl Pair {
    /// Changes one number; `false` if there is none of this kind.
    fn change(&mut self, kind: usize, size: f64, place: usize) -> bool {
        let largest = |numbers: &[f64]| numbers.iter().fold(1e-3, |most: f64, x| most.max(x.abs()));
        let rows = self.problem.rows.len();
        let sign = if place.is_multiple_of(2) { 1.0 } else { -1.0 };
        match kind {
            0 => {
                let by = sign * size * largest(&self.z);
                let index = place % self.z.len();
                self.z[index] += by;
            }
            1 => {
                let by = sign * size * largest(&self.y);
                self.y[place % rows] += by;
            }
            2 => {
                let index = place % self.z.len();
                self.z[index] = -self.z[index];
            }
            3 => {
                let bounds: Vec<f64> = self.problem.rows.iter().map(|row| row.bound).collect();
                self.problem.rows[place % rows].bound += sign * size * largest(&bounds);
            }
            // What the objective counts of a row.
            4 => {
                if matches!(self.problem.objective, Objective::Linear { .. }) {
                    return false;
                }
                self.problem.rows[place % rows].slack *= 1.0 + size;
            }
            5 => self.z.iter_mut().for_each(|z| *z *= 1.0 + sign * size),
            _ => self.y.iter_mut().for_each(|y| *y *= 1.0 + sign * size),
        }
        true
    }
}
