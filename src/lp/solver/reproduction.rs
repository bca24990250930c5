//! Targets that can be reproduced exactly: the optimum is 0, and least squares on the equations
//! finds it without an iteration.
//!
//! Where a `z` violates no row, `y = 0` proves the optimum of both violation objectives. Every
//! other optimum satisfies the equations (units held between rows that leave no room) as well, so
//! if those have full column rank it is the only one.
//!
//! Where the least squares leave small violations, far below the data, they are where the iteration
//! begins: noise of 1e-9, or the rows of `relaxed` at a tolerance of 1e-6. Its usual start, by a
//! fit in single precision and 1e-3 of the largest bound off every row, takes many iterations to
//! tell rows that are 1e-9 apart.

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
pub const NEARLY: f64 = 3e-4;
/// The rounding error of `w·z − h`, in units of the largest bound and `|w|·|z|`.
const ROUNDING: f64 = 1e-14;

/// Least squares that violate no row by more than this are where the iteration begins. Its usual
/// start keeps off the bounds by more.
const CLOSE: f64 = 1e-5;

/// What least squares found.
#[derive(Debug, Clone, PartialEq)]
pub enum Reproduced {
    /// The only `z` that violates no row.
    Exactly(Vec<f64>),
    /// A `z` whose violations are larger than rounding, but small.
    Closely(Vec<f64>),
}

/// Workspace.
#[derive(Debug, Default)]
pub struct Reproduction {
    least_squares: LeastSquares,
}

impl Reproduction {
    /// The only `z` that violates no row, if there is one, and if the fit at the start of the
    /// interior point is close to it; otherwise one that nearly violates none.
    pub fn reproduce(&mut self, shared: Shared<'_>, begun: &mut InteriorPoint) -> Option<Reproduced> {
        let fit_violation = begun.fit_violation();
        let (rows, weights) = (&begun.rows, shared.weights);
        if fit_violation.is_nan() || fit_violation > NEARLY {
            return None;
        }
        let (mut units, mut values) = (Vec::new(), Vec::new());
        let scale = rows.bound_scale(weights);
        for place in 0..rows.units.len() {
            let value = match rows.kind {
                Kind::Linear => fitted_value(rows, place, begun.push(rows.units[place])),
                _ => equation_value(rows, place),
            };
            if let Some(value) = value {
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
        let violation = rows.largest_violation(a);
        match violation {
            _ if !moderate => None,
            exact if rows.kind != Kind::Linear && exact <= ROUNDING * size => Some(Reproduced::Exactly(z)),
            close if close <= CLOSE => Some(Reproduced::Closely(z)),
            _ => None,
        }
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
