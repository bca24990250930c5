//! How well a layer's target itself tells the layer's input, whatever the program's objective is.
//!
//! The optimum of `relaxed` can be the only one although other inputs reproduce the target as well,
//! since the objective is not the loss. The same holds for `l1` where the step of its ladder has
//! the cases of a ReLU wrong. What reproduces the target satisfies `w_u·z + b_u = φ⁻¹(t_u)` for
//! each unit whose output shows what it receives: for LeakyReLU all with a finite target, for ReLU
//! those that are on. In a hidden layer the target is an answer itself, with an error: only a unit
//! with `t_u` above ε and that error is surely on. These equations tell `z` where they have full
//! column rank, which is proven as everywhere else ([`RowSpace`]). The other rows are one-sided and
//! are not counted, although together they could determine an entry.

use super::RowRule;
use super::target::{Shape, Target};
use crate::linalg::row_space::RowSpace;
use crate::lp::problem::LayerSystem;

/// How many times its spread an entry may be off. The spread takes the rows' errors as independent:
/// the bound that does not would call nearly nothing determined under noise.
const SURELY: f64 = 3.0;

/// For each entry of `z`, how far it can be from that of another input that reproduces the target
/// within its error and `epsilon`; infinite where the target leaves the entry open.
pub fn uncertainty(
    system: &LayerSystem,
    (shape, rule): (Shape, RowRule),
    target: Target<'_>,
    epsilon: f64,
    z: &[f64],
) -> Vec<f64> {
    let error = |unit: usize| target.errors.map_or(0.0, |errors| errors[unit]);
    let shows_its_input = |unit: usize, t: f64| match (shape, rule) {
        (Shape::Leaky(_), RowRule::Corrected | RowRule::Printed) => t.is_finite() && error(unit).is_finite(),
        (Shape::Relu, _) | (_, RowRule::Inactive) => t.is_finite() && t > epsilon + error(unit),
    };
    let shown = target.values.iter().enumerate().filter(|&(unit, t)| shows_its_input(unit, *t));
    let units: Vec<usize> = shown.map(|(unit, _)| unit).collect();
    let reach = |units: &[usize]| -> Vec<f64> {
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
    let of_few = reach(few);
    if few.len() == units.len() || of_few.iter().all(|reach| reach.is_finite()) { of_few } else { reach(&units) }
}
