//! What a point is by itself: its violations, its objective, and whether it satisfies the rows.

use super::super::problem::{LayerSystem, Objective, Problem, rows_by_unit};
use super::ROW_TOLERANCE;

/// The primal side: the violations recomputed from `z`, the objective, its scale `Q`, and whether
/// rows without a violation hold.
pub struct Primal {
    pub objective: f64,
    pub scale: f64,
    pub rows_hold: bool,
    /// `δ`, `e_u` in the order of the units, or nothing.
    pub violations: Vec<f64>,
    /// `w_u·z` and `s_u`, in the order of the units.
    pub products: Vec<(f64, f64)>,
}

impl Primal {
    pub fn of(system: &LayerSystem, problem: &Problem, z: &[f64]) -> Self {
        let mut largest_violation = 0.0f64;
        let mut sum_of_violations = 0.0;
        let (mut largest_scale, mut sum_of_scales) = (0.0f64, 0.0);
        let mut rows_hold = true;
        let most = problem.rows.len().min(system.units());
        let of_each_unit = problem.objective == Objective::SumOfViolations;
        let mut violations = Vec::with_capacity(if of_each_unit { most } else { 1 });
        let mut products = Vec::with_capacity(most);
        for rows in rows_by_unit(&problem.rows) {
            let (product, size) = system.product_with_size(rows[0].unit, z);
            let scale = size + rows[0].magnitude;
            // In units of the violation.
            let least_slack = rows.iter().fold(f64::INFINITY, |least, row| least.min(row.slack));
            largest_scale = largest_scale.max(scale / least_slack);
            sum_of_scales += scale / least_slack;
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
            if of_each_unit {
                violations.push(violation);
            }
            products.push((product, scale));
        }
        let (objective, scale) = match &problem.objective {
            _ if !largest_violation.is_finite() => (f64::NAN, f64::NAN),
            Objective::LargestViolation => (largest_violation, largest_scale),
            Objective::SumOfViolations => (sum_of_violations, sum_of_scales),
            Objective::Linear { weights, units } => {
                let scale = units
                    .iter()
                    .map(|&(unit, weight, magnitude)| weight.abs() * (system.absolute_product(unit, z) + magnitude));
                (weights.iter().zip(z).map(|(q, z)| q * z).sum(), scale.sum())
            }
        };
        if problem.objective == Objective::LargestViolation {
            violations.push(largest_violation);
        }
        Primal { objective, scale, rows_hold, violations, products }
    }
}
