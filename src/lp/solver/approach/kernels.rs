//! What a pivot does to each lane in the same way, whatever stands in the lanes: sixteen problems,
//! or sixteen rows or constraints of one.

use crate::linalg::lanes::vectorised;
use crate::linalg::wide::{WIDE, Wide};

use super::NONE;

vectorised! {
    /// The constraint that leaves: of those whose multiplier exceeds `least` on a side on which it
    /// may leave (`down`: below 0, `up`: above), the one with the largest fall of the objective per
    /// length of its edge. The last of each `width` values of `vectors` is minus the multiplier.
    /// Returns the squares of that fall, and the places as bits, [`NONE`] where none leaves.
    pub fn choose_leaving(
        vectors: &[Wide],
        width: usize,
        lengths: &[Wide],
        down: &[Wide],
        up: &[Wide],
        least: f32,
    ) -> [Wide; 2] {
        let least = Wide::splat(least);
        let mut most = Wide::ZERO;
        let mut chosen = Wide::of_bits([NONE; WIDE]);
        let sides = lengths.iter().zip(down.iter().zip(up));
        for (j, (vector, (length, (down, up)))) in vectors.chunks_exact(width).zip(sides).enumerate() {
            let rate = vector[width - 1];
            let rising = Wide::ZERO.minus::<FUSED>(rate).times::<FUSED>(*up);
            let fall = rate.times::<FUSED>(*down).or_more::<FUSED>(rising);
            let merit = fall.times::<FUSED>(fall).over::<FUSED>(*length);
            let merit = fall.where_greater::<FUSED>(least, merit, Wide::ZERO);
            let place = Wide::splat(f32::from_bits(j as u32));
            chosen = merit.where_greater::<FUSED>(most, place, chosen);
            most = merit.or_more::<FUSED>(most);
        }
        [most, chosen]
    }

    /// The row of one side that is met first: room over growth, where the growth `side·rate − σ·δ̇`
    /// exceeds `still`, and its number, counted from `first`, as bits. `step` and `met` are those
    /// so far; they change where a row is nearer.
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
}
