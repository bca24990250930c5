//! A vertex of one problem with its inverse: what the dual simplex and the descent over kinks
//! share.
//!
//! The unknowns `x` are `z` and, for the largest violation, `δ` after it. A vertex holds as many
//! constraints as unknowns with equality. All numbers are those of [`ScaledRows`]: the largest
//! weight, bound and objective entry are 1.

use super::super::scaled_rows::{Kind, ScaledRows};
use crate::linalg::inverse::Inverse;
use crate::linalg::lanes::{Lane, lanes_for, numbers, numbers_mut};
use crate::linalg::packed_weights::PackedWeights;
use crate::linalg::products::{combine, products};
use crate::lp::basis::{Basis, Tight};
use crate::lp::certificate::{Held, held_by_inverse};
use crate::lp::problem::{LayerSystem, Problem};
use crate::lp::solution::Solution;
use crate::lp::solver::tolerances::POSITIVE;

/// The rounding error of a multiplier, per unit of length of its edge (`‖B⁻¹e_j‖`, large where the
/// vertex is ill-conditioned).
const ROUNDING_OF_EDGE: f64 = 1e-13;
/// Products with the units go by columns if at most this share of the numbers is read then: reading
/// by columns writes the sums more often.
const SPARSE_PERCENT: usize = 70;
/// Number of pivots between two inversions.
const FRESH: usize = 150;
/// Multipliers that one step of refinement changes by more than this were priced with an inverse
/// that rounding has spoilt.
const SPOILT: f64 = 1e-7;

/// A constraint that the vertex holds with equality.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Constraint {
    /// `side · w·z − slack · δ = bound`. `row`: its index in the rows; `None` for a row that only
    /// the neighbouring problem has.
    Row { unit: u32, side: f64, slack: f64, bound: f64, row: Option<u32> },
    /// `w·z = value` at the kink of this number (see `piecewise`) of the unit at this position.
    Kink { unit: u32, place: u32, kink: u32, value: f64 },
    /// `−z_i = 0`.
    Bound(u32),
    /// `−δ = 0`.
    NoViolation,
}

impl Constraint {
    /// The constraint's right-hand side.
    pub fn value(&self) -> f64 {
        match *self {
            Constraint::Row { bound, .. } => bound,
            Constraint::Kink { value, .. } => value,
            Constraint::Bound(_) | Constraint::NoViolation => 0.0,
        }
    }
}

/// Workspace of a thread: the problem's rows, the vertex, its inverse.
#[derive(Debug, Default)]
pub struct Tableau {
    /// The problem, scaled.
    pub rows: ScaledRows,
    /// The vertex's constraints.
    pub constraints: Vec<Constraint>,
    /// The inverse of the constraints' matrix.
    pub inverse: Inverse,
    /// `x`.
    pub point: Vec<Lane>,
    /// `a = W z`, one per position.
    pub a: Vec<f64>,
    /// The multipliers, one per constraint.
    pub multipliers: Vec<f64>,
    /// The coordinates of the entering constraint.
    pub coordinates: Vec<f64>,
    /// The entering constraint's row.
    pub entering: Vec<Lane>,
    /// The position of each unit; `u32::MAX` if it does not take part.
    pub place_of_unit: Vec<u32>,
    /// Workspace: squared lengths of edges.
    pub lengths: Vec<f64>,
    /// Whether the last refinement changed the multipliers by much.
    is_spoilt: bool,
    /// Number of exchanges since the inverse was formed.
    pub exchanges: usize,
    dense: Vec<Lane>,
    dense_units: Vec<u32>,
}

impl Tableau {
    /// Number of unknowns.
    pub fn dimension(&self) -> usize {
        self.constraints.len()
    }

    /// Sets the workspace to the rows.
    pub fn fit_to_rows(&mut self, system: &LayerSystem) {
        self.place_of_unit.clear();
        self.place_of_unit.resize(system.units(), u32::MAX);
        for (place, &unit) in self.rows.units.iter().enumerate() {
            self.place_of_unit[unit as usize] = place as u32;
        }
        self.a.clear();
        self.a.resize(self.rows.units.len(), 0.0);
    }

    /// Takes over the vertex of a neighbouring problem, with the new bounds of the rows; its
    /// inverse is that of the vertex before, if anything. `false` if a constraint has no
    /// counterpart.
    ///
    /// A row that this problem does not have is kept, until the primal simplex removes it.
    pub fn take_basis(
        &mut self,
        weights: &PackedWeights,
        basis: &Basis,
        kink: impl Fn(usize, f64) -> Option<(u32, f64)>,
    ) -> bool {
        let scale = self.rows.bound_scale(weights);
        self.constraints.clear();
        let (columns, kind) = (weights.columns, self.rows.kind);
        for tight in &basis.tight {
            let fits = match *tight {
                Tight::Bound(column) => column < columns,
                Tight::NoViolation => kind == Kind::Largest,
                Tight::Row { slack, .. } => {
                    kind == Kind::Largest && slack > 0.0 || kind == Kind::Linear && slack == 0.0
                }
                Tight::Kink { .. } => kind == Kind::Sum,
            };
            if !fits {
                return false;
            }
            let constraint = match *tight {
                Tight::Bound(column) => Constraint::Bound(column as u32),
                Tight::NoViolation => Constraint::NoViolation,
                Tight::Row { unit, side, slack, bound } => {
                    let Some(&place) = self.place_of_unit.get(unit).filter(|&&place| place != u32::MAX) else {
                        return false;
                    };
                    let same = |&row: &usize| self.rows.side[row] == side && self.rows.slack[row] == slack;
                    let row = self.rows.at(place as usize).find(same);
                    let bound = row.map_or(bound / scale, |row| self.rows.bound[row]);
                    Constraint::Row { unit: unit as u32, side, slack, bound, row: row.map(|row| row as u32) }
                }
                Tight::Kink { unit, value } => {
                    let Some(&place) = self.place_of_unit.get(unit).filter(|&&place| place != u32::MAX) else {
                        return false;
                    };
                    let Some((kink, value)) = kink(place as usize, value / scale) else { return false };
                    Constraint::Kink { unit: unit as u32, place, kink, value }
                }
            };
            self.constraints.push(constraint);
        }
        true
    }

    /// Inverts the constraints' matrix afresh.
    pub fn invert(&mut self, weights: &PackedWeights) -> bool {
        let dimension = weights.columns + usize::from(self.rows.kind == Kind::Largest);
        if self.constraints.len() != dimension {
            return false;
        }
        let lanes = lanes_for(dimension);
        let mut bounds = vec![None; dimension];
        let mut dense = Vec::with_capacity(dimension);
        let mut rows = std::mem::take(&mut self.dense);
        rows.clear();
        for (index, constraint) in self.constraints.iter().enumerate() {
            match *constraint {
                Constraint::Bound(column) => bounds[column as usize] = Some(index as u32),
                Constraint::NoViolation => bounds[dimension - 1] = Some(index as u32),
                _ => {
                    dense.push(index as u32);
                    let start = rows.len();
                    rows.resize(start + lanes, Lane::ZERO);
                    write_row(weights, constraint, &mut rows[start..]);
                }
            }
        }
        self.exchanges = 0;
        let done = self.inverse.build(dimension, &dense, &rows, &bounds);
        self.dense = rows;
        self.point.clear();
        self.point.resize(lanes, Lane::ZERO);
        done
    }

    /// How close the multipliers hold codes that are as good as `solution`, whose vertex this is.
    pub fn held(
        &self,
        system: &LayerSystem,
        problem: &Problem,
        solution: &Solution,
        basis: &Basis,
        weight_scale: f64,
    ) -> Option<Held> {
        let inverse = |constraint: usize| numbers(self.inverse.vector(constraint));
        held_by_inverse(system, problem, (&solution.z, &solution.y), basis, inverse, weight_scale)
    }

    /// `w·x` of the units at all positions. `x` is often 0 at most columns: then only the others
    /// are read. `of_all`: workspace.
    pub fn products_of_units(
        &self,
        system: &LayerSystem,
        weights: &PackedWeights,
        x: &[Lane],
        of_all: &mut Vec<Lane>,
        out: &mut Vec<f64>,
    ) {
        out.clear();
        out.resize(self.rows.units.len(), 0.0);
        let x_of = &numbers(x)[..weights.columns];
        let moved = x_of.iter().filter(|x| **x != 0.0).count();
        if moved * system.units() > SPARSE_PERCENT * (weights.columns * out.len()) / 100 {
            return products(weights, &self.rows.units, x, out);
        }
        let (mut columns, mut factors) = (Vec::with_capacity(moved), Vec::with_capacity(moved));
        for (column, &x) in x_of.iter().enumerate().filter(|(_, x)| **x != 0.0) {
            columns.push(column as u32);
            factors.push(x);
        }
        let by_columns = system.by_columns();
        of_all.clear();
        of_all.resize(by_columns.lanes, Lane::ZERO);
        combine(by_columns, &columns, &factors, of_all);
        let of_all = numbers(of_all);
        out.iter_mut().zip(&self.rows.units).for_each(|(out, &unit)| *out = of_all[unit as usize]);
    }

    /// `x` from the constraints' values, with one step of refinement where `refined`.
    pub fn place_point(&mut self, weights: &PackedWeights, refined: bool) {
        let values: Vec<f64> = self.constraints.iter().map(Constraint::value).collect();
        self.inverse.point(&values, &mut self.point);
        if refined {
            self.gather_dense();
            let mut products_of_units = vec![0.0; self.dense_units.len()];
            products(weights, &self.dense_units, &self.point, &mut products_of_units);
            let x = numbers(&self.point);
            let mut of_units = products_of_units.iter();
            let misses: Vec<f64> = self
                .constraints
                .iter()
                .map(|constraint| match *constraint {
                    Constraint::Row { side, slack, bound, .. } => {
                        let violated = if slack == 0.0 { 0.0 } else { slack * x[weights.columns] };
                        bound - side * of_units.next().copied().unwrap_or(0.0) + violated
                    }
                    Constraint::Kink { value, .. } => value - of_units.next().copied().unwrap_or(0.0),
                    Constraint::Bound(column) => x[column as usize],
                    Constraint::NoViolation => x[weights.columns],
                })
                .collect();
            let mut correction = vec![Lane::ZERO; self.point.len()];
            self.inverse.point(&misses, &mut correction);
            numbers_mut(&mut self.point).iter_mut().zip(numbers(&correction)).for_each(|(x, d)| *x += d);
            // The bounds hold exactly.
            for constraint in &self.constraints {
                match *constraint {
                    Constraint::Bound(column) => numbers_mut(&mut self.point)[column as usize] = 0.0,
                    Constraint::NoViolation => numbers_mut(&mut self.point)[weights.columns] = 0.0,
                    _ => {}
                }
            }
        }
    }

    /// The units of the constraints that are rows or kinks, in order.
    fn gather_dense(&mut self) {
        self.dense_units.clear();
        self.dense_units.extend(self.constraints.iter().filter_map(|constraint| match *constraint {
            Constraint::Row { unit, .. } | Constraint::Kink { unit, .. } => Some(unit),
            Constraint::Bound(_) | Constraint::NoViolation => None,
        }));
    }

    /// The multipliers `y` with `c + Σ y_j B_j = 0`, with one step of refinement where `refined`.
    /// `gradient`: `c`.
    pub fn set_multipliers(&mut self, weights: &PackedWeights, gradient: &[Lane], refined: bool) {
        self.inverse.coordinates(gradient, &mut self.multipliers);
        self.multipliers.iter_mut().for_each(|y| *y = -*y);
        if refined {
            self.gather_dense();
            let mut factors = Vec::with_capacity(self.dense_units.len());
            let mut left = vec![Lane::ZERO; gradient.len()];
            let mut of_violation = 0.0;
            for (constraint, &y) in self.constraints.iter().zip(&self.multipliers) {
                match *constraint {
                    Constraint::Row { side, slack, .. } => {
                        factors.push(side * y);
                        of_violation -= slack * y;
                    }
                    Constraint::Kink { .. } => factors.push(y),
                    Constraint::Bound(_) => {}
                    Constraint::NoViolation => of_violation -= y,
                }
            }
            combine(weights, &self.dense_units, &factors, &mut left);
            let entries = numbers_mut(&mut left);
            if self.rows.kind == Kind::Largest {
                entries[weights.columns] += of_violation;
            }
            for (constraint, &y) in self.constraints.iter().zip(&self.multipliers) {
                if let Constraint::Bound(column) = *constraint {
                    entries[column as usize] -= y;
                }
            }
            entries.iter_mut().zip(numbers(gradient)).for_each(|(left, c)| *left += c);
            let mut correction = Vec::new();
            self.inverse.coordinates(&left, &mut correction);
            self.multipliers.iter_mut().zip(&correction).for_each(|(y, d)| *y -= d);
            let largest = |values: &[f64]| values.iter().fold(0.0f64, |most, x| most.max(x.abs()));
            self.is_spoilt = largest(&correction) > SPOILT * (1.0 + largest(&self.multipliers));
        }
    }

    /// Whether every multiplier, refined before, lies strictly between its limits, by more than the
    /// rounding error at this vertex.
    pub fn strictly_between(&mut self, limits: impl Fn(&Self, usize) -> (f64, f64)) -> bool {
        let mut lengths = std::mem::take(&mut self.lengths);
        self.inverse.squared_lengths(&mut lengths);
        let strictly = (0..self.multipliers.len()).all(|j| {
            let (low, high) = limits(self, j);
            let margin = POSITIVE.max(ROUNDING_OF_EDGE * lengths[j].sqrt());
            self.multipliers[j] > low + margin && self.multipliers[j] < high - margin
        });
        self.lengths = lengths;
        strictly && !self.is_spoilt
    }

    /// Exchanges a constraint for another, whose row's coordinates are in `coordinates`.
    pub fn exchange(&mut self, leaving: usize, entering: Constraint) {
        self.inverse.replace(leaving, &self.coordinates);
        self.constraints[leaving] = entering;
        self.exchanges += 1;
    }

    /// Whether so many constraints were exchanged since the inverse was formed that it is to be
    /// formed afresh.
    pub fn is_stale(&self) -> bool {
        self.exchanges >= FRESH
    }

    /// Writes the entering constraint's row and its coordinates.
    pub fn price(&mut self, weights: &PackedWeights, entering: &Constraint) {
        self.entering.clear();
        self.entering.resize(self.point.len(), Lane::ZERO);
        write_row(weights, entering, &mut self.entering);
        self.inverse.coordinates(&self.entering, &mut self.coordinates);
    }

    /// The vertex, as the start of a neighbouring problem.
    pub fn basis(&self, weights: &PackedWeights) -> Basis {
        let scale = self.rows.bound_scale(weights);
        let tight = |constraint: &Constraint| match *constraint {
            Constraint::Row { unit, side, slack, bound, .. } => {
                Tight::Row { unit: unit as usize, side, slack, bound: bound * scale }
            }
            Constraint::Kink { unit, value, .. } => Tight::Kink { unit: unit as usize, value: value * scale },
            Constraint::Bound(column) => Tight::Bound(column as usize),
            Constraint::NoViolation => Tight::NoViolation,
        };
        Basis { tight: self.constraints.iter().map(tight).collect() }
    }
}

/// The constraint's row in `x`; `out` has the lanes of `x`.
fn write_row(weights: &PackedWeights, constraint: &Constraint, out: &mut [Lane]) {
    out.fill(Lane::ZERO);
    let columns = weights.columns;
    let out = numbers_mut(out);
    match *constraint {
        Constraint::Row { unit, side, slack, .. } => {
            for (entry, w) in out.iter_mut().zip(&numbers(weights.unit(unit))[..columns]) {
                *entry = side * w;
            }
            if slack != 0.0 {
                out[columns] = -slack;
            }
        }
        Constraint::Kink { unit, .. } => out[..columns].copy_from_slice(&numbers(weights.unit(unit))[..columns]),
        Constraint::Bound(column) => out[column as usize] = -1.0,
        Constraint::NoViolation => out[columns] = -1.0,
    }
}
