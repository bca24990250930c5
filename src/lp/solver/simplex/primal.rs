//! The primal simplex for the largest violation and for linear objectives: from a vertex whose
//! multipliers have the wrong sign, or that holds rows the problem does not have, to one whose
//! multipliers are nonnegative. Rows that the vertex violates are left to the dual simplex
//! ([`super::dual`]), which follows.
//!
//! A constraint with a negative multiplier leaves, and so does a row that the problem does not
//! have. The point moves along the edge that the other constraints span, until it meets a row or
//! bound that held.

use super::super::scaled_rows::Kind;
use super::tableau::{Constraint, Tableau};
use crate::linalg::lanes::{Lane, numbers, numbers_mut};
use crate::linalg::packed_weights::PackedWeights;
use crate::linalg::products::products;
use crate::lp::solver::tolerances::{POSITIVE, VIOLATED, violated};

/// Rates below this share of the largest are rounding errors.
const STILL: f64 = 1e-9;

impl Tableau {
    /// Pivots until no multiplier is negative and no constraint belongs only to the neighbouring
    /// problem. `gradient`: the objective to be minimised. Returns the number of pivots; `None`
    /// where that fails.
    pub fn primal_simplex(&mut self, weights: &PackedWeights, nonnegative: bool, gradient: &[Lane]) -> Option<u32> {
        let limit = self.dimension() / 2 + 20;
        let mut pivots = 0;
        let mut placed = false;
        loop {
            self.set_multipliers(weights, gradient, false);
            let Some((leaving, sign)) = self.leaving_constraint() else { return Some(pivots as u32) };
            if pivots >= limit {
                return None;
            }
            if !placed {
                self.place_point(weights, true);
                products(weights, &self.rows.units, &self.point, &mut self.a);
                placed = true;
            }
            self.follow_edge(weights, nonnegative, leaving, sign)?;
            pivots += 1;
        }
    }

    /// A row that the problem does not have, with the direction in which it may be violated;
    /// otherwise the constraint with the most negative multiplier relative to the length of its
    /// edge.
    fn leaving_constraint(&mut self) -> Option<(usize, f64)> {
        let gone = |constraint: &Constraint| matches!(constraint, Constraint::Row { row: None, .. });
        if let Some(index) = self.constraints.iter().position(gone) {
            return Some((index, 1.0));
        }
        let negative = |y: f64| y < -POSITIVE;
        if !self.multipliers.iter().any(|&y| negative(y)) {
            return None;
        }
        let mut lengths = std::mem::take(&mut self.lengths);
        self.inverse.squared_lengths(&mut lengths);
        let merit = |index: usize| self.multipliers[index] * self.multipliers[index] / lengths[index];
        let candidates = (0..self.multipliers.len()).filter(|&index| negative(self.multipliers[index]));
        let best = candidates.max_by(|&a, &b| merit(a).total_cmp(&merit(b)));
        self.lengths = lengths;
        best.map(|index| (index, -1.0))
    }

    /// Moves along the edge of `leaving` as far as the constraints that hold allow; `None` if
    /// nothing stops the move or the pivot is lost.
    fn follow_edge(&mut self, weights: &PackedWeights, nonnegative: bool, leaving: usize, sign: f64) -> Option<()> {
        let direction: Vec<Lane> =
            self.inverse.vector(leaving).iter().map(|lane| Lane(lane.0.map(|x| sign * x))).collect();
        let mut rates = vec![0.0; self.a.len()];
        products(weights, &self.rows.units, &direction, &mut rates);
        let columns = weights.columns;
        let (x, d) = (numbers(&self.point), numbers(&direction));
        let with_violation = self.rows.kind == Kind::Largest;
        let (delta, delta_rate) = if with_violation { (x[columns], d[columns]) } else { (0.0, 0.0) };
        let fastest = rates.iter().chain(&d[..columns]).fold(delta_rate.abs(), |most, rate| most.max(rate.abs()));
        let still = STILL * fastest;
        let small = if with_violation { violated(delta) } else { VIOLATED };
        // (distance, rate, constraint) of each constraint that holds and is approached.
        let mut nearest: Option<(f64, f64, Constraint)> = None;
        let mut meet = |room: f64, rate: f64, constraint: Constraint| {
            if rate <= still || room < -10.0 * small {
                return;
            }
            let room = room.max(0.0);
            let closer = nearest.is_none_or(|(other_room, other_rate, _)| {
                // Of the constraints that are met together, up to rounding, the one that is
                // approached fastest.
                let (here, there) = (room * other_rate, other_room * rate);
                let tie = small * rate.min(other_rate);
                here < there - tie || here <= there + tie && rate > other_rate
            });
            if closer {
                nearest = Some((room, rate, constraint));
            }
        };
        for slot in &self.rows.slots {
            for (place, row) in slot.clone().enumerate() {
                let (side, slack, bound) = (self.rows.side[row], self.rows.slack[row], self.rows.bound[row]);
                let rate = side * rates[place] - slack * delta_rate;
                let room = bound + slack * delta - side * self.a[place];
                let unit = self.rows.units[place];
                meet(room, rate, Constraint::Row { unit, side, slack, bound, row: Some(row as u32) });
            }
        }
        if nonnegative {
            for column in 0..columns {
                meet(x[column], -d[column], Constraint::Bound(column as u32));
            }
        }
        if with_violation {
            meet(delta, -delta_rate, Constraint::NoViolation);
        }
        let (room, rate, entering) = nearest?;
        self.price(weights, &entering);
        let largest = self.coordinates.iter().fold(0.0f64, |most, c| most.max(c.abs()));
        if self.coordinates[leaving].abs() <= STILL * largest {
            return None;
        }
        let step = room / rate;
        numbers_mut(&mut self.point).iter_mut().zip(d).for_each(|(x, d)| *x += step * d);
        self.a.iter_mut().zip(&rates).for_each(|(a, rate)| *a += step * rate);
        self.exchange(leaving, entering);
        Some(())
    }
}
