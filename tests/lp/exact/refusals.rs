//! Certified pairs with one thing changed. What is wrong by the exact oracle has to be refused, and
//! every kind of change has to make enough wrong pairs for that to mean something.

use std::fmt;

use unrelu::internals::lp::certificate::{Verdict, certify_optimal, clip_to_signs};
use unrelu::internals::lp::certified::solve_certified;
use unrelu::internals::lp::problem::{LayerSystem, Objective, Problem};
use unrelu::internals::lp::solver::engine::LpEngine;
use unrelu::{LayerwiseMethod, RowRule};

use super::families::{FAMILIES, Scale};
use super::pair::{Known, Pair};
use crate::support::Instance;

/// From just inside the tolerances to far outside, relative to the number or to the largest.
const SIZES: [f64; 9] = [1e-13, 1e-11, 1e-9, 1e-8, 1e-7, 1e-6, 1e-4, 1e-2, 1.0];

/// What is changed of a pair.
#[derive(Clone, Copy, PartialEq, Debug)]
pub enum Kind {
    EntryOfPoint,
    EntryOfMultipliers,
    SignOfPoint,
    SignOfMultiplier,
    Bound,
    Weight,
    Objective,
    ScaleOfPoint,
    ScaleOfMultipliers,
}

impl Kind {
    fn changes_problem(self) -> bool {
        matches!(self, Kind::Bound | Kind::Weight | Kind::Objective)
    }
}

pub const KINDS: [Kind; 9] = [
    Kind::EntryOfPoint,
    Kind::EntryOfMultipliers,
    Kind::SignOfPoint,
    Kind::SignOfMultiplier,
    Kind::Bound,
    Kind::Weight,
    Kind::Objective,
    Kind::ScaleOfPoint,
    Kind::ScaleOfMultipliers,
];

/// What became of the pairs with one kind of change.
#[derive(Clone, Copy, Default)]
pub struct Tally {
    pub changed: usize,
    /// How many pairs were wrong, and of how many the sentence was.
    pub wrong: usize,
    pub wrong_sentence: usize,
    /// How many of the wrong pairs were refused.
    pub wrong_refused: usize,
    /// How many were still right, as far as necessary conditions tell, and were refused.
    pub right_refused: usize,
}

/// What became of the perturbed pairs.
#[derive(Default)]
pub struct Refusals {
    pub pairs: usize,
    /// Pairs that were certified when solved, and are refused as they are.
    pub refused_unchanged: usize,
    pub of_kind: [Tally; KINDS.len()],
    pub wrong_accepted: Vec<String>,
}

impl Refusals {
    pub fn and(mut self, other: Refusals) -> Self {
        self.pairs += other.pairs;
        self.refused_unchanged += other.refused_unchanged;
        for (tally, other) in self.of_kind.iter_mut().zip(other.of_kind) {
            tally.changed += other.changed;
            tally.wrong += other.wrong;
            tally.wrong_sentence += other.wrong_sentence;
            tally.wrong_refused += other.wrong_refused;
            tally.right_refused += other.right_refused;
        }
        self.wrong_accepted.extend(other.wrong_accepted);
        self
    }

    pub fn changed(&self) -> usize {
        self.of_kind.iter().map(|tally| tally.changed).sum()
    }
}

impl fmt::Display for Refusals {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{} pairs, {} of them refused unchanged", self.pairs, self.refused_unchanged)?;
        let head = ["changed", "wrong", "sentence", "refused", "right, refused"];
        writeln!(f, "{:<20}{:>9}{:>9}{:>9}{:>9}{:>16}", "kind", head[0], head[1], head[2], head[3], head[4])?;
        for (kind, tally) in KINDS.iter().zip(&self.of_kind) {
            let Tally { changed, wrong, wrong_sentence, wrong_refused, right_refused } = tally;
            let kind = format!("{kind:?}");
            writeln!(f, "{kind:<20}{changed:>9}{wrong:>9}{wrong_sentence:>9}{wrong_refused:>9}{right_refused:>16}")?;
        }
        write!(f, "{} perturbed, {} wrong ones accepted", self.changed(), self.wrong_accepted.len())
    }
}

/// Perturbs the pairs of one instance; one seed for each of the plain families.
pub fn perturb(seed: u64) -> Refusals {
    let families = FAMILIES.iter().filter(|family| family.scale == Scale::Plain);
    families.map(|family| perturb_instance(&(family.instance)(seed), seed)).fold(Refusals::default(), Refusals::and)
}

fn perturb_instance(instance: &Instance, seed: u64) -> Refusals {
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
        let certified = Perturbed { system: system.clone(), problem, z: found.z, y: found.multipliers };
        refusals.refused_unchanged += usize::from(!matches!(certified.verdict(), Verdict::Optimal { .. }));
        let known = Known::default();
        for (step, size) in SIZES.into_iter().enumerate() {
            for (kind, tally) in KINDS.into_iter().zip(&mut refusals.of_kind) {
                let mut changed = certified.clone();
                if !changed.change(kind, size, seed as usize + step) {
                    continue;
                }
                clip_to_signs(&changed.system, &mut changed.z, &mut changed.y);
                let verdict = changed.verdict();
                let proof = match verdict {
                    Verdict::Optimal { proof, .. } => Some(proof),
                    _ => None,
                };
                let Perturbed { system, problem, z, y } = &changed;
                let of_changed = Known::default();
                let known = if kind.changes_problem() { &of_changed } else { &known };
                let wrong = Pair { system, problem, z, y, known }.wrong(proof);
                tally.changed += 1;
                tally.wrong += usize::from(wrong.is_some());
                tally.wrong_sentence += usize::from(wrong.is_some_and(|wrong| wrong.is_false()));
                match (wrong, proof) {
                    (Some(_), None) => tally.wrong_refused += 1,
                    (None, None) => tally.right_refused += 1,
                    (None, Some(_)) => {}
                    (Some(wrong), Some(proof)) => refusals.wrong_accepted.push(format!(
                        "{} {method}, {kind:?} by {size:e}: {wrong:?}, accepted as {proof:?}",
                        instance.name
                    )),
                }
            }
        }
    }
    refusals
}

#[derive(Clone)]
struct Perturbed {
    system: LayerSystem,
    problem: Problem,
    z: Vec<f64>,
    y: Vec<f64>,
}

impl Perturbed {
    fn verdict(&self) -> Verdict {
        certify_optimal(&self.system, &self.problem, &self.z, &self.y)
    }

    /// Changes one thing; `false` if there is none of this kind.
    fn change(&mut self, kind: Kind, size: f64, place: usize) -> bool {
        let largest = |numbers: &[f64]| numbers.iter().fold(1e-3, |most: f64, x| most.max(x.abs()));
        let rows = self.problem.rows.len();
        let sign = if place.is_multiple_of(2) { 1.0 } else { -1.0 };
        let entry = place % self.z.len();
        match kind {
            Kind::EntryOfPoint => self.z[entry] += sign * size * largest(&self.z),
            Kind::EntryOfMultipliers => self.y[place % rows] += sign * size * largest(&self.y),
            Kind::SignOfPoint => self.z[entry] = -self.z[entry],
            // Of the multipliers that are not 0, in turn.
            Kind::SignOfMultiplier => {
                let positive: Vec<usize> = (0..rows).filter(|row| self.y[*row] > 0.0).collect();
                if positive.is_empty() {
                    return false;
                }
                let row = positive[place % positive.len()];
                self.y[row] = -self.y[row];
            }
            Kind::Bound => {
                let bounds: Vec<f64> = self.problem.rows.iter().map(|row| row.bound).collect();
                self.problem.rows[place % rows].bound += sign * size * largest(&bounds);
            }
            Kind::Weight => {
                let mut weight = self.system.weight.clone();
                let by = sign * size * largest(weight.as_slice());
                weight[(self.problem.rows[place % rows].unit, entry)] += by;
                self.system = LayerSystem::new(weight, self.system.bias.clone(), self.system.nonnegative);
                self.weigh_again();
            }
            Kind::Objective => {
                if let Objective::Linear { units, .. } = &mut self.problem.objective {
                    let Some(count) = (!units.is_empty()).then_some(units.len()) else { return false };
                    units[place % count].1 *= 1.0 + sign * size;
                    self.weigh_again();
                } else {
                    // What the objective counts of a row.
                    self.problem.rows[place % rows].slack *= 1.0 + size;
                }
            }
            Kind::ScaleOfPoint => self.z.iter_mut().for_each(|z| *z *= 1.0 + sign * size),
            Kind::ScaleOfMultipliers => self.y.iter_mut().for_each(|y| *y *= 1.0 + sign * size),
        }
        true
    }

    /// The weights of a linear objective, from those of its units.
    fn weigh_again(&mut self) {
        let Objective::Linear { weights, units } = &mut self.problem.objective else { return };
        weights.fill(0.0);
        for &(unit, weight, _) in &*units {
            weights.iter_mut().zip(self.system.unit(unit)).for_each(|(q, w)| *q += weight * w);
        }
    }
}
