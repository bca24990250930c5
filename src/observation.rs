//! What is true of observations whatever the method: which are impossible to invert, and how far images are from them.

use nalgebra::{DMatrix, DVectorView};

use crate::outcome::Failure;

/// Why an observation cannot be inverted: an entry is infinite, or all are `NaN`. `None` if it can.
pub fn unusable(observation: &[f64]) -> Option<Failure> {
    let infinite = observation.iter().enumerate().find(|(_, x)| x.is_infinite());
    if let Some((entry, &value)) = infinite {
        return Some(Failure::InfiniteEntry { entry, value });
    }
    observation.iter().all(|x| x.is_nan()).then_some(Failure::NothingObserved)
}

/// `‖a − x‖²` over the observed entries of `x`, of each column `a` of `images` and `x` of `observations`; `NaN` where `a` is. Columns beyond those of
/// the other matrix are left out.
pub fn squared_distances(images: &DMatrix<f64>, observations: &DMatrix<f64>) -> Vec<f64> {
    let pairs = images.column_iter().zip(observations.column_iter());
    let distance = |(image, observation): (DVectorView<f64>, DVectorView<f64>)| {
        let seen = image.iter().zip(observation.iter()).filter(|(_, x)| !x.is_nan());
        seen.map(|(a, x)| (a - x) * (a - x)).sum()
    };
    pairs.map(distance).collect()
}
