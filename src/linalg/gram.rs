//! The normal matrix `Σ_u D_u w_u w_uᵀ` of chosen units, upper triangle.
//!
//! A few dozen rows `√D_u w_u` are gathered into a buffer that stays in the first-level cache, then every tile of the
//! triangle takes them up from registers.

use super::lanes::{LANE, Lane, vectorised};
use super::packed_weights::PackedWeights;
use super::tile::accumulate;

/// Lanes gathered at a time: half of the first-level cache.
const GATHERED: usize = 768;

vectorised! {
    /// Adds `Σ_i roots[i]² w_{units[i]} w_{units[i]}ᵀ` to the upper triangle of `matrix`, whose rows are `stride` lanes apart.
    /// Entries below the diagonal of a block are filled too, others not. Costs `units·columns²` flops.
    pub fn add_gram(
        weights: &PackedWeights,
        units: &[u32],
        roots: &[f64],
        buffer: &mut Vec<Lane>,
        matrix: &mut [Lane],
        stride: usize,
    ) {
        let lanes = weights.lanes;
        let at_once = (GATHERED / lanes.max(1)).clamp(16, 64);
        buffer.resize(at_once * lanes, Lane::ZERO);
        for (units, roots) in units.chunks(at_once).zip(roots.chunks(at_once)) {
            for ((&unit, &root), row) in units.iter().zip(roots).zip(buffer.chunks_exact_mut(lanes)) {
                for (entry, w) in row.iter_mut().zip(weights.unit(unit)) {
                    *entry = Lane(w.0.map(|w| w * root));
                }
            }
            let gathered = &buffer[..units.len() * lanes];
            let mut block = 0;
            while block < lanes {
                let target = &mut matrix[block * LANE * stride..];
                if TALL == 8 && block + 2 <= lanes {
                    add_strip::<FUSED, 8>(gathered, lanes, block, target, stride);
                    block += 2;
                } else {
                    add_strip::<FUSED, 4>(gathered, lanes, block, target, stride);
                    block += 1;
                }
            }
        }
    }
}

/// Adds the products of columns `4·block ..` with themselves and all to their right.
#[inline(always)]
fn add_strip<const FUSED: bool, const TALL: usize>(
    gathered: &[Lane],
    lanes: usize,
    block: usize,
    target: &mut [Lane],
    stride: usize,
) {
    let mut at = block;
    while at + 3 <= lanes {
        add_tile::<FUSED, TALL, 3>(gathered, lanes, block, at, target, stride);
        at += 3;
    }
    match lanes - at {
        2 => add_tile::<FUSED, TALL, 2>(gathered, lanes, block, at, target, stride),
        1 => add_tile::<FUSED, TALL, 1>(gathered, lanes, block, at, target, stride),
        _ => {}
    }
}

#[inline(always)]
fn add_tile<const FUSED: bool, const TALL: usize, const N: usize>(
    gathered: &[Lane],
    lanes: usize,
    block: usize,
    at: usize,
    target: &mut [Lane],
    stride: usize,
) {
    let sums = accumulate::<Lane, FUSED, TALL, N>(gathered, lanes, block * LANE, at);
    for (row, sums) in target.chunks_exact_mut(stride).zip(sums) {
        for (entry, sum) in row[at..at + N].iter_mut().zip(sums) {
            *entry = Lane(std::array::from_fn(|i| entry.0[i] + sum.0[i]));
        }
    }
}
