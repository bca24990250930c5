//! A layer as one observation has it: inputs that are known to be off are left out of its program,
//! and each row is in units of its own target's spread.
//!
//! ReLU and LeakyReLU are positively homogeneous: `φ(s a) = s φ(a)` for `s > 0`. So a layer whose
//! row `u`, with bias and target, is multiplied by `s_u` has the same inputs, and a violation `e`
//! of the new row is one of `e / s_u` of the old one. With `s_u = m / σ_u`, where `σ_u` is the
//! spread of the row's target and `m` the median of all, every formulation, search and certificate
//! is that of an ordinary layer, and a row may be violated in proportion to what its target may be
//! off.

use nalgebra::{DMatrix, DVector};

use super::formulation::open::Known;
use super::formulation::target::Targets;
use super::layer::LayerAnswer;
use super::problem::LayerSystem;
use crate::statistics::median;

/// The least and largest factor of a row: one target that is known much better than the others
/// must not decide alone, and one that is hardly known is not lost in rounding.
const FACTORS: [f64; 2] = [1e-3, 1e3];

/// A layer as one observation has it.
pub(super) struct OwnLayer {
    /// The columns that are left, the rows multiplied by their factors.
    pub system: LayerSystem,
    /// The columns that are left.
    kept: Vec<usize>,
    /// Number of columns of the whole layer.
    columns: usize,
    /// The factor of each row; `None` if all are 1.
    factors: Option<Vec<f64>>,
}

impl OwnLayer {
    /// `is_off`: the inputs that are fixed at 0; `None`: no input. `spread`: that of each unit's
    /// target, where rows follow it; an entry without a finite, positive spread counts as typical.
    pub fn of(system: &LayerSystem, is_off: Option<&[bool]>, spread: Option<&[f64]>) -> Self {
        let columns = system.columns();
        let is_kept = |column: &usize| is_off.is_none_or(|is_off| !is_off[*column]);
        let kept: Vec<usize> = (0..columns).filter(is_kept).collect();
        let factors = spread.map(factors);
        let factor = |unit: usize| factors.as_ref().map_or(1.0, |factors| factors[unit]);
        let weight = DMatrix::from_fn(system.units(), kept.len(), |unit, place| {
            factor(unit) * system.weight[(unit, kept[place])]
        });
        let bias = DVector::from_fn(system.units(), |unit, _| factor(unit) * system.bias[unit]);
        let system = LayerSystem::new(weight, bias, system.nonnegative);
        OwnLayer { system, kept, columns, factors }
    }

    /// The target of one observation, in the units of its rows.
    pub fn targets(&self, targets: &Targets, place: usize) -> Targets {
        let mut own = targets.select(&[place]);
        own.spread = None;
        if let Some(factors) = &self.factors {
            for values in [Some(&mut own.values), own.errors.as_mut()].into_iter().flatten() {
                values.iter_mut().zip(factors).for_each(|(value, factor)| *value *= factor);
            }
        }
        own
    }

    /// The answer for the whole layer: the inputs that were left out are 0. Its multipliers and
    /// its basis are left out; they are those of other rows.
    pub fn restored(&self, answer: LayerAnswer) -> LayerAnswer {
        let known = answer.known.map(|known| {
            let of_few = known.uncertainty;
            let uncertainty = if of_few.is_empty() { of_few } else { self.whole(&of_few, 0.0) };
            Known { uncertainty, ..known }
        });
        LayerAnswer {
            z: self.whole(&answer.z, 0.0),
            determined: self.whole(&answer.determined, true),
            multipliers: Vec::new(),
            basis: None,
            // What is fixed has none.
            spread: if answer.spread.is_empty() { Vec::new() } else { self.whole(&answer.spread, f64::INFINITY) },
            known,
            ..answer
        }
    }

    /// The entries of the kept columns among `other` entries.
    fn whole<T: Copy>(&self, of_kept: &[T], other: T) -> Vec<T> {
        let mut all = vec![other; self.columns];
        self.kept.iter().zip(of_kept).for_each(|(&column, &value)| all[column] = value);
        all
    }
}

/// The factors of the rows, by the spreads of their targets.
fn factors(spread: &[f64]) -> Vec<f64> {
    let is_usable = |spread: &f64| *spread > 0.0 && spread.is_finite();
    let usable: Vec<f64> = spread.iter().copied().filter(is_usable).collect();
    let typical = median(usable);
    let factor = |spread: &f64| if is_usable(spread) { (typical / spread).clamp(FACTORS[0], FACTORS[1]) } else { 1.0 };
    spread.iter().map(factor).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn system() -> LayerSystem {
        let weight = DMatrix::from_row_slice(3, 2, &[1.0, 2.0, 3.0, 4.0, 5.0, 6.0]);
        LayerSystem::new(weight, DVector::from_column_slice(&[7.0, 8.0, 9.0]), true)
    }

    #[test]
    fn rows_are_in_units_of_their_spread() {
        let own = OwnLayer::of(&system(), None, Some(&[0.5, 1.0, f64::INFINITY]));
        // The lower median of 0.5 and 1 is 0.5.
        assert_eq!(own.system.weight, DMatrix::from_row_slice(3, 2, &[1.0, 2.0, 1.5, 2.0, 5.0, 6.0]));
        assert_eq!(own.system.bias.as_slice(), [7.0, 4.0, 9.0]);
        let targets = Targets::from_hidden(DMatrix::from_column_slice(3, 1, &[2.0, f64::NAN, 4.0]));
        let own = own.targets(&targets, 0).values;
        assert_eq!((own[0], own[1].is_nan(), own[2]), (2.0, true, 4.0));
    }

    #[test]
    fn inputs_that_are_off_are_left_out_and_are_0() {
        let own = OwnLayer::of(&system(), Some(&[true, false]), None);
        assert_eq!(own.system.weight, DMatrix::from_row_slice(3, 1, &[2.0, 4.0, 6.0]));
        assert_eq!(own.whole(&[3.0], 0.0), [0.0, 3.0]);
    }

    #[test]
    fn an_extreme_spread_is_bounded() {
        assert_eq!(factors(&[1e-9, 1.0, 1e9]), [1e3, 1.0, 1e-3]);
        assert_eq!(factors(&[f64::INFINITY, 0.0]), [1.0, 1.0]);
    }
}
