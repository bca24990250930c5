//! The early end at a vertex. Long before the products vanish, the predictor shows which rows and
//! bounds will be tight (see [`super::indicators`]). If those are as many as unknowns, they are
//! solved exactly, primal and dual.
//!
//! The result is taken only if it satisfies all rows and signs, with strictly positive multipliers
//! on equations of full rank. Then it is optimal, and the only optimum: every optimum satisfies the
//! equations whose multipliers are positive.

mod optimality;

use super::indicators::Indicators;
use super::iterate::{Iterate, Shared};
use crate::linalg::lanes::{Lane, numbers, numbers_mut};
use crate::linalg::lu::Lu;
use crate::linalg::packed_weights::PackedWeights;
use crate::lp::basis::{Basis, Tight};
use crate::lp::solver::scaled_rows::{Kind, ScaledRows};

/// Minimum of the smallest pivot divided by the largest: above it, multipliers of 1e-9 are more
/// than rounding.
const WELL_CONDITIONED: f64 = 1e-6;

/// Workspace of the attempt.
#[derive(Debug, Default)]
pub struct Vertex {
    equations: Vec<Equation>,
    units: Vec<u32>,
    signs: Vec<f64>,
    free: Vec<u32>,
    lu: Lu,
    right: Vec<f64>,
    multipliers: Vec<f64>,
    /// The solution.
    pub z: Vec<Lane>,
    a: Vec<f64>,
    /// Its multipliers.
    pub y: Vec<f64>,
    gradient: Vec<Lane>,
}

/// `side · w_unit · z − slack · δ = value` on the whole face.
#[derive(Debug, Clone, Copy)]
struct Equation {
    unit: u32,
    side: f64,
    slack: f64,
    value: f64,
    /// The row, or for the sum of violations the position.
    place: u32,
}

impl Vertex {
    /// Tries to solve for the vertex that the predictor points to. `true`: `z` and `y` are that
    /// vertex. Costs one elimination of as many equations as there are columns off their bounds.
    pub fn reach(&mut self, seen: Indicators<'_>) -> bool {
        let Iterate { shared, rows, .. } = seen.at;
        self.choose_equations(seen) && self.solve_equations(shared, rows) && self.is_optimal(seen)
    }

    /// The vertex that [`Self::reach`] ended at, in the problem's own numbers.
    pub fn basis(&self, rows: &ScaledRows, weights: &PackedWeights) -> Basis {
        let scale = rows.bound_scale(weights);
        let Vertex { equations, free, right, .. } = self;
        let mut tight: Vec<Tight> = equations
            .iter()
            .map(|&Equation { unit, side, slack, value, .. }| match rows.kind {
                Kind::Sum => Tight::Kink { unit: unit as usize, value: value * scale },
                _ => Tight::Row { unit: unit as usize, side, slack, bound: value * scale },
            })
            .collect();
        let mut free_columns = free.iter().peekable();
        tight.extend(
            (0..weights.columns).filter(|&i| free_columns.next_if(|&&f| f as usize == i).is_none()).map(Tight::Bound),
        );
        if rows.kind == Kind::Largest && right.len() == free.len() {
            tight.push(Tight::NoViolation);
        }
        Basis { tight }
    }

    /// Collects the equations. Returns whether there are as many as unknowns.
    fn choose_equations(&mut self, seen: Indicators<'_>) -> bool {
        let Iterate { shared, rows, .. } = seen.at;
        self.free.clear();
        let stays_free = |&i: &u32| !shared.nonnegative || seen.stays_positive(i as usize);
        self.free.extend((0..shared.columns() as u32).filter(stays_free));
        self.equations.clear();
        let unknowns = match rows.kind {
            Kind::Largest => self.free.len() + usize::from(!seen.violation_vanishes(0)),
            _ => self.free.len(),
        };
        if rows.kind == Kind::Sum {
            for place in 0..rows.units.len() {
                if let Some(value) = pinned_value(seen, place) {
                    let unit = rows.units[place];
                    self.equations.push(Equation { unit, side: 1.0, slack: 0.0, value, place: place as u32 });
                }
            }
        } else {
            for slot in &rows.slots {
                for (place, row) in slot.clone().enumerate().filter(|&(_, row)| seen.row_is_tight(row)) {
                    self.equations.push(Equation {
                        unit: rows.units[place],
                        side: rows.side[row],
                        slack: rows.slack[row],
                        value: rows.bound[row],
                        place: row as u32,
                    });
                }
            }
        }
        unknowns > 0 && self.equations.len() == unknowns
    }

    /// Solves for `z` (and `δ`, last) and for the equations' multipliers.
    fn solve_equations(&mut self, shared: Shared<'_>, rows: &ScaledRows) -> bool {
        let size = self.equations.len();
        let with_violation = size > self.free.len();
        self.lu.reset(size);
        self.right.clear();
        for (index, equation) in self.equations.iter().enumerate() {
            let row = self.lu.row_mut(index);
            let unit = numbers(shared.weights.unit(equation.unit));
            for (entry, &column) in row.iter_mut().zip(&self.free) {
                *entry = equation.side * unit[column as usize];
            }
            if with_violation {
                row[size - 1] = -equation.slack;
            }
            self.right.push(equation.value);
        }
        if !self.lu.factor() || self.lu.pivot_share() < WELL_CONDITIONED {
            return false;
        }
        self.lu.solve(&mut self.right);
        self.z.clear();
        self.z.resize(shared.weights.lanes, Lane::ZERO);
        let z = numbers_mut(&mut self.z);
        for (&column, x) in self.free.iter().zip(&self.right) {
            z[column as usize] = *x;
        }
        // The right-hand side of the equations: q minus the contribution of units away from their
        // kink.
        self.settle_units(shared, rows);
        let settled = numbers(&self.gradient);
        self.multipliers.clear();
        self.multipliers.extend(self.free.iter().map(|&i| rows.weights[i as usize] - settled[i as usize]));
        if with_violation {
            self.multipliers.push(-1.0);
        }
        self.lu.solve_transposed(&mut self.multipliers);
        true
    }
}

/// The value at which a unit with two tight constraints (rows, `e ≥ 0`) is held.
fn pinned_value(seen: Indicators<'_>, place: usize) -> Option<f64> {
    let rows = seen.at.rows;
    let mut tight = rows.at(place).filter(|&row| seen.row_is_tight(row));
    let first = tight.next()?;
    if seen.violation_vanishes(place) {
        return Some(rows.side[first] * rows.bound[first]);
    }
    let mixed = |row: usize| rows.side[row] * rows.slack[row];
    let second = tight.find(|&row| mixed(row) != mixed(first))?;
    let (p, q) = (rows.slack[first], rows.slack[second]);
    Some((rows.bound[first] * q - rows.bound[second] * p) / (rows.side[first] * q - rows.side[second] * p))
}
