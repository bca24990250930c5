//! The products of a step: a layer's pre-activations, the chain of weights that forms the
//! Jacobian, and the normal matrix. Each reads only nonzero entries.

#[cfg(target_arch = "x86_64")]
use crate::cpu::blocked::vector::{Number, Vector};
#[cfg(target_arch = "x86_64")]
use crate::linalg::lanes::numbers_mut;
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
        let mut done = 0;
        #[cfg(target_arch = "x86_64")]
        if TALL == 8 {
            for (place, wanted) in wanted.chunks_exact(8).enumerate() {
                let row = |unit: u32| numbers(&weights[unit as usize * input_lanes..][..input_lanes]);
                let rows: [&[f64]; 8] = std::array::from_fn(|i| row(wanted[i]));
                let (factors, out) = (&factors[8 * place..][..8], &mut out[8 * place * stride..]);
                wide_rows(rows, factors, active, inner, lanes, out, stride);
                done += 8;
            }
        }
        let (factors, out) = (&factors[done..], &mut out[done * stride..]);
        for (place, wanted) in wanted[done..].chunks(4).enumerate() {
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

/// Eight rows of [`chained_rows`], in registers of 512 bits: the same sums in the same order. Only
/// in functions compiled for them.
#[cfg(target_arch = "x86_64")]
#[inline(always)]
fn wide_rows(
    rows: [&[f64]; 8],
    factors: &[f64],
    active: &[u32],
    inner: &[Lane],
    lanes: usize,
    out: &mut [Lane],
    stride: usize,
) {
    let (inner, out, stride) = (numbers(inner), numbers_mut(out), stride * LANE);
    let width = lanes * LANE;
    let mut at = 0;
    while at < width {
        let out = &mut out[at..];
        let inner = (inner, width, at);
        at += LANE
            * match lanes - at / LANE {
                0 => return,
                1 => wide_tile::<0, 1>(rows, factors, active, inner, out, stride),
                2 => wide_tile::<1, 0>(rows, factors, active, inner, out, stride),
                3 => wide_tile::<1, 1>(rows, factors, active, inner, out, stride),
                4 => wide_tile::<2, 0>(rows, factors, active, inner, out, stride),
                5 => wide_tile::<2, 1>(rows, factors, active, inner, out, stride),
                _ => wide_tile::<3, 0>(rows, factors, active, inner, out, stride),
            };
    }
}

/// `WIDE` registers of 512 bits and `SINGLE` lanes of eight rows. Returns the number of lanes.
#[cfg(target_arch = "x86_64")]
#[inline(always)]
fn wide_tile<const WIDE: usize, const SINGLE: usize>(
    rows: [&[f64]; 8],
    factors: &[f64],
    active: &[u32],
    (inner, width, at): (&[f64], usize, usize),
    out: &mut [f64],
    stride: usize,
) -> usize {
    type Wide = <f64 as Number>::Avx512;
    type Single = <f64 as Number>::Avx2;
    let mut wide = [[Wide::splat(0.0); WIDE]; 8];
    let mut single = [[Single::splat(0.0); SINGLE]; 8];
    for (&input, inner) in active.iter().zip(inner.chunks_exact(width)) {
        let input = input as usize;
        let Some(inner) = inner.get(at..at + 2 * LANE * WIDE + LANE * SINGLE) else { return 2 * WIDE + SINGLE };
        let (firsts, lasts) = inner.split_at(2 * LANE * WIDE);
        let firsts: [Wide; WIDE] = std::array::from_fn(|j| Wide::load(&firsts[2 * LANE * j..]));
        let lasts: [Single; SINGLE] = std::array::from_fn(|j| Single::load(&lasts[LANE * j..]));
        for i in 0..8 {
            let w = Wide::splat(rows[i][input]);
            for j in 0..WIDE {
                wide[i][j] = wide[i][j].plus_product(firsts[j], w);
            }
            let w = Single::splat(rows[i][input]);
            for j in 0..SINGLE {
                single[i][j] = single[i][j].plus_product(lasts[j], w);
            }
        }
    }
    for (i, (row, &factor)) in out.chunks_mut(stride).zip(factors).enumerate() {
        let (firsts, lasts) = row.split_at_mut(2 * LANE * WIDE);
        for (entries, sum) in firsts.chunks_exact_mut(2 * LANE).zip(wide[i]) {
            sum.times(Wide::splat(factor)).store(entries);
        }
        for (entries, sum) in lasts.chunks_exact_mut(LANE).zip(single[i]) {
            sum.times(Single::splat(factor)).store(entries);
        }
    }
    2 * WIDE + SINGLE
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::linalg::lanes::{lanes_for, numbers_mut};
    use crate::random::{Domain, uniform_vector};

    /// Against plain sums, for every width of a tile and numbers of rows that are no multiple of
    /// its height.
    #[test]
    fn a_chain_is_the_product_of_the_chosen_rows() {
        for (number, (inputs, units)) in [(1, 1), (40, 7), (13, 8), (60, 21), (7, 0)].into_iter().enumerate() {
            for columns in [1, 5, 9, 13, 20, 24, 29, 51] {
                let numbers_of = |part: u64, length: usize| -> Vec<f64> {
                    uniform_vector(number as u64, Domain::Check, part, length).iter().map(|u| u - 0.5).collect()
                };
                let (width, input_lanes) = (lanes_for(columns), lanes_for(2 * inputs));
                let stride = width + 1;
                let factors = numbers_of(1, units);
                // Every second input, and the rows backwards.
                let active: Vec<u32> = (0..inputs as u32).map(|input| 2 * input + 1).collect();
                let wanted: Vec<u32> = (0..units as u32).rev().collect();
                let mut weights = vec![Lane::ZERO; units * input_lanes];
                let length = numbers(&weights).len();
                numbers_mut(&mut weights).copy_from_slice(&numbers_of(2, length));
                let mut inner = vec![Lane::ZERO; inputs * width];
                let length = numbers(&inner).len();
                numbers_mut(&mut inner).copy_from_slice(&numbers_of(3, length));
                let mut out = vec![Lane::splat(9.0); units * stride];
                chained_rows(&weights, input_lanes, &wanted, &factors, &active, &inner, width, &mut out, stride);
                for (place, unit) in wanted.iter().enumerate() {
                    for column in 0..columns {
                        let term = |(at, input): (usize, &u32)| {
                            numbers(&weights)[*unit as usize * input_lanes * LANE + *input as usize]
                                * numbers(&inner)[at * width * LANE + column]
                        };
                        let sum: f64 = active.iter().enumerate().map(term).sum();
                        let found = numbers(&out)[place * stride * LANE + column];
                        let error = (found - factors[place] * sum).abs();
                        assert!(error < 1e-14 * inputs as f64, "{inputs} {units} {columns}: {error}");
                    }
                    // The lane beside a row is left alone.
                    assert_eq!(out[place * stride + width], Lane::splat(9.0));
                }
            }
        }
    }
}
