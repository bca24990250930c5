//! One problem as the engine reads it: the units that take part, ordered by falling number of rows,
//! and their rows in slots. Slot `s` holds the `s`-th row of every unit that has one, so that row
//! `i` of a slot belongs to the unit at position `i`: loops over rows run over contiguous numbers,
//! and sums over a unit's rows are sums over slots.
//!
//! Bounds are divided by the largest of them (the problem is homogeneous in them), weights by the
//! layer's largest, the objective by its largest: tolerances then mean the same for targets of 1e-6
//! and of 1e6.

use std::ops::Range;

use crate::linalg::packed_weights::PackedWeights;
use crate::lp::problem::{LayerSystem, Objective, Problem, rows_by_unit};

/// The kind of the objective.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Kind {
    /// One `δ` for all rows.
    #[default]
    Largest,
    /// One `e_u` per unit.
    Sum,
    /// `max q·z`.
    Linear,
}

/// Units of at most so many rows are ordered without comparing them.
const FEW: u32 = 4;

/// The rows of one problem in slots, scaled.
#[derive(Debug, Default)]
pub struct ScaledRows {
    /// The kind of the objective.
    pub kind: Kind,
    /// The unit at each position.
    pub units: Vec<u32>,
    /// The rows of each slot; row `i` of a slot belongs to position `i`.
    pub slots: Vec<Range<usize>>,
    /// `s`.
    pub side: Vec<f64>,
    /// `σ`.
    pub slack: Vec<f64>,
    /// `h`, scaled.
    pub bound: Vec<f64>,
    /// The index of each row in the problem.
    pub origin: Vec<u32>,
    /// `q`, scaled; zeros unless linear.
    pub weights: Vec<f64>,
    /// `z` of the problem divided by `z` of the scaled one.
    pub z_scale: f64,
    /// The same for multipliers.
    pub y_scale: f64,
    /// The first row of each unit and how many it has.
    starts: Vec<(u32, u32)>,
    /// Workspace of the sort.
    sorted: Vec<(u32, u32)>,
}

impl ScaledRows {
    /// The rows of a problem, all of them.
    pub fn of(system: &LayerSystem, problem: &Problem) -> Self {
        let mut rows = ScaledRows::default();
        rows.load_all(system, problem);
        rows
    }

    /// Takes all rows of `problem`.
    pub fn load_all(&mut self, system: &LayerSystem, problem: &Problem) {
        self.load(system, problem, |_| true);
    }

    /// Becomes what `loaded` is after [`Self::load`], in its own memory.
    pub fn copy_loaded(&mut self, loaded: &ScaledRows) {
        self.kind = loaded.kind;
        (self.z_scale, self.y_scale) = (loaded.z_scale, loaded.y_scale);
        self.units.clone_from(&loaded.units);
        self.slots.clone_from(&loaded.slots);
        self.side.clone_from(&loaded.side);
        self.slack.clone_from(&loaded.slack);
        self.bound.clone_from(&loaded.bound);
        self.origin.clone_from(&loaded.origin);
        self.weights.clone_from(&loaded.weights);
    }

    /// Takes the rows of `problem` whose unit passes `wanted`; returns how many units do not.
    pub fn load(&mut self, system: &LayerSystem, problem: &Problem, wanted: impl Fn(usize) -> bool) -> usize {
        let packed = system.packed();
        let or_one = |largest: f64| if largest > 0.0 { largest } else { 1.0 };
        let bound_scale = or_one(problem.rows.iter().fold(0.0f64, |most, row| most.max(row.bound.abs())));
        self.z_scale = bound_scale / packed.scale;
        self.weights.clear();
        self.weights.resize(system.columns(), 0.0);
        self.y_scale = 1.0;
        self.kind = match &problem.objective {
            Objective::LargestViolation => Kind::Largest,
            Objective::SumOfViolations => Kind::Sum,
            Objective::Linear { weights, units } => {
                // Where the sum over the units is 0, their own weights still set the scale.
                let of_units = units.iter().fold(0.0f64, |most, (_, weight, _)| most.max(weight.abs()));
                let largest = match weights.amax() {
                    largest if largest > 0.0 => largest,
                    _ => or_one(of_units) * packed.scale,
                };
                self.y_scale = largest / packed.scale;
                for (scaled, q) in self.weights.iter_mut().zip(weights.iter()) {
                    *scaled = q / largest;
                }
                Kind::Linear
            }
        };
        self.starts.clear();
        let (mut first, mut left_out) = (0, 0);
        for rows in rows_by_unit(&problem.rows) {
            if wanted(rows[0].unit) {
                self.starts.push((first, rows.len() as u32));
            } else {
                left_out += 1;
            }
            first += rows.len() as u32;
        }
        self.sort_units();
        self.units.clear();
        self.units.extend(self.starts.iter().map(|&(first, _)| problem.rows[first as usize].unit as u32));
        for numbers in [&mut self.side, &mut self.slack, &mut self.bound] {
            numbers.clear();
        }
        self.origin.clear();
        self.slots.clear();
        let most = self.starts.first().map_or(0, |&(_, count)| count);
        for slot in 0..most {
            let start = self.origin.len();
            let has_row = self.starts.partition_point(|&(_, count)| count > slot);
            self.origin.extend(self.starts[..has_row].iter().map(|&(first, _)| first + slot));
            // One loop per number: its room is known, so that no row has to check for it.
            let rows = self.origin[start..].iter().map(|&row| &problem.rows[row as usize]);
            self.side.extend(rows.clone().map(|row| row.side));
            self.bound.extend(rows.clone().map(|row| row.bound / bound_scale));
            match self.kind {
                Kind::Linear => self.slack.resize(self.origin.len(), 0.0),
                Kind::Largest | Kind::Sum => self.slack.extend(rows.map(|row| row.slack)),
            }
            self.slots.push(start..self.origin.len());
        }
        left_out
    }

    /// Orders the units by falling number of rows, otherwise as they were, so that the order
    /// depends only on the rows.
    fn sort_units(&mut self) {
        let most = self.starts.iter().fold(0, |most, &(_, count)| most.max(count));
        if most > FEW {
            return self.starts.sort_by_key(|&(_, count)| std::cmp::Reverse(count));
        }
        // One pass for each number of rows, without a branch, which would be guessed wrong at many
        // units: one with another number of rows is overwritten by the next.
        self.sorted.clear();
        self.sorted.resize(self.starts.len() + 1, (0, 0));
        let mut end = 0;
        for count in (1..=most).rev() {
            for &start in &self.starts {
                self.sorted[end] = start;
                end += usize::from(start.1 == count);
            }
        }
        self.sorted.truncate(end);
        std::mem::swap(&mut self.starts, &mut self.sorted);
    }

    /// Number of positions whose unit has at least two rows; these positions come first.
    pub fn with_second_row(&self) -> usize {
        self.slots.get(1).map_or(0, |slot| slot.len())
    }

    /// The largest `max(0, s a − h)`, divided by the slack factor if there is one. `a`: one entry
    /// per position.
    pub fn largest_violation(&self, a: &[f64]) -> f64 {
        let mut violation = 0.0f64;
        for slot in &self.slots {
            for (row, &a) in slot.clone().zip(a) {
                let slack = if self.kind == Kind::Linear { 1.0 } else { self.slack[row] };
                violation = violation.max((self.side[row] * a - self.bound[row]) / slack);
            }
        }
        violation
    }

    /// Drops every position that does not stay.
    pub fn keep(&mut self, stays: &[bool]) {
        let mut end = 0;
        for slot in &mut self.slots {
            let start = end;
            // Without a branch, which would be guessed wrong at every other row: a row that does
            // not stay is written where the next one will be.
            for (row, &stays) in slot.clone().zip(stays) {
                for numbers in [&mut self.side, &mut self.slack, &mut self.bound] {
                    numbers[end] = numbers[row];
                }
                self.origin[end] = self.origin[row];
                end += usize::from(stays);
            }
            *slot = start..end;
        }
        for numbers in [&mut self.side, &mut self.slack, &mut self.bound] {
            numbers.truncate(end);
        }
        self.origin.truncate(end);
        let mut stays = stays.iter();
        self.units.retain(|_| stays.next().is_some_and(|stays| *stays));
        self.slots.retain(|slot| !slot.is_empty());
    }

    /// The rows of the unit at a position.
    pub fn at(&self, place: usize) -> impl Iterator<Item = usize> {
        self.slots.iter().filter(move |slot| place < slot.len()).map(move |slot| slot.start + place)
    }

    /// Bounds of the problem divided by the bounds here.
    pub fn bound_scale(&self, weights: &PackedWeights) -> f64 {
        self.z_scale * weights.scale
    }

    /// Number of rows.
    pub fn len(&self) -> usize {
        self.side.len()
    }

    /// Number of violation variables.
    pub fn violations(&self) -> usize {
        match self.kind {
            Kind::Largest => 1,
            Kind::Sum => self.units.len(),
            Kind::Linear => 0,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lp::problem::Row;

    #[test]
    fn units_stand_by_falling_number_of_rows_and_otherwise_as_they_were() {
        let counts_of = [&[1, 2, 1, 2, 2, 1][..], &[3, 1, 7, 3, 2, 7, 5], &[1, 1], &[]];
        for counts in counts_of {
            let system = LayerSystem::from_units(nalgebra::DMatrix::from_element(2, counts.len(), 1.0));
            let rows: Vec<Row> = counts
                .iter()
                .enumerate()
                .flat_map(|(unit, &count)| (0..count).map(move |place| (unit, place)))
                .map(|(unit, place)| Row { unit, side: 1.0, slack: 1.0, bound: f64::from(place), magnitude: 1.0 })
                .collect();
            let problem = Problem { rows, objective: Objective::SumOfViolations };
            let mut expected: Vec<usize> = (0..counts.len()).collect();
            expected.sort_by_key(|&unit| std::cmp::Reverse(counts[unit]));
            let mut rows = ScaledRows::default();
            assert_eq!(rows.load(&system, &problem, |_| true), 0);
            assert!(rows.units.iter().map(|&unit| unit as usize).eq(expected.iter().copied()));
            for (place, &unit) in expected.iter().enumerate() {
                let found: Vec<usize> =
                    rows.at(place).map(|row| problem.rows[rows.origin[row] as usize].unit).collect();
                assert_eq!(found, vec![unit; counts[unit] as usize]);
            }
        }
    }
}
