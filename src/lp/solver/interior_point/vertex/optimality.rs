//! Whether the vertex is the only optimum: all rows and signs hold, all multipliers are strictly
//! positive.

use super::super::indicators::Indicators;
use super::super::iterate::{Iterate, Shared};
use super::Vertex;
use crate::linalg::lanes::{Lane, numbers};
use crate::linalg::products::{combine, products};
use crate::lp::solver::scaled_rows::{Kind, ScaledRows};
use crate::lp::solver::tolerances::{POSITIVE, VIOLATED, violated};

impl Vertex {
    /// The multipliers of the sum of violations' units away from their kinks (0, or `1/σ` on the
    /// violated row), in `y`; their `Σ s y w` in `gradient`. Zeros for the other objectives.
    pub(super) fn settle_units(&mut self, shared: Shared<'_>, rows: &ScaledRows) {
        self.y.clear();
        self.y.resize(rows.len(), 0.0);
        self.gradient.clear();
        self.gradient.resize(shared.weights.lanes, Lane::ZERO);
        if rows.kind != Kind::Sum {
            return;
        }
        self.a.clear();
        self.a.resize(rows.units.len(), 0.0);
        products(shared.weights, &rows.units, &self.z, &mut self.a);
        self.units.clear();
        self.signs.clear();
        let mut pinned = self.equations.iter().map(|equation| equation.place as usize).peekable();
        for place in 0..rows.units.len() {
            if pinned.peek() == Some(&place) {
                pinned.next();
                continue;
            }
            let violation = |row: usize| (rows.side[row] * self.a[place] - rows.bound[row]) / rows.slack[row];
            let worst = rows.at(place).max_by(|&a, &b| violation(a).total_cmp(&violation(b)));
            if let Some(row) = worst
                && violation(row) > 0.0
            {
                self.y[row] = 1.0 / rows.slack[row];
                self.units.push(rows.units[place]);
                self.signs.push(rows.side[row] / rows.slack[row]);
            }
        }
        combine(shared.weights, &self.units, &self.signs, &mut self.gradient);
    }

    /// Checks rows and signs; writes the multipliers to `y`.
    pub(super) fn is_optimal(&mut self, seen: Indicators<'_>) -> bool {
        let Iterate { shared, rows, .. } = seen.at;
        let z = numbers(&self.z);
        if z.iter().any(|z| !z.is_finite()) || (shared.nonnegative && z.iter().any(|&z| z < 0.0)) {
            return false;
        }
        let delta = if self.right.len() > self.free.len() { self.right[self.free.len()] } else { 0.0 };
        if delta < 0.0 || !self.set_multipliers(seen) {
            return false;
        }
        if rows.kind != Kind::Sum {
            self.a.clear();
            self.a.resize(rows.units.len(), 0.0);
            products(shared.weights, &rows.units, &self.z, &mut self.a);
            let most = if rows.kind == Kind::Largest { violated(delta) } else { VIOLATED };
            for slot in &rows.slots {
                for (row, a) in slot.clone().zip(&self.a) {
                    let excess = rows.side[row] * a - rows.bound[row] - rows.slack[row] * delta;
                    if excess.is_nan() || excess > most {
                        return false;
                    }
                }
            }
        }
        if self.free.len() < shared.columns() {
            self.units.clear();
            self.signs.clear();
            for slot in &rows.slots {
                for (place, row) in slot.clone().enumerate().filter(|&(_, row)| self.y[row] != 0.0) {
                    self.units.push(rows.units[place]);
                    self.signs.push(rows.side[row] * self.y[row]);
                }
            }
            combine(shared.weights, &self.units, &self.signs, &mut self.gradient);
            let g = numbers(&self.gradient);
            let mut free = self.free.iter().map(|&i| i as usize).peekable();
            for (i, (g, q)) in g.iter().zip(&rows.weights).enumerate() {
                if free.peek() == Some(&i) {
                    free.next();
                } else if (g - q).is_nan() || g - q <= POSITIVE {
                    return false;
                }
            }
        }
        true
    }

    /// The equations' multipliers as multipliers of rows. Returns whether all are strictly positive
    /// and leave `η > 0` where `e = 0`.
    fn set_multipliers(&mut self, seen: Indicators<'_>) -> bool {
        let rows = seen.at.rows;
        let strictly_positive = |y: f64| y > POSITIVE;
        if rows.kind != Kind::Sum {
            let mut used = 0.0;
            for (equation, &y) in self.equations.iter().zip(&self.multipliers) {
                if !strictly_positive(y) {
                    return false;
                }
                used += equation.slack * y;
                self.y[equation.place as usize] = y;
            }
            return rows.kind == Kind::Linear || self.right.len() > self.free.len() || strictly_positive(1.0 - used);
        }
        for (equation, &net) in self.equations.iter().zip(&self.multipliers) {
            let place = equation.place as usize;
            let all = || rows.at(place);
            let distance = |row: usize| rows.bound[row] - rows.side[row] * equation.value;
            if seen.violation_vanishes(place) {
                // All rows must hold; the multiplier is on a tight row of its side, and a part of
                // `η` must remain.
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
                self.y[row] = net.abs();
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
                (self.y[first], self.y[second]) = (y, x);
            }
        }
        true
    }
}
