//! What a pivot does to sixteen problems at once. Every function treats each problem by itself, so
//! that none depends on its neighbours.

use crate::linalg::lanes::{SingleLane, vectorised};
use crate::linalg::single_weights::{LANES, UNITS};
use crate::linalg::wide::{WIDE, Wide};

use super::super::NONE;

vectorised! {
    /// The constraint that leaves each problem: of those whose multiplier exceeds `least` on a side
    /// on which it may leave (`down`: below 0, `up`: above), the one with the largest fall of the
    /// objective per length of its edge. `costs[j]` is minus the multiplier of constraint `j`.
    pub fn choose_leaving(
        inverse: &[Wide],
        width: usize,
        cost: usize,
        lengths: &[Wide],
        down: &[Wide],
        up: &[Wide],
        least: f32,
        leaving: &mut [u32; WIDE],
    ) {
        let least = Wide::splat(least);
        let mut most = Wide::ZERO;
        let mut chosen = Wide::of_bits([NONE; WIDE]);
        let sides = lengths.iter().zip(down.iter().zip(up));
        for (j, (vector, (length, (down, up)))) in inverse.chunks_exact(width).zip(sides).enumerate() {
            let rate = vector[cost];
            let rising = Wide::ZERO.minus::<FUSED>(rate).times::<FUSED>(*up);
            let fall = rate.times::<FUSED>(*down).or_more::<FUSED>(rising);
            let merit = fall.times::<FUSED>(fall).over::<FUSED>(*length);
            let merit = fall.where_greater::<FUSED>(least, merit, Wide::ZERO);
            let place = Wide::splat(f32::from_bits(j as u32));
            chosen = merit.where_greater::<FUSED>(most, place, chosen);
            most = merit.or_more::<FUSED>(most);
        }
        *leaving = chosen.bits();
    }

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

    /// The row of one side that is met first: room over growth, where the growth `side·rate − σ·δ̇`
    /// exceeds `still`. Rows are numbered from `first`.
    pub fn nearest_row(
        rates: &[Wide],
        rooms: &[Wide],
        slacks: &[Wide],
        side: f32,
        delta_rate: &Wide,
        still: &Wide,
        first: u32,
        step: &mut Wide,
        met: &mut Wide,
    ) {
        let side = Wide::splat(side);
        let (mut shortest, mut chosen) = (*step, *met);
        for (row, ((rate, room), slack)) in rates.iter().zip(rooms).zip(slacks).enumerate() {
            let growth = side.times::<FUSED>(*rate).minus::<FUSED>(slack.times::<FUSED>(*delta_rate));
            let reach = growth.where_greater::<FUSED>(*still, room.over::<FUSED>(growth), Wide::INFINITE);
            let place = Wide::splat(f32::from_bits(first + row as u32));
            chosen = shortest.where_greater::<FUSED>(reach, place, chosen);
            shortest = shortest.where_greater::<FUSED>(reach, reach, shortest);
        }
        (*step, *met) = (shortest, chosen);
    }

    /// The same for bounds `z_i ≥ 0`, along `d`.
    pub fn nearest_bound(d: &[Wide], rooms: &[Wide], still: &Wide, first: u32, step: &mut Wide, met: &mut Wide) {
        let (mut shortest, mut chosen) = (*step, *met);
        for (column, (d, room)) in d.iter().zip(rooms).enumerate() {
            let growth = Wide::ZERO.minus::<FUSED>(*d);
            let reach = growth.where_greater::<FUSED>(*still, room.over::<FUSED>(growth), Wide::INFINITE);
            let place = Wide::splat(f32::from_bits(first + column as u32));
            chosen = shortest.where_greater::<FUSED>(reach, place, chosen);
            shortest = shortest.where_greater::<FUSED>(reach, reach, shortest);
        }
        (*step, *met) = (shortest, chosen);
    }

    /// What the step leaves of the rows' rooms.
    pub fn take_step(rates: &[Wide], rooms: &mut [Wide], slacks: &[Wide], side: f32, delta_rate: &Wide, step: &Wide) {
        let side = Wide::splat(side);
        for ((rate, room), slack) in rates.iter().zip(rooms).zip(slacks) {
            let growth = side.times::<FUSED>(*rate).minus::<FUSED>(slack.times::<FUSED>(*delta_rate));
            *room = room.minus::<FUSED>(step.times::<FUSED>(growth)).or_more::<FUSED>(Wide::ZERO);
        }
    }

    /// The same for the bounds.
    pub fn take_step_of_bounds(d: &[Wide], rooms: &mut [Wide], step: &Wide) {
        for (d, room) in d.iter().zip(rooms) {
            *room = room.plus_product::<FUSED>(*step, *d).or_more::<FUSED>(Wide::ZERO);
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
