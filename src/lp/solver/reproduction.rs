//! Targets that can be reproduced exactly: the optimum is 0, and least squares on the equations finds it without an iteration.
//!
//! Where a `z` violates no row, `y = 0` proves the optimum of both violation objectives. Every other optimum satisfies the equations
//! (units held between rows that leave no room) as well, so if those have full column rank it is the only one.

use super::interior_point::state::State;
use super::tolerances::ENORMOUS;
use crate::linalg::lanes::{Lane, numbers, numbers_mut};
use crate::linalg::packed_weights::PackedWeights;
use crate::linalg::products::products;
use crate::lp::problem::LayerSystem;
use crate::lp::solver::scaled_rows::Kind;

/// A fit (in single precision, with a ridge) that violates no row by more than this, in units of the largest bound, may do so
/// because of rounding alone.
const NEARLY: f64 = 3e-4;
/// What rounding in `w·z − h` leaves, in units of the largest bound and `|w|·|z|`.
const ROUNDING: f64 = 1e-14;

impl State {
    /// The only `z` that violates no row, if the fit that [`State::start`] began with comes close and there is one.
    pub fn reproduce(&mut self, system: &LayerSystem, weights: &PackedWeights) -> Option<Vec<f64>> {
        if self.rows.kind == Kind::Linear || self.fit_violation.is_nan() || self.fit_violation > NEARLY {
            return None;
        }
        let second = self.rows.slots.get(1).map_or(0, |slot| slot.len());
        let (mut units, mut values) = (Vec::new(), Vec::new());
        let scale = self.rows.bound_scale(weights);
        for place in 0..second {
            if let Some(value) = self.equation_value(place, second) {
                units.push(self.rows.units[place]);
                values.push(value * scale);
            }
        }
        let mut z = self.least_squares.solve(weights, &units, &vec![1.0; units.len()], &values)?;
        if system.nonnegative {
            z.iter_mut().for_each(|z| *z = z.max(0.0));
        }
        let mut scaled = vec![Lane::ZERO; weights.lanes];
        numbers_mut(&mut scaled).iter_mut().zip(&z).for_each(|(scaled, z)| *scaled = z / self.rows.z_scale);
        products(weights, &self.rows.units, &scaled, &mut self.point.a);
        let size = 1.0 + numbers(&scaled).iter().map(|z| z.abs()).sum::<f64>();
        let moderate = numbers(&scaled).iter().all(|z| z.abs() <= ENORMOUS);
        (moderate && self.largest_violation() <= ROUNDING * size).then_some(z)
    }

    /// The value of a unit whose rows leave it no room without a violation.
    fn equation_value(&self, place: usize, second_slot: usize) -> Option<f64> {
        let value = self.fitted_value(place, second_slot, 0.0)?;
        let room = |row: usize| self.rows.bound[row] - self.rows.side[row] * value;
        let (mut above, mut below) = (f64::INFINITY, f64::INFINITY);
        for row in self.rows.at(place) {
            let room_of_side = if self.rows.side[row] > 0.0 { &mut above } else { &mut below };
            *room_of_side = room_of_side.min(room(row));
        }
        (above + below <= ROUNDING).then_some(value)
    }
}
