//! One problem by itself: the same pivots as in a pack, number by number, with the registers
//! across its rows and constraints.

mod kernels;

use super::codes::{Codes, Constraint, MADE_UP};
use super::kernels::{choose_leaving, nearest_bound, nearest_row, take_step, take_step_of_bounds};
use super::patience::Patience;
use super::start::{SIDES, Start};
use super::{AGREE, LEAST, NONE, STILL};
use crate::linalg::lanes::{SingleLane, numbers};
use crate::linalg::packed_weights::PackedWeights;
use crate::linalg::single_weights::{LANES, UNITS};
use crate::linalg::wide::{WIDE, Wide};
use crate::lp::problem::LayerSystem;
use kernels::{coordinates, exchange, rates_of_units};

/// Workspace.
#[derive(Debug, Default)]
pub struct Alone {
    codes: Codes,
    /// Entries of a vector of the inverse: `z`, `δ`, and the objective along it where that is not
    /// `δ` itself.
    width: usize,
    /// Sixteen units, or constraints, at a time.
    unit_blocks: usize,
    blocks: usize,
    rooms: Vec<Wide>,
    slacks: Vec<Wide>,
    bounds: Vec<Wide>,
    delta: f32,
    /// Entry by entry; the constraints stand side by side.
    inverse: Vec<Wide>,
    lengths: Vec<Wide>,
    down: Vec<Wide>,
    up: Vec<Wide>,
    constraints: Vec<u32>,
    rates: Vec<Wide>,
    direction: Vec<Wide>,
    entering: Vec<f32>,
    coordinates: Vec<Wide>,
    loosened: bool,
    gathered: Vec<[SingleLane; LANES]>,
}

impl Alone {
    /// The constraints of the vertex at which the pivots end, `None` where they fail, and the
    /// number of pivots.
    pub fn solve(&mut self, system: &LayerSystem, start: &Start) -> (Option<(&Codes, &[u32])>, u32) {
        let weights = system.packed();
        self.load(start, weights);
        let all = system.single().blocks();
        let mut gathered = std::mem::take(&mut self.gathered);
        if start.is_reduced {
            gather(all, weights.columns, &start.units, &mut gathered);
        }
        let (ended, pivots) = self.pivot_on(weights, if start.is_reduced { &gathered } else { all }, start);
        self.gathered = gathered;
        (ended.then_some((&self.codes, self.constraints.as_slice())), pivots)
    }

    fn pivot_on(&mut self, weights: &PackedWeights, blocks: &[[SingleLane; LANES]], start: &Start) -> (bool, u32) {
        let mut patience = Patience::new(self.codes.columns);
        loop {
            let costs = &self.inverse[(self.width - 1) * self.blocks..];
            let [falls, places] = choose_leaving(costs, 1, &self.lengths, &self.down, &self.up, LEAST);
            let Some((_, leaving)) = first_of(falls, places, |fall, most| fall > most) else {
                return (!self.loosened, patience.pivots);
            };
            let Some(step) = self.pivot(weights, blocks, start, leaving) else {
                return (false, patience.pivots);
            };
            if !patience.lasts(step) {
                return (false, patience.pivots);
            }
        }
    }

    fn load(&mut self, start: &Start, weights: &PackedWeights) {
        let (columns, units) = (weights.columns, start.units.len());
        self.codes = Codes { columns, units, slots: start.slots };
        let (dimension, has_gradient) = (columns + 1, !start.gradient.is_empty());
        self.width = dimension + usize::from(has_gradient);
        (self.unit_blocks, self.blocks) = (units.div_ceil(WIDE), dimension.div_ceil(WIDE));
        let fill = |numbers: &mut Vec<Wide>, count: usize, value: f32| {
            numbers.clear();
            numbers.resize(count, Wide::splat(value));
        };
        fill(&mut self.rooms, start.slots * self.unit_blocks, f32::INFINITY);
        fill(&mut self.slacks, start.slots * self.unit_blocks, 1.0);
        fill(&mut self.bounds, columns.div_ceil(WIDE), f32::INFINITY);
        fill(&mut self.inverse, self.width * self.blocks, 0.0);
        fill(&mut self.lengths, self.blocks, 1.0);
        fill(&mut self.down, self.blocks, 0.0);
        fill(&mut self.up, self.blocks, 0.0);
        fill(&mut self.rates, self.unit_blocks, 0.0);
        fill(&mut self.direction, self.width.div_ceil(WIDE), 0.0);
        fill(&mut self.coordinates, self.blocks, 0.0);
        self.entering.clear();
        self.entering.resize(dimension, 0.0);
        self.constraints.clear();
        self.constraints.resize(dimension, MADE_UP);
        for slot in 0..start.slots {
            let (from, to) = (slot * units..(slot + 1) * units, slot * self.unit_blocks..);
            entries_mut(&mut self.rooms[to.clone()])[..units].copy_from_slice(&start.rooms[from.clone()]);
            entries_mut(&mut self.slacks[to])[..units].copy_from_slice(&start.slacks[from]);
        }
        entries_mut(&mut self.bounds)[..columns].copy_from_slice(&start.bounds);
        let (first, side, slack) = match start.worst {
            Some(row) => {
                *self.room_of(row as u32) = f32::INFINITY;
                self.delta = start.delta;
                (row as u32, SIDES[row / units], start.slacks[row])
            }
            None => {
                self.delta = f32::INFINITY;
                (self.codes.of_delta(), 0.0, 1.0)
            }
        };
        let is_loosened = start.worst.is_some();
        self.loosened = has_gradient && is_loosened;
        let stride = self.blocks * WIDE;
        let inverse = entries_mut(&mut self.inverse);
        let first_weights = match start.worst {
            Some(row) => numbers(weights.unit(start.units[row % units])),
            None => &[],
        };
        for j in 0..columns {
            let along = if start.at_bound[j] { -1.0 } else { 1.0 };
            let of_delta = along * (side * first_weights.get(j).copied().unwrap_or(0.0)) as f32 / slack;
            inverse[j * stride + j] = along;
            inverse[columns * stride + j] = of_delta;
            if has_gradient {
                inverse[dimension * stride + j] = if is_loosened { of_delta } else { along * start.gradient[j] };
            }
            entries_mut(&mut self.lengths)[j] = 1.0 + of_delta * of_delta;
            entries_mut(&mut self.down)[j] = 1.0;
            entries_mut(&mut self.up)[j] = if start.at_bound[j] { 0.0 } else { 1.0 };
            self.constraints[j] = if start.at_bound[j] { self.codes.of_bound(j) } else { MADE_UP };
        }
        inverse[columns * stride + columns] = -1.0 / slack;
        if has_gradient {
            inverse[dimension * stride + columns] = if is_loosened { -1.0 / slack } else { 0.0 };
        }
        entries_mut(&mut self.lengths)[columns] = 1.0 / (slack * slack);
        entries_mut(&mut self.down)[columns] = if !has_gradient || is_loosened { 1.0 } else { 0.0 };
        self.constraints[columns] = first;
    }

    /// One pivot; its step, or `None` where nothing is met or the pivot is lost.
    fn pivot(
        &mut self,
        weights: &PackedWeights,
        blocks: &[[SingleLane; LANES]],
        start: &Start,
        place: usize,
    ) -> Option<f32> {
        let (columns, width, stride) = (self.codes.columns, self.width, self.blocks * WIDE);
        let inverse: &[f32] = bytemuck::cast_slice(&self.inverse);
        let sign = if inverse[(width - 1) * stride + place] > 0.0 { -1.0 } else { 1.0 };
        let lengths: &[f32] = bytemuck::cast_slice(&self.lengths);
        let still = STILL * lengths[place].sqrt();
        let direction = entries_mut(&mut self.direction);
        for (i, d) in direction[..width].iter_mut().enumerate() {
            *d = sign * inverse[i * stride + place];
        }
        let delta_rate = direction[columns];
        rates_of_units(blocks, &direction[..columns], &mut self.rates);
        let (wide_delta_rate, wide_still) = (Wide::splat(delta_rate), Wide::splat(still));
        let mut nearest = (f32::INFINITY, NONE);
        let shorter = |step: f32, least: f32| step < least;
        for (slot, side) in SIDES.into_iter().enumerate().take(self.codes.slots) {
            let range = slot * self.unit_blocks..(slot + 1) * self.unit_blocks;
            let (rooms, slacks) = (&self.rooms[range.clone()], &self.slacks[range]);
            let (mut step, mut met) = (Wide::splat(nearest.0), Wide::of_bits([NONE; WIDE]));
            let side = side as f32;
            nearest_row(&self.rates, rooms, slacks, side, &wide_delta_rate, &wide_still, 0, &mut step, &mut met);
            if let Some((step, unit)) = first_of(step, met, shorter) {
                nearest = (step, (slot * self.codes.units + unit) as u32);
            }
        }
        // Beyond the columns stands δ, whose room is not among those of the bounds.
        let (mut step, mut met) = (Wide::splat(nearest.0), Wide::of_bits([NONE; WIDE]));
        nearest_bound(&self.direction, &self.bounds, &wide_still, 0, &mut step, &mut met);
        if let Some((step, column)) = first_of(step, met, shorter) {
            nearest = (step, self.codes.of_bound(column));
        }
        if -delta_rate > still && self.delta / -delta_rate < nearest.0 {
            nearest = (self.delta / -delta_rate, self.codes.of_delta());
        }
        let (step, entering) = nearest;
        let direction = entries_mut(&mut self.direction);
        let growth = match self.codes.read(entering)? {
            Constraint::Row { slot, unit } => {
                let side = SIDES[slot];
                for (entry, w) in self.entering.iter_mut().zip(numbers(weights.unit(start.units[unit]))) {
                    *entry = (side * w) as f32;
                }
                let slacks: &[f32] = bytemuck::cast_slice(&self.slacks);
                let slack = slacks[slot * self.unit_blocks * WIDE + unit];
                self.entering[columns] = -slack;
                let rates: &[f32] = bytemuck::cast_slice(&self.rates);
                side as f32 * rates[unit] - slack * delta_rate
            }
            Constraint::Bound(column) => {
                self.entering.fill(0.0);
                self.entering[column] = -1.0;
                -direction[column]
            }
        };
        coordinates(&self.inverse, self.blocks, &self.entering, &mut self.coordinates);
        let all: &[f32] = bytemuck::cast_slice(&self.coordinates);
        let pivot = all[place];
        let difference = (sign * pivot - growth).abs();
        if difference.is_nan() || difference > AGREE * growth.abs() {
            return None;
        }
        let wide_step = Wide::splat(step);
        for (slot, side) in SIDES.into_iter().enumerate().take(self.codes.slots) {
            let range = slot * self.unit_blocks..(slot + 1) * self.unit_blocks;
            let rooms = &mut self.rooms[range.clone()];
            take_step(&self.rates, rooms, &self.slacks[range], side as f32, &wide_delta_rate, &wide_step);
        }
        take_step_of_bounds(&self.direction, &mut self.bounds, &wide_step);
        let mut delta = [Wide::splat(self.delta)];
        take_step_of_bounds(&[wide_delta_rate], &mut delta, &wide_step);
        self.delta = delta[0].0[0];
        let inverse_pivot = sign / pivot;
        let direction = entries_mut(&mut self.direction);
        direction.iter_mut().for_each(|d| *d *= inverse_pivot);
        exchange(
            &mut self.inverse,
            self.blocks,
            columns + 1,
            &direction[..width],
            &self.coordinates,
            &mut self.lengths,
        );
        self.settle(place, entering, step, start);
        Some(step)
    }

    fn settle(&mut self, place: usize, entering: u32, step: f32, start: &Start) {
        let (columns, width, stride) = (self.codes.columns, self.width, self.blocks * WIDE);
        let direction: &[f32] = bytemuck::cast_slice(&self.direction);
        let inverse = entries_mut(&mut self.inverse);
        let mut length = 0.0;
        for (i, d) in direction[..width].iter().enumerate() {
            inverse[i * stride + place] = *d;
            if i <= columns {
                length += d * d;
            }
        }
        entries_mut(&mut self.lengths)[place] = length;
        let left = self.constraints[place];
        if left != MADE_UP {
            *self.room_of(left) = step;
        }
        *self.room_of(entering) = f32::INFINITY;
        self.constraints[place] = entering;
        entries_mut(&mut self.down)[place] = 1.0;
        entries_mut(&mut self.up)[place] = 0.0;
        if self.loosened && entering == self.codes.of_delta() {
            // All rows hold: from here on, the objective is the problem's.
            self.loosened = false;
            entries_mut(&mut self.down)[place] = 0.0;
            let inverse = entries_mut(&mut self.inverse);
            for j in 0..=columns {
                let along = start.gradient.iter().enumerate().map(|(i, c)| inverse[i * stride + j] * c);
                inverse[(width - 1) * stride + j] = along.sum();
            }
        }
    }

    fn room_of(&mut self, code: u32) -> &mut f32 {
        match self.codes.read(code) {
            Some(Constraint::Row { slot, unit }) => {
                &mut entries_mut(&mut self.rooms)[slot * self.unit_blocks * WIDE + unit]
            }
            Some(Constraint::Bound(column)) if column < self.codes.columns => {
                &mut entries_mut(&mut self.bounds)[column]
            }
            _ => &mut self.delta,
        }
    }
}

/// The weights of some units, in the layout of those of all.
fn gather(all: &[[SingleLane; LANES]], columns: usize, units: &[u32], out: &mut Vec<[SingleLane; LANES]>) {
    let entries: &[f32] = bytemuck::cast_slice(all);
    out.clear();
    out.resize(columns * units.len().div_ceil(UNITS), [SingleLane::ZERO; LANES]);
    let gathered: &mut [f32] = bytemuck::cast_slice_mut(out);
    let of_block = columns * UNITS;
    for (units, block) in units.chunks(UNITS).zip(gathered.chunks_exact_mut(of_block.max(1))) {
        // Where each unit's weights begin; its next column is `UNITS` further.
        let mut begins = [0; UNITS];
        for (begin, &unit) in begins.iter_mut().zip(units) {
            *begin = unit as usize / UNITS * of_block + unit as usize % UNITS;
        }
        for (column, out) in block.chunks_exact_mut(UNITS).enumerate() {
            for (out, begin) in out.iter_mut().zip(&begins[..units.len()]) {
                *out = entries[begin + column * UNITS];
            }
        }
    }
}

/// Of sixteen values, each the best of its lane, the best, and of several the one that comes first,
/// with its place; `None` where no lane has one. `blocks`: which sixteen each is from.
fn first_of(values: Wide, blocks: Wide, is_better: impl Fn(f32, f32) -> bool) -> Option<(f32, usize)> {
    let mut first: Option<(f32, usize)> = None;
    for (lane, (value, block)) in values.0.into_iter().zip(blocks.bits()).enumerate() {
        if block == NONE {
            continue;
        }
        let place = block as usize * WIDE + lane;
        if first.is_none_or(|(best, at)| is_better(value, best) || value == best && place < at) {
            first = Some((value, place));
        }
    }
    first
}

fn entries_mut(values: &mut [Wide]) -> &mut [f32] {
    bytemuck::cast_slice_mut(values)
}
