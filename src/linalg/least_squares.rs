//! Least squares on units whose weights have full column rank, proven from the factor
//! ([`super::rank`]), by the engine's normal matrix in double precision and two steps of
//! refinement: the error of `(WᵀDW)⁻¹`, up to the square of the condition number, is taken off each
//! time. Where full rank is not proven the caller has to look closer (QR).

use super::lanes::{LANE, Lane, numbers, numbers_mut};
use super::normal_matrix::NormalMatrix;
use super::packed_weights::PackedWeights;
use super::products::{combine, products};
use super::rank::cholesky_proves_full_rank;

/// Steps of refinement.
const REFINEMENTS: usize = 2;

/// Workspace of a thread.
#[derive(Debug, Default)]
pub struct LeastSquares {
    normal: NormalMatrix,
    diagonal: Vec<f64>,
    misses: Vec<f64>,
    right: Vec<Lane>,
    step: Vec<Lane>,
    z: Vec<Lane>,
}

impl LeastSquares {
    /// The `z` that minimises `Σ_i (roots_i (w_{units_i}·z − values_i))²`; `None` where full
    /// rank is not proven. Costs `units·columns²` flops.
    pub fn solve(&mut self, weights: &PackedWeights, units: &[u32], roots: &[f64], values: &[f64]) -> Option<Vec<f64>> {
        let (lanes, columns) = (weights.lanes, weights.columns);
        if units.len() < columns || columns == 0 {
            return None;
        }
        let normal = &mut self.normal;
        normal.reset(lanes);
        normal.units.clear();
        normal.units.extend_from_slice(units);
        normal.roots.clear();
        normal.roots.extend_from_slice(roots);
        normal.add_products(weights, false);
        for padding in columns..lanes * LANE {
            normal.add_diagonal(padding, 1.0);
        }
        self.diagonal.clear();
        self.diagonal.extend((0..columns).map(|i| normal.diagonal(i)));
        for vector in [&mut self.right, &mut self.step, &mut self.z] {
            vector.clear();
            vector.resize(lanes, Lane::ZERO);
        }
        for refinement in 0..=REFINEMENTS {
            self.misses.clear();
            self.misses.resize(units.len(), 0.0);
            products(weights, units, &self.z, &mut self.misses);
            for ((miss, value), root) in self.misses.iter_mut().zip(values).zip(roots) {
                *miss = root * root * (value * weights.scale.recip() - *miss);
            }
            combine(weights, units, &self.misses, &mut self.right);
            if refinement == 0 {
                for i in 0..lanes * LANE {
                    normal.set_right(i, 0, numbers(&self.right)[i]);
                }
                normal.factor();
                if !cholesky_proves_full_rank(units.len(), &self.diagonal, |i, j| normal.entry(i, j)) {
                    return None;
                }
                normal.forward_solved(0, numbers_mut(&mut self.step));
            } else {
                self.step.copy_from_slice(&self.right);
                normal.solve_forward(&mut self.step);
            }
            normal.solve_backward(&mut self.step);
            let z = numbers_mut(&mut self.z);
            z.iter_mut().zip(numbers(&self.step)).for_each(|(z, d)| *z += d);
        }
        let z = &numbers(&self.z)[..columns];
        z.iter().all(|z| z.is_finite()).then(|| z.to_vec())
    }
}

#[cfg(test)]
mod tests {
    use nalgebra::{DMatrix, DVector};

    use super::*;
    use crate::random::{Domain, normal_vector};

    fn random(rows: usize, columns: usize, seed: u64) -> DMatrix<f64> {
        DMatrix::from_vec(rows, columns, normal_vector(seed, Domain::Network, 0, rows * columns))
    }

    fn packed(weight: &DMatrix<f64>) -> PackedWeights {
        PackedWeights::new(weight.transpose().as_slice(), weight.ncols())
    }

    #[test]
    fn agrees_with_singular_values_or_declines() {
        for seed in 0..20 {
            let (units, columns) = (9 + seed as usize, 1 + seed as usize % 9);
            let weight = random(units, columns, seed) * 3.0;
            let values = DVector::from_vec(normal_vector(seed, Domain::Noise, 0, units));
            let roots: Vec<f64> = (0..units).map(|i| 1.0 + 0.1 * (i % 3) as f64).collect();
            let scaled = DMatrix::from_fn(units, columns, |i, j| roots[i] * weight[(i, j)]);
            let right = DVector::from_fn(units, |i, _| roots[i] * values[i]);
            let expected = scaled.pseudo_inverse(1e-12).unwrap() * right;
            let all: Vec<u32> = (0..units as u32).collect();
            let found = LeastSquares::default().solve(&packed(&weight), &all, &roots, values.as_slice()).unwrap();
            assert!((DVector::from_vec(found) - &expected).norm() <= 1e-13 * (1.0 + expected.norm()));
        }
        // Rank 3 of 5; too few rows; a column of zeros.
        let deficient = [random(12, 3, 1) * random(3, 5, 2), random(4, 5, 3), random(12, 5, 4).insert_column(5, 0.0)];
        for weight in deficient {
            let units = weight.nrows();
            let all: Vec<u32> = (0..units as u32).collect();
            let ones = vec![1.0; units];
            assert_eq!(LeastSquares::default().solve(&packed(&weight), &all, &ones, &ones), None);
        }
    }
}
