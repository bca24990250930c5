//! Properties of observations for all methods: which cannot be inverted, and how far images are
//! from them.

mod given;

use nalgebra::{DMatrix, DVectorView};

pub use self::given::{Observations, View, column};
use crate::outcome::Failure;

/// The reason why an observation cannot be inverted: an entry is infinite, or all are `NaN`. `None`
/// if it can be inverted.
pub fn unusable<T: Copy + Into<f64>>(observation: &[T]) -> Option<Failure> {
    let numbers = || observation.iter().map(|x| (*x).into());
    let infinite = numbers().enumerate().find(|(_, x)| x.is_infinite());
    if let Some((entry, value)) = infinite {
        return Some(Failure::InfiniteEntry { entry, value });
    }
    numbers().all(f64::is_nan).then_some(Failure::NothingObserved)
}

/// The largest absolute value of an observed entry; 0 if there is none.
pub fn largest_entry(observation: &[f64]) -> f64 {
    observation.iter().filter(|x| !x.is_nan()).fold(0.0, |most: f64, x| most.max(x.abs()))
}

/// How an observation can be inverted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Usability {
    /// Its entries are in the range of f32.
    InF32,
    /// An entry is beyond the range of f32.
    OnlyInF64,
    /// It cannot be inverted; see [`unusable`].
    Unusable,
}

impl Usability {
    /// Of an observation with this largest absolute entry; −1 if nothing is observed.
    pub fn of_largest(largest: f64) -> Self {
        if largest < 0.0 || largest.is_infinite() {
            Usability::Unusable
        } else if (largest as f32).is_infinite() {
            Usability::OnlyInF64
        } else {
            Usability::InF32
        }
    }

    /// Of an observation.
    pub fn of<T: Copy + Into<f64>>(observation: &[T]) -> Self {
        // `max` ignores a `NaN`.
        Self::of_largest(observation.iter().fold(-1.0, |largest, x| f64::max(largest, (*x).into().abs())))
    }
}

/// `‖a − x‖²` over the observed entries of `x`, for each column `a` of `images` and `x` of
/// `observations`. The result is `NaN` if `a` has a `NaN`. If one matrix has more columns, the
/// additional ones are ignored.
pub fn squared_distances(images: &DMatrix<f64>, observations: &DMatrix<f64>) -> Vec<f64> {
    let pairs = images.column_iter().zip(observations.column_iter());
    let distance = |(image, observation): (DVectorView<f64>, DVectorView<f64>)| {
        let seen = image.iter().zip(observation.iter()).filter(|(_, x)| !x.is_nan());
        seen.map(|(a, x)| (a - x) * (a - x)).sum()
    };
    pairs.map(distance).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn usability_follows_the_entries() {
        let beyond = 2.0 * f64::from(f32::MAX);
        let cases: [(&[f64], Usability); 8] = [
            (&[f64::NAN, 1.0], Usability::InF32),
            (&[0.0, -0.0], Usability::InF32),
            (&[-f64::from(f32::MAX), f64::NAN], Usability::InF32),
            (&[1.0, -beyond], Usability::OnlyInF64),
            (&[f64::NAN, f64::NAN], Usability::Unusable),
            (&[1.0, f64::INFINITY], Usability::Unusable),
            (&[f64::NAN, f64::NEG_INFINITY], Usability::Unusable),
            (&[beyond, f64::NEG_INFINITY], Usability::Unusable),
        ];
        for (observation, expected) in cases {
            assert_eq!(Usability::of(observation), expected, "{observation:?}");
            assert_eq!(unusable(observation).is_some(), expected == Usability::Unusable, "{observation:?}");
        }
    }
}
