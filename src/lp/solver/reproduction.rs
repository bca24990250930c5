//! Targets that can be reproduced exactly: the optimum is 0, and least squares on the equations
//! finds it without an iteration.
//!
//! Where a `z` violates no row, `y = 0` proves the optimum of both violation objectives. Every
//! other optimum satisfies the equations (units held between rows that leave no room) as well, so
//! if those have full column rank it is the only one.

use super::interior_point::InteriorPoint;
use super::interior_point::fit::fitted_value;
use super::interior_point::iterate::Shared;
use super::scaled_rows::{Kind, ScaledRows};
use super::tolerances::ENORMOUS;
use crate::linalg::lanes::{Lane, numbers, numbers_mut};
use crate::linalg::least_squares::LeastSquares;
use crate::linalg::products::products;

/// A fit (in single precision, with a ridge) that violates no row by more than this, in units of
/// the largest bound, may do so because of rounding alone.
const NEARLY: f64 = 3e-4;
/// The rounding error of `w·z − h`, in units of the largest bound and `|w|·|z|`.
const ROUNDING: f64 = 1e-14;

/// Workspace.
#[derive(Debug, Default)]
pub struct Reproduction {
    least_squares: LeastSquares,
}

impl Reproduction {
    /// The only `z` that violates no row, if there is one, and if the fit at the start of the
    /// interior point is close to it.
    pub fn reproduce(&mut self, shared: Shared<'_>, begun: &mut InteriorPoint) -> Option<Vec<f64>> {
        let fit_violation = begun.fit_violation();
        let (rows, weights) = (&begun.rows, shared.weights);
        if rows.kind == Kind::Linear || fit_violation.is_nan() || fit_violation > NEARLY {
            return None;
        }
        let (mut units, mut values) = (Vec::new(), Vec::new());
        let scale = rows.bound_scale(weights);
        for place in 0..rows.with_second_row() {
            if let Some(value) = equation_value(rows, place) {
                units.push(rows.units[place]);
                values.push(value * scale);
            }
        }
        let mut z = self.least_squares.solve(weights, &units, &vec![1.0; units.len()], &values)?;
        if shared.nonnegative {
            z.iter_mut().for_each(|z| *z = z.max(0.0));
        }
        let mut scaled = vec![Lane::ZERO; weights.lanes];
        numbers_mut(&mut scaled).iter_mut().zip(&z).for_each(|(scaled, z)| *scaled = z / rows.z_scale);
        let a = &mut begun.point.a;
        products(weights, &rows.units, &scaled, a);
        let size = 1.0 + numbers(&scaled).iter().map(|z| z.abs()).sum::<f64>();
        let moderate = numbers(&scaled).iter().all(|z| z.abs() <= ENORMOUS);
        (moderate && rows.largest_violation(a) <= ROUNDING * size).then_some(z)
    }
}

/// The value of a unit whose rows leave it no room without a violation.
fn equation_value(rows: &ScaledRows, place: usize) -> Option<f64> {
    let value = fitted_value(rows, place, 0.0)?;
    let room = |row: usize| rows.bound[row] - rows.side[row] * value;
    let (mut above, mut below) = (f64::INFINITY, f64::INFINITY);
    for row in rows.at(place) {
        let room_of_side = if rows.side[row] > 0.0 { &mut above } else { &mut below };
        *room_of_side = room_of_side.min(room(row));
    }
    (above + below <= ROUNDING).then_some(value)
}
