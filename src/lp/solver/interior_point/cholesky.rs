//! Cholesky factorisation `M = RᵀR` of one normal matrix, with up to four right-hand sides solved forward on the way.
//!
//! `M` is stored by rows of `lanes + 1` lanes: the upper triangle, then one lane of right-hand sides. Four rows at a time
//! are brought up to date with all rows above (4 × 12 entries in registers) and then eliminated among themselves.
//!
//! A pivot that is lost to rounding freezes its column: the solution's entry there is 0, as if the pivot were infinite
//! (S. Wright, *Modified Cholesky factorizations in interior-point algorithms for linear programming*, 1999).

use super::lanes::{LANE, Lane, numbers, vectorised};

/// A pivot under this share of its diagonal entry is nothing but rounding.
const LOST_PIVOT: f64 = 1e-14;

vectorised! {
    /// Factors in place; `inverse_pivots`: one a row, 0 where frozen. `above`: workspace. Returns how many are frozen.
    /// Costs `columns³/3` flops.
    pub fn factor(matrix: &mut [Lane], lanes: usize, inverse_pivots: &mut [f64], above: &mut Vec<Lane>) -> usize {
        let stride = lanes + 1;
        let mut frozen = 0;
        for block in 0..lanes {
            let (done, rest) = matrix.split_at_mut(block * LANE * stride);
            let target = &mut rest[..LANE * stride];
            let diagonal: [f64; LANE] = std::array::from_fn(|i| target[i * stride + block].0[i]);
            // The four columns of what is done, contiguous: every tile reads them again.
            above.clear();
            above.extend(done.chunks_exact(stride).map(|row| row[block]));
            let mut at = block;
            while at + 3 <= stride {
                subtract_tile::<FUSED, 3>(done, above, at, target, stride);
                at += 3;
            }
            match stride - at {
                2 => subtract_tile::<FUSED, 2>(done, above, at, target, stride),
                1 => subtract_tile::<FUSED, 1>(done, above, at, target, stride),
                _ => {}
            }
            for i in 0..LANE {
                let (upper, row) = target.split_at_mut(i * stride);
                let row = &mut row[block..stride];
                for j in 0..i {
                    let upper = &upper[j * stride + block..(j + 1) * stride];
                    let factor = Lane::splat(-upper[0].0[i]);
                    for (entry, &above) in row.iter_mut().zip(upper) {
                        *entry = entry.plus_product::<FUSED>(factor, above);
                    }
                }
                let pivot = row[0].0[i];
                let inverse = if pivot > LOST_PIVOT * diagonal[i] { 1.0 / pivot.sqrt() } else { 0.0 };
                frozen += usize::from(inverse == 0.0);
                inverse_pivots[block * LANE + i] = inverse;
                for entry in row.iter_mut() {
                    *entry = Lane(entry.0.map(|x| x * inverse));
                }
            }
        }
        frozen
    }

    /// Solves `Rᵀ x̂ = b` in place.
    pub fn solve_forward(matrix: &[Lane], lanes: usize, inverse_pivots: &[f64], x: &mut [Lane]) {
        let stride = lanes + 1;
        for (block, rows) in matrix.chunks_exact(LANE * stride).take(lanes).enumerate() {
            let (head, tail) = x[block..lanes].split_at_mut(1);
            let mut solved = head[0].0;
            for i in 0..LANE {
                for j in 0..i {
                    solved[i] -= rows[j * stride + block].0[i] * solved[j];
                }
                solved[i] *= inverse_pivots[block * LANE + i];
            }
            head[0].0 = solved;
            let factors = solved.map(|x| Lane::splat(-x));
            let rows: [&[Lane]; LANE] = std::array::from_fn(|i| &rows[i * stride + block + 1..i * stride + lanes]);
            for (l, entry) in tail.iter_mut().enumerate() {
                for i in 0..LANE {
                    *entry = entry.plus_product::<FUSED>(factors[i], rows[i][l]);
                }
            }
        }
    }

    /// Solves `R x = x̂` in place.
    pub fn solve_backward(matrix: &[Lane], lanes: usize, inverse_pivots: &[f64], x: &mut [Lane]) {
        let stride = lanes + 1;
        for block in (0..lanes).rev() {
            let rows = &matrix[block * LANE * stride..(block + 1) * LANE * stride];
            let (head, tail) = x[block..lanes].split_at_mut(1);
            let right: [&[Lane]; LANE] = std::array::from_fn(|i| &rows[i * stride + block + 1..i * stride + lanes]);
            let mut sums = [Lane::ZERO; LANE];
            for (l, &x) in tail.iter().enumerate() {
                for i in 0..LANE {
                    sums[i] = sums[i].plus_product::<FUSED>(right[i][l], x);
                }
            }
            let mut solved = head[0].0;
            for i in (0..LANE).rev() {
                solved[i] -= sums[i].sum();
                for j in i + 1..LANE {
                    solved[i] -= rows[i * stride + block].0[j] * solved[j];
                }
                solved[i] *= inverse_pivots[block * LANE + i];
            }
            head[0].0 = solved;
        }
    }
}

/// Column `which` of the lane of right-hand sides, solved forward.
pub fn forward_solved(matrix: &[Lane], lanes: usize, which: usize, out: &mut [f64]) {
    let stride = lanes + 1;
    for (row, out) in matrix.chunks_exact(stride).zip(out) {
        *out = numbers(&row[lanes..])[which];
    }
}

#[inline(always)]
fn subtract_tile<const FUSED: bool, const N: usize>(
    done: &[Lane],
    above: &[Lane],
    at: usize,
    target: &mut [Lane],
    stride: usize,
) {
    let mut sums = [[Lane::ZERO; N]; LANE];
    for (row, left) in done.chunks_exact(stride).zip(above) {
        let right: &[Lane; N] = match row[at..at + N].try_into() {
            Ok(right) => right,
            Err(_) => return,
        };
        for (i, sums) in sums.iter_mut().enumerate() {
            let left = Lane::splat(left.0[i]);
            for (sum, &right) in sums.iter_mut().zip(right) {
                *sum = sum.plus_product::<FUSED>(left, right);
            }
        }
    }
    for (row, sums) in target.chunks_exact_mut(stride).zip(sums) {
        for (entry, sum) in row[at..at + N].iter_mut().zip(sums) {
            for (entry, sum) in entry.0.iter_mut().zip(sum.0) {
                *entry -= sum;
            }
        }
    }
}
