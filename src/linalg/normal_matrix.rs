//! The normal matrix `Σ_u D_u w_u w_uᵀ` of one observation with up to four right-hand sides,
//! factored in place. A workspace: one per thread, resized for each problem.

use super::cholesky::{factor, forward_solved, solve_backward, solve_forward};
use super::gram::{add_gram, add_gram_single};
use super::lanes::{LANE, Lane, SingleLane};
use super::packed_weights::PackedWeights;

/// Number of columns from which single precision is faster.
pub const SINGLE_FROM: usize = 32;

/// The matrix, its right-hand sides and its factor.
#[derive(Debug, Default)]
pub struct NormalMatrix {
    /// Units that enter the matrix.
    pub units: Vec<u32>,
    /// The roots `√D_u` of their weights.
    pub roots: Vec<f64>,
    /// Lanes per row, without the one of right-hand sides.
    lanes: usize,
    /// `4·lanes` rows of `lanes + 1` lanes.
    matrix: Vec<Lane>,
    /// `1 / R_ii`.
    inverse_pivots: Vec<f64>,
    /// Workspace of the products.
    gathered: Vec<Lane>,
    /// The same workspace in single precision.
    gathered_single: Vec<SingleLane>,
}

impl NormalMatrix {
    /// Resets to a zero matrix of `4·lanes` rows. The chosen units are kept.
    pub fn reset(&mut self, lanes: usize) {
        let stride = lanes + 1;
        if self.lanes != lanes || self.matrix.is_empty() {
            self.lanes = lanes;
            self.matrix.clear();
            self.matrix.resize(lanes * LANE * stride, Lane::ZERO);
            self.inverse_pivots.resize(lanes * LANE, 0.0);
            return;
        }
        // Below the diagonal only blocks of eight by eight are written, so the rest is still zero.
        for (rows, block) in self.matrix.chunks_mut(2 * LANE * stride).zip((0..).step_by(2)) {
            for row in rows.chunks_exact_mut(stride) {
                row[block..].fill(Lane::ZERO);
            }
        }
    }

    /// Adds `Σ roots² w wᵀ` over the chosen units. `single`: formed in single precision.
    pub fn add_products(&mut self, weights: &PackedWeights, single: bool) {
        let stride = self.lanes + 1;
        if single {
            add_gram_single(weights, &self.units, &self.roots, &mut self.gathered_single, &mut self.matrix, stride);
        } else {
            add_gram(weights, &self.units, &self.roots, &mut self.gathered, &mut self.matrix, stride);
        }
    }

    /// A diagonal entry.
    pub fn diagonal(&self, index: usize) -> f64 {
        self.entry(index, index)
    }

    /// An entry of the upper triangle: of the matrix, or of its factor once that is formed.
    pub fn entry(&self, row: usize, column: usize) -> f64 {
        self.matrix[row * (self.lanes + 1) + column / LANE].0[column % LANE]
    }

    /// Adds to a diagonal entry.
    pub fn add_diagonal(&mut self, index: usize, value: f64) {
        self.matrix[index * (self.lanes + 1) + index / LANE].0[index % LANE] += value;
    }

    /// Sets right-hand side `which` of a row.
    pub fn set_right(&mut self, index: usize, which: usize, value: f64) {
        self.matrix[index * (self.lanes + 1) + self.lanes].0[which] = value;
    }

    /// The matrix with its right-hand sides, rows of `lanes + 1` lanes.
    pub fn entries(&self) -> &[Lane] {
        &self.matrix
    }

    /// Overwrites matrix and right-hand sides.
    pub fn set_entries(&mut self, entries: &[Lane]) {
        self.matrix.copy_from_slice(entries);
    }

    /// Factors in place and solves the right-hand sides forward. Returns how many pivots are
    /// frozen.
    pub fn factor(&mut self) -> usize {
        factor(&mut self.matrix, self.lanes, &mut self.inverse_pivots)
    }

    /// Right-hand side `which`, after forward substitution.
    pub fn forward_solved(&self, which: usize, out: &mut [f64]) {
        forward_solved(&self.matrix, self.lanes, which, out);
    }

    /// Solves `Rᵀ x̂ = b` in place.
    pub fn solve_forward(&self, x: &mut [Lane]) {
        solve_forward(&self.matrix, self.lanes, &self.inverse_pivots, x);
    }

    /// Solves `R x = x̂` in place.
    pub fn solve_backward(&self, x: &mut [Lane]) {
        solve_backward(&self.matrix, self.lanes, &self.inverse_pivots, x);
    }
}

#[cfg(test)]
mod tests {
    use super::super::lanes::numbers_mut;
    use super::*;
    use crate::random::{Domain, normal_vector};

    /// A matrix that was used before, of this size or another, gives the bits of a new one.
    #[test]
    fn a_used_matrix_is_as_a_new_one() {
        let units = 90;
        let solution = |matrix: &mut NormalMatrix, columns: usize, seed: u64, single: bool| {
            let transposed = normal_vector(seed, Domain::Network, 0, columns * units);
            let weights = PackedWeights::new(&transposed, columns);
            matrix.units = (0..units as u32).collect();
            matrix.roots = (0..units).map(|unit| 0.5 + (unit % 7) as f64).collect();
            matrix.reset(weights.lanes);
            matrix.add_products(&weights, single);
            for (i, right) in transposed.iter().enumerate().take(weights.lanes * LANE) {
                matrix.add_diagonal(i, 1.0);
                matrix.set_right(i, 0, *right);
            }
            assert_eq!(matrix.factor(), 0);
            let mut x = vec![Lane::ZERO; weights.lanes];
            matrix.forward_solved(0, numbers_mut(&mut x));
            matrix.solve_backward(&mut x);
            x
        };
        let mut used = NormalMatrix::default();
        for (seed, columns) in [33, 33, 37, 37, 40, 8, 33, 1, 1].into_iter().enumerate() {
            for single in [false, true, true] {
                let expected = solution(&mut NormalMatrix::default(), columns, seed as u64, single);
                assert_eq!(solution(&mut used, columns, seed as u64, single), expected, "{columns} columns");
            }
        }
    }
}
