//! What a layer's target itself tells of the layer's input, whatever the program's objective is.
//!
//! The optimum of `relaxed` can be the only one although other inputs reproduce the target as well,
//! since the objective is not the loss. With `l1` it is the loss, but for units that are wrongly
//! taken as on. And a hidden layer's target is an answer itself, with an error: an optimum whose
//! loss is within that error can be the only one by chance.
//!
//! What reproduces the target satisfies `w_u·z + b_u = φ⁻¹(t_u)` for each unit whose output shows
//! what it receives: for LeakyReLU all with a finite target, for ReLU those that are on, which is
//! sure only of a `t_u` above ε and the target's error. These equations tell `z` where they have
//! full column rank, which is proven as everywhere else ([`RowSpace`]). The other rows are
//! one-sided and are not counted, although together they could determine an entry.

use super::RowRule;
use super::target::{Shape, Target};
use crate::linalg::row_space::RowSpace;
use crate::lp::problem::LayerSystem;

/// Violations up to this share of the sum of all terms are rounding.
const ZERO_VIOLATIONS: f64 = 1e-12;
/// How many times its spread an entry may be off. The spread takes the rows' errors as independent:
/// the bound that does not would call nearly nothing determined under noise.
const SURELY: f64 = 3.0;

/// What the target of one observation tells of the layer's input.
#[derive(Debug, Clone, PartialEq)]
pub struct Known {
    /// For each entry, how far it can be from that of another input that reproduces the target
    /// within its error and ε; infinite where the equations leave the entry open.
    pub uncertainty: Vec<f64>,
    /// Whether an entry that the optimum determines is determined even if the equations leave it
    /// open.
    pub by_optimum: bool,
}

/// An optimum whose target is asked.
#[derive(Debug, Clone, Copy)]
pub struct Optimum<'a> {
    /// The layer's input.
    pub z: &'a [f64],
    /// The tolerance of its program.
    pub epsilon: f64,
    /// `Σ e` if the program minimises it.
    pub violations: Option<f64>,
}

impl Known {
    /// What is known where `optimum` was found.
    pub fn of(system: &LayerSystem, rules: (Shape, RowRule), target: Target<'_>, optimum: Optimum<'_>) -> Self {
        let scale = system.absolute_total(optimum.z) + target.finite().map(f64::abs).sum::<f64>();
        let zero = ZERO_VIOLATIONS * scale;
        let errors = target.errors.unwrap_or_default().iter().zip(target.values).filter(|(_, t)| !t.is_nan());
        let errors: f64 = errors.map(|(error, _)| error).sum();
        // A violation of a unit that is wrongly taken as on is no loss.
        let loss = || target.loss(rules.0, |unit| system.product(unit, optimum.z) + system.bias[unit]);
        // Without violations, every input that reproduces the target is an optimum.
        let by_optimum = optimum.violations.is_some_and(|sum| sum <= zero || loss() > errors + zero);
        Known { uncertainty: uncertainty(system, rules, target, optimum), by_optimum }
    }
}

fn uncertainty(
    system: &LayerSystem,
    (shape, rule): (Shape, RowRule),
    target: Target<'_>,
    Optimum { z, epsilon, .. }: Optimum<'_>,
) -> Vec<f64> {
    let error = |unit: usize| target.errors.map_or(0.0, |errors| errors[unit]);
    let shows_its_input = |unit: usize, t: f64| match (shape, rule) {
        (Shape::Leaky(_), RowRule::Corrected | RowRule::Printed) => t.is_finite() && error(unit).is_finite(),
        (Shape::Relu, _) | (_, RowRule::Inactive) => t.is_finite() && t > epsilon + error(unit),
    };
    let shown = target.values.iter().enumerate().filter(|&(unit, t)| shows_its_input(unit, *t));
    let units: Vec<usize> = shown.map(|(unit, _)| unit).collect();
    let spread = |units: &[usize]| -> Vec<f64> {
        let missed = |&unit: &usize| {
            let received = system.product(unit, z) + system.bias[unit];
            let allowed = (epsilon + error(unit)) * target.slack(shape, unit);
            (received - shape.undo(target.values[unit])).abs() + allowed
        };
        let missed: Vec<f64> = units.iter().map(missed).collect();
        let rows: Vec<&[f64]> = units.iter().map(|unit| system.unit(*unit)).collect();
        let space = RowSpace::new(system.columns(), rows.into_iter());
        space.spread(&missed).into_iter().map(|spread| SURELY * spread).collect()
    };
    // A few rows nearly always suffice, at a fraction of the cost.
    let few = &units[..units.len().min(2 * system.columns())];
    let of_few = spread(few);
    if few.len() == units.len() || of_few.iter().all(|entry| entry.is_finite()) { of_few } else { spread(&units) }
}
