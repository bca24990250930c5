//! What a pivot does to one problem: sixteen constraints, or rows, at a time. Each entry is what
//! [`super::super::pack::kernels`] makes of it, operation by operation.

use crate::linalg::lanes::{SingleLane, vectorised};
use crate::linalg::single_weights::LANES;
use crate::linalg::wide::{WIDE, Wide};

use super::super::NONE;

vectorised! {
    /// The constraint that leaves, as `pack::kernels::choose_leaving`. `costs[j]` is minus the
    /// multiplier of constraint `j`.
    pub fn choose_leaving(costs: &[Wide], lengths: &[Wide], down: &[Wide], up: &[Wide], least: f32) -> u32 {
        let least = Wide::splat(least);
        let mut most = Wide::ZERO;
        let mut chosen = Wide::of_bits([NONE; WIDE]);
        let sides = lengths.iter().zip(down.iter().zip(up));
        for (block, (rate, (length, (down, up)))) in costs.iter().zip(sides).enumerate() {
            let rising = Wide::ZERO.minus::<FUSED>(*rate).times::<FUSED>(*up);
            let fall = rate.times::<FUSED>(*down).or_more::<FUSED>(rising);
            let merit = fall.times::<FUSED>(fall).over::<FUSED>(*length);
            let merit = fall.where_greater::<FUSED>(least, merit, Wide::ZERO);
            let place = Wide::splat(f32::from_bits(block as u32));
            chosen = merit.where_greater::<FUSED>(most, place, chosen);
            most = merit.or_more::<FUSED>(most);
        }
        let mut best = (0.0, NONE);
        for (lane, (merit, block)) in most.0.into_iter().zip(chosen.bits()).enumerate() {
            if block != NONE {
                let place = block * WIDE as u32 + lane as u32;
                if merit > best.0 || merit == best.0 && place < best.1 {
                    best = (merit, place);
                }
            }
        }
        best.1
    }

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

    /// The row of one side that is met first, as `pack::kernels::nearest_row`: its step and its
    /// number from 0, if it is nearer than `step`.
    pub fn nearest_row(
        rates: &[Wide],
        rooms: &[Wide],
        slacks: &[Wide],
        side: f32,
        delta_rate: f32,
        still: f32,
        step: f32,
    ) -> (f32, u32) {
        let (side, delta_rate, still) = (Wide::splat(side), Wide::splat(delta_rate), Wide::splat(still));
        let (mut shortest, mut chosen) = (Wide::splat(step), Wide::of_bits([NONE; WIDE]));
        for (block, ((rate, room), slack)) in rates.iter().zip(rooms).zip(slacks).enumerate() {
            let growth = side.times::<FUSED>(*rate).minus::<FUSED>(slack.times::<FUSED>(delta_rate));
            let reach = growth.where_greater::<FUSED>(still, room.over::<FUSED>(growth), Wide::INFINITE);
            let place = Wide::splat(f32::from_bits(block as u32));
            chosen = shortest.where_greater::<FUSED>(reach, place, chosen);
            shortest = shortest.where_greater::<FUSED>(reach, reach, shortest);
        }
        first_of(shortest, chosen)
    }

    /// The same for bounds, along `d`.
    pub fn nearest_bound(d: &[Wide], rooms: &[Wide], still: f32, step: f32) -> (f32, u32) {
        let still = Wide::splat(still);
        let (mut shortest, mut chosen) = (Wide::splat(step), Wide::of_bits([NONE; WIDE]));
        for (block, (d, room)) in d.iter().zip(rooms).enumerate() {
            let growth = Wide::ZERO.minus::<FUSED>(*d);
            let reach = growth.where_greater::<FUSED>(still, room.over::<FUSED>(growth), Wide::INFINITE);
            let place = Wide::splat(f32::from_bits(block as u32));
            chosen = shortest.where_greater::<FUSED>(reach, place, chosen);
            shortest = shortest.where_greater::<FUSED>(reach, reach, shortest);
        }
        first_of(shortest, chosen)
    }

    /// What the step leaves of the rows' rooms.
    pub fn take_step(rates: &[Wide], rooms: &mut [Wide], slacks: &[Wide], side: f32, delta_rate: f32, step: f32) {
        let (side, delta_rate, step) = (Wide::splat(side), Wide::splat(delta_rate), Wide::splat(step));
        for ((rate, room), slack) in rates.iter().zip(rooms).zip(slacks) {
            let growth = side.times::<FUSED>(*rate).minus::<FUSED>(slack.times::<FUSED>(delta_rate));
            *room = room.minus::<FUSED>(step.times::<FUSED>(growth)).or_more::<FUSED>(Wide::ZERO);
        }
    }

    /// The same for the bounds.
    pub fn take_step_of_bounds(d: &[Wide], rooms: &mut [Wide], step: f32) {
        let step = Wide::splat(step);
        for (d, room) in d.iter().zip(rooms) {
            *room = room.plus_product::<FUSED>(step, *d).or_more::<FUSED>(Wide::ZERO);
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

/// The shortest of sixteen steps, of several the one that comes first.
#[inline(always)]
fn first_of(shortest: Wide, blocks: Wide) -> (f32, u32) {
    let mut first = (f32::INFINITY, NONE);
    for (lane, (reach, block)) in shortest.0.into_iter().zip(blocks.bits()).enumerate() {
        if block != NONE {
            let place = block * WIDE as u32 + lane as u32;
            if reach < first.0 || reach == first.0 && place < first.1 {
                first = (reach, place);
            }
        }
    }
    first
}
