//! The products of a pivot of one problem, sixteen constraints or rows at a time. Each entry is
//! what [`super::super::pack::kernels`] makes of it, operation by operation.

use crate::linalg::lanes::{SingleLane, vectorised};
use crate::linalg::single_weights::LANES;
use crate::linalg::wide::Wide;

vectorised! {
    /// `out_u = w_u · d` for all units.
    pub fn rates_of_units(blocks: &[[SingleLane; LANES]], d: &[f32], out: &mut [Wide]) {
        for (block, out) in blocks.chunks_exact(d.len().max(1)).zip(out.chunks_mut(LANES / 2)) {
            let mut sums = [Wide::ZERO; LANES / 2];
            for (weights, d) in block.iter().zip(d) {
                let d = Wide::splat(*d);
                for (sum, weights) in sums.iter_mut().zip(weights.as_chunks::<2>().0) {
                    *sum = sum.plus_product::<FUSED>(bytemuck::cast(*weights), d);
                }
            }
            out.copy_from_slice(&sums[..out.len()]);
        }
    }

    /// The entering row as a combination of the constraints. `inverse`: entry by entry, `blocks`
    /// values for each.
    pub fn coordinates(inverse: &[Wide], blocks: usize, row: &[f32], out: &mut [Wide]) {
        for (block, out) in out.iter_mut().enumerate() {
            let mut sums = [Wide::ZERO; 4];
            let (rows, rest) = row.as_chunks::<4>();
            for (start, row) in rows.iter().enumerate() {
                for i in 0..4 {
                    let entry = inverse[(4 * start + i) * blocks + block];
                    sums[i] = sums[i].plus_product::<FUSED>(entry, Wide::splat(row[i]));
                }
            }
            for (i, row) in rest.iter().enumerate() {
                let entry = inverse[(4 * rows.len() + i) * blocks + block];
                sums[0] = sums[0].plus_product::<FUSED>(entry, Wide::splat(*row));
            }
            *out = sums[0].plus::<FUSED>(sums[1]).plus::<FUSED>(sums[2].plus::<FUSED>(sums[3]));
        }
    }

    /// The exchange, and the squared lengths over the first `dimension` entries.
    pub fn exchange(
        inverse: &mut [Wide],
        blocks: usize,
        dimension: usize,
        pivot: &[f32],
        coordinates: &[Wide],
        lengths: &mut [Wide],
    ) {
        for (block, (c, length)) in coordinates.iter().zip(lengths).enumerate() {
            let factor = Wide::ZERO.minus::<FUSED>(*c);
            let mut sums = [Wide::ZERO; 2];
            for (i, pivot) in pivot.iter().enumerate() {
                let entry = &mut inverse[i * blocks + block];
                let new = entry.plus_product::<FUSED>(factor, Wide::splat(*pivot));
                *entry = new;
                if i < dimension / 2 * 2 {
                    if i % 2 == 0 {
                        sums[0] = sums[0].plus_product::<FUSED>(new, new);
                    } else {
                        sums[1] = sums[1].plus_product::<FUSED>(new, new);
                    }
                } else if i < dimension {
                    sums[0] = sums[0].plus_product::<FUSED>(new, new);
                }
            }
            *length = sums[0].plus::<FUSED>(sums[1]);
        }
    }
}
