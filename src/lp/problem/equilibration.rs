//! Layers whose rows or columns differ in size by orders of magnitude are solved in other units.
//!
//! Each unit's rows are multiplied by a power of two, and each entry of `z` is divided by one, so
//! that the largest weight of every row and column is about 1. Scaling by powers of two is exact.
//! Where underflow would make it inexact, the problem keeps its units. So the scaled problem *is*
//! the original. Its solutions are scaled back without rounding, and violations and objectives are
//! the same numbers. Rows are violated by the same share of their terms, and a certificate against
//! all codes is one for both. A box of codes is another box in other units, and is tested again.
//! Layers of ordinary scale are not changed.

use nalgebra::{DMatrix, DVector};

use super::{LayerSystem, Objective, Problem, Row};
use crate::linalg::rank::{exponent, power_of_two};

/// Sizes of rows or of columns that differ by at most a factor of `2^12` are ordinary.
const ORDINARY: i32 = 12;
/// Rounds of scaling rows, then columns.
const ROUNDS: usize = 3;

/// A layer in other units.
#[derive(Debug, Clone)]
pub struct Equilibrated {
    /// The scaled layer.
    pub system: LayerSystem,
    /// What each unit's rows are multiplied by. Multipliers are divided by it.
    pub rows: Vec<f64>,
    /// `z` over the scaled `z`, entry by entry.
    pub columns: Vec<f64>,
    /// The most by which `max_u |w_{u,i}| |z_i|` is larger in the original units.
    pub reach: f64,
}

impl Equilibrated {
    /// The layer in better units; `None` where its own are good enough.
    pub fn of(system: &LayerSystem) -> Option<Self> {
        let weight = &system.weight;
        if weight.iter().any(|w| !w.is_finite()) {
            return None;
        }
        // A subnormal weight has too few digits to be scaled by its exponent.
        let exponents = weight.map(|w| if w.is_normal() { Some(exponent(w)) } else { None });
        let (mut rows, mut columns) = (vec![0; weight.nrows()], vec![0; weight.ncols()]);
        let row_size = |i: usize, columns: &[i32]| {
            let entries = exponents.row(i);
            entries.iter().zip(columns).filter_map(|(e, c)| e.map(|e| e + c)).max()
        };
        let column_size = |j: usize, rows: &[i32]| {
            let entries = exponents.column(j);
            entries.iter().zip(rows).filter_map(|(e, r)| e.map(|e| e + r)).max()
        };
        let is_ordinary = |sizes: &mut dyn Iterator<Item = i32>| {
            let (least, most) = sizes.fold((i32::MAX, i32::MIN), |(least, most), e| (least.min(e), most.max(e)));
            most <= least.saturating_add(ORDINARY)
        };
        if is_ordinary(&mut (0..rows.len()).filter_map(|i| row_size(i, &columns)))
            && is_ordinary(&mut (0..columns.len()).filter_map(|j| column_size(j, &rows)))
        {
            return None;
        }
        for _ in 0..ROUNDS {
            rows = (0..rows.len()).map(|i| row_size(i, &columns).map_or(0, |size| -size)).collect();
            columns = (0..columns.len()).map(|j| column_size(j, &rows).map_or(0, |size| -size)).collect();
        }
        let factors = |exponents: Vec<i32>| -> Vec<f64> { exponents.into_iter().map(power_of_two).collect() };
        let (rows, columns) = (factors(rows), factors(columns));
        let scaled = DMatrix::from_fn(weight.nrows(), weight.ncols(), |i, j| weight[(i, j)] * rows[i] * columns[j]);
        let is_exact = |i: usize, j: usize| scaled[(i, j)] / columns[j] / rows[i] == weight[(i, j)];
        if !(0..columns.len()).all(|j| (0..rows.len()).all(|i| is_exact(i, j))) {
            return None;
        }
        let bias = DVector::from_fn(rows.len(), |i, _| system.bias[i] * rows[i]);
        let scaled = LayerSystem::new(scaled, bias, system.nonnegative);
        scaled.keep_units();
        let restored = |j: usize| columns[j] * system.largest_of_column(j) / scaled.largest_of_column(j);
        let reach = (0..columns.len()).map(restored).fold(1.0, f64::max);
        Some(Equilibrated { system: scaled, rows, columns, reach })
    }

    /// A problem of the original layer in the new units, where they are exact. Violations keep
    /// their units.
    pub fn problem(&self, problem: &Problem) -> Option<Problem> {
        let mut is_exact = true;
        let mut scaled = |value: f64, factor: f64| {
            let scaled = value * factor;
            is_exact &= scaled / factor == value;
            scaled
        };
        let mut rows = Vec::with_capacity(problem.rows.len());
        for row in &problem.rows {
            let factor = self.rows[row.unit];
            let (slack, bound) = (scaled(row.slack, factor), scaled(row.bound, factor));
            rows.push(Row { slack, bound, magnitude: scaled(row.magnitude, factor), ..*row });
        }
        let objective = match &problem.objective {
            Objective::Linear { weights, units } => {
                let weights = weights.iter().zip(&self.columns).map(|(q, factor)| scaled(*q, *factor));
                let weights = DVector::from_vec(weights.collect());
                let mut of_unit = |&(unit, weight, magnitude): &(usize, f64, f64)| {
                    let factor = self.rows[unit];
                    (unit, scaled(weight, factor.recip()), scaled(magnitude, factor))
                };
                let units = units.iter().map(&mut of_unit).collect();
                Objective::Linear { weights, units }
            }
            other => other.clone(),
        };
        is_exact.then_some(Problem { rows, objective })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::{Domain, normal_vector};

    fn system(sizes: impl Fn(usize, usize) -> i32) -> LayerSystem {
        let numbers = normal_vector(3, Domain::Network, 0, 40);
        let weight = DMatrix::from_fn(8, 5, |i, j| numbers[8 * j + i] * power_of_two(sizes(i, j)));
        LayerSystem::new(weight, DVector::from_element(8, 0.5), false)
    }

    #[test]
    fn layers_of_ordinary_scale_keep_their_units() {
        assert!(system(|_, _| 0).equilibrated().is_none());
        assert!(system(|i, j| (i + j) as i32 % 4).equilibrated().is_none());
        assert!(system(|_, _| 40).equilibrated().is_none());
        // Exact scaling is not possible.
        let far_apart = |i, j| match (i, j) {
            (2, 0) => 1000,
            (2, _) => -1000,
            _ => 0,
        };
        assert!(system(far_apart).equilibrated().is_none());
    }

    #[test]
    fn rows_and_columns_of_mixed_scale_become_about_equal() {
        let system = system(|i, j| [-27, 20, 0, 5, -9, 26, 14, 1][i] + [13, -26, 0, 3, 22][j]);
        let scaled = &system.equilibrated().unwrap().system;
        for column in scaled.weight.column_iter() {
            assert!((0.25..4.0).contains(&column.amax()), "{column}");
        }
        for row in scaled.weight.row_iter() {
            assert!((0.02..4.0).contains(&row.amax()), "{row}");
        }
        assert!(scaled.equilibrated().is_none());
    }
}
