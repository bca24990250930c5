//! The products of a step: a layer's pre-activations, the chain of weights that forms the
//! Jacobian, and the normal matrix. Each reads only nonzero entries.

use crate::linalg::lanes::{LANE, Lane, numbers, vectorised};
use crate::linalg::tile::accumulate;

/// Lanes of pre-activations that are summed in registers at the same time.
const AT_ONCE: usize = 8;

vectorised! {
    /// `out = bias + Σ_i values[i] · column_{active[i]}`. `columns`: columns of `out.len()` lanes.
    /// Costs `2·units·active` flops.
    pub fn weighted_columns(columns: &[Lane], active: &[u32], values: &[f64], bias: &[Lane], out: &mut [Lane]) {
        let lanes = out.len();
        let whole = lanes / AT_ONCE * AT_ONCE;
        for at in (0..whole).step_by(AT_ONCE) {
            let mut sums: [Lane; AT_ONCE] = std::array::from_fn(|i| bias[at + i]);
            for (&column, &value) in active.iter().zip(values) {
                let from = column as usize * lanes + at;
                let Some(column) = columns.get(from..from + AT_ONCE) else { return };
                let value = Lane::splat(value);
                for (sum, &w) in sums.iter_mut().zip(column) {
                    *sum = sum.plus_product::<FUSED>(w, value);
                }
            }
            out[at..at + AT_ONCE].copy_from_slice(&sums);
        }
        for at in whole..lanes {
            let mut sum = bias[at];
            for (&column, &value) in active.iter().zip(values) {
                sum = sum.plus_product::<FUSED>(columns[column as usize * lanes + at], Lane::splat(value));
            }
            out[at] = sum;
        }
    }

    /// Row `r` of `out` becomes `factors[r] · Σ_i W[wanted[r], active[i]] · inner_i`, its first
    /// `lanes` lanes. `weights`: rows of `input_lanes` lanes; `inner`: rows of `lanes` lanes, one
    /// for each of `active`; `out`: rows of `stride` lanes. Costs `2·wanted·active·columns` flops.
    pub fn chained_rows(
        weights: &[Lane],
        input_lanes: usize,
        wanted: &[u32],
        factors: &[f64],
        active: &[u32],
        inner: &[Lane],
        lanes: usize,
        out: &mut [Lane],
        stride: usize,
    ) {
        for (place, wanted) in wanted.chunks(4).enumerate() {
            // The last chunk repeats a row if it has fewer than four.
            let row = |i: usize| {
                let unit = wanted[i.min(wanted.len() - 1)] as usize;
                numbers(&weights[unit * input_lanes..(unit + 1) * input_lanes])
            };
            let rows: [&[f64]; 4] = std::array::from_fn(row);
            let factors = &factors[4 * place..][..wanted.len()];
            let out = &mut out[4 * place * stride..];
            let mut at = 0;
            if TALL == 8 {
                while at + 5 <= lanes {
                    chain_tile::<FUSED, 5>(rows, factors, active, inner, lanes, at, out, stride);
                    at += 5;
                }
            }
            while at + 3 <= lanes {
                chain_tile::<FUSED, 3>(rows, factors, active, inner, lanes, at, out, stride);
                at += 3;
            }
            while at < lanes {
                chain_tile::<FUSED, 1>(rows, factors, active, inner, lanes, at, out, stride);
                at += 1;
            }
        }
    }

    /// The upper triangle of `Σ x xᵀ` over rows `x` of `lanes + 1` lanes, in rows of `lanes + 1`
    /// lanes: `JᵀJ`, and in the last lane `Jᵀ` times the last lane of the rows. Costs
    /// `rows·columns²` flops.
    pub fn normal_matrix(rows: &[Lane], lanes: usize, matrix: &mut [Lane]) {
        let width = lanes + 1;
        let mut block = 0;
        while block < lanes {
            let target = &mut matrix[block * LANE * width..];
            if TALL == 8 && block + 2 <= lanes {
                normal_strip::<FUSED, 8>(rows, width, block, target);
                block += 2;
            } else {
                normal_strip::<FUSED, 4>(rows, width, block, target);
                block += 1;
            }
        }
    }

    /// The last lane of [`normal_matrix`] alone: `Jᵀ` times the last lane's first number. The same
    /// sums in the same order.
    pub fn gradient_column(rows: &[Lane], lanes: usize, matrix: &mut [Lane]) {
        let width = lanes + 1;
        for at in (0..lanes).step_by(AT_ONCE) {
            let count = AT_ONCE.min(lanes - at);
            let mut sums = [Lane::ZERO; AT_ONCE];
            for row in rows.chunks_exact(width) {
                let last = Lane::splat(row[lanes].0[0]);
                for (sum, entry) in sums.iter_mut().zip(&row[at..at + count]) {
                    *sum = sum.plus_product::<FUSED>(*entry, last);
                }
            }
            let targets = matrix[at * LANE * width..].chunks_exact_mut(width);
            targets.zip(numbers(&sums[..count])).for_each(|(row, sum)| row[lanes].0[0] = *sum);
        }
    }
}

#[allow(clippy::too_many_arguments, reason = "a tile of the product above")]
#[inline(always)]
fn chain_tile<const FUSED: bool, const N: usize>(
    rows: [&[f64]; 4],
    factors: &[f64],
    active: &[u32],
    inner: &[Lane],
    lanes: usize,
    at: usize,
    out: &mut [Lane],
    stride: usize,
) {
    let mut sums = [[Lane::ZERO; N]; 4];
    for (&input, inner) in active.iter().zip(inner.chunks_exact(lanes)) {
        let input = input as usize;
        let Some(inner) = inner.get(at..at + N) else { return };
        let inner: [Lane; N] = std::array::from_fn(|j| inner[j]);
        for i in 0..4 {
            let w = Lane::splat(rows[i][input]);
            for j in 0..N {
                sums[i][j] = sums[i][j].plus_product::<FUSED>(inner[j], w);
            }
        }
    }
    for ((row, sums), &factor) in out.chunks_mut(stride).zip(sums).zip(factors) {
        for (entry, sum) in row[at..at + N].iter_mut().zip(sums) {
            *entry = Lane(sum.0.map(|x| x * factor));
        }
    }
}

#[inline(always)]
fn normal_strip<const FUSED: bool, const TALL: usize>(rows: &[Lane], width: usize, block: usize, target: &mut [Lane]) {
    let mut at = block;
    while at + 3 <= width {
        normal_tile::<FUSED, TALL, 3>(rows, width, block, at, target);
        at += 3;
    }
    match width - at {
        2 => normal_tile::<FUSED, TALL, 2>(rows, width, block, at, target),
        1 => normal_tile::<FUSED, TALL, 1>(rows, width, block, at, target),
        _ => {}
    }
}

#[inline(always)]
fn normal_tile<const FUSED: bool, const TALL: usize, const N: usize>(
    rows: &[Lane],
    width: usize,
    block: usize,
    at: usize,
    target: &mut [Lane],
) {
    let sums = accumulate::<Lane, FUSED, TALL, N>(rows, width, block * LANE, at);
    for (row, sums) in target.chunks_exact_mut(width).zip(sums) {
        row[at..at + N].copy_from_slice(&sums);
    }
}
