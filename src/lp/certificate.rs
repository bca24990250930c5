//! An answer is checked from itself: from its primal `z` and dual `y`, in f64, never from the
//! solver's word.
//!
//! With `s_u = |w_u|·|z| + |b_u| + |t_u|` (the size of the terms that rounding acts on), after
//! clipping `z` and `y` to their signs and recomputing the violations from `z`:
//!
//! * every row is violated by at most `1e-9 · s_u`;
//! * no competitor is better by more than `1e-8 · |objective| + 1e-12 · Q`. `Q` is the largest
//!   `s_u / slack`, the sum of each unit's largest, or `Σ |weight_u| s_u`.
//!
//! A dual equation that holds only up to rounding says little of a competitor that is far away. So
//! the second test is passed in one of two ways ([`Proof`]). Either the positive multipliers make a
//! vertex, and no code as good can be far from it ([`vertex`], [`inverse`]). Or the competitors are
//! those in a box a thousand times the size of the data. `docs/INVERSION.md` has the derivation.
//!
//! Overflow is never a proof: where a term of a test is not finite, the test fails. No test has a
//! unit: multiplying bounds, weights or the objective by a constant changes no verdict, and an
//! optimum of 0 is no special case.

pub(crate) mod freedom;
mod inverse;
mod primal;
mod residual;
mod vertex;

use super::problem::{LayerSystem, Objective, Problem, Row, rows_by_unit};
use crate::linalg::rank::gamma;
pub use inverse::Held;
pub(crate) use inverse::held_by_inverse;
use primal::Primal;
pub(crate) use residual::{Residual, row_combination};

pub(crate) const ROW_TOLERANCE: f64 = 1e-9;
/// An optimum is proven up to this share of its objective …
pub(crate) const GAP_RELATIVE: f64 = 1e-8;
/// … plus this share of the scale `Q`.
pub(crate) const GAP_OF_SCALE: f64 = 1e-12;
/// For linear objectives: the relative change of the data whose effect on the optimum is forgiven …
const GAP_OF_DATA: f64 = 1e-14;
/// … up to this share of the scale.
const MOST_OF_DATA: f64 = 1e-10;
/// How many times the data's size the box of competitors has to be.
pub(crate) const FAR: f64 = 1e3;
/// Covers the rounding in sums of positive terms.
const ROUNDED_UP: f64 = 1.0 + 1e-9;

/// Against which competitors an optimum is proven.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Proof {
    /// Against every code.
    Everywhere {
        /// Every code at least as good lies within `reach / max_u |w_{u,i}|` of `z_i`; infinite
        /// where that is not known.
        reach: f64,
    },
    /// Against the codes with `|z′_i − z_i| ≤ factor · S / max_u |w_{u,i}|`, `S` being the largest
    /// of `|b_u| + |t_u|` and `|w_{u,i} z_i|`.
    Within {
        /// At least 1000.
        factor: f64,
    },
}

/// What the check found.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Verdict {
    /// `z` is optimal within the tolerances; the objective is `δ`, `Σ e` or `q·z`, computed from
    /// `z`. For `q·z`: none that satisfies the rows exactly is better.
    Optimal {
        /// The primal objective.
        objective: f64,
        /// Against which competitors.
        proof: Proof,
    },
    /// No `z` satisfies the rows (see `lp::certified`).
    Infeasible,
    /// `δ` or `Σ e` is at least `bound`, and that is above the cutoff, for every `z` with
    /// `|z_i| ≤ 1000 S / max_u |w_{u,i}|`, `S` being the largest `|b_u| + |t_u|`.
    AboveCutoff {
        /// The dual objective less what the dual equations miss on that box.
        bound: f64,
    },
    /// Neither could be shown; the first test that failed.
    NotCertified {
        /// The primal objective of the unproven point.
        objective: f64,
        /// Which test.
        failed: FailedTest,
    },
}

/// The test that an answer did not pass.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FailedTest {
    /// An entry of `z` or `y`, or a term made of them, is not finite.
    NotFinite,
    /// A row without a violation variable is not satisfied.
    Row,
    /// The dual equations miss too much to exclude better codes.
    DualEquation,
    /// The slacks of the rows with multipliers leave too much room.
    Gap,
    /// The rows could not be shown to be infeasible.
    Infeasibility,
    /// The lower bound does not exceed the cutoff.
    Bound,
}

/// Clips to the signs that `z ≥ 0` and `y ≥ 0` demand: an interior point may leave them by a
/// rounding error.
pub fn clip_to_signs(system: &LayerSystem, z: &mut [f64], y: &mut [f64]) {
    if system.nonnegative {
        clip(z);
    }
    clip(y);
}

fn clip(values: &mut [f64]) {
    for value in values {
        // A NaN stays, so that the check sees it.
        if *value < 0.0 {
            *value = 0.0;
        }
    }
}

/// Checks that `(z, y)`, already clipped to their signs, are an optimal pair of `problem`.
/// Costs a product with `W` and one with `Wᵀ` over the rows, and an inverse of the tight rows.
pub fn certify_optimal(system: &LayerSystem, problem: &Problem, z: &[f64], y: &[f64]) -> Verdict {
    certify_held(system, problem, z, y, None)
}

/// As [`certify_optimal`], without inverting where the inverse was checked for these multipliers
/// before.
pub(crate) fn certify_held(
    system: &LayerSystem,
    problem: &Problem,
    z: &[f64],
    y: &[f64],
    held: Option<Held>,
) -> Verdict {
    let primal = Primal::of(system, problem, z);
    let fail = |failed| Verdict::NotCertified { objective: primal.objective, failed };
    let finite = |values: &[f64]| values.iter().all(|value| value.is_finite());
    if !finite(z) || !finite(y) || !primal.objective.is_finite() || !primal.scale.is_finite() {
        return Verdict::NotCertified { objective: f64::NAN, failed: FailedTest::NotFinite };
    }
    if !primal.rows_hold {
        return fail(FailedTest::Row);
    }
    let (mut residual, hold) = match held.filter(|held| held.multipliers == y) {
        Some(held) => (held.residual, Some(held.hold)),
        None => (Residual::of(system, problem, y), None),
    };
    let tolerance = GAP_RELATIVE * primal.objective.abs() + of_scale(problem, &residual, &primal);
    let (gap, room) = residual.gap(system, problem, z, &primal);
    let optimal = |proof| Verdict::Optimal { objective: primal.objective, proof };
    // No violation is below 0: an objective that small needs no multipliers.
    let is_zero = !matches!(problem.objective, Objective::Linear { .. }) && primal.objective <= tolerance;
    let otherwise = |failed| match is_zero {
        true => optimal(Proof::Everywhere { reach: f64::INFINITY }),
        false => fail(failed),
    };
    if gap.is_nan() || gap > tolerance {
        return otherwise(FailedTest::Gap);
    }
    if residual.excess.iter().all(|excess| *excess == 0.0) {
        return optimal(Proof::Everywhere { reach: f64::INFINITY });
    }
    let hold = hold.or_else(|| vertex::hold(system, problem, z, &residual));
    let held_close = |residual: &Residual| {
        let Hold { growth, bound } = hold.as_ref()?;
        let misses = residual.excess.iter().enumerate().filter(|(i, _)| !bound[*i]);
        let miss: f64 = misses.map(|(i, excess)| excess / system.column_size(i)).sum();
        let reach = growth * room / (1.0 - growth * miss) * ROUNDED_UP;
        (growth * miss < 0.5 && gap + miss * reach <= tolerance).then_some(2.0 * reach)
    };
    // c_i is at most the column's largest weight, and more than half of it: hence twice the reach.
    if let Some(reach) = held_close(&residual) {
        return optimal(Proof::Everywhere { reach });
    }
    if is_zero {
        return otherwise(FailedTest::DualEquation);
    }
    let size = data_size(system, problem, z);
    let factor = |residual: &Residual, gap: f64| (tolerance - gap) / box_miss(system, residual, size);
    let mut reached = factor(&residual, gap);
    if reached.is_nan() || reached < FAR {
        residual.sharpen(system, problem);
        if let Some(reach) = held_close(&residual) {
            return optimal(Proof::Everywhere { reach });
        }
        reached = factor(&residual, gap);
    }
    if reached < FAR {
        residual.refine(system, problem);
        let (refined_gap, _) = residual.gap(system, problem, z, &primal);
        reached = factor(&residual, refined_gap);
    }
    if reached >= FAR { optimal(Proof::Within { factor: reached }) } else { fail(FailedTest::DualEquation) }
}

/// How close the multipliers of a vertex hold every code that is at least as good.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Hold {
    /// `K`, in units of one over the size of the column.
    growth: f64,
    /// Which columns are held by their bound.
    bound: Vec<bool>,
}

/// Checks that multipliers, already clipped to their sign, prove a largest or summed violation
/// above `cutoff`: a dual objective that exceeds it by what the dual equations miss on the box of
/// [`Verdict::AboveCutoff`].
pub fn certify_above(system: &LayerSystem, problem: &Problem, y: &[f64], cutoff: f64) -> Verdict {
    let fail = |failed| Verdict::NotCertified { objective: f64::NAN, failed };
    if y.iter().any(|y| !y.is_finite()) {
        return fail(FailedTest::NotFinite);
    }
    if matches!(problem.objective, Objective::Linear { .. }) {
        return fail(FailedTest::DualEquation);
    }
    let mut residual = Residual::of(system, problem, y);
    let products: Vec<f64> = problem.rows.iter().zip(&residual.y).map(|(row, y)| row.bound * y).collect();
    let size: f64 = products.iter().map(|product| product.abs()).sum();
    let objective = -products.iter().sum::<f64>() - gamma(products.len() + 1) * size;
    let magnitude = largest_magnitude(problem);
    let bound_by = |residual: &Residual| objective - FAR * box_miss(system, residual, magnitude);
    let mut bound = bound_by(&residual);
    if bound.is_finite() && bound <= cutoff {
        residual.sharpen(system, problem);
        bound = bound_by(&residual);
    }
    if bound > cutoff && bound.is_finite() { Verdict::AboveCutoff { bound } } else { fail(FailedTest::Bound) }
}

/// What a certified pair says of every code that is at least as good and within 1000 times the size
/// of the data.
#[derive(Debug, Clone)]
pub(crate) struct Room {
    /// `Σ y_r |p_r|`.
    room: f64,
    pub(crate) residual: Residual,
    /// How far such a code can be from `z_i`.
    far: Vec<f64>,
}

impl Room {
    /// Takes a pair that passed [`certify_optimal`]. Costs two products with the rows.
    pub(crate) fn of(system: &LayerSystem, problem: &Problem, z: &[f64], y: &[f64]) -> Self {
        let primal = Primal::of(system, problem, z);
        let mut residual = Residual::of(system, problem, y);
        residual.sharpen(system, problem);
        let (_, room) = residual.gap(system, problem, z, &primal);
        let size = FAR * data_size(system, problem, z);
        let far = (0..z.len()).map(|i| size / system.largest_of_column(i)).collect();
        Room { room, residual, far }
    }

    /// The most that `Σ y_r p′_r` can be, `p′` being the code's slacks, if its entries are within
    /// `reach` of those of `z`.
    pub(crate) fn within(&self, reach: &[f64]) -> f64 {
        let misses = self.residual.excess.iter().zip(reach).zip(&self.far).filter(|((excess, _), _)| **excess > 0.0);
        self.room + misses.map(|((excess, reach), far)| excess * reach.min(*far)).sum::<f64>()
    }
}

/// `S`, the largest of `|b_u| + |t_u|` and `|w_{u,i} z_i|`.
pub(crate) fn data_size(system: &LayerSystem, problem: &Problem, z: &[f64]) -> f64 {
    let terms = z.iter().enumerate().map(|(i, z)| system.largest_of_column(i) * z.abs());
    terms.fold(largest_magnitude(problem), f64::max)
}

/// The absolute part of the tolerance. A linear objective's multipliers can be large. `Σ y_r s_r`
/// is what a relative change of all data by 1 moves the optimum by.
fn of_scale(problem: &Problem, residual: &Residual, primal: &Primal) -> f64 {
    let of_scale = GAP_OF_SCALE * primal.scale;
    if !matches!(problem.objective, Objective::Linear { .. }) {
        return of_scale;
    }
    let mut multipliers = residual.y.iter();
    let units = rows_by_unit(&problem.rows).zip(&primal.products);
    let of_unit =
        |(rows, (_, scale)): (&[Row], &(f64, f64))| multipliers.by_ref().take(rows.len()).sum::<f64>() * scale;
    let of_data: f64 = units.map(of_unit).sum();
    of_scale.max((GAP_OF_DATA * of_data).min(MOST_OF_DATA * primal.scale))
}

/// The largest `|b_u| + |t_u|`.
pub(crate) fn largest_magnitude(problem: &Problem) -> f64 {
    problem.rows.iter().fold(0.0, |most: f64, row| most.max(row.magnitude))
}

/// `Σ η_i size / max_u |w_{u,i}|`: what the dual equations miss where every term is of this size.
fn box_miss(system: &LayerSystem, residual: &Residual, size: f64) -> f64 {
    let misses = residual.excess.iter().enumerate().filter(|(_, excess)| **excess > 0.0);
    misses.map(|(i, excess)| excess * (size / system.largest_of_column(i))).sum()
}
