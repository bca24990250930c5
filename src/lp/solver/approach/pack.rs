//! Sixteen problems in the lanes of one pack, each at its own pivot; a lane that ends takes the
//! next problem.

mod kernels;

use super::codes::{Codes, Constraint, MADE_UP};
use super::kernels::{choose_leaving, nearest_bound, nearest_row, take_step, take_step_of_bounds};
use super::patience::Patience;
use super::start::{SIDES, Start};
use super::{AGREE, LEAST, NONE, STILL};
use crate::linalg::lanes::{SingleLane, numbers};
use crate::linalg::packed_weights::PackedWeights;
use crate::linalg::single_weights::LANES;
use crate::linalg::wide::{WIDE, Wide};
use crate::lp::problem::LayerSystem;
use kernels::{coordinates, exchange, rates_of_units};

/// Workspace.
#[derive(Debug, Default)]
pub struct Pack {
    codes: Codes,
    /// Entries of a vector of the inverse: `z`, `δ`, and the objective along it where that is not
    /// `δ` itself.
    width: usize,
    rooms: Vec<Wide>,
    slacks: Vec<Wide>,
    bounds: Vec<Wide>,
    delta: Vec<Wide>,
    inverse: Vec<Wide>,
    lengths: Vec<Wide>,
    down: Vec<Wide>,
    up: Vec<Wide>,
    constraints: Vec<[u32; WIDE]>,
    rates: Vec<Wide>,
    direction: Vec<Wide>,
    entering: Vec<Wide>,
    coordinates: Vec<Wide>,
    /// The problem in each lane, with the number of its pivots.
    lanes: [Option<(usize, Patience)>; WIDE],
    /// Whether the lane's objective is not yet its own.
    loosened: [bool; WIDE],
}

impl Pack {
    /// Solves the problems of these starts, which hold all units. `done` takes a problem's place
    /// among them, the number of its pivots and its last vertex's constraints, `None` where it
    /// failed.
    pub fn solve(
        &mut self,
        system: &LayerSystem,
        starts: &[(usize, Start)],
        mut done: impl FnMut(usize, u32, Option<(&Codes, &[u32])>),
    ) {
        let weights = system.packed();
        let slots = starts.iter().map(|(_, start)| start.slots).max().unwrap_or(0);
        let has_gradient = starts.iter().any(|(_, start)| !start.gradient.is_empty());
        self.reset(weights.columns, system.units(), slots, has_gradient);
        let mut waiting = 0..starts.len();
        let blocks = system.single().blocks();
        let mut constraints = Vec::with_capacity(self.codes.columns + 1);
        loop {
            let mut is_new = false;
            for lane in 0..WIDE {
                if self.lanes[lane].is_none()
                    && let Some(index) = waiting.next()
                {
                    self.load(lane, index, &starts[index].1, weights);
                    is_new = true;
                }
            }
            if !is_new && self.lanes.iter().all(Option::is_none) {
                return;
            }
            let [_, places] = choose_leaving(&self.inverse, self.width, &self.lengths, &self.down, &self.up, LEAST);
            let leaving = places.bits();
            for lane in 0..WIDE {
                if let Some((index, patience)) = self.lanes[lane]
                    && leaving[lane] == NONE
                {
                    constraints.clear();
                    constraints.extend(self.constraints.iter().map(|constraint| constraint[lane]));
                    let end = (!self.loosened[lane]).then_some((&self.codes, constraints.as_slice()));
                    done(index, patience.pivots, end);
                    self.lanes[lane] = None;
                }
            }
            if self.lanes.iter().any(Option::is_none) && !waiting.is_empty() {
                continue;
            }
            let before = self.lanes;
            self.pivot(weights, blocks, starts, &leaving);
            for (lane, before) in self.lanes.iter().zip(before) {
                if let (None, Some((index, patience))) = (lane, before) {
                    done(index, patience.pivots, None);
                }
            }
        }
    }

    fn reset(&mut self, columns: usize, units: usize, slots: usize, has_gradient: bool) {
        self.codes = Codes { columns, units, slots };
        let dimension = columns + 1;
        self.width = dimension + usize::from(has_gradient);
        let fill = |numbers: &mut Vec<Wide>, count: usize, value: Wide| {
            numbers.clear();
            numbers.resize(count, value);
        };
        fill(&mut self.rooms, slots * units, Wide::INFINITE);
        fill(&mut self.slacks, slots * units, Wide::splat(1.0));
        fill(&mut self.bounds, columns, Wide::INFINITE);
        fill(&mut self.delta, 1, Wide::INFINITE);
        fill(&mut self.inverse, dimension * self.width, Wide::ZERO);
        fill(&mut self.lengths, dimension, Wide::splat(1.0));
        fill(&mut self.down, dimension, Wide::ZERO);
        fill(&mut self.up, dimension, Wide::ZERO);
        fill(&mut self.rates, units, Wide::ZERO);
        fill(&mut self.direction, self.width, Wide::ZERO);
        fill(&mut self.entering, dimension, Wide::ZERO);
        fill(&mut self.coordinates, dimension, Wide::ZERO);
        self.constraints.clear();
        self.constraints.resize(dimension, [MADE_UP; WIDE]);
        self.lanes = [None; WIDE];
        self.loosened = [false; WIDE];
    }

    fn load(&mut self, lane: usize, index: usize, start: &Start, weights: &PackedWeights) {
        let (columns, width) = (self.codes.columns, self.width);
        self.lanes[lane] = Some((index, Patience::new(columns)));
        for (room, value) in self.rooms.iter_mut().zip(&start.rooms) {
            room.0[lane] = *value;
        }
        for (slack, value) in self.slacks.iter_mut().zip(&start.slacks) {
            slack.0[lane] = *value;
        }
        for (room, value) in self.bounds.iter_mut().zip(&start.bounds) {
            room.0[lane] = *value;
        }
        let has_gradient = !start.gradient.is_empty();
        self.loosened[lane] = has_gradient && start.worst.is_some();
        // The first row: side·w·z − σ δ; without one, δ ≥ 0.
        let (first, side, slack) = match start.worst {
            Some(row) => {
                self.rooms[row].0[lane] = f32::INFINITY;
                self.delta[0].0[lane] = start.delta;
                (row as u32, SIDES[row / self.codes.units], start.slacks[row])
            }
            None => {
                self.delta[0].0[lane] = f32::INFINITY;
                (self.codes.of_delta(), 0.0, 1.0)
            }
        };
        let first_weights = numbers(weights.unit(start.worst.unwrap_or(0) as u32 % self.codes.units as u32));
        for vector in self.inverse.iter_mut() {
            vector.0[lane] = 0.0;
        }
        for j in 0..columns {
            let along = if start.at_bound[j] { -1.0 } else { 1.0 };
            let of_delta = along * (side * first_weights[j]) as f32 / slack;
            let vector = &mut self.inverse[j * width..(j + 1) * width];
            vector[j].0[lane] = along;
            vector[columns].0[lane] = of_delta;
            if width > columns + 1 {
                vector[columns + 1].0[lane] = if start.worst.is_some() { of_delta } else { along * start.gradient[j] };
            }
            self.lengths[j].0[lane] = 1.0 + of_delta * of_delta;
            self.down[j].0[lane] = 1.0;
            self.up[j].0[lane] = if start.at_bound[j] { 0.0 } else { 1.0 };
            self.constraints[j][lane] = if start.at_bound[j] { self.codes.of_bound(j) } else { MADE_UP };
        }
        let vector = &mut self.inverse[columns * width..(columns + 1) * width];
        vector[columns].0[lane] = -1.0 / slack;
        if width > columns + 1 {
            vector[columns + 1].0[lane] = if start.worst.is_some() { -1.0 / slack } else { 0.0 };
        }
        self.lengths[columns].0[lane] = 1.0 / (slack * slack);
        let may_leave = !has_gradient || start.worst.is_some();
        self.down[columns].0[lane] = if may_leave { 1.0 } else { 0.0 };
        self.up[columns].0[lane] = 0.0;
        self.constraints[columns][lane] = first;
    }

    /// One pivot in every lane.
    fn pivot(
        &mut self,
        weights: &PackedWeights,
        blocks: &[[SingleLane; LANES]],
        starts: &[(usize, Start)],
        leaving: &[u32; WIDE],
    ) {
        let (columns, width, units) = (self.codes.columns, self.width, self.codes.units);
        let places: [usize; WIDE] = leaving.map(|leaving| if leaving == NONE { 0 } else { leaving as usize });
        // Along the edge the constraint falls, or a made-up one rises.
        let mut signs = Wide::ZERO;
        let mut still = Wide::ZERO;
        for (lane, &place) in places.iter().enumerate() {
            let rising = self.inverse[place * width + width - 1].0[lane];
            signs.0[lane] = match self.lanes[lane] {
                Some(_) => {
                    if rising > 0.0 {
                        -1.0
                    } else {
                        1.0
                    }
                }
                None => 0.0,
            };
            still.0[lane] = STILL * self.lengths[place].0[lane].sqrt();
        }
        for (i, d) in self.direction.iter_mut().enumerate() {
            for (lane, &place) in places.iter().enumerate() {
                d.0[lane] = signs.0[lane] * self.inverse[place * width + i].0[lane];
            }
        }
        let delta_rate = self.direction[columns];
        rates_of_units(blocks, &self.direction[..columns], &mut self.rates);
        let mut step = Wide::INFINITE;
        let mut met = Wide::of_bits([NONE; WIDE]);
        for (slot, side) in SIDES.into_iter().enumerate().take(self.codes.slots) {
            let range = slot * units..(slot + 1) * units;
            nearest_row(
                &self.rates,
                &self.rooms[range.clone()],
                &self.slacks[range],
                side as f32,
                &delta_rate,
                &still,
                (slot * units) as u32,
                &mut step,
                &mut met,
            );
        }
        let first_bound = self.codes.of_bound(0);
        nearest_bound(&self.direction[..columns], &self.bounds, &still, first_bound, &mut step, &mut met);
        let delta_code = self.codes.of_delta();
        nearest_bound(&[delta_rate], &self.delta, &still, delta_code, &mut step, &mut met);
        let met = met.bits();
        // The rows that enter.
        let mut growths = Wide::splat(1.0);
        for (lane, &code) in met.iter().enumerate() {
            if self.lanes[lane].is_none() || code == NONE {
                // Nothing is met: the usual way decides what that means.
                self.lanes[lane] = None;
                step.0[lane] = 0.0;
                self.entering.iter_mut().for_each(|entry| entry.0[lane] = 0.0);
                continue;
            }
            if code >= first_bound {
                let column = (code - first_bound) as usize;
                self.entering.iter_mut().for_each(|entry| entry.0[lane] = 0.0);
                self.entering[column].0[lane] = -1.0;
                growths.0[lane] = -self.direction[column].0[lane];
                continue;
            }
            let (slot, unit) = (code as usize / units, code as usize % units);
            let side = SIDES[slot];
            for (entry, w) in self.entering.iter_mut().zip(numbers(weights.unit(unit as u32))) {
                entry.0[lane] = (side * w) as f32;
            }
            let slack = self.slacks[code as usize].0[lane];
            self.entering[columns].0[lane] = -slack;
            growths.0[lane] = side as f32 * self.rates[unit].0[lane] - slack * delta_rate.0[lane];
        }
        coordinates(&self.inverse, width, &self.entering, &mut self.coordinates);
        let mut inverse_pivots = Wide::ZERO;
        for (lane, &place) in places.iter().enumerate() {
            let pivot = self.coordinates[place].0[lane];
            let agrees = (signs.0[lane] * pivot - growths.0[lane]).abs() <= AGREE * growths.0[lane].abs();
            if self.lanes[lane].is_some() && agrees {
                inverse_pivots.0[lane] = signs.0[lane] / pivot;
            } else {
                self.lanes[lane] = None;
                step.0[lane] = 0.0;
                self.direction.iter_mut().for_each(|d| d.0[lane] = 0.0);
            }
        }
        for (slot, side) in SIDES.into_iter().enumerate().take(self.codes.slots) {
            let range = slot * units..(slot + 1) * units;
            let rooms = &mut self.rooms[range.clone()];
            take_step(&self.rates, rooms, &self.slacks[range], side as f32, &delta_rate, &step);
        }
        take_step_of_bounds(&self.direction[..columns], &mut self.bounds, &step);
        take_step_of_bounds(&[delta_rate], &mut self.delta, &step);
        for d in &mut self.direction {
            for lane in 0..WIDE {
                d.0[lane] *= inverse_pivots.0[lane];
            }
        }
        exchange(&mut self.inverse, width, columns + 1, &self.direction, &self.coordinates, &mut self.lengths);
        for lane in 0..WIDE {
            if self.lanes[lane].is_some() {
                self.settle(lane, places[lane], met[lane], step.0[lane], starts);
            }
        }
    }

    /// The exchange in one lane: the vector of the entering row, the rooms of the two constraints,
    /// and what may leave.
    fn settle(&mut self, lane: usize, place: usize, entering: u32, step: f32, starts: &[(usize, Start)]) {
        let (columns, width) = (self.codes.columns, self.width);
        let mut length = 0.0;
        for (i, d) in self.direction.iter().enumerate() {
            self.inverse[place * width + i].0[lane] = d.0[lane];
            if i <= columns {
                length += d.0[lane] * d.0[lane];
            }
        }
        self.lengths[place].0[lane] = length;
        let left = self.constraints[place][lane];
        if left != MADE_UP {
            self.room_of(left).0[lane] = step;
        }
        self.room_of(entering).0[lane] = f32::INFINITY;
        self.constraints[place][lane] = entering;
        self.down[place].0[lane] = 1.0;
        self.up[place].0[lane] = 0.0;
        if let Some((index, patience)) = &mut self.lanes[lane] {
            let start = &starts[*index].1;
            let lasts = patience.lasts(step);
            if self.loosened[lane] && entering == self.codes.of_delta() {
                // All rows hold: from here on, the objective is the problem's.
                self.loosened[lane] = false;
                self.down[place].0[lane] = 0.0;
                for vector in self.inverse.chunks_exact_mut(width) {
                    let along = vector.iter().zip(&start.gradient).map(|(entry, c)| entry.0[lane] * c);
                    vector[width - 1].0[lane] = along.sum();
                }
            }
            if !lasts {
                self.lanes[lane] = None;
            }
        }
    }

    fn room_of(&mut self, code: u32) -> &mut Wide {
        match self.codes.read(code) {
            Some(Constraint::Row { .. }) => &mut self.rooms[code as usize],
            Some(Constraint::Bound(column)) if column < self.codes.columns => &mut self.bounds[column],
            _ => &mut self.delta[0],
        }
    }
}
