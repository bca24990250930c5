//! The layers that are measured, and the linear programs of noisy observations of them.
//!
//! A random layer has entries N(0, 1/rows) and an input from N(0, I), clipped at 0 where `z ≥ 0` holds; the trained one is the last
//! layer of the bundled generator, its input the hidden values of random codes. Targets are ReLU outputs with noise from
//! U(−0.01, 0.01), the tolerance ε is 0.01. Rows and objectives are made by the library's own formulations.

use std::fmt;

use nalgebra::{DMatrix, DVector};
use rayon::prelude::*;
use serde::Serialize;

use crate::cpu::classify::classify;
use crate::error::{Error, Result};
use crate::formats::network_file::bundled_generator;
use crate::lp::formulation::rows::{Masks, violation_rows};
use crate::lp::formulation::target::{Shape, Targets};
use crate::lp::formulation::{Method, RowRule, relaxed};
use crate::lp::problem::{LayerSystem, Objective, Problem};
use crate::random::{Domain, Noise, normal_vector};

/// Amplitude of the noise.
pub const NOISE: f64 = 0.01;
/// `ε`.
pub const EPSILON: f64 = 0.01;
/// Seeds of weights, inputs and noise.
const SEEDS: [u64; 3] = [1, 2, 3];

/// Where a layer's weights come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Weights {
    /// N(0, 1/rows).
    Random,
    /// The last layer of the bundled generator.
    Trained,
}

impl fmt::Display for Weights {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Weights::Random => "random",
            Weights::Trained => "trained",
        })
    }
}

/// A layer to measure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Size {
    /// Units.
    pub rows: usize,
    /// Entries of `z`.
    pub columns: usize,
    /// Whether `z ≥ 0`.
    pub nonnegative: bool,
    /// Where the weights come from.
    pub weights: Weights,
}

impl fmt::Display for Size {
    /// `500x100 random`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}x{} {}", self.rows, self.columns, self.weights)
    }
}

const fn random(rows: usize, columns: usize, nonnegative: bool) -> Size {
    Size { rows, columns, nonnegative, weights: Weights::Random }
}

/// The layers of the table.
pub const SIZES: [Size; 6] = [
    random(500, 100, true),
    random(784, 60, true),
    Size { rows: 784, columns: 60, nonnegative: true, weights: Weights::Trained },
    random(100, 20, false),
    random(600, 250, true),
    random(2000, 200, true),
];

/// A layer with a batch of noisy targets.
pub struct Instances {
    /// The layer.
    pub system: LayerSystem,
    /// One target a column.
    targets: Targets,
}

impl Instances {
    /// The layer of that size with `count` targets; a smaller count gives the first of them.
    ///
    /// # Errors
    /// [`Error::BadOption`] for a trained layer that is not the bundled one.
    pub fn new(size: Size, count: usize) -> Result<Self> {
        let (weight, bias, inputs) = match size.weights {
            Weights::Random => random_layer(size, count),
            Weights::Trained => trained_layer(size, count)?,
        };
        let mut targets = (&weight * inputs).map(|a| a.max(0.0));
        for (index, mut column) in targets.column_iter_mut().enumerate() {
            Noise::Uniform(NOISE).apply(SEEDS[2], index as u64, column.as_mut_slice());
        }
        Ok(Instances {
            system: LayerSystem::new(weight, bias, size.nonnegative),
            targets: Targets::from_hidden(targets),
        })
    }

    /// The linear program of each target at [`EPSILON`].
    pub fn problems(&self, method: Method) -> Vec<Problem> {
        let count = self.targets.values.ncols();
        let threshold = if method == Method::Relaxed { 0.0 } else { EPSILON };
        let above = classify(&self.targets.values, &vec![threshold; count]);
        let masks = Masks { above, above_second: None };
        let problem = |index: usize| {
            let target = self.targets.column(index);
            let objective = match method {
                Method::Relaxed => {
                    return relaxed::problem(&self.system, Shape::Relu, target, &masks.above, index, EPSILON);
                }
                Method::L1 => Objective::SumOfViolations,
                Method::Linf | Method::Exact => Objective::LargestViolation,
            };
            let rows = violation_rows(&self.system, Shape::Relu, RowRule::Corrected, target, &masks, index);
            Problem { rows, objective }
        };
        (0..count).into_par_iter().map(problem).collect()
    }
}

/// Weight, bias and inputs.
type LayerParts = (DMatrix<f64>, DVector<f64>, DMatrix<f64>);

fn random_layer(size: Size, count: usize) -> LayerParts {
    let Size { rows, columns, nonnegative, .. } = size;
    let scale = 1.0 / (rows as f64).sqrt();
    let weight = DMatrix::from_vec(rows, columns, normal_vector(SEEDS[0], Domain::Network, 0, rows * columns)) * scale;
    let mut inputs = codes(columns, count);
    if nonnegative {
        inputs.iter_mut().for_each(|z| *z = z.max(0.0));
    }
    (weight, DVector::zeros(rows), inputs)
}

fn trained_layer(size: Size, count: usize) -> Result<LayerParts> {
    let network = bundled_generator()?;
    match network.layers() {
        [hidden, output] if (output.units(), output.inputs()) == (size.rows, size.columns) && size.nonnegative => {
            let mut inputs = &hidden.weight * codes(hidden.inputs(), count);
            for mut column in inputs.column_iter_mut() {
                column += &hidden.bias;
                column.iter_mut().for_each(|a| *a = hidden.activation.apply(*a));
            }
            Ok((output.weight.clone(), output.bias.clone(), inputs))
        }
        _ => {
            Err(Error::option("the size of a trained layer", size.to_string(), "784x60 with z ≥ 0, as the bundled one"))
        }
    }
}

/// `count` codes N(0, I), a column each.
fn codes(length: usize, count: usize) -> DMatrix<f64> {
    let entries = (0..count as u64).flat_map(|index| normal_vector(SEEDS[1], Domain::Code, index, length));
    DMatrix::from_iterator(length, count, entries)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn targets_do_not_depend_on_how_many_there_are() {
        for size in [SIZES[2], SIZES[3]] {
            let (few, many) = (Instances::new(size, 2).unwrap(), Instances::new(size, 5).unwrap());
            assert_eq!(few.targets.values, many.targets.values.columns(0, 2));
            for method in crate::bench::METHODS {
                assert_eq!(few.problems(method)[..], many.problems(method)[..2]);
            }
        }
    }

    #[test]
    fn a_trained_layer_of_another_size_is_refused() {
        let size = Size { rows: 10, ..SIZES[2] };
        assert!(Instances::new(size, 1).is_err_and(|error| error.is_usage()));
    }
}
