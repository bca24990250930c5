//! Whether a pair of a point and multipliers is right, in exact numbers.
//!
//! A pair is *wrong* where its sentence is: a row is violated, or a code is better, by more than
//! twice the tolerance. It is also wrong where its multipliers cannot prove the sentence, whatever
//! the reasoning: their rows are not tight at the point, or the rows that they can use allow a
//! better code.

use std::cell::RefCell;
use std::collections::HashMap;

use unrelu::internals::lp::certificate::Proof;
use unrelu::internals::lp::problem::{LayerSystem, Objective, Problem, Row};

use super::program::{Exact, Optimum, data_size, tolerance};
use super::simplex::{Q, exact, zero};

/// What a row without a violation may be violated by, as a share of its terms: twice what the
/// certificate promises.
const ROW: f64 = 2e-9;

/// Why a pair is wrong.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Wrong {
    /// A row is violated.
    Row,
    /// A code is better.
    Objective,
    /// The multipliers leave a gap.
    Gap,
    /// The rows that the multipliers can use allow a better code.
    Support,
}

impl Wrong {
    /// Whether the sentence that a user reads is wrong, and not only its proof.
    pub fn is_false(self) -> bool {
        matches!(self, Wrong::Row | Wrong::Objective)
    }
}

/// Optima of one problem with some of its rows.
#[derive(Default)]
pub struct Known(RefCell<HashMap<Vec<usize>, Optimum>>);

/// A point with multipliers, clipped to their signs.
pub struct Pair<'a> {
    pub system: &'a LayerSystem,
    pub problem: &'a Problem,
    pub z: &'a [f64],
    pub y: &'a [f64],
    /// What is known of this problem already.
    pub known: &'a Known,
}

impl Pair<'_> {
    /// What is wrong; `None` where nothing is. `proof`: the codes that the certificate names,
    /// where it accepts the pair.
    pub fn wrong(&self, proof: Option<Proof>) -> Option<Wrong> {
        let Pair { system, problem, z, .. } = *self;
        let values = self.values();
        let (objective, violations) = self.objective(&values);
        let tolerance = tolerance(system, problem, z, &objective);
        if self.violates(&values) {
            return Some(Wrong::Row);
        }
        let is_linear = matches!(problem.objective, Objective::Linear { .. });
        // No violation is below 0.
        if !is_linear && objective <= tolerance {
            return None;
        }
        let whole = Exact::of(system, problem);
        let allows_better = |rows: &[usize]| {
            let is_better = |optimum: &Optimum| match optimum {
                Optimum::Infeasible => false,
                Optimum::Unbounded => true,
                Optimum::At(optimum, _) => whole.is_better(optimum, z, &objective),
            };
            if !is_better(&self.optimum(rows)) {
                return false;
            }
            let Some(Proof::Within { factor }) = proof else { return true };
            let part = self.part(rows);
            let mut near = Exact::of(system, &part);
            near.within(z, factor * data_size(system, problem, z));
            is_better(&near.optimum())
        };
        // Fewer rows never allow less.
        if allows_better(&self.support()) {
            let all: Vec<usize> = (0..problem.rows.len()).collect();
            return Some(if allows_better(&all) { Wrong::Objective } else { Wrong::Support });
        }
        (self.gap(&values, &violations) > tolerance).then_some(Wrong::Gap)
    }

    /// The rows that a proof can use: those with a multiplier. For a sum of violations, also all
    /// rows of a unit whose violation has a price, `Σ slack·y < 1`: they hold the unit with it.
    fn support(&self) -> Vec<usize> {
        let of_violation = |(rows, y): (&[Row], &[f64])| {
            let used = rows.iter().zip(y).fold(zero(), |sum, (row, y)| sum + exact(row.slack) * exact(*y));
            self.problem.objective == Objective::SumOfViolations && used < exact(1.0)
        };
        let mut support = Vec::new();
        let mut y = self.y;
        for rows in rows_by_unit(&self.problem.rows) {
            let (of_unit, others) = y.split_at(rows.len());
            let (all, first) = (of_violation((rows, of_unit)), self.y.len() - y.len());
            support.extend((0..rows.len()).filter(|&row| all || of_unit[row] > 0.0).map(|row| first + row));
            y = others;
        }
        support
    }

    /// The problem with some of its rows.
    fn part(&self, rows: &[usize]) -> Problem {
        let rows = rows.iter().map(|row| self.problem.rows[*row]).collect();
        Problem { rows, objective: self.problem.objective.clone() }
    }

    fn optimum(&self, rows: &[usize]) -> Optimum {
        if let Some(optimum) = self.known.0.borrow().get(rows) {
            return optimum.clone();
        }
        let optimum = Exact::of(self.system, &self.part(rows)).optimum();
        self.known.0.borrow_mut().insert(rows.to_vec(), optimum.clone());
        optimum
    }

    /// `w_u · z` of each row.
    fn values(&self) -> Vec<Q> {
        let of_row = |unit: usize| {
            let terms = self.system.unit(unit).iter().zip(self.z).map(|(w, z)| exact(*w) * exact(*z));
            terms.fold(zero(), |sum, term| sum + term)
        };
        self.problem.rows.iter().map(|row| of_row(row.unit)).collect()
    }

    fn violates(&self, values: &[Q]) -> bool {
        let Pair { system, problem, z, .. } = *self;
        problem.rows.iter().zip(values).filter(|(row, _)| row.slack == 0.0).any(|(row, value)| {
            let allowed = ROW * (system.absolute_product(row.unit, z) + row.magnitude);
            exact(row.side) * value - exact(row.bound) > exact(allowed)
        })
    }

    /// The objective at `z`, and the violation of each row.
    fn objective(&self, values: &[Q]) -> (Q, Vec<Q>) {
        let Pair { system, problem, z, .. } = *self;
        if let Objective::Linear { units, .. } = &problem.objective {
            let of_unit = |unit: usize, weight: f64| {
                let terms = system.unit(unit).iter().zip(z).map(|(w, z)| exact(weight) * exact(*w) * exact(*z));
                terms.fold(zero(), |sum, term| sum + term)
            };
            let sum = units.iter().fold(zero(), |sum, (unit, weight, _)| sum + of_unit(*unit, *weight));
            return (sum, vec![zero(); values.len()]);
        }
        let violation = |row: usize| {
            let of_row = &problem.rows[row];
            let excess = exact(of_row.side) * &values[row] - exact(of_row.bound);
            (excess / exact(of_row.slack)).max(zero())
        };
        let mut violations: Vec<Q> = Vec::new();
        let mut sum = zero();
        for rows in rows_by_unit(&problem.rows) {
            let first = violations.len();
            let largest = (first..first + rows.len()).map(violation).fold(zero(), Q::max);
            sum += &largest;
            violations.extend(rows.iter().map(|_| largest.clone()));
        }
        if problem.objective == Objective::LargestViolation {
            let largest = violations.iter().cloned().fold(zero(), Q::max);
            violations.fill(largest.clone());
            return (largest, violations);
        }
        (sum, violations)
    }

    /// `Σ y_r p_r + (1 − Σ slack·y) e + Σ max(0, g_i) z_i`, the last sum where `z ≥ 0`.
    fn gap(&self, values: &[Q], violations: &[Q]) -> Q {
        let Pair { system, problem, z, .. } = *self;
        let y = self.normalised();
        let mut gap = zero();
        let mut combination = vec![zero(); z.len()];
        for (index, (row, y)) in problem.rows.iter().zip(&y).enumerate().filter(|(_, (_, y))| **y != zero()) {
            let slack = exact(row.bound) + exact(row.slack) * &violations[index] - exact(row.side) * &values[index];
            gap += y * slack;
            for (sum, w) in combination.iter_mut().zip(system.unit(row.unit)) {
                *sum += y * exact(row.side * w);
            }
        }
        if let Objective::Linear { units, .. } = &problem.objective {
            for &(unit, weight, _) in units {
                for (sum, w) in combination.iter_mut().zip(system.unit(unit)) {
                    *sum -= exact(weight) * exact(*w);
                }
            }
        }
        let mut first = 0;
        for rows in self.groups() {
            let used = rows.iter().zip(&y[first..]).fold(zero(), |sum, (row, y)| sum + exact(row.slack) * y);
            gap += (exact(1.0) - used) * &violations[first];
            first += rows.len();
        }
        if system.nonnegative {
            let terms = combination.iter().zip(z).map(|(g, z)| g.clone().max(zero()) * exact(*z));
            gap = terms.fold(gap, |sum, term| sum + term);
        }
        gap
    }

    /// The rows that share one `Σ slack·y ≤ 1`.
    fn groups(&self) -> Vec<&[Row]> {
        match self.problem.objective {
            Objective::LargestViolation => vec![&self.problem.rows],
            Objective::SumOfViolations => rows_by_unit(&self.problem.rows).collect(),
            Objective::Linear { .. } => Vec::new(),
        }
    }

    /// The multipliers, divided by what they exceed `Σ slack·y = 1` by.
    fn normalised(&self) -> Vec<Q> {
        let mut y: Vec<Q> = self.y.iter().map(|y| exact(*y)).collect();
        let mut first = 0;
        for rows in self.groups() {
            let of_group = &mut y[first..first + rows.len()];
            let used = rows.iter().zip(&*of_group).fold(zero(), |sum, (row, y)| sum + exact(row.slack) * y);
            if used > exact(1.0) {
                of_group.iter_mut().for_each(|y| *y /= &used);
            }
            first += rows.len();
        }
        y
    }
}

/// The slices of `rows` that belong to one unit each.
fn rows_by_unit(rows: &[Row]) -> impl Iterator<Item = &[Row]> {
    rows.chunk_by(|a, b| a.unit == b.unit)
}
