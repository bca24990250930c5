//! Intervals for Laplace noise, by a walk over the codes with the density of the noise.
//!
//! The hidden units keep their sides, as for Gaussian noise, and the outputs are taken as they are.
//! Were the network affine, the central 90 % of this density would hold the truth in 90 % of the
//! cases, for any number of entries: with a density in the code that is flat, and in the logarithm
//! of the size, the posterior of a location is its confidence law (Fraser 1961, *The fiducial
//! method and invariance*). The covariance `b² (JᵀJ)⁻¹` is the limit for many entries; it sets the
//! scale of the walk.

use nalgebra::DMatrix;

use super::polytope::Rows;
use super::spread::Spread;
use super::walk::{Density, Walk, steps_for};
use crate::outcome::UncertaintyRow;
use crate::random::Draws;

/// What is known of the noise, and the source of random numbers.
pub struct Laplace<'a> {
    pub size: Option<f64>,
    /// The size by the residual, if it is not known.
    pub estimate: f64,
    /// Number of observed entries.
    pub observed: f64,
    pub draws: &'a mut Draws,
}

/// The uncertainty of `code` under Laplace noise. `rows` are the outputs around it.
pub fn assess(rows: &Rows, spread: &Spread, code: &[f64], noise: Laplace<'_>) -> UncertaintyRow {
    let k = code.len();
    let scale = noise.size.unwrap_or(noise.estimate);
    let finite: Vec<usize> = (0..k).filter(|axis| spread.lengths[*axis].is_finite()).collect();
    let map = DMatrix::from_fn(k, finite.len(), |entry, axis| {
        spread.axes[(entry, finite[axis])] * (scale * spread.lengths[finite[axis]])
    });
    let matrix = DMatrix::from_row_slice(rows.count(), k, &rows.gradients) * &map;
    let columns = matrix.as_slice().to_vec();
    let walk = Walk { rows, columns, values: rows.values.clone(), length: finite.len() };
    let density = Density::Sum { size: noise.size, observed: noise.observed };
    let visited = walk.walk(density, steps_for(k), noise.draws);
    let is_determined: Vec<bool> = spread.entries.iter().map(|entry| entry.is_finite()).collect();
    let (sd, lower, upper) = visited.intervals(&map, code, &is_determined);
    UncertaintyRow::of(visited.size.unwrap_or(scale), sd, lower, upper)
}
