//! An answer is checked from itself: from its primal `z` and dual `y`, in f64, never from the
//! solver's word.
//!
//! With `s_u = |w_u|·|z| + |b_u| + |t_u|` (the size of the terms that rounding acts on), after
//! clipping `z` and `y` to their signs and recomputing the violations from `z`:
//!
//! * every row is violated by at most `1e-9 · s_u`;
//! * every dual equation `i` by at most `1e-8 · (|W|ᵀ|y| + |q|)_i`, the normalisation of `y` by
//!   `1e-8` of its own terms;
//! * `|primal − dual| ≤ 1e-8 · |primal| + 1e-12 · Q`, `Q` being `max s_u`, `Σ s_u` or
//!   `Σ |weight_u| s_u`.
//!
//! Overflow is never a proof: where a term of a test is not finite, the test fails.
//!
//! No test has a unit: multiplying bounds, weights or the objective by a constant changes no
//! verdict, and an optimum of 0 is no special case.

use super::problem::{LayerSystem, Objective, Problem, rows_by_unit};

pub(crate) const ROW_TOLERANCE: f64 = 1e-9;
const DUAL_TOLERANCE: f64 = 1e-8;
const GAP_RELATIVE: f64 = 1e-8;
const GAP_OF_SCALE: f64 = 1e-12;

/// What the check found.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Verdict {
    /// `z` is optimal within the tolerances; the objective is `δ`, `Σ e` or `q·z`, computed from
    /// `z`.
    Optimal {
        /// The primal objective.
        objective: f64,
    },
    /// No `z` satisfies the rows (see `lp::certified`).
    Infeasible,
    /// The optimum, `δ*` or `Σ e`, is at least `bound`, and that is above the cutoff.
    AboveCutoff {
        /// The dual objective less what the dual tests forgive.
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
    /// A dual equation, or the normalisation, does not hold.
    DualEquation,
    /// Primal and dual objectives differ.
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
/// Costs a product with `W` and one with `Wᵀ` over the rows.
pub fn certify_optimal(system: &LayerSystem, problem: &Problem, z: &[f64], y: &[f64]) -> Verdict {
    let primal = Primal::of(system, problem, z);
    let fail = |failed| Verdict::NotCertified { objective: primal.objective, failed };
    let finite = |values: &[f64]| values.iter().all(|value| value.is_finite());
    if !finite(z) || !finite(y) || !primal.objective.is_finite() || !primal.scale.is_finite() {
        return Verdict::NotCertified { objective: f64::NAN, failed: FailedTest::NotFinite };
    }
    if !primal.rows_hold {
        return fail(FailedTest::Row);
    }
    if !dual_equations_hold(system, problem, y) || !normalisation_holds(problem, y) {
        return fail(FailedTest::DualEquation);
    }
    let bound_dot_y: f64 = problem.rows.iter().zip(y).map(|(row, y)| row.bound * y).sum();
    let dual = match problem.objective {
        Objective::Linear { .. } => bound_dot_y,
        _ => -bound_dot_y,
    };
    if (primal.objective - dual).abs() <= GAP_RELATIVE * primal.objective.abs() + GAP_OF_SCALE * primal.scale {
        Verdict::Optimal { objective: primal.objective }
    } else {
        fail(FailedTest::Gap)
    }
}

/// Checks that multipliers, already clipped to their sign, prove a largest or summed violation
/// above `cutoff`: the dual tests, and a dual objective that exceeds it by what those forgive
/// (`2e-8` of its terms) and by `1e-12` of the largest `|b_u| + |t_u|`.
pub fn certify_above(system: &LayerSystem, problem: &Problem, y: &[f64], cutoff: f64) -> Verdict {
    let fail = |failed| Verdict::NotCertified { objective: f64::NAN, failed };
    if y.iter().any(|y| !y.is_finite()) {
        return fail(FailedTest::NotFinite);
    }
    if matches!(problem.objective, Objective::Linear { .. })
        || !dual_equations_hold(system, problem, y)
        || !normalisation_holds(problem, y)
    {
        return fail(FailedTest::DualEquation);
    }
    let products = || problem.rows.iter().zip(y).map(|(row, y)| row.bound * y);
    // The multipliers may miss the normalisation, and bounds carry the rounding of what they are
    // differences of.
    let size: f64 = products().map(f64::abs).sum();
    let largest = problem.rows.iter().fold(0.0f64, |most, row| most.max(row.magnitude));
    let bound = -products().sum::<f64>() - 2.0 * DUAL_TOLERANCE * size - GAP_OF_SCALE * largest;
    if bound > cutoff && bound.is_finite() { Verdict::AboveCutoff { bound } } else { fail(FailedTest::Bound) }
}

/// The primal side: the violations recomputed from `z`, the objective, its scale `Q`, and whether
/// rows without a violation hold.
struct Primal {
    objective: f64,
    scale: f64,
    rows_hold: bool,
}

impl Primal {
    fn of(system: &LayerSystem, problem: &Problem, z: &[f64]) -> Self {
        let mut largest_violation = 0.0f64;
        let mut sum_of_violations = 0.0;
        let (mut largest_scale, mut sum_of_scales) = (0.0f64, 0.0);
        let mut rows_hold = true;
        for rows in rows_by_unit(&problem.rows) {
            let (product, size) = system.product_with_size(rows[0].unit, z);
            let scale = size + rows[0].magnitude;
            largest_scale = largest_scale.max(scale);
            sum_of_scales += scale;
            let mut violation = 0.0f64;
            for row in rows {
                let excess = row.side * product - row.bound;
                if !excess.is_finite() {
                    // Two infinities: `max` would overlook the NaN that comes of them.
                    violation = f64::INFINITY;
                } else if row.slack > 0.0 {
                    violation = violation.max(excess / row.slack);
                } else {
                    rows_hold &= excess <= ROW_TOLERANCE * scale;
                }
            }
            largest_violation = largest_violation.max(violation);
            sum_of_violations += violation;
        }
        let (objective, scale) = match &problem.objective {
            _ if !largest_violation.is_finite() => (f64::NAN, largest_scale),
            Objective::LargestViolation => (largest_violation, largest_scale),
            Objective::SumOfViolations => (sum_of_violations, sum_of_scales),
            Objective::Linear { weights, units } => {
                let scale = units
                    .iter()
                    .map(|&(unit, weight, magnitude)| weight.abs() * (system.absolute_product(unit, z) + magnitude));
                (weights.iter().zip(z).map(|(q, z)| q * z).sum(), scale.sum())
            }
        };
        Primal { objective, scale, rows_hold }
    }
}

/// `g = Σ_r y_r side_r w_{u(r)}` and `|W|ᵀ|y|`, entry by entry.
pub(crate) fn row_combination(system: &LayerSystem, problem: &Problem, y: &[f64]) -> (Vec<f64>, Vec<f64>) {
    let mut combination = vec![0.0; system.columns()];
    let mut size = vec![0.0; system.columns()];
    for (row, &y) in problem.rows.iter().zip(y) {
        if y != 0.0 {
            for ((g, size), w) in combination.iter_mut().zip(&mut size).zip(system.unit(row.unit)) {
                *g += y * row.side * w;
                *size += (y * w).abs();
            }
        }
    }
    (combination, size)
}

fn dual_equations_hold(system: &LayerSystem, problem: &Problem, y: &[f64]) -> bool {
    let (combination, size) = row_combination(system, problem, y);
    (0..system.columns()).all(|i| {
        let q = match &problem.objective {
            Objective::Linear { weights, .. } => weights[i],
            _ => 0.0,
        };
        let excess = combination[i] - q;
        let violation = if system.nonnegative { -excess } else { excess.abs() };
        let terms = size[i] + q.abs();
        terms.is_finite() && violation <= DUAL_TOLERANCE * terms
    })
}

fn normalisation_holds(problem: &Problem, y: &[f64]) -> bool {
    let within = |total: f64| total.is_finite() && total <= 1.0 + DUAL_TOLERANCE * (1.0 + total);
    match problem.objective {
        Objective::LargestViolation => within(problem.rows.iter().zip(y).map(|(row, y)| row.slack * y).sum()),
        Objective::SumOfViolations => {
            let mut start = 0;
            rows_by_unit(&problem.rows).all(|rows| {
                let total = rows.iter().zip(&y[start..]).map(|(row, y)| row.slack * y).sum();
                start += rows.len();
                within(total)
            })
        }
        Objective::Linear { .. } => true,
    }
}
