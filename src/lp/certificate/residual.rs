//! What the multipliers of a pair prove by themselves. With `g = Σ y_r side_r w_{u(r)}` (less `q`
//! for a linear objective) every `z′` satisfies
//!
//! ```text
//! obj(z′) ≥ obj(z) − gap − Σ_i η_i |z′_i − z_i|
//! ```
//!
//! (minimised; a linear objective counts as `−q·z`). `gap = Σ y_r p_r`, from the slacks `p_r` of
//! the rows, with what the normalisation and the bounds `z ≥ 0` leave, and `η_i` is the part of
//! `g_i` that a dual solution would not have: `|g_i|`, or `−g_i` where `z ≥ 0`. Both are rounded
//! up.

use nalgebra::DVector;

use super::super::problem::{LayerSystem, Objective, Problem, product_terms, rows_by_unit};
use super::primal::Primal;
use crate::linalg::lanes::vectorised;
use crate::linalg::rank::gamma;
use crate::linalg::row_space::RowSpace;

/// A column that misses its equation by less than this share of its terms is meant to satisfy it.
const NEARLY: f64 = 1e-8;
/// Multipliers below this share of the largest are not corrected: they may be rounding themselves.
const SUBSTANTIAL: f64 = 1e-6;
/// Splits a number of 53 bits into two of 26.
const SPLITTER: f64 = 134_217_729.0;

/// The bound's two parts, and what it was made of.
#[derive(Debug, Clone, PartialEq)]
pub struct Residual {
    /// The multipliers, reduced to the normalisation.
    pub y: Vec<f64>,
    /// What [`Self::refine`] adds to them, below their last digit; empty before.
    low: Vec<f64>,
    /// What the normalisation leaves: one entry, one per unit, or none.
    pub unused: Vec<f64>,
    /// `g_i`, less `q_i`, the sum over the units of the objective.
    pub combination: Vec<f64>,
    /// `η_i`.
    pub excess: Vec<f64>,
    /// The sums of the sizes of the terms of `g_i`.
    sizes: Vec<f64>,
}

impl Residual {
    /// The residual of multipliers that are at least 0. Costs a product with the rows that have
    /// multipliers.
    pub fn of(system: &LayerSystem, problem: &Problem, y: &[f64]) -> Self {
        let (y, unused) = normalised(problem, y);
        let mut residual =
            Residual { y, low: Vec::new(), unused, combination: Vec::new(), excess: Vec::new(), sizes: Vec::new() };
        residual.combine(system, problem);
        residual
    }

    fn combine(&mut self, system: &LayerSystem, problem: &Problem) {
        let (mut sums, mut sizes) = row_combination(system, problem, &self.y);
        let mut terms = self.y.iter().filter(|y| **y != 0.0).count();
        // By units: the sums `q` are rounded, which far codes would multiply.
        if let Objective::Linear { units, .. } = &problem.objective {
            terms += units.len();
            for &(unit, weight, _) in units {
                add_multiple(&mut sums, &mut sizes, system.unit(unit), -weight);
            }
        }
        let error = gamma(terms + 3);
        let excess = |(sum, size): (&f64, &f64)| part_against(system, *sum) + error * size;
        self.excess = sums.iter().zip(&sizes).map(excess).collect();
        self.combination = sums;
        self.sizes = sizes;
    }

    /// Computes `g` again, with twice the digits: what is left of `η` is the solver's.
    pub fn sharpen(&mut self, system: &LayerSystem, problem: &Problem) {
        let columns = system.columns();
        let (mut highs, mut lows, mut sizes) = (vec![0.0; columns], vec![0.0; columns], vec![0.0; columns]);
        let mut terms = 0;
        let mut add = |factor: f64, numbers: &[f64]| {
            terms += 1;
            let factor_parts = split(factor);
            for (((high, low), size), &w) in highs.iter_mut().zip(&mut lows).zip(&mut sizes).zip(numbers) {
                let product = factor * w;
                let (a, b) = (factor_parts, split(w));
                let error = a.1 * b.1 - (((product - a.0 * b.0) - a.1 * b.0) - a.0 * b.1);
                let sum = *high + product;
                let back = sum - *high;
                *low += ((*high - (sum - back)) + (product - back)) + error;
                *high = sum;
                *size += product.abs();
            }
        };
        for (row, &y) in problem.rows.iter().zip(&self.y).filter(|(_, y)| **y != 0.0) {
            add(y * row.side, system.unit(row.unit));
        }
        for (row, &low) in problem.rows.iter().zip(&self.low).filter(|(_, low)| **low != 0.0) {
            add(low * row.side, system.unit(row.unit));
        }
        if let Objective::Linear { units, .. } = &problem.objective {
            units.iter().for_each(|&(unit, weight, _)| add(-weight, system.unit(unit)));
        }
        let error = gamma(terms + 3);
        for i in 0..columns {
            let sum = highs[i] + lows[i];
            self.combination[i] = sum;
            // One rounding of the sum; its two parts carry errors of second order (Ogita, Rump and
            // Oishi 2005, Proposition 5.5).
            self.excess[i] = part_against(system, sum) + f64::EPSILON * sum.abs() + 2.0 * error * error * sizes[i];
        }
    }

    /// Adds to the multipliers what their last digit rounds away: the correction, over the rows
    /// that have one, after which the equations hold to twice the digits. Needs
    /// [`Self::sharpen`] before and calls it again. Costs a factorisation of these rows.
    pub fn refine(&mut self, system: &LayerSystem, problem: &Problem) {
        let is_held = |i: &usize| self.combination[*i].abs() <= NEARLY * self.sizes[*i];
        let held: Vec<usize> = (0..system.columns()).filter(is_held).collect();
        let least = SUBSTANTIAL * self.y.iter().fold(0.0, |most: f64, y| most.max(*y));
        let support: Vec<usize> = (0..self.y.len()).filter(|&row| self.y[row] > least).collect();
        let equation = |&row: &usize| {
            let weights = system.unit(problem.rows[row].unit);
            held.iter().map(|&i| problem.rows[row].side * weights[i]).collect()
        };
        let equations: Vec<Vec<f64>> = support.iter().map(equation).collect();
        let space = RowSpace::new(held.len(), equations.iter().map(Vec::as_slice));
        let missing = DVector::from_iterator(held.len(), held.iter().map(|&i| -self.combination[i]));
        self.low.resize(self.y.len(), 0.0);
        for (place, correction) in space.multipliers(&missing) {
            let Some(&row) = support.get(place) else { continue };
            // The sum stays at least 0.
            self.low[row] = correction.max(-self.y[row]);
        }
        self.sharpen(system, problem);
    }

    /// The least that the reduced cost of a bound `z_i ≥ 0` can be.
    pub fn reduced_cost(&self, column: usize) -> f64 {
        self.combination[column] - self.excess[column]
    }

    /// `Σ y_r p_r` at `z`, with the violations that `z` leaves, and the same with `|p_r|`: a row of
    /// a linear objective may be violated. `primal` is that of `z`.
    pub fn gap(&self, system: &LayerSystem, problem: &Problem, z: &[f64], primal: &Primal) -> (f64, f64) {
        let Primal { violations, products, .. } = primal;
        let error = gamma(product_terms(system.columns()) + 4);
        let mut gap: f64 = self.unused.iter().zip(violations).map(|(unused, e)| unused * e).sum();
        // The correction may exceed the normalisation, which then bounds `(1 + excess) e`.
        let beyond = problem.rows.iter().zip(&self.low).map(|(row, low)| row.slack * low.abs()).sum::<f64>();
        gap += 2.0 * beyond * violations.iter().sum::<f64>();
        let mut room = gap;
        let corrected: Vec<f64>;
        let mut multipliers = if self.low.is_empty() {
            self.y.iter()
        } else {
            corrected = self.y.iter().zip(&self.low).map(|(y, low)| y + low.abs()).collect();
            corrected.iter()
        };
        for (place, (rows, &(product, scale))) in rows_by_unit(&problem.rows).zip(products).enumerate() {
            let violation = match problem.objective {
                Objective::LargestViolation => violations[0],
                Objective::SumOfViolations => violations[place],
                Objective::Linear { .. } => 0.0,
            };
            for (row, y) in rows.iter().zip(&mut multipliers).filter(|(_, y)| **y != 0.0) {
                let slack = row.bound + row.slack * violation - row.side * product;
                let rounding = error * (scale + row.slack * violation);
                gap += y * (slack + rounding);
                room += y * (slack.abs() + rounding);
            }
        }
        if system.nonnegative {
            let of_bounds = self.combination.iter().zip(z).map(|(g, z)| g.max(0.0) * z).sum::<f64>();
            gap += of_bounds;
            room += of_bounds;
        }
        // A NaN stays.
        (if gap < 0.0 { 0.0 } else { gap }, room)
    }
}

/// `g = Σ_r y_r side_r w_{u(r)}` and `|W|ᵀ|y|`, entry by entry.
pub fn row_combination(system: &LayerSystem, problem: &Problem, y: &[f64]) -> (Vec<f64>, Vec<f64>) {
    let mut combination = vec![0.0; system.columns()];
    let mut size = vec![0.0; system.columns()];
    for (row, &y) in problem.rows.iter().zip(y) {
        if y != 0.0 {
            add_multiple(&mut combination, &mut size, system.unit(row.unit), y * row.side);
        }
    }
    (combination, size)
}

vectorised! {
    /// Adds a multiple of the weights, and its size.
    fn add_multiple(sums: &mut [f64], sizes: &mut [f64], weights: &[f64], factor: f64) {
        for ((sum, size), w) in sums.iter_mut().zip(sizes).zip(weights) {
            let product = factor * w;
            *sum += product;
            *size += product.abs();
        }
    }
}

/// The part of `g_i` that no dual solution has.
fn part_against(system: &LayerSystem, g: f64) -> f64 {
    if system.nonnegative { (-g).max(0.0) } else { g.abs() }
}

/// The two halves of a number.
fn split(a: f64) -> (f64, f64) {
    let c = SPLITTER * a;
    let high = c - (c - a);
    (high, a - high)
}

/// Multipliers within `Σ slack·y ≤ 1`, rounded to that side, and what is left of the 1.
fn normalised(problem: &Problem, y: &[f64]) -> (Vec<f64>, Vec<f64>) {
    let mut normalised = y.to_vec();
    let mut unused = Vec::new();
    let mut reduce = |range: std::ops::Range<usize>| {
        let total = |y: &[f64]| -> f64 {
            let products = problem.rows[range.clone()].iter().zip(&y[range.clone()]);
            products.map(|(row, y)| row.slack * y).sum()
        };
        let most = 1.0 + 2.0 * gamma(range.len() + 2);
        let mut used = total(&normalised);
        if used * most > 1.0 {
            let divisor = used * most * most;
            normalised[range.clone()].iter_mut().for_each(|y| *y /= divisor);
            used = total(&normalised);
        }
        unused.push((1.0 - used).max(0.0));
    };
    match problem.objective {
        Objective::LargestViolation => reduce(0..problem.rows.len()),
        Objective::SumOfViolations => {
            let mut start = 0;
            for rows in rows_by_unit(&problem.rows) {
                reduce(start..start + rows.len());
                start += rows.len();
            }
        }
        Objective::Linear { .. } => {}
    }
    (normalised, unused)
}
