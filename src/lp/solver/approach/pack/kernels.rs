//! The products of a pivot of sixteen problems at once. Every function treats each problem by
//! itself, so that none depends on its neighbours.

use crate::linalg::lanes::{SingleLane, vectorised};
use crate::linalg::single_weights::{LANES, UNITS};
use crate::linalg::wide::Wide;

vectorised! {
    /// `out_u = w_u · d` for all units. `blocks`: [`UNITS`] units side by side, column by column.
    pub fn rates_of_units(blocks: &[[SingleLane; LANES]], d: &[Wide], out: &mut [Wide]) {
        let columns = d.len();
        for (block, out) in blocks.chunks_exact(columns.max(1)).zip(out.chunks_mut(UNITS)) {
            for (tile, out) in out.chunks_mut(TALL).enumerate() {
                let mut sums = [Wide::ZERO; TALL];
                for (weights, d) in block.iter().zip(d) {
                    let weights: &[f32; UNITS] = bytemuck::cast_ref(weights);
                    for (i, sum) in sums.iter_mut().enumerate() {
                        *sum = sum.plus_product::<FUSED>(Wide::splat(weights[tile * TALL + i]), *d);
                    }
                }
                out.copy_from_slice(&sums[..out.len()]);
            }
        }
    }

    /// `out_j = row · B⁻¹ e_j`: the entering row as a combination of the constraints.
    pub fn coordinates(inverse: &[Wide], width: usize, row: &[Wide], out: &mut [Wide]) {
        for (vector, out) in inverse.chunks_exact(width).zip(out) {
            let mut sums = [Wide::ZERO; 4];
            let (vectors, rows) = (vector[..row.len()].chunks_exact(4), row.chunks_exact(4));
            let rest = vectors.remainder().iter().zip(rows.remainder());
            for (vector, row) in vectors.zip(rows) {
                for i in 0..4 {
                    sums[i] = sums[i].plus_product::<FUSED>(vector[i], row[i]);
                }
            }
            for (v, row) in rest {
                sums[0] = sums[0].plus_product::<FUSED>(*v, *row);
            }
            *out = sums[0].plus::<FUSED>(sums[1]).plus::<FUSED>(sums[2].plus::<FUSED>(sums[3]));
        }
    }

    /// `B⁻¹ e_j − c_j·pivot` for every constraint, and the squared lengths over the first
    /// `dimension` entries.
    pub fn exchange(
        inverse: &mut [Wide],
        width: usize,
        dimension: usize,
        pivot: &[Wide],
        coordinates: &[Wide],
        lengths: &mut [Wide],
    ) {
        let (pivot, costs) = pivot.split_at(dimension);
        for ((vector, c), length) in inverse.chunks_exact_mut(width).zip(coordinates).zip(lengths) {
            let factor = Wide::ZERO.minus::<FUSED>(*c);
            let (vector, of_costs) = vector.split_at_mut(dimension);
            let mut sums = [Wide::ZERO; 2];
            let (vectors, last) = vector.as_chunks_mut::<2>();
            let (pivots, last_pivot) = pivot.as_chunks::<2>();
            for (entries, pivots) in vectors.iter_mut().zip(pivots) {
                for i in 0..2 {
                    let new = entries[i].plus_product::<FUSED>(factor, pivots[i]);
                    entries[i] = new;
                    sums[i] = sums[i].plus_product::<FUSED>(new, new);
                }
            }
            for (entry, pivot) in last.iter_mut().zip(last_pivot) {
                let new = entry.plus_product::<FUSED>(factor, *pivot);
                *entry = new;
                sums[0] = sums[0].plus_product::<FUSED>(new, new);
            }
            for (entry, pivot) in of_costs.iter_mut().zip(costs) {
                *entry = entry.plus_product::<FUSED>(factor, *pivot);
            }
            *length = sums[0].plus::<FUSED>(sums[1]);
        }
    }
}
