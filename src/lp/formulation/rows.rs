//! The rows of `linf` and `l1`, with `e` for the violation (`δ` or `e_u`) and `a = w_u·z + b_u`:
//!
//! | layer | target | rows |
//! |---|---|---|
//! | ReLU | `t > ε` | `\|a − t\| ≤ e` |
//! | | `t ≤ ε` | `a ≤ t + e` |
//! | LeakyReLU, corrected | `t > ε` | `\|a − t\| ≤ e` |
//! | | `0 < t ≤ ε` | `t − e/c ≤ a ≤ t + e` |
//! | | `t ≤ 0` | `(t − e)/c ≤ a ≤ min(t + e, (t + e)/c)` |
//! | printed (Remark 1) | `−ε < t ≤ ε` | `(t − e)/c ≤ a ≤ t + e` |
//! | | `t ≤ −ε` | `\|c·a − t\| ≤ e` |
//! | inactive | `t ≤ ε` | `a ≤ t + e` |
//!
//! Which case an entry falls into is read from the device's configuration masks, not from the
//! target.

use super::RowRule;
use super::target::{Shape, Target};
use crate::configuration::Configurations;
use crate::lp::problem::{LayerSystem, Row};

/// A second threshold below ε, where the rule has a case between the two.
pub fn second_threshold(shape: Shape, rule: RowRule, epsilon: f64) -> Option<f64> {
    match (shape, rule) {
        (Shape::Relu, _) | (_, RowRule::Inactive) => None,
        (Shape::Leaky(_), RowRule::Corrected) => Some(0.0),
        (Shape::Leaky(_), RowRule::Printed) => Some(-epsilon),
    }
}

/// The masks of a batch: entries above ε, and above the second threshold where there is one.
#[derive(Debug, Clone)]
pub struct Masks {
    /// `t > ε`.
    pub above: Configurations,
    /// `t >` [`second_threshold`].
    pub above_second: Option<Configurations>,
}

impl Masks {
    fn case(&self, observation: usize, unit: usize) -> Case {
        if self.above.is_active(observation, unit) {
            Case::Above
        } else if self.above_second.as_ref().is_some_and(|masks| masks.is_active(observation, unit)) {
            Case::Between
        } else {
            Case::Below
        }
    }
}

#[derive(Clone, Copy)]
enum Case {
    Above,
    Between,
    Below,
}

/// The least tolerance down to which `z`, optimal with violation `δ` at `epsilon`, stays optimal:
/// below it some entry counts as active whose lower row `t − a ≤ δ` does not hold. Steps in between
/// only tighten rows that hold, and `δ*` never rises with ε. `None` for the printed LeakyReLU rows,
/// which do not have this property.
pub fn holds_down_to(
    system: &LayerSystem,
    shape: Shape,
    rule: RowRule,
    target: Target<'_>,
    z: &[f64],
    delta: f64,
    epsilon: f64,
) -> Option<f64> {
    if matches!(shape, Shape::Leaky(_)) && rule == RowRule::Printed {
        return None;
    }
    let units = target.values.iter().enumerate().filter(|&(_, &t)| t > 0.0 && t <= epsilon);
    let missed = units.filter(|&(unit, &t)| t - (system.product(unit, z) + system.bias[unit]) > delta);
    Some(missed.map(|(_, &t)| t).fold(0.0, f64::max))
}

/// The rows of one observation, unit by unit; `observation` is its place in the masks.
pub fn violation_rows(
    system: &LayerSystem,
    shape: Shape,
    rule: RowRule,
    target: Target<'_>,
    masks: &Masks,
    observation: usize,
) -> Vec<Row> {
    let mut rows = Vec::with_capacity(2 * target.values.len());
    for (unit, &t) in target.values.iter().enumerate() {
        if t.is_nan() {
            continue;
        }
        let bias = system.bias[unit];
        let t = target.bounded(t);
        let magnitude = bias.abs() + t.abs();
        let mut upper = |limit: f64, slack: f64| {
            rows.push(Row { unit, side: 1.0, slack, bound: limit - bias, magnitude });
        };
        if target.values[unit] == f64::NEG_INFINITY {
            upper(t, 1.0);
            continue;
        }
        let case = masks.case(observation, unit);
        let saturated_high = target.values[unit] == f64::INFINITY;
        match (shape, rule, case) {
            _ if saturated_high => {}
            (Shape::Relu, _, _) | (_, _, Case::Above) | (_, RowRule::Inactive, _) => upper(t, 1.0),
            (Shape::Leaky(_), _, Case::Between) => upper(t, 1.0),
            (Shape::Leaky(c), RowRule::Corrected, Case::Below) => {
                upper(t, 1.0);
                // With slope 1, the two upper bounds are equal.
                if c < 1.0 {
                    upper(t / c, 1.0 / c);
                }
            }
            (Shape::Leaky(c), RowRule::Printed, Case::Below) => upper(t / c, 1.0 / c),
        }
        let mut lower = |limit: f64, slack: f64| {
            rows.push(Row { unit, side: -1.0, slack, bound: bias - limit, magnitude });
        };
        match (shape, rule, case) {
            _ if saturated_high => lower(t, 1.0),
            (_, _, Case::Above) => lower(t, 1.0),
            (Shape::Relu, _, _) | (_, RowRule::Inactive, _) => {}
            (Shape::Leaky(c), RowRule::Corrected, Case::Between) => lower(t, 1.0 / c),
            (Shape::Leaky(c), _, _) => lower(t / c, 1.0 / c),
        }
    }
    rows
}
