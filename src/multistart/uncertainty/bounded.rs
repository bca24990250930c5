//! Intervals and bounds for bounded noise, from the polytope of the codes that it allows.
//!
//! Coordinates change twice, so that the polytope becomes about round: `p = T y`, where `T` are the
//! axes of the Jacobian of the rows with two limits, scaled by the noise; then `y = c + L⁻ᵀ w`,
//! where `c` is the analytic centre, and `L Lᵀ` the Hessian of the logarithmic barrier there. For
//! `m` limits the polytope then lies within `|w| ≤ m` (Boyd and Vandenberghe, *Convex
//! Optimization*, 8.5.3).

use nalgebra::{Cholesky, DMatrix, DVector};

use super::polytope::{Limits, Rows};
use super::spread::Spread;
use super::walk::{Density, Walk, steps_for};
use crate::lp::certificate::Verdict;
use crate::lp::certified::{CertifiedSolution, solve_certified};
use crate::lp::problem::{LayerSystem, Objective, Problem, Row};
use crate::lp::solver::engine::LpEngine;
use crate::outcome::{Intervals, UncertaintyRow};
use crate::random::Draws;

/// Coordinates that the rows leave open are limited to this many times the size of the code.
const FAR: f64 = 10.0;
/// A largest inscribed ball below this share of its bound is rounding.
const NO_ROOM: f64 = 1e-9;
/// Newton steps to the analytic centre, and the decrement at which it is near enough.
const CENTRING: usize = 60;
const CENTRED: f64 = 1e-2;
/// A bound at this share of the limit on `w`, which is four times beyond the polytope, is the
/// limit.
const AT_LIMIT: f64 = 0.5;

/// The polytope in round coordinates: the step from the code is `origin + map·w`.
struct Round {
    origin: DVector<f64>,
    map: DMatrix<f64>,
    /// The matrix of the rows, one row per row.
    matrix: DMatrix<f64>,
    /// The values of the rows at `w = 0`.
    values: Vec<f64>,
}

/// What is known of the noise, and the source of random numbers.
pub struct Bounded<'a> {
    pub size: Option<f64>,
    /// The largest residual at the code.
    pub misfit: f64,
    /// Number of observed entries.
    pub observed: f64,
    pub draws: &'a mut Draws,
}

/// The uncertainty of `code` under noise of at most a size. `rows` are those around it.
pub fn assess(mut rows: Rows, code: &[f64], noise: Bounded<'_>) -> UncertaintyRow {
    let k = code.len();
    let none = |why| UncertaintyRow::without(why, noise.size.unwrap_or(f64::NAN), k);
    // Of an unknown size, the mean: size − misfit is about Gamma(k + 1)·misfit/n.
    let size = noise.size.unwrap_or(noise.misfit * (1.0 + (k as f64 + 1.0) / noise.observed));
    let Some(limits) = rows.limits(size) else { return none(Intervals::Empty) };
    let Some(spread) = determined_by(&rows, &limits, k) else { return none(Intervals::Undetermined) };
    if spread.entries.iter().all(|entry| entry.is_infinite()) {
        return none(Intervals::Undetermined);
    }
    let axes = scaled_axes(&mut rows, &spread, code, size);
    let Some(limits) = rows.limits(size) else { return none(Intervals::Empty) };
    let Some(round) = Round::of(&rows, &limits, axes) else { return none(Intervals::Empty) };
    let bounds = noise.size.map(|_| round.bounds(&limits));
    let steps = steps_for(k);
    let walk = Walk { rows: &rows, columns: round.matrix.as_slice().to_vec(), values: round.values.clone(), length: k };
    let visited = match noise.size {
        Some(_) => walk.walk(Density::Within(limits), steps, noise.draws),
        None => walk.walk(Density::Largest { observed: noise.observed }, steps, noise.draws),
    };
    let is_determined: Vec<bool> = spread.entries.iter().map(|entry| entry.is_finite()).collect();
    let at: Vec<f64> = code.iter().zip(&round.origin).map(|(z, step)| z + step).collect();
    let (sd, lower, upper) = visited.intervals(&round.map, &at, &is_determined);
    let told = |bounds: Vec<f64>, otherwise: f64| {
        let at = |(entry, bound): (usize, f64)| if is_determined[entry] { code[entry] + bound } else { otherwise };
        bounds.into_iter().enumerate().map(at).collect::<Vec<f64>>()
    };
    let (bound_lower, bound_upper) = bounds.unzip();
    UncertaintyRow {
        bound_lower: bound_lower.map(|bounds| told(bounds, f64::NEG_INFINITY)),
        bound_upper: bound_upper.map(|bounds| told(bounds, f64::INFINITY)),
        ..UncertaintyRow::of(visited.size.unwrap_or(size), sd, lower, upper)
    }
}

/// The spread by the rows with two limits: one limit alone leaves a direction open.
fn determined_by(rows: &Rows, limits: &Limits, k: usize) -> Option<Spread> {
    let has_two = |row: &usize| limits.0[*row].is_finite() && limits.1[*row].is_finite();
    let told = (0..rows.count()).filter(has_two).flat_map(|row| &rows.gradients[row * k..(row + 1) * k]);
    Spread::of(&told.copied().collect::<Vec<f64>>(), k, 0.0, 0.0)
}

/// `T`, and a row more for each axis that is open.
fn scaled_axes(rows: &mut Rows, spread: &Spread, code: &[f64], size: f64) -> DMatrix<f64> {
    let far = FAR * code.iter().fold(1.0, |most: f64, z| most.max(z.abs()));
    let mut axes = spread.axes.clone();
    for (mut axis, length) in axes.column_iter_mut().zip(&spread.lengths) {
        if length.is_infinite() {
            rows.limit_open(axis.iter().map(|part| part / far));
        }
        axis *= if length.is_finite() { size * length } else { far };
    }
    axes
}

impl Round {
    /// `None` if no code was found within the limits.
    fn of(rows: &Rows, limits: &Limits, axes: DMatrix<f64>) -> Option<Self> {
        let k = axes.nrows();
        let mut matrix = DMatrix::from_row_slice(rows.count(), k, &rows.gradients) * &axes;
        let inside = inner_point(&matrix, &rows.values, limits)?;
        let (centre, factor) = analytic_centre(&matrix, &rows.values, limits, inside)?;
        let to_centre = &matrix * &centre;
        let values: Vec<f64> = rows.values.iter().zip(&to_centre).map(|(value, change)| value + change).collect();
        let inverse = factor.l().transpose().solve_upper_triangular(&DMatrix::identity(k, k))?;
        matrix *= &inverse;
        Some(Round { origin: &axes * centre, map: axes * inverse, matrix, values })
    }

    /// The least and the largest step of each entry, by two linear programs each; infinite where a
    /// program is not certified or has no bound of its own.
    fn bounds(&self, limits: &Limits) -> (Vec<f64>, Vec<f64>) {
        let (m, k) = self.matrix.shape();
        let sides = |limits: &Vec<f64>| limits.iter().filter(|limit| limit.is_finite()).count();
        let far = 4.0 * (sides(&limits.0) + sides(&limits.1)) as f64;
        let lengths: Vec<f64> = (0..k).map(|entry| self.map.row(entry).norm()).collect();
        let sizes: Vec<f64> = (0..m).map(|row| self.matrix.row(row).norm()).collect();
        // The rows, then the entries of the code, each of length 1.
        let units = DMatrix::from_fn(k, m + k, |i, unit| match unit.checked_sub(m) {
            None => self.matrix[(unit, i)] / sizes[unit],
            Some(entry) => self.map[(entry, i)] / lengths[entry],
        });
        let system = LayerSystem::from_units(units);
        system.keep_units();
        let rows: Vec<Row> = (0..m)
            .flat_map(|unit| limit_rows(unit, sizes[unit], self.values[unit], (limits.0[unit], limits.1[unit])))
            .collect();
        let problem = |number: usize| {
            let (entry, sign) = (number / 2, if number.is_multiple_of(2) { -1.0 } else { 1.0 });
            let limit = |side: f64| Row { unit: m + entry, side, slack: 0.0, bound: far, magnitude: far };
            let rows = rows.iter().copied().chain([limit(1.0), limit(-1.0)]).collect();
            let weights = DVector::from_iterator(k, system.unit(m + entry).iter().map(|weight| sign * weight));
            Problem { rows, objective: Objective::Linear { weights, units: vec![(m + entry, sign, far)] } }
        };
        let problems: Vec<Problem> = (0..2 * k).map(problem).collect();
        let solved = solve_certified(&system, &LpEngine, &problems);
        let reach = |solution: &CertifiedSolution, length: f64| match solution.verdict {
            Verdict::Optimal { objective, .. } if objective < AT_LIMIT * far => objective * length,
            _ => f64::INFINITY,
        };
        let of_entry = |entry: usize| {
            let reach = [2 * entry, 2 * entry + 1].map(|number| reach(&solved[number], lengths[entry]));
            (self.origin[entry] - reach[0], self.origin[entry] + reach[1])
        };
        (0..k).map(of_entry).unzip()
    }
}

/// The rows of a program for the limits of one unit, whose weights have been divided by `size`.
fn limit_rows(unit: usize, size: f64, value: f64, (low, high): (f64, f64)) -> impl Iterator<Item = Row> {
    let row = move |side: f64, room: f64| {
        let bound = room / size;
        Row { unit, side, slack: 0.0, bound, magnitude: bound.abs() }
    };
    [row(1.0, high - value), row(-1.0, value - low)].into_iter().filter(|row| row.bound.is_finite())
}

/// The centre of the largest ball within the limits; `None` if there is none.
fn inner_point(matrix: &DMatrix<f64>, values: &[f64], limits: &Limits) -> Option<DVector<f64>> {
    let (m, k) = matrix.shape();
    let sizes: Vec<f64> = (0..m).map(|row| matrix.row(row).norm()).collect();
    let system = LayerSystem::from_units(DMatrix::from_fn(k, m, |i, unit| matrix[(unit, i)] / sizes[unit]));
    system.keep_units();
    let widths = (0..m).map(|row| 0.5 * (limits.1[row] - limits.0[row]) / sizes[row]);
    // The radius is at most this: the engine minimises how much it falls short.
    let most = widths.fold(f64::INFINITY, f64::min);
    if !(most > 0.0 && most.is_finite()) {
        return None;
    }
    let of_unit = |unit: usize| limit_rows(unit, sizes[unit], values[unit], (limits.0[unit], limits.1[unit]));
    let shortened = |row: Row| Row { slack: 1.0, bound: row.bound - most, ..row };
    let rows = (0..m).flat_map(of_unit).map(shortened).collect();
    let problem = Problem { rows, objective: Objective::LargestViolation };
    let solution = solve_certified(&system, &LpEngine, std::slice::from_ref(&problem)).pop()?;
    let rooms = problem.rows.iter().map(|row| row.bound + most - row.side * system.product(row.unit, &solution.z));
    let radius = rooms.fold(f64::INFINITY, f64::min);
    (solution.z.iter().all(|w| w.is_finite()) && radius > NO_ROOM * most).then(|| DVector::from_vec(solution.z))
}

/// The analytic centre, from a point within the limits, by damped Newton steps; and the factor of
/// the barrier's Hessian there.
fn analytic_centre(
    matrix: &DMatrix<f64>,
    values: &[f64],
    limits: &Limits,
    mut point: DVector<f64>,
) -> Option<(DVector<f64>, Cholesky<f64, nalgebra::Dyn>)> {
    for step in 0..=CENTRING {
        let change = matrix * &point;
        let at = values.iter().zip(&change).map(|(value, change)| value + change);
        let rooms = at.zip(limits.0.iter().zip(&limits.1)).map(|(v, (low, high))| (1.0 / (v - low), 1.0 / (high - v)));
        let (forces, weights): (Vec<f64>, Vec<f64>) =
            rooms.map(|(low, high)| (high - low, low * low + high * high)).unzip();
        let gradient = matrix.tr_mul(&DVector::from_vec(forces));
        let mut scaled = matrix.clone();
        for (row, weight) in weights.iter().enumerate() {
            scaled.row_mut(row).scale_mut(weight.sqrt());
        }
        let factor = scaled.tr_mul(&scaled).cholesky()?;
        let newton = factor.solve(&gradient);
        let decrement = gradient.dot(&newton).max(0.0).sqrt();
        if !decrement.is_finite() {
            return None;
        }
        if decrement <= CENTRED || step == CENTRING {
            return Some((point, factor));
        }
        // Stays within the limits (Nesterov and Nemirovskii).
        point -= newton / (1.0 + decrement);
    }
    None
}
