//! The row space of a few equations `A z = r`: its rank, which entries of `z` it determines, and
//! corrections within it.
//!
//! Rows are scaled to unit length first, so that the rank decision speaks of directions and not of
//! sizes. Where there are at least as many equations as unknowns, `AᵀA` and its Cholesky factor
//! usually prove full rank ([`super::rank`]); only where they do not is one column-pivoted QR of
//! `Aᵀ` formed, five times as expensive. What that does not prove either counts as rank-deficient.

use nalgebra::linalg::Cholesky;
use nalgebra::{DMatrix, DVector, Dyn};

use super::rank::{cholesky_proves_full_rank, inverse, qr_error, qr_proves_full_rank};

/// Where full rank is not proven, a pivot below this share of the largest counts as 0.
const RANK_TOLERANCE: f64 = 1e-10;
/// The null space is known up to rounding over the smallest pivot. Where that exceeds this, no
/// entry of `z` counts as determined.
const VAGUE: f64 = 1e-7;

/// The row space of `A`, `rows × columns`.
pub enum RowSpace {
    /// `A` has full column rank.
    Full(NormalEquations),
    /// The columns of `A` may be dependent.
    Ranked(RankedRows),
}

/// `AᵀA = L Lᵀ` with the scaled rows of `A`.
pub struct NormalEquations {
    /// `Âᵀ`: columns × rows, each row of `A` scaled to unit length.
    transposed: DMatrix<f64>,
    factors: Vec<f64>,
    cholesky: Cholesky<f64, Dyn>,
}

/// `Aᵀ P = Q R`.
pub struct RankedRows {
    /// `columns × columns`, orthonormal; the first `rank` columns span the row space, the others
    /// the null space of `A`.
    q: DMatrix<f64>,
    /// The leading `rank × rank` block of `R`.
    r: DMatrix<f64>,
    /// The rows of `A` that the leading columns of `R` belong to, with the factors that scaled
    /// them.
    pivots: Vec<(usize, f64)>,
    /// By how much rounding may have turned the null space.
    uncertainty: f64,
}

impl RowSpace {
    /// Factors the equations, handed over one row after the other (each `columns` long).
    pub fn new<'a>(columns: usize, rows: impl ExactSizeIterator<Item = &'a [f64]>) -> Self {
        let count = rows.len();
        let mut transposed = DMatrix::zeros(columns, count);
        let mut factors = vec![0.0; count];
        for (index, row) in rows.enumerate() {
            let length = row.iter().map(|a| a * a).sum::<f64>().sqrt();
            if length > 0.0 {
                factors[index] = 1.0 / length;
                for (entry, a) in transposed.column_mut(index).iter_mut().zip(row) {
                    *entry = a / length;
                }
            }
        }
        match clear_cholesky(&transposed) {
            Some(cholesky) => RowSpace::Full(NormalEquations { transposed, factors, cholesky }),
            None => RowSpace::Ranked(RankedRows::new(transposed, factors)),
        }
    }

    /// The rank of `A`.
    #[cfg(test)]
    pub fn rank(&self) -> usize {
        match self {
            RowSpace::Full(equations) => equations.transposed.nrows(),
            RowSpace::Ranked(rows) => rows.pivots.len(),
        }
    }

    /// For each entry of `z`, how far it can be from that of another `z` whose residuals `A z`
    /// differ by at most `open`, one entry per row of `A`: infinite where `A z` does not determine
    /// it.
    pub fn reach(&self, open: &[f64]) -> Vec<f64> {
        match self {
            RowSpace::Full(equations) => equations.gathered(open, |terms| terms.sum()),
            RowSpace::Ranked(rows) => rows.gathered(open, |terms| terms.sum()),
        }
    }

    /// As [`Self::reach`], but the root of the sum of squares in place of the sum: how far apart
    /// such entries typically are, if the residuals differ independently of each other.
    pub fn spread(&self, open: &[f64]) -> Vec<f64> {
        let squares = |terms: &mut dyn Iterator<Item = f64>| terms.map(|term| term * term).sum::<f64>().sqrt();
        match self {
            RowSpace::Full(equations) => equations.gathered(open, squares),
            RowSpace::Ranked(rows) => rows.gathered(open, squares),
        }
    }

    /// For each entry of `z`, whether `A z` leaves it free, as far as rounding can tell.
    pub fn free(&self) -> Vec<bool> {
        match self {
            RowSpace::Full(equations) => vec![false; equations.transposed.nrows()],
            RowSpace::Ranked(rows) => rows.free(),
        }
    }

    /// The shortest `d` with `A d = residual`, where the equations agree. `residual`: one entry per
    /// row of `A`.
    pub fn shortest_correction(&self, residual: &[f64]) -> DVector<f64> {
        match self {
            RowSpace::Full(equations) => equations.correction(residual),
            RowSpace::Ranked(rows) => rows.shortest_correction(residual),
        }
    }

    /// `y` with `Aᵀ y = combination`, for the part of `combination` that lies in the row space:
    /// pairs of row and entry.
    pub fn multipliers(&self, combination: &DVector<f64>) -> Vec<(usize, f64)> {
        match self {
            RowSpace::Full(equations) => equations.multipliers(combination),
            RowSpace::Ranked(rows) => rows.multipliers(combination),
        }
    }
}

/// The Cholesky factor of `ÂᵀÂ` where it proves full rank.
pub(crate) fn clear_cholesky(transposed: &DMatrix<f64>) -> Option<Cholesky<f64, Dyn>> {
    if transposed.nrows() == 0 || transposed.ncols() < transposed.nrows() {
        return None;
    }
    let matrix = transposed * transposed.transpose();
    let diagonal: Vec<f64> = matrix.diagonal().iter().copied().collect();
    let cholesky = Cholesky::new(matrix)?;
    let factor = cholesky.l_dirty();
    cholesky_proves_full_rank(transposed.ncols(), &diagonal, |i, j| factor[(j, i)]).then_some(cholesky)
}

impl NormalEquations {
    /// Least squares with one step of refinement: the normal equations square the condition.
    fn correction(&self, residual: &[f64]) -> DVector<f64> {
        let scaled = DVector::from_iterator(residual.len(), residual.iter().zip(&self.factors).map(|(r, f)| r * f));
        let mut solution = self.cholesky.solve(&(&self.transposed * &scaled));
        let left = scaled - self.transposed.tr_mul(&solution);
        solution += self.cholesky.solve(&(&self.transposed * left));
        solution
    }

    /// For each entry of `z`, what `gather` makes of the absolute values of its row of `A⁺ =
    /// (ÂᵀÂ)⁻¹Âᵀ` times `open`.
    fn gathered(&self, open: &[f64], gather: impl Fn(&mut dyn Iterator<Item = f64>) -> f64) -> Vec<f64> {
        let columns = self.transposed.nrows();
        // `R = Lᵀ`: its rows are the columns of `L`, with anything above the diagonal.
        let factor = self.cholesky.l_dirty();
        let of_factor = DMatrix::from_column_slice(columns, columns, &inverse(factor.as_slice(), columns));
        // Its columns are the rows of `R⁻¹`, so that this is `(ÂᵀÂ)⁻¹ = R⁻¹ R⁻ᵀ`.
        let normal_inverse = of_factor.transpose() * &of_factor;
        // Products of whole matrices: a solve for each row takes four times as long.
        let transposed = self.transposed.transpose() * normal_inverse;
        let scaled: Vec<f64> = open.iter().zip(&self.factors).map(|(open, f)| open * f).collect();
        let of_row =
            |row: &mut dyn Iterator<Item = (&f64, &f64)>| gather(&mut row.map(|(a, open)| weighted(*a, *open)));
        transposed.column_iter().map(|row| of_row(&mut row.iter().zip(&scaled))).collect()
    }

    /// The shortest multipliers, spread over all rows.
    fn multipliers(&self, combination: &DVector<f64>) -> Vec<(usize, f64)> {
        let mut solution = self.cholesky.solve(combination);
        let left = combination - &self.transposed * self.transposed.tr_mul(&solution);
        solution += self.cholesky.solve(&left);
        let y = self.transposed.tr_mul(&solution);
        y.iter().zip(&self.factors).map(|(y, f)| y * f).enumerate().collect()
    }
}

impl RankedRows {
    fn new(mut transposed: DMatrix<f64>, mut factors: Vec<f64>) -> Self {
        let columns = transposed.nrows();
        // At least as many (zero) rows as columns, so that Q is square.
        let count = factors.len().max(columns);
        transposed.resize_horizontally_mut(count, 0.0);
        factors.resize(count, 0.0);
        let qr = transposed.col_piv_qr();
        let q = qr.q();
        // The pivoted columns come first, so that the leading square block holds all of the rank.
        let r = qr.r().columns_range(..columns).into_owned();
        let mut order = DMatrix::from_fn(1, factors.len(), |_, index| index);
        qr.p().permute_columns(&mut order);
        let diagonal = r.diagonal().abs();
        let largest = diagonal.amax();
        let rank = if qr_proves_full_rank(columns, columns, |i, j| r[(i, j)]) {
            columns
        } else {
            let kept = diagonal.iter().take_while(|pivot| **pivot > RANK_TOLERANCE * largest).count();
            kept.min(columns.saturating_sub(1))
        };
        let smallest = diagonal.iter().take(rank).fold(largest, |least, pivot| least.min(*pivot));
        let uncertainty = if rank == 0 { 0.0 } else { qr_error(count, columns) * largest / smallest };
        let pivots = order.iter().take(rank).map(|&index| (index, factors[index])).collect();
        RankedRows { q, r: r.view((0, 0), (rank, rank)).into_owned(), pivots, uncertainty }
    }

    /// On the pivot rows, and so on all rows where the equations agree.
    fn shortest_correction(&self, residual: &[f64]) -> DVector<f64> {
        let rank = self.pivots.len();
        let mut right = DVector::from_iterator(rank, self.pivots.iter().map(|&(row, f)| residual[row] * f));
        // No pivot is 0, so the triangular solve cannot fail.
        self.r.tr_solve_upper_triangular_mut(&mut right);
        self.q.columns_range(..rank) * right
    }

    /// As for [`NormalEquations`], by the pseudo-inverse of the pivot rows, `Q R⁻ᵀ`. Infinite for a
    /// free entry.
    fn gathered(&self, open: &[f64], gather: impl Fn(&mut dyn Iterator<Item = f64>) -> f64) -> Vec<f64> {
        let rank = self.pivots.len();
        let mut inverse = DMatrix::identity(rank, rank);
        // No pivot is 0, so the triangular solve cannot fail.
        self.r.tr_solve_upper_triangular_mut(&mut inverse);
        let inverse = self.q.columns_range(..rank) * inverse;
        let mut reach = Vec::with_capacity(self.q.nrows());
        for (row, free) in inverse.row_iter().zip(self.free()) {
            reach.push(match free {
                true => f64::INFINITY,
                false => gather(&mut row.iter().zip(&self.pivots).map(|(a, &(row, f))| weighted(*a, open[row] * f))),
            });
        }
        reach
    }

    /// By the rows of the null space's basis.
    fn free(&self) -> Vec<bool> {
        let null_space = self.q.columns_range(self.pivots.len()..);
        let is_known = self.uncertainty <= VAGUE;
        null_space.row_iter().map(|row| !is_known || row.norm() > self.uncertainty).collect()
    }

    /// Over the pivot rows.
    fn multipliers(&self, combination: &DVector<f64>) -> Vec<(usize, f64)> {
        let mut y = self.q.columns_range(..self.pivots.len()).tr_mul(combination);
        self.r.solve_upper_triangular_mut(&mut y);
        self.pivots.iter().zip(y.iter()).map(|(&(row, f), y)| (row, y * f)).collect()
    }
}

/// `|a| open`, 0 where `a` is 0 though `open` is not finite.
fn weighted(a: f64, open: f64) -> f64 {
    if a == 0.0 { 0.0 } else { a.abs() * open }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn space(columns: usize, rows: &[&[f64]]) -> RowSpace {
        RowSpace::new(columns, rows.iter().copied())
    }

    fn determined(space: &RowSpace) -> Vec<bool> {
        space.reach(&[0.0; 3]).iter().map(|reach| reach.is_finite()).collect()
    }

    #[test]
    fn a_repeated_row_adds_no_rank_and_the_free_entries_are_named() {
        let space = space(3, &[&[1.0, 2.0, 0.0], &[2.0, 4.0, 0.0], &[0.0, 0.0, 5.0]]);
        assert_eq!(space.rank(), 2);
        assert_eq!(determined(&space), [false, false, true]);
    }

    #[test]
    fn no_row_determines_nothing() {
        let space = space(2, &[]);
        assert_eq!(space.rank(), 0);
        assert_eq!(determined(&space), [false, false]);
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
    fn the_reach_is_that_of_the_inverse() {
        // z₁ = r₁/2, z₂ = (r₂ − z₁)/4, by Cholesky and, where a column stays free, by QR.
        let open = [1.0, 2.0];
        let of_two = space(2, &[&[2.0, 0.0], &[1.0, 4.0]]).reach(&open);
        let of_three = space(3, &[&[2.0, 0.0, 0.0], &[1.0, 4.0, 0.0]]).reach(&open);
        for reach in [&of_two, &of_three] {
            assert!((reach[0] - 0.5).abs() < 1e-14 && (reach[1] - 0.625).abs() < 1e-14, "{reach:?}");
        }
        assert_eq!(of_three[2], f64::INFINITY);
    }

    #[test]
    fn full_rank_by_normal_equations_says_the_same() {
        let rows: [&[f64]; 4] = [&[3.0, 4.0], &[0.0, 2.0], &[1.0, -1.0], &[0.0, 0.0]];
        let space = space(2, &rows);
        assert!(matches!(space, RowSpace::Full(_)));
        let wanted = DVector::from_vec(vec![0.7, -0.4]);
        let residual: Vec<f64> = rows.iter().map(|row| row[0] * wanted[0] + row[1] * wanted[1]).collect();
        assert!((space.shortest_correction(&residual) - &wanted).norm() < 1e-14);
        let sum = space
            .multipliers(&wanted)
            .into_iter()
            .fold(DVector::zeros(2), |sum: DVector<f64>, (row, y)| sum + DVector::from_column_slice(rows[row]) * y);
        assert!((sum - wanted).norm() < 1e-14);
    }

    /// The rows are of rank 2, and `n = (2, −1, −1)` spans their null space. The multipliers of a
    /// vector outside the row space combine to its projection, `wanted − n (n·wanted)/(n·n)`.
    #[test]
    fn multipliers_combine_to_the_projection_onto_the_row_space() {
        let rows: [&[f64]; 3] = [&[1.0, 2.0, 0.0], &[0.0, 1.0, -1.0], &[1.0, 1.0, 1.0]];
        let wanted = DVector::from_vec(vec![1.0, -2.0, 3.0]);
        let projection = DVector::from_vec(vec![2.0 / 3.0, -11.0 / 6.0, 19.0 / 6.0]);
        let space = space(3, &rows);
        assert_eq!(space.rank(), 2);
        let mut sum = DVector::zeros(3);
        for (row, y) in space.multipliers(&wanted) {
            sum += DVector::from_column_slice(rows[row]) * y;
        }
        assert!((sum - projection).norm() < 1e-13);
        // Within the row space nothing is lost: A d = r for right-hand sides that agree (r₃ = r₁ −
        // r₂).
        let residual = [1.0, 2.0, -1.0];
        let d = space.shortest_correction(&residual);
        for (row, r) in rows.iter().zip(residual) {
            assert!((DVector::from_column_slice(row).dot(&d) - r).abs() < 1e-13);
        }
        assert!((2.0 * d[0] - d[1] - d[2]).abs() < 1e-13, "the correction leaves the row space: {d}");
    }
}
