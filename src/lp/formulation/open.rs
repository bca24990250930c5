//! What a layer's target itself tells of the layer's input, whatever the program's objective is.
//!
//! The optimum of `relaxed` can be the only one although other inputs reproduce the target as well,
//! since the objective is not the loss. With `l1` it is the loss, but for units that are wrongly
//! taken as on. And a hidden layer's target is an answer itself, with an error: an optimum whose
//! loss is within that error can be the only one by chance.
//!
//! What reproduces the target satisfies `w_u·z + b_u = φ⁻¹(t_u)` for each unit whose output shows
//! what it receives: for LeakyReLU all with a finite target, for ReLU those that are on, which is
//! sure only of a `t_u` above ε and the target's error. An entry of `z` is told by these equations
//! where it is in their row space, which is decided as everywhere else ([`RowSpace`]). The other
//! rows are one-sided and are not counted, although together they could determine an entry.
//!
//! What is assumed: the errors of different rows are independent ([`SURELY`]); and where `l1` ends
//! without violations, its optimum is the only one because of the target, not of the target's
//! error.

use super::RowRule;
use super::target::{Shape, Target};
use crate::linalg::row_space::RowSpace;
use crate::lp::certificate::ROW_TOLERANCE;
use crate::lp::problem::LayerSystem;

/// Violations up to this share of the sum of all terms are rounding.
const ZERO_VIOLATIONS: f64 = 1e-12;
/// A loss up to this share of it may be what the solver leaves.
const SOLVER_LOSS: f64 = ROW_TOLERANCE;
/// How many times its spread an entry may be off. The spread takes the rows' errors as independent:
/// the bound that does not would call nearly nothing determined under noise.
const SURELY: f64 = 3.0;

/// What the target of one observation tells of the layer's input.
#[derive(Debug, Clone, PartialEq)]
pub struct Known {
    /// For each entry, how far it can be from that of another input that reproduces the target
    /// within its error and ε; infinite where the equations leave the entry open. Empty where
    /// nobody asks: the optimum decides, and the input is not handed on.
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
    /// Whether another layer has this input as its target.
    pub is_handed_on: bool,
}

impl Known {
    /// What is known where `optimum` was found.
    pub fn of(system: &LayerSystem, rules: (Shape, RowRule), target: Target<'_>, optimum: Optimum<'_>) -> Self {
        let scale = system.absolute_total(optimum.z) + target.finite().map(f64::abs).sum::<f64>();
        let observed = (0..target.values.len()).filter(|unit| !target.values[*unit].is_nan());
        let errors: f64 = observed.map(|unit| error_of(target, unit)).sum();
        // A violation of a unit that is wrongly taken as on is no loss.
        let loss = || target.loss(rules.0, |unit| system.product(unit, optimum.z) + system.bias[unit]);
        // Without violations, every input that reproduces the target is an optimum. The printed
        // rows can be violated by such an input.
        let has_none = |sum: f64| sum <= ZERO_VIOLATIONS * scale && rules.1 != RowRule::Printed;
        let by_optimum = optimum.violations.is_some_and(|sum| has_none(sum) || loss() > errors + SOLVER_LOSS * scale);
        let is_asked = optimum.is_handed_on || !by_optimum;
        let uncertainty = if is_asked { uncertainty(system, rules, target, optimum) } else { Vec::new() };
        Known { uncertainty, by_optimum }
    }
}

/// By how much the target of a unit may be wrong: as an answer, or by the rounding of the
/// observation's numbers.
fn error_of(target: Target<'_>, unit: usize) -> f64 {
    let factor = target.sensitivity.map_or(1.0, |sensitivity| sensitivity[unit]);
    let rounding = if factor.is_finite() { target.accuracy.rounding * factor } else { 0.0 };
    target.errors.map_or(0.0, |errors| errors[unit]).max(rounding)
}

fn uncertainty(
    system: &LayerSystem,
    (shape, rule): (Shape, RowRule),
    target: Target<'_>,
    Optimum { z, epsilon, .. }: Optimum<'_>,
) -> Vec<f64> {
    let error = |unit: usize| error_of(target, unit);
    let shows_its_input = |unit: usize, t: f64| match (shape, rule) {
        (Shape::Leaky(_), RowRule::Corrected | RowRule::Printed) => t.is_finite() && error(unit).is_finite(),
        (Shape::Relu, _) | (_, RowRule::Inactive) => t.is_finite() && t > epsilon + error(unit),
    };
    let shown = target.values.iter().enumerate().filter(|&(unit, t)| shows_its_input(unit, *t));
    let units: Vec<usize> = shown.map(|(unit, _)| unit).collect();
    let spread = |units: &[usize]| -> Vec<f64> {
        let missed = |&unit: &usize| {
            let received = system.product(unit, z) + system.bias[unit];
            let (t, open) = (target.values[unit], epsilon + error(unit));
            // On the steep side of a LeakyReLU, as soon as the target may be below 0.
            let slack = match shape {
                Shape::Leaky(slope) if target.sensitivity.is_none() && t < open => 1.0 / slope,
                _ => target.slack(shape, unit),
            };
            (received - shape.undo(t)).abs() + open * slack
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

#[cfg(test)]
mod tests {
    use nalgebra::{DMatrix, DVector};

    use super::*;
    use crate::lp::formulation::target::Targets;

    /// Units that receive `z₁`, `z₂`, `z₁ + z₂`.
    fn system() -> LayerSystem {
        LayerSystem::new(DMatrix::from_row_slice(3, 2, &[1.0, 0.0, 0.0, 1.0, 1.0, 1.0]), DVector::zeros(3), false)
    }

    fn known(t: [f64; 3], errors: f64, shape: Shape, optimum: Optimum<'_>) -> Known {
        let targets = Targets::from_hidden(DMatrix::from_column_slice(3, 1, &t));
        let targets = targets.with_errors(DMatrix::from_element(3, 1, errors));
        Known::of(&system(), (shape, RowRule::Corrected), targets.column(0), optimum)
    }

    const RELU: Shape = Shape::Relu;

    #[test]
    fn units_that_are_surely_on_tell_their_entries() {
        let optimum = |z| Optimum { z, epsilon: 1e-6, violations: None, is_handed_on: true };
        let open = |known: Known| known.uncertainty.iter().map(|entry| entry.is_infinite()).collect::<Vec<_>>();
        // Two equations of full rank; one; none, since its target may be error.
        assert_eq!(open(known([1.0, 0.0, 3.0], 0.0, RELU, optimum(&[1.0, 2.0]))), [false, false]);
        assert_eq!(open(known([1.0, 0.0, 0.0], 0.0, RELU, optimum(&[1.0, -2.0]))), [false, true]);
        assert_eq!(open(known([0.1, 0.0, 0.0], 0.2, RELU, optimum(&[0.1, -2.0]))), [true, true]);
        // Every unit of a LeakyReLU shows what it receives.
        assert_eq!(open(known([0.1, -0.4, 0.0], 0.2, Shape::Leaky(0.2), optimum(&[0.1, -2.0]))), [false, false]);
    }

    #[test]
    fn a_target_that_may_be_negative_is_as_uncertain_as_one_that_is() {
        let optimum = Optimum { z: &[1e-4, 1.0], epsilon: 1e-9, violations: None, is_handed_on: true };
        let found = known([1e-4, 1.0, 1.0001], 1e-3, Shape::Leaky(0.01), optimum);
        // The truth of the first may be -9e-4, which a unit outputs at -0.09.
        assert!(found.uncertainty[0] > 1e-3 && found.uncertainty[1] < 0.1, "{found:?}");
        assert!(known([1e-4, 1.0, 1.0001], 0.0, Shape::Leaky(0.01), optimum).uncertainty[0] < 1e-6);
    }

    #[test]
    fn an_optimum_says_all_without_violations_or_with_a_real_loss() {
        let by_optimum = |z: &[f64], violations, errors| {
            known([1.0, 0.0, 0.0], errors, RELU, Optimum { z, epsilon: 1e-6, violations, is_handed_on: false })
                .by_optimum
        };
        assert!(by_optimum(&[1.0, -2.0], Some(0.0), 0.0));
        assert!(by_optimum(&[1.5, -2.0], Some(0.5), 0.1));
        // A loss within the error of three targets, a violation that is no loss, the solver's rest,
        // and an objective that is not the loss.
        assert!(!by_optimum(&[1.2, -2.0], Some(0.2), 0.1));
        assert!(!by_optimum(&[1.0, -2.0], Some(0.5), 0.0));
        assert!(!by_optimum(&[1.0 + 1e-10, -2.0], Some(1e-10), 0.0));
        assert!(!by_optimum(&[1.5, -2.0], None, 0.0));
    }

    #[test]
    fn the_rounding_of_the_observation_is_an_error() {
        let mut targets = Targets::from_hidden(DMatrix::from_column_slice(3, 1, &[1.0, 0.0, 0.0]));
        targets.accuracy[0].rounding = 0.1;
        let optimum = Optimum { z: &[1.2, -2.0], epsilon: 1e-6, violations: Some(0.2), is_handed_on: true };
        assert!(!Known::of(&system(), (RELU, RowRule::Corrected), targets.column(0), optimum).by_optimum);
    }
}
