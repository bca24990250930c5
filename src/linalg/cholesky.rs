//! Cholesky factorisation `M = RᵀR` of one normal matrix, with forward substitution of up to four
//! right-hand sides.
//!
//! `M` is stored by rows of `lanes + 1` lanes: the upper triangle, then one lane of right-hand
//! sides. Rows are processed in groups as tall as a tile: the contributions of all rows above are
//! subtracted, and the group is eliminated within itself, all in registers.
//!
//! A pivot that is lost to rounding freezes its column: the solution's entry there is 0, as if the
//! pivot were infinite (S. Wright, *Modified Cholesky factorizations in interior-point algorithms
//! for linear programming*, 1999).

use super::lanes::{LANE, Lane, numbers, vectorised};
use super::tile::accumulate;

/// A pivot below this share of its diagonal entry is only rounding.
const LOST_PIVOT: f64 = 1e-14;

vectorised! {
    /// Factors in place; `inverse_pivots`: one per row, 0 where frozen. Returns how many are
    /// frozen. Costs `columns³/3` flops.
    pub fn factor(matrix: &mut [Lane], lanes: usize, inverse_pivots: &mut [f64]) -> usize {
        let stride = lanes + 1;
        let (mut frozen, mut block) = (0, 0);
        while block < lanes {
            let (done, rest) = matrix.split_at_mut(block * LANE * stride);
            let diagonal: [f64; 2 * LANE] = std::array::from_fn(|i| {
                rest.get(i * stride + block + i / LANE).map_or(0.0, |lane| lane.0[i % LANE])
            });
            // The tallest strip that the registers hold, or one block of four if no more is left.
            let tall = if TALL == 8 && block + 2 <= lanes { 8 } else { 4 };
            if tall == 8 {
                subtract_strip::<FUSED, 8>(done, &mut rest[..8 * stride], stride, block, block);
            } else {
                subtract_strip::<FUSED, 4>(done, &mut rest[..4 * stride], stride, block, block);
            }
            let (upper, lower) = rest.split_at_mut(LANE * stride);
            let pivots = &mut inverse_pivots[block * LANE..];
            frozen += eliminate::<FUSED>(upper, stride, block, &diagonal[..LANE], &mut pivots[..LANE]);
            if tall == 8 {
                let lower = &mut lower[..LANE * stride];
                subtract_strip::<FUSED, 4>(upper, lower, stride, block + 1, block + 1);
                let pivots = &mut pivots[LANE..2 * LANE];
                frozen += eliminate::<FUSED>(lower, stride, block + 1, &diagonal[LANE..], pivots);
            }
            block += tall / LANE;
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

/// Column `which` of the lane of right-hand sides, after forward substitution.
pub fn forward_solved(matrix: &[Lane], lanes: usize, which: usize, out: &mut [f64]) {
    let stride = lanes + 1;
    for (row, out) in matrix.chunks_exact(stride).zip(out) {
        *out = numbers(&row[lanes..])[which];
    }
}

/// Subtracts the contribution of the rows `done` above from the `TALL` rows of `strip`, from lane
/// `block` to the right.
#[inline(always)]
fn subtract_strip<const FUSED: bool, const TALL: usize>(
    done: &[Lane],
    strip: &mut [Lane],
    stride: usize,
    left: usize,
    from: usize,
) {
    let mut at = from;
    if TALL == 8 {
        while at + 3 <= stride {
            subtract_tile::<FUSED, TALL, 3>(done, strip, stride, left, at);
            at += 3;
        }
    }
    while at + 2 <= stride {
        subtract_tile::<FUSED, TALL, 2>(done, strip, stride, left, at);
        at += 2;
    }
    if at < stride {
        subtract_tile::<FUSED, TALL, 1>(done, strip, stride, left, at);
    }
}

#[inline(always)]
fn subtract_tile<const FUSED: bool, const TALL: usize, const N: usize>(
    done: &[Lane],
    strip: &mut [Lane],
    stride: usize,
    left: usize,
    at: usize,
) {
    let sums = accumulate::<Lane, FUSED, TALL, N>(done, stride, left * LANE, at);
    for (row, sums) in strip.chunks_exact_mut(stride).zip(sums) {
        for (entry, sum) in row[at..at + N].iter_mut().zip(sums) {
            *entry = Lane(std::array::from_fn(|i| entry.0[i] - sum.0[i]));
        }
    }
}

/// Eliminates four rows among themselves, after the contributions of all rows above were
/// subtracted. Returns how many are frozen.
#[inline(always)]
fn eliminate<const FUSED: bool>(
    rows: &mut [Lane],
    stride: usize,
    block: usize,
    diagonal: &[f64],
    inverse_pivots: &mut [f64],
) -> usize {
    let mut frozen = 0;
    for i in 0..LANE {
        let (upper, row) = rows.split_at_mut(i * stride);
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
        inverse_pivots[i] = inverse;
        for entry in row.iter_mut() {
            *entry = Lane(entry.0.map(|x| x * inverse));
        }
    }
    frozen
}
