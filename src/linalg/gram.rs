//! The normal matrix `Σ_u D_u w_u w_uᵀ` of chosen units, upper triangle.
//!
//! A few dozen rows `√D_u w_u` are gathered into a buffer that stays in the first-level cache, then
//! every tile of the triangle adds their products in registers.
//!
//! In single precision a register holds twice as many entries; they are summed over a few rows only
//! before they are added to the double-precision matrix. That is for early iterations: the
//! direction need not be exact as long as the residuals are, and those are always formed in double
//! precision.

use super::lanes::{LANE, Lane, SingleLane, vectorised};
use super::packed_weights::PackedWeights;
use super::tile::{Register, accumulate};

/// Registers gathered at a time: half to three quarters of the first-level cache.
const GATHERED: usize = 768;

vectorised! {
    /// Adds `Σ_i roots[i]² w_{units[i]} w_{units[i]}ᵀ` to the upper triangle of `matrix`, whose
    /// rows are `stride` lanes apart. Below the diagonal, only the entries of diagonal blocks are
    /// written. Costs `units·columns²` flops.
    pub fn add_gram(
        weights: &PackedWeights,
        units: &[u32],
        roots: &[f64],
        buffer: &mut Vec<Lane>,
        matrix: &mut [Lane],
        stride: usize,
    ) {
        add::<Lane, FUSED, TALL>(weights, units, roots, buffer, matrix, stride);
    }

    /// As [`add_gram`], in single precision. `stride` is larger than the lanes of a row: the last
    /// register may reach into the next lane, with zeros.
    pub fn add_gram_single(
        weights: &PackedWeights,
        units: &[u32],
        roots: &[f64],
        buffer: &mut Vec<SingleLane>,
        matrix: &mut [Lane],
        stride: usize,
    ) {
        add::<SingleLane, FUSED, TALL>(weights, units, roots, buffer, matrix, stride);
    }
}

#[inline(always)]
fn add<R: Register, const FUSED: bool, const TALL: usize>(
    weights: &PackedWeights,
    units: &[u32],
    roots: &[f64],
    buffer: &mut Vec<R>,
    matrix: &mut [Lane],
    stride: usize,
) {
    let lanes = weights.lanes;
    let width = lanes.div_ceil(R::LANES);
    let at_once = (GATHERED / width.max(1)).clamp(16, 64);
    buffer.resize(at_once * width, R::ZERO);
    for (units, roots) in units.chunks(at_once).zip(roots.chunks(at_once)) {
        for ((&unit, &root), row) in units.iter().zip(roots).zip(buffer.chunks_exact_mut(width)) {
            for (register, lanes) in row.iter_mut().zip(weights.unit(unit).chunks(R::LANES)) {
                *register = R::scaled(lanes, root);
            }
        }
        let gathered = &buffer[..units.len() * width];
        let mut block = 0;
        while block < lanes {
            let target = &mut matrix[block * LANE * stride..];
            if TALL == 8 && block + 2 <= lanes {
                add_strip::<R, FUSED, 8>(gathered, width, block, target, stride);
                block += 2;
            } else {
                add_strip::<R, FUSED, 4>(gathered, width, block, target, stride);
                block += 1;
            }
        }
    }
}

/// Adds the products of columns `4·block ..` with themselves and with all columns to their right.
#[inline(always)]
fn add_strip<R: Register, const FUSED: bool, const TALL: usize>(
    gathered: &[R],
    width: usize,
    block: usize,
    target: &mut [Lane],
    stride: usize,
) {
    let mut at = block / R::LANES;
    if TALL == 8 {
        while at + 3 <= width {
            add_tile::<R, FUSED, TALL, 3>(gathered, width, block, at, target, stride);
            at += 3;
        }
    }
    while at + 2 <= width {
        add_tile::<R, FUSED, TALL, 2>(gathered, width, block, at, target, stride);
        at += 2;
    }
    if at < width {
        add_tile::<R, FUSED, TALL, 1>(gathered, width, block, at, target, stride);
    }
}

#[inline(always)]
fn add_tile<R: Register, const FUSED: bool, const TALL: usize, const N: usize>(
    gathered: &[R],
    width: usize,
    block: usize,
    at: usize,
    target: &mut [Lane],
    stride: usize,
) {
    let sums = accumulate::<R, FUSED, TALL, N>(gathered, width, block * LANE, at);
    for (row, sums) in target.chunks_exact_mut(stride).zip(sums) {
        R::add_to(sums, &mut row[R::LANES * at..]);
    }
}

#[cfg(test)]
mod tests {
    use nalgebra::DMatrix;

    use super::*;
    use crate::linalg::lanes::numbers;
    use crate::random::{Domain, normal_vector};

    /// The largest difference between the upper triangle and the definition, in units of the
    /// largest entry. The workspace still has the numbers of a larger problem.
    fn largest_difference<R: Register>(
        columns: usize,
        add: impl Fn(&PackedWeights, &[u32], &[f64], &mut Vec<R>, &mut [Lane], usize),
    ) -> f64 {
        let count = 150;
        let weight = DMatrix::from_vec(columns, count, normal_vector(7, Domain::Network, 0, columns * count));
        let weights = PackedWeights::new(weight.as_slice(), columns);
        let units: Vec<u32> = (0..count as u32).filter(|unit| unit % 4 != 1).collect();
        let roots: Vec<f64> = units.iter().map(|unit| 0.5 + f64::from(unit % 7)).collect();
        let stride = weights.lanes + 1;
        let mut matrix = vec![Lane::ZERO; weights.lanes * LANE * stride];
        let mut stale = vec![R::scaled(&[Lane::splat(1e3); 2][..R::LANES], 1.0); 2000];
        add(&weights, &units, &roots, &mut stale, &mut matrix, stride);
        let mut expected = DMatrix::zeros(columns, columns);
        for (&unit, root) in units.iter().zip(&roots) {
            let w = weight.column(unit as usize) * (root / weights.scale);
            expected += &w * w.transpose();
        }
        let row = |i: usize| &numbers(&matrix)[i * stride * LANE..(i + 1) * stride * LANE];
        let right_hand_sides = (0..columns).flat_map(|i| row(i)[weights.lanes * LANE..].iter().copied());
        assert!(right_hand_sides.into_iter().all(|entry| entry == 0.0));
        let pairs = (0..columns).flat_map(|i| (i..columns).map(move |j| (i, j)));
        let most = pairs.fold(0.0f64, |most, (i, j)| most.max((row(i)[j] - expected[(i, j)]).abs()));
        most / expected.amax()
    }

    #[test]
    fn both_precisions_are_the_sum_of_the_definition() {
        for columns in [1, 3, 4, 5, 8, 11, 13, 20, 33, 60] {
            assert!(largest_difference(columns, add_gram) < 1e-14, "{columns} columns");
            let single = largest_difference(columns, add_gram_single);
            assert!(single < 1e-5, "{columns} columns: {single}");
        }
    }
}
