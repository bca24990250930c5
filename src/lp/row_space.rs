//! The row space of a few equations `A z = r`: its rank, which entries of `z` it determines, and corrections within it.
//!
//! One column-pivoted QR of `Aᵀ` serves all three. Rows are scaled to unit length first, so that the rank decision
//! speaks of directions and not of sizes.

use nalgebra::{DMatrix, DVector};

/// A pivot below this share of the largest counts as 0.
const RANK_TOLERANCE: f64 = 1e-10;
/// An entry of `z` is determined when its row of the null space's orthonormal basis is at most this long.
const DETERMINED_TOLERANCE: f64 = 1e-7;

/// `Aᵀ P = Q R`, for `A` of `rows × columns`.
pub struct RowSpace {
    /// `columns × columns`, orthonormal; the first `rank` columns span the row space, the others the null space of `A`.
    q: DMatrix<f64>,
    /// The leading `rank × rank` block of `R`.
    r: DMatrix<f64>,
    /// The rows of `A` that the leading columns of `R` belong to, with the factors that scaled them.
    pivots: Vec<(usize, f64)>,
}

impl RowSpace {
    /// Factors the equations, handed over one row after the other (each `columns` long).
    pub fn new<'a>(columns: usize, rows: impl ExactSizeIterator<Item = &'a [f64]>) -> Self {
        let count = rows.len();
        // At least as many (zero) rows as columns, so that Q comes out square.
        let mut transposed = DMatrix::zeros(columns, count.max(columns));
        let mut factors = vec![0.0; count.max(columns)];
        for (index, row) in rows.enumerate() {
            let length = row.iter().map(|a| a * a).sum::<f64>().sqrt();
            if length > 0.0 {
                factors[index] = 1.0 / length;
                for (entry, a) in transposed.column_mut(index).iter_mut().zip(row) {
                    *entry = a / length;
                }
            }
        }
        let qr = transposed.col_piv_qr();
        let q = qr.q();
        // The pivoted columns come first, so that the leading square block holds all of the rank.
        let r = qr.r().columns_range(..columns).into_owned();
        let mut order = DMatrix::from_fn(1, factors.len(), |_, index| index);
        qr.p().permute_columns(&mut order);
        let largest = r.diagonal().amax();
        let rank = r.diagonal().iter().take_while(|pivot| pivot.abs() > RANK_TOLERANCE * largest).count();
        let pivots = order.iter().take(rank).map(|&index| (index, factors[index])).collect();
        RowSpace { q, r: r.view((0, 0), (rank, rank)).into_owned(), pivots }
    }

    /// The rank of `A`.
    pub fn rank(&self) -> usize {
        self.pivots.len()
    }

    /// For each entry of `z`, whether `A z = r` leaves it no freedom.
    pub fn determined(&self) -> Vec<bool> {
        let null_space = self.q.columns_range(self.rank()..);
        null_space.row_iter().map(|row| row.norm() <= DETERMINED_TOLERANCE).collect()
    }

    /// The shortest `d` with `A d = residual` on the pivot rows, and so on all rows where the equations agree.
    /// `residual`: one entry a row of `A`.
    pub fn shortest_correction(&self, residual: &[f64]) -> DVector<f64> {
        let mut right = DVector::from_iterator(self.rank(), self.pivots.iter().map(|&(row, f)| residual[row] * f));
        // No pivot is 0, so the triangular solve cannot fail.
        self.r.tr_solve_upper_triangular_mut(&mut right);
        self.q.columns_range(..self.rank()) * right
    }

    /// `y` over the pivot rows with `Aᵀ y = combination`, as far as `combination` lies in the row space: pairs of row and entry.
    pub fn multipliers(&self, combination: &DVector<f64>) -> Vec<(usize, f64)> {
        let mut y = self.q.columns_range(..self.rank()).tr_mul(combination);
        self.r.solve_upper_triangular_mut(&mut y);
        self.pivots.iter().zip(y.iter()).map(|(&(row, f), y)| (row, y * f)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn space(columns: usize, rows: &[&[f64]]) -> RowSpace {
        RowSpace::new(columns, rows.iter().copied())
    }

    #[test]
    fn a_repeated_row_adds_no_rank_and_the_free_entries_are_named() {
        let space = space(3, &[&[1.0, 2.0, 0.0], &[2.0, 4.0, 0.0], &[0.0, 0.0, 5.0]]);
        assert_eq!(space.rank(), 2);
        assert_eq!(space.determined(), [false, false, true]);
    }

    #[test]
    fn no_row_determines_nothing() {
        let space = space(2, &[]);
        assert_eq!(space.rank(), 0);
        assert_eq!(space.determined(), [false, false]);
        assert_eq!(space.shortest_correction(&[]), DVector::zeros(2));
    }

    #[test]
    fn corrections_satisfy_the_equations_and_are_shortest() {
        let space = space(3, &[&[3.0, 4.0, 0.0], &[0.0, 0.0, 2.0]]);
        let d = space.shortest_correction(&[5.0, 4.0]);
        // 3·a + 4·b = 5 with the least norm is (0.6, 0.8).
        assert!((d - DVector::from_vec(vec![0.6, 0.8, 2.0])).norm() < 1e-14);
    }

    #[test]
    fn multipliers_combine_to_what_was_asked() {
        let rows: [&[f64]; 3] = [&[1.0, 2.0, 0.0], &[0.0, 1.0, -1.0], &[1.0, 1.0, 1.0]];
        let wanted = DVector::from_vec(vec![0.5, -2.0, 3.0]);
        // The third row is the first minus the second: rank 2, and `wanted` lies in the row space only after projection.
        let space = space(3, &rows);
        let inside = {
            let d = space.shortest_correction(&[1.0, 2.0, -1.0]);
            d + wanted.clone() * 0.0
        };
        let mut sum = DVector::zeros(3);
        for (row, y) in space.multipliers(&inside) {
            sum += DVector::from_column_slice(rows[row]) * y;
        }
        assert_eq!(space.rank(), 2);
        assert!((sum - inside).norm() < 1e-13);
    }
}
