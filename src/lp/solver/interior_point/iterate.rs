//! What the stages of an iteration read: the layer that all observations share, the rows of one
//! problem, and the primal–dual point.

use std::ops::Range;

use crate::linalg::lanes::{Lane, lanes_for, numbers, vectorised};
use crate::linalg::packed_weights::PackedWeights;
use crate::lp::problem::LayerSystem;
use crate::lp::solver::scaled_rows::{Kind, ScaledRows};

/// What all observations of a layer share.
#[derive(Debug, Clone, Copy)]
pub struct Shared<'a> {
    /// `W`, packed and scaled.
    pub weights: &'a PackedWeights,
    /// Whether `z ≥ 0`.
    pub nonnegative: bool,
}

impl<'a> Shared<'a> {
    /// Packs the weights when first called for a layer.
    pub fn of(system: &'a LayerSystem) -> Self {
        Shared { weights: system.packed(), nonnegative: system.nonnegative }
    }

    /// Number of entries of `z`.
    pub fn columns(self) -> usize {
        self.weights.columns
    }
}

/// The current state of an iteration: its layer, its rows and its point.
#[derive(Debug, Clone, Copy)]
pub struct Iterate<'a> {
    /// The layer.
    pub shared: Shared<'a>,
    /// The rows that take part.
    pub rows: &'a ScaledRows,
    /// The point.
    pub point: &'a Point,
}

/// The primal–dual point, or a direction in the same layout. Rows are in the order of
/// [`ScaledRows`], violations have one entry per position (all of them `δ` for the largest
/// violation).
#[derive(Debug, Default, Clone)]
pub struct Point {
    /// `z`.
    pub z: Vec<Lane>,
    /// Multipliers of `z ≥ 0`.
    pub v: Vec<Lane>,
    /// Distances from the rows' bounds.
    pub p: Vec<f64>,
    /// Multipliers of the rows.
    pub y: Vec<f64>,
    /// `e`, one entry per position.
    pub e: Vec<f64>,
    /// Multipliers of `e ≥ 0`, one entry per violation variable.
    pub eta: Vec<f64>,
    /// `a = W z`, one entry per position.
    pub a: Vec<f64>,
}

impl Point {
    /// Resizes all vectors for `rows` and `columns`, filled with zeros.
    pub fn reset(&mut self, rows: &ScaledRows, columns: usize) {
        let positions = rows.units.len();
        for lanes in [&mut self.z, &mut self.v] {
            lanes.clear();
            lanes.resize(lanes_for(columns), Lane::ZERO);
        }
        for (numbers, length) in [
            (&mut self.p, rows.len()),
            (&mut self.y, rows.len()),
            (&mut self.e, positions),
            (&mut self.eta, rows.violations()),
            (&mut self.a, positions),
        ] {
            reset(numbers, length);
        }
    }

    /// Copies another point of the same shape without allocating.
    pub fn copy_from(&mut self, other: &Point) {
        self.z.clone_from(&other.z);
        self.v.clone_from(&other.v);
        self.p.clone_from(&other.p);
        self.y.clone_from(&other.y);
        self.e.clone_from(&other.e);
        self.eta.clone_from(&other.eta);
        self.a.clone_from(&other.a);
    }

    /// Whether every number is finite.
    pub fn is_finite(&self) -> bool {
        let lanes = [&self.z, &self.v].map(|lanes| numbers(lanes));
        let vectors = [&self.p, &self.y, &self.e, &self.eta].map(Vec::as_slice);
        lanes.into_iter().chain(vectors).all(all_finite)
    }

    /// Keeps the positions that stay, and their rows. `slots`: those of the rows before any left.
    pub fn keep(&mut self, kind: Kind, slots: &[Range<usize>], stays: &[bool]) {
        keep_rows(slots, stays, [&mut self.p, &mut self.y]);
        keep_positions(stays, &mut self.e);
        keep_positions(stays, &mut self.a);
        if kind == Kind::Sum {
            keep_positions(stays, &mut self.eta);
        }
    }

    /// Cuts every vector to the lengths of `rows`: for a direction that is about to be overwritten.
    pub fn truncate(&mut self, rows: &ScaledRows) {
        let positions = rows.units.len();
        self.p.truncate(rows.len());
        self.y.truncate(rows.len());
        self.e.truncate(positions);
        self.a.truncate(positions);
        self.eta.truncate(rows.violations());
    }
}

/// Resizes `numbers`, filled with zeros.
pub fn reset(numbers: &mut Vec<f64>, length: usize) {
    numbers.clear();
    numbers.resize(length, 0.0);
}

fn keep_rows<const N: usize>(slots: &[Range<usize>], stays: &[bool], mut vectors: [&mut Vec<f64>; N]) {
    let mut end = 0;
    for slot in slots {
        // As in `ScaledRows::keep`: without a branch.
        for (row, &stays) in slot.clone().zip(stays) {
            for numbers in &mut vectors {
                numbers[end] = numbers[row];
            }
            end += usize::from(stays);
        }
    }
    vectors.iter_mut().for_each(|numbers| numbers.truncate(end));
}

fn keep_positions(stays: &[bool], numbers: &mut Vec<f64>) {
    let mut end = 0;
    for (place, &stays) in (0..numbers.len()).zip(stays) {
        numbers[end] = numbers[place];
        end += usize::from(stays);
    }
    numbers.truncate(end);
}

vectorised! {
    fn all_finite(values: &[f64]) -> bool {
        // No early end: whole registers are compared at a time.
        values.iter().fold(true, |all, x| all & x.is_finite())
    }
}
