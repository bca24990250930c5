//! The normal matrix in single precision, for early iterations: the direction need not be exact as long as the residuals
//! are, and those are always formed in double precision. Twice as many entries a register, summed over a few rows only
//! before they are added to the double-precision matrix.

use super::lanes::{LANE, Lane, SingleLane, vectorised};
use super::packed_weights::PackedWeights;
use super::tile::accumulate;

/// Lanes gathered at a time: three quarters of the first-level cache.
const GATHERED: usize = 768;

vectorised! {
    /// As [`super::gram::add_gram`], to single precision. Entries left of the diagonal block may be filled too.
    pub fn add_gram_single(
        weights: &PackedWeights,
        units: &[u32],
        roots: &[f64],
        buffer: &mut Vec<SingleLane>,
        matrix: &mut [Lane],
        stride: usize,
    ) {
        let lanes = weights.lanes;
        let wide = lanes.div_ceil(2);
        let at_once = (GATHERED / wide.max(1)).clamp(16, 64);
        buffer.clear();
        buffer.resize(at_once * wide, SingleLane::ZERO);
        for (units, roots) in units.chunks(at_once).zip(roots.chunks(at_once)) {
            for ((&unit, &root), row) in units.iter().zip(roots).zip(buffer.chunks_exact_mut(wide)) {
                for (entry, pair) in row.iter_mut().zip(weights.unit(unit).chunks(2)) {
                    for (half, w) in entry.0.chunks_exact_mut(LANE).zip(pair) {
                        for (entry, w) in half.iter_mut().zip(w.0) {
                            *entry = (w * root) as f32;
                        }
                    }
                }
            }
            let gathered = &buffer[..units.len() * wide];
            let mut block = 0;
            while block < lanes {
                let target = &mut matrix[block * LANE * stride..];
                if TALL == 8 && block + 2 <= lanes {
                    add_strip::<FUSED, 8>(gathered, wide, block, target, stride);
                    block += 2;
                } else {
                    add_strip::<FUSED, 4>(gathered, wide, block, target, stride);
                    block += 1;
                }
            }
        }
    }
}

/// Adds the products of columns `4·block ..` with themselves and all to their right.
#[inline(always)]
fn add_strip<const FUSED: bool, const TALL: usize>(
    gathered: &[SingleLane],
    wide: usize,
    block: usize,
    target: &mut [Lane],
    stride: usize,
) {
    let mut at = block / 2;
    while at + 3 <= wide {
        add_tile::<FUSED, TALL, 3>(gathered, wide, block, at, target, stride);
        at += 3;
    }
    match wide - at {
        2 => add_tile::<FUSED, TALL, 2>(gathered, wide, block, at, target, stride),
        1 => add_tile::<FUSED, TALL, 1>(gathered, wide, block, at, target, stride),
        _ => {}
    }
}

#[inline(always)]
fn add_tile<const FUSED: bool, const TALL: usize, const N: usize>(
    gathered: &[SingleLane],
    wide: usize,
    block: usize,
    at: usize,
    target: &mut [Lane],
    stride: usize,
) {
    let sums = accumulate::<SingleLane, FUSED, TALL, N>(gathered, wide, block * LANE, at);
    for (row, sums) in target.chunks_exact_mut(stride).zip(sums) {
        // The last wide lane may reach into the lane of right-hand sides, with zeros.
        for (pair, sum) in row[2 * at..].chunks_exact_mut(2).zip(sums) {
            let halves: [[f32; LANE]; 2] = bytemuck::cast(sum.0);
            for (lane, half) in pair.iter_mut().zip(halves) {
                *lane = Lane(std::array::from_fn(|i| lane.0[i] + f64::from(half[i])));
            }
        }
    }
}
