//! Proofs of full column rank that rounding errors cannot fake. `A` has `m` rows and `k` columns,
//! `u` is the unit roundoff, `γ_n = n u / (1 − n u)`.
//!
//! **By Cholesky.** `M = fl(AᵀA)` differs from `AᵀA` by at most `γ_m ‖A‖_F²`, and its computed
//! factor satisfies `RᵀR = M + E` with `‖E‖ ≤ γ_{k+1} ‖R‖_F²` (Higham 2002, Theorem 10.3). Both
//! norms are traces of about `M`. So `σ_min(A)² ≥ 1/‖R⁻¹‖_F² − (γ_m + γ_{k+1}) tr M`, up to terms
//! of higher order, and `A` has full rank where
//!
//! ```text
//! ‖R⁻¹‖_F² · 2 (γ_{m+1} + γ_{k+2}) · tr M < 1.
//! ```
//!
//! The factor 2 covers the terms of higher order, the rounding in `R⁻¹`, and one rounding of each
//! entry of `A` (weights, scaled rows).
//!
//! **By QR.** Householder's `R` is the exact factor of a matrix whose columns differ from those of
//! `A` by at most `γ̃ = 8 m k u` of their length (Theorem 19.4). Full rank where
//! `‖R⁻¹‖_F · γ̃ ‖R‖_F < 1`.
//!
//! Powers of two that scale columns commute with both, so `R` is scaled afterwards: columns of very
//! different sizes do not hide the rank. What is not proven may have full rank all the same.

use super::lanes::{multiply_add, vectorised};

/// The unit roundoff.
const ROUNDOFF: f64 = f64::EPSILON / 2.0;
/// Squared lengths of columns outside of this range may be made of underflown products.
const SAFE_SQUARES: std::ops::RangeInclusive<f64> = 1e-280..=1e280;

/// Whether the Cholesky factor of `fl(AᵀA)` proves full column rank.
///
/// `rows`: the rows of `A`. `diagonal`: the diagonal of `fl(AᵀA)`. `factor(i, j)` for `i ≤ j`: the
/// upper triangle of `R`. Costs `columns²` flops, `columns³/3` more where that leaves it open.
pub fn cholesky_proves_full_rank(rows: usize, diagonal: &[f64], factor: impl Fn(usize, usize) -> f64) -> bool {
    let columns = diagonal.len();
    let scales = scales(diagonal);
    let trace: f64 = diagonal.iter().zip(&scales).map(|(d, s)| d * s * s).sum();
    let allowed = 1.0 / (2.0 * (gamma(rows + 1) + gamma(columns + 2)) * trace);
    squares_are_safe(diagonal) && inverse_is_below(&scaled(&scales, factor), columns, allowed)
}

/// Whether a Householder factor proves full column rank, with or without exchanged columns.
///
/// `rows`, `columns`: the size of `A`. `factor(i, j)` for `i ≤ j`: the upper triangle of `R`.
pub fn qr_proves_full_rank(rows: usize, columns: usize, factor: impl Fn(usize, usize) -> f64) -> bool {
    let squares: Vec<f64> = (0..columns).map(|j| (0..=j).map(|i| factor(i, j).powi(2)).sum()).collect();
    let scales = scales(&squares);
    let total: f64 = squares.iter().zip(&scales).map(|(d, s)| d * s * s).sum();
    let allowed = 1.0 / (qr_error(rows, columns).powi(2) * total);
    squares_are_safe(&squares) && inverse_is_below(&scaled(&scales, factor), columns, allowed)
}

/// `8 m k u`: what Householder's QR moves each column by, relative to its length.
pub fn qr_error(rows: usize, columns: usize) -> f64 {
    8.0 * rows as f64 * columns as f64 * ROUNDOFF
}

/// `γ_n`.
pub fn gamma(terms: usize) -> f64 {
    let error = terms as f64 * ROUNDOFF;
    error / (1.0 - error)
}

fn squares_are_safe(squares: &[f64]) -> bool {
    !squares.is_empty() && squares.iter().all(|square| SAFE_SQUARES.contains(square))
}

/// Powers of two that bring columns of these squared lengths to a length between 1 and 2.
fn scales(squares: &[f64]) -> Vec<f64> {
    squares.iter().map(|square| power_of_two(-(exponent(*square).div_euclid(2)))).collect()
}

/// `e` with `2^e ≤ |value| < 2^(e+1)`, for normal numbers.
pub fn exponent(value: f64) -> i32 {
    ((value.to_bits() >> 52) & 0x7ff) as i32 - 1023
}

/// `2^exponent`, the exponent cut to the normal numbers.
pub fn power_of_two(exponent: i32) -> f64 {
    f64::from_bits(((exponent.clamp(-1022, 1023) + 1023) as u64) << 52)
}

/// The scaled factor, row by row; the lower triangle is 0.
fn scaled(scales: &[f64], factor: impl Fn(usize, usize) -> f64) -> Vec<f64> {
    let columns = scales.len();
    let mut entries = vec![0.0; columns * columns];
    for i in 0..columns {
        for j in i..columns {
            entries[i * columns + j] = factor(i, j) * scales[j];
        }
    }
    entries
}

/// Whether `‖R⁻¹‖_F²` is below a limit. A NaN is not.
fn inverse_is_below(factor: &[f64], columns: usize, limit: f64) -> bool {
    // Entry by entry |R⁻¹| is at most the inverse of R with the signs +, −, whose largest row sum
    // takes one triangular solve.
    let mut sums = vec![0.0; columns];
    for i in (0..columns).rev() {
        let row = &factor[i * columns..(i + 1) * columns];
        let above: f64 = row[i + 1..].iter().zip(&sums[i + 1..]).map(|(r, x)| r.abs() * x).sum();
        sums[i] = (1.0 + above) / row[i].abs();
    }
    let largest = sums.iter().fold(0.0f64, |most, x| if x.is_nan() { f64::INFINITY } else { most.max(*x) });
    if columns as f64 * largest * largest < limit {
        return true;
    }
    let mut total = 0.0;
    inverse_while(factor, columns, |row| {
        total += squares(row);
        total < limit
    })
    .is_some()
}

/// `R⁻¹` of an upper triangle, row by row; the lower triangle is 0. Costs `columns³/3` flops.
pub fn inverse(factor: &[f64], columns: usize) -> Vec<f64> {
    inverse_while(factor, columns, |_| true).unwrap_or_default()
}

/// `R⁻¹`, from its last row upwards; `None` if `goes_on` is false of a row.
fn inverse_while(factor: &[f64], columns: usize, mut goes_on: impl FnMut(&[f64]) -> bool) -> Option<Vec<f64>> {
    let mut inverse = vec![0.0; columns * columns];
    for i in (0..columns).rev() {
        let (above, below) = inverse.split_at_mut((i + 1) * columns);
        let row = &mut above[i * columns..];
        let of_factor = &factor[i * columns..(i + 1) * columns];
        combine_rows(&of_factor[i + 1..], below, columns, i + 1, row);
        let pivot = -1.0 / of_factor[i];
        row[i] = -1.0;
        row.iter_mut().for_each(|entry| *entry *= pivot);
        if !goes_on(row) {
            return None;
        }
    }
    Some(inverse)
}

vectorised! {
    /// Adds `Σ_l factors_l rows_l` to `sum`. Row `l` has `columns` entries, 0 before `first + l`.
    fn combine_rows(factors: &[f64], rows: &[f64], columns: usize, first: usize, sum: &mut [f64]) -> () {
        let mut at = 0;
        while at + 4 <= factors.len() {
            let row = |l: usize| &rows[(at + l) * columns + first + at..(at + l + 1) * columns];
            let (a, b, c, d) = (row(0), row(1), row(2), row(3));
            let [fa, fb, fc, fd] = [factors[at], factors[at + 1], factors[at + 2], factors[at + 3]];
            for ((((sum, a), b), c), d) in sum[first + at..].iter_mut().zip(a).zip(b).zip(c).zip(d) {
                let upper = multiply_add::<FUSED>(fb, *b, multiply_add::<FUSED>(fa, *a, *sum));
                *sum = multiply_add::<FUSED>(fd, *d, multiply_add::<FUSED>(fc, *c, upper));
            }
            at += 4;
        }
        for l in at..factors.len() {
            let row = &rows[l * columns + first + l..(l + 1) * columns];
            for (sum, entry) in sum[first + l..].iter_mut().zip(row) {
                *sum = multiply_add::<FUSED>(factors[l], *entry, *sum);
            }
        }
    }

    /// The sum of squares, in eight parts.
    fn squares(numbers: &[f64]) -> f64 {
        let mut sums = [0.0; 8];
        let (whole, rest) = numbers.as_chunks::<8>();
        for eight in whole {
            for i in 0..8 {
                sums[i] = multiply_add::<FUSED>(eight[i], eight[i], sums[i]);
            }
        }
        rest.iter().map(|x| x * x).sum::<f64>() + sums.iter().sum::<f64>()
    }
}

#[cfg(test)]
mod tests {
    use nalgebra::linalg::Cholesky;
    use nalgebra::{DMatrix, DVector};

    use super::*;
    use crate::random::{Domain, normal_vector};

    fn by_cholesky(matrix: &DMatrix<f64>) -> bool {
        let normal = matrix.tr_mul(matrix);
        let diagonal: Vec<f64> = normal.diagonal().iter().copied().collect();
        let Some(cholesky) = Cholesky::new(normal) else { return false };
        let factor = cholesky.l_dirty();
        cholesky_proves_full_rank(matrix.nrows(), &diagonal, |i, j| factor[(j, i)])
    }

    fn by_qr(matrix: &DMatrix<f64>) -> bool {
        let r = matrix.clone().col_piv_qr().r();
        qr_proves_full_rank(matrix.nrows(), matrix.ncols(), |i, j| r[(i, j)])
    }

    fn random(rows: usize, columns: usize, seed: u64) -> DMatrix<f64> {
        DMatrix::from_vec(rows, columns, normal_vector(seed, Domain::Network, 0, rows * columns))
    }

    /// Columns of few digits, so that the second is the exact sum of the first and a multiple of
    /// the third.
    #[test]
    fn exact_dependence_is_never_full_rank() {
        for power in [1, 5, 10, 13, 20] {
            for seed in 0..1000 {
                let mut matrix = random(8, 3, seed).map(|w| (w * 1024.0).round() / 1024.0);
                let second: DVector<f64> = matrix.column(0) + matrix.column(2) * power_of_two(-power);
                matrix.set_column(1, &second);
                assert!(!by_cholesky(&matrix), "Cholesky, 2^-{power}, seed {seed}");
                assert!(!by_qr(&matrix), "QR, 2^-{power}, seed {seed}");
            }
        }
    }

    #[test]
    fn inverses_are_inverses() {
        for columns in [1, 2, 3, 4, 5, 9, 33] {
            let r = random(2 * columns, columns, 3).qr().r();
            let rows: Vec<f64> = r.transpose().as_slice().to_vec();
            let found = DMatrix::from_row_slice(columns, columns, &inverse(&rows, columns));
            let apart = (&r * &found - DMatrix::identity(columns, columns)).amax();
            assert!(apart < 1e-12, "{columns}: {apart}");
            // The limit decides where the first, cheaper bound does not.
            let norm = found.norm_squared();
            assert!(inverse_is_below(&rows, columns, norm * 1.0001), "{columns}");
            assert!(!inverse_is_below(&rows, columns, norm * 0.9999), "{columns}");
        }
        assert!(!inverse_is_below(&[0.0], 1, 1e300) && !inverse_is_below(&[f64::NAN], 1, 1e300));
    }

    #[test]
    fn plain_matrices_have_full_rank_and_near_ones_by_qr() {
        for (rows, columns) in [(1, 1), (3, 2), (8, 3), (20, 20), (100, 60), (234, 100), (100, 100)] {
            for seed in 0..10 {
                let matrix = random(rows, columns, seed);
                assert!(by_cholesky(&matrix), "{rows}×{columns}, seed {seed}");
                assert!(by_qr(&matrix), "{rows}×{columns}, seed {seed}");
            }
        }
        // One ulp beside dependence: the squares have lost it, the columns have not.
        let near = DMatrix::from_row_slice(2, 2, &[1.0, 1.0, 1.0, 1.0 + 1e-10]);
        assert!(!by_cholesky(&near) && by_qr(&near));
    }

    #[test]
    fn column_sizes_hide_no_rank_and_make_none() {
        let mut matrix = random(12, 5, 1);
        for (j, size) in [1e-30, 1e30, 1.0, 1e-8, 1e8].into_iter().enumerate() {
            matrix.column_mut(j).scale_mut(size);
        }
        assert!(by_cholesky(&matrix) && by_qr(&matrix));
        for bad in [0.0, 1e-200, f64::INFINITY, f64::NAN] {
            matrix[(0, 3)] = bad;
            matrix.column_mut(3).fill(bad);
            assert!(!by_cholesky(&matrix) && !by_qr(&matrix), "{bad}");
        }
    }
}
