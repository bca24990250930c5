//! Properties of observations for all methods: which cannot be inverted, and how far images are
//! from them.

use nalgebra::{DMatrix, DVectorView};

use crate::outcome::Failure;

/// The reason why an observation cannot be inverted: an entry is infinite, or all are `NaN`. `None`
/// if it can be inverted.
pub fn unusable(observation: &[f64]) -> Option<Failure> {
    let infinite = observation.iter().enumerate().find(|(_, x)| x.is_infinite());
    if let Some((entry, &value)) = infinite {
        return Some(Failure::InfiniteEntry { entry, value });
    }
    observation.iter().all(|x| x.is_nan()).then_some(Failure::NothingObserved)
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
