//! The early end at a vertex. Long before the products vanish, the predictor shows which rows and bounds will be tight: where
//! it takes `p` down by more than half, `p → 0` (Tapia's indicator, `−dp/p → 1` for tight rows and `0` for others; El-Bakry,
//! Tapia and Zhang 1994). If those are as many as unknowns, they are solved exactly, primal and dual.
//!
//! The result is taken only if it satisfies all rows and signs, with strictly positive multipliers on equations of full
//! rank. Then it is optimal, and the only optimum: every optimum satisfies the equations whose multipliers are positive.

use super::state::State;
use crate::linalg::lanes::{Lane, numbers, numbers_mut};
use crate::linalg::lu::Lu;
use crate::linalg::packed_weights::PackedWeights;
use crate::linalg::products::{combine, products};
use crate::lp::basis::{Basis, Tight};
use crate::lp::solver::scaled_rows::Kind;
use crate::lp::solver::tolerances::{POSITIVE, VIOLATED};

/// Predicted relative fall of a distance that will vanish.
const TIGHT: f64 = 0.5;
/// Smallest pivot over largest from which multipliers of 1e-9 are more than rounding.
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
    z: Vec<Lane>,
    a: Vec<f64>,
    y: Vec<f64>,
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

impl State {
    /// Tries to end at the vertex that the predictor points to. `true`: `z` and `y` of the point are it.
    /// Costs one elimination of as many equations as there are columns off their bounds.
    pub fn end_at_vertex(&mut self, weights: &PackedWeights, nonnegative: bool) -> bool {
        let columns = weights.columns;
        let mut vertex = std::mem::take(&mut self.vertex);
        let found = self.choose_equations(&mut vertex, columns, nonnegative)
            && self.solve_equations(&mut vertex, weights)
            && self.is_optimal(&mut vertex, weights, nonnegative);
        if found {
            self.point.z.copy_from_slice(&vertex.z);
            self.point.y.copy_from_slice(&vertex.y);
        }
        self.vertex = vertex;
        found
    }

    /// The vertex that [`Self::end_at_vertex`] ended at, in the problem's own numbers.
    pub fn basis(&self, weights: &PackedWeights) -> Basis {
        let scale = self.rows.bound_scale(weights);
        let Vertex { equations, free, right, .. } = &self.vertex;
        let mut tight: Vec<Tight> = equations
            .iter()
            .map(|&Equation { unit, side, slack, value, .. }| match self.rows.kind {
                Kind::Sum => Tight::Kink { unit: unit as usize, value: value * scale },
                _ => Tight::Row { unit: unit as usize, side, slack, bound: value * scale },
            })
            .collect();
        let mut free_columns = free.iter().peekable();
        tight.extend(
            (0..weights.columns).filter(|&i| free_columns.next_if(|&&f| f as usize == i).is_none()).map(Tight::Bound),
        );
        if self.rows.kind == Kind::Largest && right.len() == free.len() {
            tight.push(Tight::NoViolation);
        }
        Basis { tight }
    }

    fn violation_vanishes(&self, place: usize) -> bool {
        -self.step.e[place] > TIGHT * self.point.e[place]
    }

    /// Collects the equations; whether they are as many as unknowns.
    fn choose_equations(&self, vertex: &mut Vertex, columns: usize, nonnegative: bool) -> bool {
        let (z, dz) = (numbers(&self.point.z), numbers(&self.step.z));
        vertex.free.clear();
        vertex.free.extend((0..columns as u32).filter(|&i| {
            let i = i as usize;
            !nonnegative || -dz[i] <= TIGHT * z[i]
        }));
        vertex.equations.clear();
        let unknowns = match self.rows.kind {
            Kind::Largest => vertex.free.len() + usize::from(!self.violation_vanishes(0)),
            _ => vertex.free.len(),
        };
        let rows = &self.rows;
        let is_tight = |row: usize| self.row_indicator(row) > TIGHT;
        if rows.kind == Kind::Sum {
            for place in 0..rows.units.len() {
                if let Some(value) = self.pinned_value(place, is_tight) {
                    let unit = rows.units[place];
                    vertex.equations.push(Equation { unit, side: 1.0, slack: 0.0, value, place: place as u32 });
                }
            }
        } else {
            for slot in &rows.slots {
                for (place, row) in slot.clone().enumerate().filter(|&(_, row)| is_tight(row)) {
                    vertex.equations.push(Equation {
                        unit: rows.units[place],
                        side: rows.side[row],
                        slack: rows.slack[row],
                        value: rows.bound[row],
                        place: row as u32,
                    });
                }
            }
        }
        unknowns > 0 && vertex.equations.len() == unknowns
    }

    /// The value at which a unit with two tight constraints (rows, `e ≥ 0`) is held.
    fn pinned_value(&self, place: usize, is_tight: impl Fn(usize) -> bool) -> Option<f64> {
        let rows = &self.rows;
        let mut tight = rows.at(place).filter(|&row| is_tight(row));
        let first = tight.next()?;
        if self.violation_vanishes(place) {
            return Some(rows.side[first] * rows.bound[first]);
        }
        let mixed = |row: usize| rows.side[row] * rows.slack[row];
        let second = tight.find(|&row| mixed(row) != mixed(first))?;
        let (p, q) = (rows.slack[first], rows.slack[second]);
        Some((rows.bound[first] * q - rows.bound[second] * p) / (rows.side[first] * q - rows.side[second] * p))
    }

    /// Solves for `z` (and `δ`, last) and for the equations' multipliers.
    fn solve_equations(&self, vertex: &mut Vertex, weights: &PackedWeights) -> bool {
        let size = vertex.equations.len();
        let with_violation = size > vertex.free.len();
        vertex.lu.reset(size);
        vertex.right.clear();
        for (index, equation) in vertex.equations.iter().enumerate() {
            let row = vertex.lu.row_mut(index);
            let unit = numbers(weights.unit(equation.unit));
            for (entry, &column) in row.iter_mut().zip(&vertex.free) {
                *entry = equation.side * unit[column as usize];
            }
            if with_violation {
                row[size - 1] = -equation.slack;
            }
            vertex.right.push(equation.value);
        }
        if !vertex.lu.factor() || vertex.lu.pivot_share() < WELL_CONDITIONED {
            return false;
        }
        vertex.lu.solve(&mut vertex.right);
        vertex.z.clear();
        vertex.z.resize(weights.lanes, Lane::ZERO);
        let z = numbers_mut(&mut vertex.z);
        for (&column, x) in vertex.free.iter().zip(&vertex.right) {
            z[column as usize] = *x;
        }
        // Wanted of the equations: q less what units away from their kink already give.
        self.settle_units(vertex, weights);
        let settled = numbers(&vertex.gradient);
        vertex.multipliers.clear();
        vertex.multipliers.extend(vertex.free.iter().map(|&i| self.rows.weights[i as usize] - settled[i as usize]));
        if with_violation {
            vertex.multipliers.push(-1.0);
        }
        vertex.lu.solve_transposed(&mut vertex.multipliers);
        true
    }

    /// The multipliers of the sum of violations' units away from their kinks (0, or `1/σ` on the violated row), in `y`; their
    /// `Σ s y w` in `gradient`. Zeros for the other objectives.
    fn settle_units(&self, vertex: &mut Vertex, weights: &PackedWeights) {
        vertex.y.clear();
        vertex.y.resize(self.rows.len(), 0.0);
        vertex.gradient.clear();
        vertex.gradient.resize(weights.lanes, Lane::ZERO);
        if self.rows.kind != Kind::Sum {
            return;
        }
        vertex.a.clear();
        vertex.a.resize(self.rows.units.len(), 0.0);
        products(weights, &self.rows.units, &vertex.z, &mut vertex.a);
        vertex.units.clear();
        vertex.signs.clear();
        let mut pinned = vertex.equations.iter().map(|equation| equation.place as usize).peekable();
        for place in 0..self.rows.units.len() {
            if pinned.peek() == Some(&place) {
                pinned.next();
                continue;
            }
            let violation =
                |row: usize| (self.rows.side[row] * vertex.a[place] - self.rows.bound[row]) / self.rows.slack[row];
            let rows = self.rows.at(place);
            let worst = rows.max_by(|&a, &b| violation(a).total_cmp(&violation(b)));
            if let Some(row) = worst
                && violation(row) > 0.0
            {
                vertex.y[row] = 1.0 / self.rows.slack[row];
                vertex.units.push(self.rows.units[place]);
                vertex.signs.push(self.rows.side[row] / self.rows.slack[row]);
            }
        }
        combine(weights, &vertex.units, &vertex.signs, &mut vertex.gradient);
    }

    /// Checks rows and signs; leaves `y`.
    fn is_optimal(&self, vertex: &mut Vertex, weights: &PackedWeights, nonnegative: bool) -> bool {
        let z = numbers(&vertex.z);
        if z.iter().any(|z| !z.is_finite()) || (nonnegative && z.iter().any(|&z| z < 0.0)) {
            return false;
        }
        let delta = if vertex.right.len() > vertex.free.len() { vertex.right[vertex.free.len()] } else { 0.0 };
        if delta < 0.0 || !self.set_multipliers(vertex) {
            return false;
        }
        if self.rows.kind != Kind::Sum {
            vertex.a.clear();
            vertex.a.resize(self.rows.units.len(), 0.0);
            products(weights, &self.rows.units, &vertex.z, &mut vertex.a);
            for slot in &self.rows.slots {
                for (row, a) in slot.clone().zip(&vertex.a) {
                    let excess = self.rows.side[row] * a - self.rows.bound[row] - self.rows.slack[row] * delta;
                    if excess.is_nan() || excess > VIOLATED {
                        return false;
                    }
                }
            }
        }
        if vertex.free.len() < weights.columns {
            vertex.units.clear();
            vertex.signs.clear();
            for slot in &self.rows.slots {
                for (place, row) in slot.clone().enumerate().filter(|&(_, row)| vertex.y[row] != 0.0) {
                    vertex.units.push(self.rows.units[place]);
                    vertex.signs.push(self.rows.side[row] * vertex.y[row]);
                }
            }
            combine(weights, &vertex.units, &vertex.signs, &mut vertex.gradient);
            let g = numbers(&vertex.gradient);
            let mut free = vertex.free.iter().map(|&i| i as usize).peekable();
            for (i, (g, q)) in g.iter().zip(&self.rows.weights).enumerate() {
                if free.peek() == Some(&i) {
                    free.next();
                } else if (g - q).is_nan() || g - q <= POSITIVE {
                    return false;
                }
            }
        }
        true
    }

    /// The equations' multipliers as multipliers of rows; whether all are strictly positive and leave `η > 0` where `e = 0`.
    fn set_multipliers(&self, vertex: &mut Vertex) -> bool {
        let rows = &self.rows;
        let strictly_positive = |y: f64| y > POSITIVE;
        if rows.kind != Kind::Sum {
            let mut used = 0.0;
            for (equation, &y) in vertex.equations.iter().zip(&vertex.multipliers) {
                if !strictly_positive(y) {
                    return false;
                }
                used += equation.slack * y;
                vertex.y[equation.place as usize] = y;
            }
            return rows.kind == Kind::Linear
                || vertex.right.len() > vertex.free.len()
                || strictly_positive(1.0 - used);
        }
        for (equation, &net) in vertex.equations.iter().zip(&vertex.multipliers) {
            let place = equation.place as usize;
            let all = || rows.at(place);
            let distance = |row: usize| rows.bound[row] - rows.side[row] * equation.value;
            if self.violation_vanishes(place) {
                // All rows must hold; the multiplier is on a tight row of its side, and some of `η` must be left.
                if all().any(|row| distance(row) < -VIOLATED) {
                    return false;
                }
                let of_side = all().filter(|&row| rows.side[row] == net.signum() && distance(row) <= VIOLATED);
                let Some(row) = of_side.min_by(|&a, &b| rows.slack[a].total_cmp(&rows.slack[b])) else { return false };
                if !strictly_positive(1.0 - rows.slack[row] * net.abs()) {
                    return false;
                }
                // At 0 the equation binds only because of rows on both sides.
                let both = all().any(|row| rows.side[row] == -net.signum() && distance(row) <= VIOLATED);
                if !both && !strictly_positive(net.abs()) {
                    return false;
                }
                vertex.y[row] = net.abs();
            } else {
                // Two rows meet at a positive violation: their multipliers share the weight 1.
                let violation = all().map(|row| -distance(row) / rows.slack[row]).fold(0.0, f64::max);
                let mut meeting = all().filter(|&row| distance(row) + rows.slack[row] * violation <= VIOLATED);
                let (Some(first), Some(second), None) = (meeting.next(), meeting.next(), meeting.next()) else {
                    return false;
                };
                let (s, p) = (rows.side[first], rows.slack[first]);
                let (r, q) = (rows.side[second], rows.slack[second]);
                let determinant = s * q - r * p;
                let (y, x) = ((net * q - r) / determinant, (s - net * p) / determinant);
                if !(strictly_positive(y) && strictly_positive(x)) {
                    return false;
                }
                (vertex.y[first], vertex.y[second]) = (y, x);
            }
        }
        true
    }
}
